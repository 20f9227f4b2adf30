//! What an extension asks of its environment: no file, no variable but its own, little memory and little time; and after a crash
//! no more than the first time.
#![cfg(target_os = "linux")]

mod scripted;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use lambda_extension::simulator::{Route, ShutdownReason, Simulator};
use lambda_extension_tests::{missing, process::Process, programs, skipped};
use scripted::Lambda;

/// The system calls of every process that was started by these commands, in the order of their starts.
struct Trace(tempfile::TempDir);

impl Trace {
    /// `None` where there is no strace, or it may not trace; under `REQUIRE_STRACE` that is a failure.
    fn new() -> Option<Self> {
        let works = Command::new("strace")
            .args(["-o", "/dev/null", "true"])
            .status()
            .is_ok_and(|status| status.success());
        if !works {
            missing("strace does not work here: install it, and allow it to trace", "REQUIRE_STRACE");
            return None;
        }
        Some(Self(tempfile::tempdir().expect("there is room for a directory")))
    }

    /// The program, traced, under its own name.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("strace");
        command.args(["-f", "-ff", "-qq", "-s", "200", "-o"]).arg(self.0.path().join("trace")).arg(program);
        // Cargo's, and it leads the loader to where the workspace lies.
        command.env_remove("LD_LIBRARY_PATH");
        command
    }

    /// What each process called, in the order in which they were started.
    fn calls(&self) -> Vec<Vec<String>> {
        let entries =
            fs::read_dir(self.0.path()).expect("it is ours").map(|entry| entry.expect("it is ours").path());
        let pid = |path: &Path| path.extension().and_then(|pid| pid.to_str()?.parse::<u32>().ok());
        let files: BTreeMap<_, _> = entries.map(|path| (pid(&path), path)).collect();
        let read = |path| {
            fs::read_to_string(path).expect("strace wrote it").lines().map(ToOwned::to_owned).collect()
        };
        files.into_values().map(read).collect()
    }
}

/// `openat` of `openat(AT_FDCWD, …`.
fn name(call: &str) -> &str {
    call.split('(').next().unwrap_or_default()
}

/// Up to the poll for the first event, and without what depends on who is faster: waiting, and being told to wait.
fn init(calls: &[String]) -> Vec<&str> {
    let end = calls.iter().position(|call| call.contains("GET /2020-01-01/extension/event/next"));
    let until_ready = &calls[..=end.expect("it asks for its first event")];
    let waits = ["epoll_wait", "futex", "sched_yield", "rt_sigreturn", "restart_syscall"];
    until_ready
        .iter()
        .filter(|call| !call.contains("EAGAIN") && !call.starts_with("---"))
        .map(|call| name(call))
        .filter(|name| !waits.contains(name))
        .collect()
}

#[tokio::test]
async fn a_start_after_a_crash_does_what_the_first_one_did_and_no_more() {
    let Some(trace) = Trace::new() else { return };
    let simulator = Simulator::builder().without_freezing().start().await;
    // It subscribes to telemetry, so that there is a listener to be bound again.
    let mut command = trace.command(&programs::program("soak-extension"));
    command.env("TALLY", "/dev/null");
    simulator.spawn_as("soak-extension", command);
    simulator.invoke("{}").await.expect_success();
    let first: Vec<_> = requests(&simulator);
    simulator.crash().await;
    simulator.invoke("{}").await.expect_success();
    let both = requests(&simulator);
    simulator.shutdown(ShutdownReason::Spindown).await;
    let routes = [Route::Register, Route::Telemetry, Route::Next];
    assert_eq!(first.iter().take(3).map(|call| call.0).collect::<Vec<_>>(), routes.map(Some));
    let again =
        both.iter().skip(1).position(|call| call.0 == Some(Route::Register)).expect("it registers again") + 1;
    assert_eq!(both[again..again + 3], both[..3], "the same calls, with the same answers, in the same order");
    let lives = trace.calls();
    let [one, two] = &lives[..] else { panic!("{} processes", lives.len()) };
    let (one, two) = (init(one), init(two));
    println!("{} system calls until the first event is asked for, {} after a crash", one.len(), two.len());
    assert_eq!(one, two);
}

/// The route and the status of all that an extension has asked for.
fn requests(simulator: &Simulator) -> Vec<(Option<Route>, u16)> {
    let calls = simulator.calls();
    calls
        .into_iter()
        .filter(|call| call.who == "soak-extension")
        .map(|call| (call.route, call.status))
        .collect()
}

/// What an earlier life, or another process, left in `/tmp` cannot matter where nothing in it is looked at.
#[tokio::test]
async fn a_life_opens_no_file_for_writing_and_none_in_tmp() {
    let Some(trace) = Trace::new() else { return };
    let mut lambda = Lambda::start().await;
    let mut command = trace.command(&programs::program("misbehave"));
    // A place to write that is none is no trouble either.
    command.env("AWS_LAMBDA_RUNTIME_API", lambda.address()).env("TMPDIR", "/nowhere");
    let child = command.spawn().expect("strace runs");
    lambda.asked(1).await;
    lambda.invoke("1", Duration::from_secs(60));
    lambda.asked(2).await;
    lambda.shutdown();
    assert!(ended(child).await.success());
    let calls = trace.calls().concat();
    assert!(calls.iter().any(|call| name(call) == "openat"), "{calls:?}");
    for call in &calls {
        // The program's own path, which the loader is told.
        let of_the_start = name(call) == "execve" || call.contains("/proc/self");
        assert!(of_the_start || !call.contains("\"/tmp"), "{call}");
        assert!(!["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| call.contains(flag)), "{call}");
        let changes = [
            "creat",
            "mkdir",
            "mkdirat",
            "unlink",
            "unlinkat",
            "rename",
            "renameat2",
            "link",
            "symlink",
            "truncate",
            "mknod",
        ];
        assert!(!changes.contains(&name(call)), "{call}");
    }
}

async fn ended(mut child: Child) -> std::process::ExitStatus {
    tokio::task::spawn_blocking(move || child.wait())
        .await
        .expect("it does not panic")
        .expect("it is our child")
}

/// All of the address space, shared libraries and stacks included, which is more than what Lambda counts.
#[tokio::test]
async fn a_life_fits_into_the_smallest_function() {
    let mut lambda = Lambda::start().await;
    let mut command = Command::new("prlimit");
    command.arg(format!("--as={}", 128 << 20)).arg(programs::program("soak-extension"));
    command.env("AWS_LAMBDA_RUNTIME_API", lambda.address()).env("TALLY", "/dev/null");
    let child = command.spawn().expect("util-linux is everywhere");
    lambda.asked(1).await;
    let pid = child.id();
    let resident = Process::of(pid.cast_signed()).status("VmHWM");
    let resident: u64 = resident.trim_end_matches(" kB").parse().expect("a number");
    let time = processor_time(pid);
    println!("ready with {resident} kB of memory at most, after {time:?} of processor time");
    // Of 128 MB. A build for debugging is several times as large as a released one.
    assert!(resident < 16 << 10, "{resident} kB");
    // With 128 MB Lambda gives a fourteenth of a core, and the whole of Init ten seconds.
    assert!(14 * time < Duration::from_secs(1), "{time:?}");
    // Nobody tells it that the function is done, so that it waits almost as long.
    lambda.invoke("1", Duration::from_millis(500));
    lambda.asked(2).await;
    lambda.shutdown();
    assert!(ended(child).await.success());
}

/// The 128 MB and the fraction of a core of the smallest function, as the kernel doles them out: a control group of either version.
struct SmallestFunction(Vec<PathBuf>);

impl SmallestFunction {
    /// `None` where this user may make none.
    fn new() -> Option<Self> {
        let name = format!("lambda-extension-test-{}", std::process::id());
        let root = Path::new("/sys/fs/cgroup");
        let limits = if root.join("cgroup.controllers").exists() {
            vec![(root.join(&name), "cpu.max", "7200 100000"), (root.join(&name), "memory.max", "134217728")]
        } else {
            vec![
                (root.join("cpu").join(&name), "cpu.cfs_quota_us", "7200"),
                (root.join("memory").join(&name), "memory.limit_in_bytes", "134217728"),
            ]
        };
        let group = Self(limits.iter().map(|(directory, ..)| directory.clone()).collect());
        for (directory, file, limit) in &limits {
            let made =
                fs::create_dir(directory).or_else(|error| directory.is_dir().then_some(()).ok_or(error));
            if let Err(error) = made.and_then(|()| fs::write(directory.join(file), limit)) {
                skipped(&format!("no control group can be made in {}: {error}", directory.display()));
                return None;
            }
        }
        Some(group)
    }

    fn command(&self, program: &Path) -> Command {
        let joins: String =
            self.0.iter().map(|group| format!("echo $$ > {}/cgroup.procs\n", group.display())).collect();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("set -e\n{joins}exec \"$0\"")]).arg(program);
        command
    }
}

impl Drop for SmallestFunction {
    fn drop(&mut self) {
        for group in &self.0 {
            // In version 2 there is one group with both limits.
            let _ = fs::remove_dir(group);
        }
    }
}

#[tokio::test]
async fn it_starts_in_no_time_on_a_fourteenth_of_a_core() {
    let Some(group) = SmallestFunction::new() else { return };
    let mut lambda = Lambda::start().await;
    let mut command = group.command(&programs::program("soak-extension"));
    command.env("AWS_LAMBDA_RUNTIME_API", lambda.address()).env("TALLY", "/dev/null");
    let began = Instant::now();
    let child = command.spawn().expect("a shell");
    lambda.asked(1).await;
    let took = began.elapsed();
    println!("it asked for its first event after {took:?}");
    // Of the ten seconds that all of Init may take.
    assert!(took < Duration::from_secs(2), "{took:?}");
    lambda.shutdown();
    assert!(ended(child).await.success());
}

/// The time it was on a processor; other programs on the machine do not count.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("it runs");
    Duration::from_nanos(stat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("a number"))
}
