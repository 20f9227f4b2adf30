//! What the tests share: moto, the extension's process, and a function that asks it.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use serde_json::{json, Value};
use tempfile::TempDir;

/// How long anything may take before a test gives up. Nothing waits this long when all is well.
const BOUND: Duration = Duration::from_secs(60);

/// Whether the signatures of requests are checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signatures {
    Checked,
    Ignored,
}

/// moto's server, an AWS for tests in Python.
pub(crate) struct Moto {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where it is, and whose credentials are good there.
    pub(crate) account: Value,
}

impl Moto {
    /// `None`, said on stderr, where `tests/fetch-servers` has not been run.
    ///
    /// # Panics
    ///
    /// When moto is missing though the variable `REQUIRE_SERVERS` says 1.
    pub(crate) fn start(signatures: Signatures) -> Option<Self> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = package.join("../../target/servers/moto");
        if !installed.is_dir() {
            let missing = "moto is not there: run tests/fetch-servers";
            assert!(std::env::var_os("REQUIRE_SERVERS").is_none_or(|value| value != "1"), "{missing}");
            let test = thread::current();
            // Not `eprintln`, which the test harness keeps to itself while a test passes.
            let _ = writeln!(io::stderr(), "SKIPPED {}: {missing}", test.name().unwrap_or_default());
            return None;
        }
        let mut child = Command::new("python3")
            .arg(package.join("tests/moto/aws.py"))
            .args((signatures == Signatures::Checked).then_some("strict"))
            .env("PYTHONPATH", installed)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 runs");
        let orders = child.stdin.take().expect("piped");
        let mut answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut account = String::new();
        answers.read_line(&mut account).expect("moto says where it is");
        let account = serde_json::from_str(&account).expect("moto starts");
        Some(Self { child, orders, answers, account })
    }

    /// Has it do something, and waits until it has.
    pub(crate) fn order(&mut self, order: &Value) {
        writeln!(self.orders, "{order}").expect("moto lives");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("moto lives");
        assert_eq!(answer, "done\n", "{order}");
    }

    pub(crate) fn account(&self, name: &str) -> &str {
        self.account[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.account))
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the extension writes to its standard error, which is read through a named pipe: the simulator has the process's own.
pub(crate) struct Log {
    lines: Receiver<String>,
    read: String,
    _directory: TempDir,
}

impl Log {
    /// Waits for a line with this text, and returns what comes after it.
    pub(crate) fn after(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(BOUND);
            let line = line.unwrap_or_else(|_| panic!("no line with {text:?} in:\n{}", self.read));
            self.read.push_str(&line);
            self.read.push('\n');
            if let Some((_, rest)) = line.split_once(text) {
                return rest.to_owned();
            }
        }
    }

    /// All lines until the process has ended.
    pub(crate) fn all(&mut self) -> &str {
        for line in self.lines.iter() {
            self.read.push_str(&line);
            self.read.push('\n');
        }
        &self.read
    }
}

/// The extension as a command, on a port of its own choice, with moto for AWS; it says everything there is to say.
pub(crate) fn extension(moto: &Moto) -> (Command, Log) {
    let directory = tempfile::tempdir().expect("a directory for a pipe");
    let pipe = directory.path().join("stderr");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let mut command = Command::new("sh");
    command
        // With SnapStart Lambda chooses the token the function proves itself with.
        .args(["-c", r#"exec 2>"$1"; echo "token $AWS_CONTAINER_AUTHORIZATION_TOKEN" >&2; exec "$0""#])
        .arg(env!("CARGO_BIN_EXE_secrets_cache"))
        .arg(&pipe)
        .env("LAMBDA_EXTENSION_NAME", "secrets_cache")
        .env("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", "0")
        .env("AWS_LAMBDA_LOG_LEVEL", "TRACE")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ENDPOINT_URL", moto.account("endpoint"));
    (command, Log { lines: lines(pipe), read: String::new(), _directory: directory })
}

/// The lines that come out of a named pipe; whoever opens it waits for the other side.
fn lines(pipe: PathBuf) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let pipe = std::fs::File::open(pipe).expect("the pipe was made");
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// What the function gets for this path: status, `x-cache`, and the answer.
pub(crate) async fn get(port: &str, token: &str, path: &str) -> (u16, String, Value) {
    let http = outward::direct(BOUND).expect("a client");
    let request =
        http.get(format!("http://127.0.0.1:{port}{path}")).header("X-Aws-Parameters-Secrets-Token", token);
    let answer = request.send().await.expect("the extension answers");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let cache = headers.get("x-cache").map_or("", |value| value.to_str().expect("a word"));
    let body = answer.bytes().await.expect("the whole answer");
    (status, cache.to_owned(), serde_json::from_slice(&body).unwrap_or(json!(null)))
}
