//! AWS's Runtime Interface Emulator, one per test: started, invoked, ended.
//!
//! The emulator starts extensions and function when it is first invoked, and begins the shutdown on SIGTERM.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::extension::Extension;
use crate::log::Log;
use crate::process::Process;
use crate::recorder::{Journal, Recorder};
use crate::{BOUND, free_addresses, http, namespace, programs};

/// An emulator that is not started yet.
#[derive(Debug)]
pub struct Builder {
    extensions: Vec<Extension>,
    environment: Vec<(String, String)>,
    function: PathBuf,
    function_timeout: u32,
    managed: bool,
    arm64: bool,
}

impl Builder {
    /// Adds an extension.
    #[must_use]
    pub fn extension(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// A variable of the function's configuration, which function and extensions see.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The program that is the function; by default the one of this package, which does what its payload says.
    #[must_use]
    pub fn function(mut self, bootstrap: PathBuf) -> Self {
        self.function = bootstrap;
        self
    }

    /// The function's timeout in whole seconds, 20 unless said otherwise.
    #[must_use]
    pub fn function_timeout(mut self, seconds: u32) -> Self {
        self.function_timeout = seconds;
        self
    }

    /// Emulates Lambda Managed Instances, with two invocations at once. The extensions start at once.
    ///
    /// This mode starts its processes as another user, for which it must be root and no mere root of a user namespace.
    ///
    /// # Panics
    ///
    /// Where this is not root.
    #[must_use]
    pub fn managed(mut self) -> Self {
        assert!(rustix::process::geteuid().is_root(), "the emulator's mode for Managed Instances needs root");
        self.managed = true;
        self.env("AWS_LAMBDA_MAX_CONCURRENCY", "2")
    }

    /// Takes AWS's build for arm64, where a machine of another architecture runs such programs as well. The function is
    /// this machine's all the same.
    #[must_use]
    pub fn arm64(mut self) -> Self {
        self.arm64 = true;
        self
    }

    /// Starts the emulator and waits until it listens. The extensions start with the first invocation.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    pub fn start(self) -> Emulator {
        // Ports are found by binding them and letting go, so another process can be quicker than the emulator.
        for _ in 0..5 {
            if let Some(emulator) = self.try_start() {
                return emulator;
            }
        }
        panic!("five times in a row somebody else took the emulator's port");
    }

    fn try_start(&self) -> Option<Emulator> {
        let [invoke_address, api_address] = free_addresses();
        let recorder = Recorder::start(api_address);
        let directory = tempfile::tempdir().expect("a directory for the emulator");
        let extensions = directory.path().join("extensions");
        fs::create_dir(&extensions).expect("a directory for the extensions");
        for extension in &self.extensions {
            let installed = extension.install(&extensions, recorder.address);
            installed.unwrap_or_else(|error| panic!("installing {extension:?}: {error}"));
        }

        if self.managed {
            let task = directory.path().join("task");
            fs::create_dir(&task).expect("a directory for the function");
            fs::copy(&self.function, task.join("bootstrap")).expect("a copy of the function");
            for path in [directory.path(), &task, &extensions] {
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our own directory");
            }
        }
        let (log, stdout, stderr) = Log::new().expect("a pipe for the emulator's output");
        let mut command = namespace::command(directory.path(), &binary(self.arm64));
        command
            .args(["--runtime-interface-emulator-address", &invoke_address.to_string()])
            .args(["--runtime-api-address", &api_address.to_string()])
            .args(["--log-level", "debug"])
            .arg(if self.managed { Path::new("/var/task/bootstrap") } else { &self.function })
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", self.function_timeout.to_string())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr);
        let child = command.spawn().expect("setpriv, of util-linux, is installed");
        // It holds our copies of the output's ends.
        drop(command);
        let emulator = Emulator {
            child: Mutex::new(child),
            log,
            recorder,
            invoke_address,
            invocations: AtomicU32::new(0),
            managed: self.managed,
            _directory: directory,
        };
        emulator.wait_until_it_listens([invoke_address, api_address]).then_some(emulator)
    }
}

fn binary(arm64: bool) -> PathBuf {
    let architecture = if arm64 { "arm64" } else { "x86_64" };
    programs::workspace().join(format!("target/emulator/aws-lambda-rie-{architecture}"))
}

/// A running emulator. Dropped, it and everything it started are killed.
pub struct Emulator {
    child: Mutex<Child>,
    log: Log,
    recorder: Recorder,
    invoke_address: SocketAddr,
    invocations: AtomicU32,
    managed: bool,
    _directory: TempDir,
}

/// What the caller of the function got.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The identifier under which function and extensions saw it.
    pub request_id: String,
    /// The HTTP status.
    pub status: u16,
    /// The function's answer, or the error.
    pub body: String,
    /// From asking to answer.
    pub took: Duration,
}

/// How the environment ended.
#[derive(Clone, Copy, Debug)]
pub struct Shutdown {
    /// When SIGTERM was sent.
    pub asked: Instant,
    /// From SIGTERM until every process was gone.
    pub took: Duration,
}

impl Emulator {
    /// An emulator without extensions; `None`, said on stderr, where this machine has none or cannot run it.
    ///
    /// # Panics
    ///
    /// When it is missing though the variable `REQUIRE_RIE` says 1.
    pub fn builder() -> Option<Builder> {
        let arm64 = cfg!(target_arch = "aarch64");
        let missing = if !binary(arm64).is_file() {
            "AWS's emulator is not there: run tests/fetch-emulator"
        } else if !namespace::available() {
            "AWS's emulator needs a mount namespace over /opt: run as root, or allow user namespaces (unshare -rm)"
        } else {
            let function = programs::program("function");
            return Some(Builder {
                extensions: Vec::new(),
                environment: Vec::new(),
                function,
                function_timeout: 20,
                managed: false,
                arm64,
            });
        };
        crate::missing(missing, "REQUIRE_RIE");
        None
    }

    /// Invokes the function with this payload and waits for the answer.
    ///
    /// The emulator answers only when the extensions are ready again, and after its function timeout at the latest.
    ///
    /// When a process ends during a reset, the emulator sometimes applies that end to the life that follows and fails
    /// its first invocation for no reason (`ErrGateCanceled`). Such an invocation is made again, and what the
    /// extensions did in it is not in their journals.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    pub fn invoke(&self, payload: &str) -> Invocation {
        for _ in 0..3 {
            let began = Instant::now();
            let invocation = self.try_invoke(payload);
            let spoilt =
                |line: &String| line.contains("ErrGateCanceled") && line.contains(&invocation.request_id);
            if !self.lines().iter().any(spoilt) {
                return invocation;
            }
            self.recorder.forget(began);
        }
        self.fail("three invocations in a row ended in ErrGateCanceled")
    }

    fn try_invoke(&self, payload: &str) -> Invocation {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        if self.managed && number > 0 {
            self.wait_until_function_is_back(number as usize + 1);
        }
        let request_id = format!("00000000-0000-4000-8000-{number:012}");
        let began = Instant::now();
        let answer = TcpStream::connect(self.invoke_address).and_then(|stream| {
            stream.set_read_timeout(Some(BOUND))?;
            let path = "/2015-03-31/functions/function/invocations";
            http::request(stream, "POST", path, &[("X-Amzn-RequestId", &request_id)], payload.as_bytes())
        });
        match answer {
            Ok(answer) => {
                Invocation { request_id, status: answer.status(), body: answer.text(), took: began.elapsed() }
            }
            Err(error) => self.fail(&format!("invoking the function with {payload:?}: {error}")),
        }
    }

    /// On Managed Instances the caller is answered before the function asks for more, and who comes too soon is turned away.
    fn wait_until_function_is_back(&self, times: usize) {
        if self.log.wait_for(times, &["InvokeRouter: received runtime /next"]).is_none() {
            self.fail("the function does not ask for another invocation");
        }
    }

    /// Sends SIGTERM to the emulator, which then shuts the environment down, and waits for its end.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn terminate(&self) -> Shutdown {
        let asked = Instant::now();
        self.process().terminate();
        if !self.log.wait_for_end() {
            self.fail("the environment did not end after SIGTERM");
        }
        Shutdown { asked, took: asked.elapsed() }
    }

    /// Waits for a line that has all these parts.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn line(&self, parts: &[&str]) -> String {
        match self.log.wait_for(1, parts) {
            Some(line) => line,
            None => self.fail(&format!("no line with {parts:?}")),
        }
    }

    /// All lines so far, of emulator, function and extensions.
    pub fn lines(&self) -> Vec<String> {
        self.log.lines()
    }

    /// Those of the lines so far that contain `part`.
    pub fn lines_with(&self, part: &str) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.contains(part)).collect()
    }

    /// The process of a running extension.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one.
    pub fn extension(&self, name: &str) -> Process {
        let path = format!("/opt/extensions/{name}");
        let tree = self.process().tree();
        let mut found = tree.iter().filter(|process| process.argv0() == path);
        match (found.next(), found.next()) {
            (Some(process), None) => *process,
            _ => self.fail(&format!("not exactly one process {path}: {tree:?}")),
        }
    }

    /// What a recorded extension has asked of the API so far.
    pub fn journal(&self, extension: &str) -> Journal {
        self.recorder.journal(extension)
    }

    /// Waits until an extension that is recorded, or has variables of its own, ends; its exit code, 128 and the signal's
    /// number when it was killed.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn exit_code(&self, extension: &str) -> i32 {
        let end = format!("launcher: {extension} ended with ");
        let line = self.line(&[&end]);
        line.rsplit(' ').next().and_then(|code| code.parse().ok()).expect("the launcher prints a number")
    }

    /// The emulator itself, the first process of its namespace.
    fn process(&self) -> Process {
        let unshare = self.child.lock().expect("nothing panics with this lock").id();
        let children = Process::children_of(unshare.cast_signed());
        *children.first().unwrap_or_else(|| self.fail("the emulator has ended"))
    }

    /// Whether it came up; false when somebody else has its port.
    fn wait_until_it_listens(&self, addresses: [SocketAddr; 2]) -> bool {
        let began = Instant::now();
        loop {
            let ended = self.child.lock().expect("nothing panics with this lock").try_wait();
            if let Some(status) = ended.expect("our own child") {
                self.log.wait_for_end();
                if self.lines_with("address already in use").is_empty() {
                    self.fail(&format!("the emulator ended at once: {status}"));
                }
                return false;
            }
            if addresses.iter().all(|address| TcpStream::connect(address).is_ok()) {
                return true;
            }
            if began.elapsed() > BOUND {
                self.fail("the emulator does not listen");
            }
            // Nothing announces that a foreign process listens; this is the one place that asks again and again.
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{what}")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            // The end of the first process takes the whole namespace with it, and `unshare` outlives it only to reap
            // it. Either may have ended already, or not begun.
            match Process::children_of(child.id().cast_signed()).first() {
                Some(emulator) => emulator.kill(),
                None => drop(child.kill()),
            }
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!(
                "--- all that emulator, function and extensions printed:\n{}\n---",
                self.lines().join("\n")
            );
        }
    }
}
