//! Extensions and functions in processes of their own, in other languages: variables, output, signals, freezing.
//!
//! They need Python 3 and curl, and say so where those are not there.
#![cfg(unix)]

mod simulator_support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lambda_extension::simulator::{Function, Route, ShutdownReason, Simulator, Status};
use serde_json::{Value, json};
use simulator_support::{Listener, RawExtension};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(name)
}

/// Whether a program is there; says so if it is not.
fn has(program: &str) -> bool {
    let there = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        eprintln!("skipped: {program} is not installed");
    }
    there
}

/// The probe and the file it writes its notes to.
struct Probe {
    notes: PathBuf,
}

impl Probe {
    fn new(test: &str) -> Self {
        let notes =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}.json", std::process::id()));
        Self { notes }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(script("probe.py"));
        command.env("NOTES", &self.notes);
        command
    }

    fn notes(&self) -> Value {
        let text = std::fs::read_to_string(&self.notes).expect("the probe wrote its notes");
        serde_json::from_str(&text).expect("JSON")
    }

    fn pids(&self) -> Vec<u64> {
        self.notes()["pids"].as_array().expect("ids").iter().filter_map(Value::as_u64).collect()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.notes));
    }
}

/// The letter by which Linux tells what a process is doing; `None` where it is gone.
fn state(pid: u64) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next().filter(|state| *state != 'Z')
}

/// Waits for what a signal does: the kernel takes its time with a process that is busy.
async fn eventually(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("the signal has its effect");
}

#[tokio::test]
async fn an_extension_in_python_lives_unchanged() {
    if !has("python3") {
        return;
    }
    let simulator = Simulator::builder().function(Function::echo().logs("hello")).start().await;
    simulator.spawn(Command::new(script("extension.py")));
    for _ in 0..3 {
        simulator.invoke("{}").await.expect_success();
    }
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    let telemetry = &report.telemetry[0];
    assert_eq!((telemetry.extension.as_str(), telemetry.late), ("extension.py", 0));
    // Init tells five and each invocation four. The last report comes with SHUTDOWN, and this extension leaves at once.
    assert_eq!(telemetry.delivered + telemetry.lost, 5 + 3 * 4, "{report}");
    assert!(telemetry.lost <= 1, "{report}");
    assert_eq!(report.shutdowns[0].extensions[0].ended, "exit code 0");
}

#[tokio::test]
async fn an_extension_in_shell_lives_unchanged() {
    if !has("curl") {
        return;
    }
    let simulator = Simulator::start().await;
    simulator.spawn(Command::new(script("extension.sh")));
    for _ in 0..3 {
        simulator.invoke("{}").await.expect_success();
    }
    simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
}

#[tokio::test]
async fn a_process_is_killed_at_the_timeout_and_started_again_with_the_next_invocation() {
    if !has("curl") {
        return;
    }
    let simulator = Simulator::builder().timeout(Duration::from_millis(500)).start().await;
    simulator.spawn(Command::new(script("extension.sh")));
    simulator.invoke("{}").await.expect_success();
    simulator.timeout().await.expect_timeout();
    simulator.invoke("{}").await.expect_success();
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    let reasons: Vec<_> = report.shutdowns.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(reasons, ["timeout", "spindown"]);
    let registered = simulator
        .calls()
        .into_iter()
        .filter(|call| call.route == Some(Route::Register) && call.status == 200);
    assert_eq!(registered.count(), 2);
}

#[tokio::test]
async fn a_real_runtime_answers_writes_lines_fails_dies_and_is_asked_to_leave() {
    if !has("python3") {
        return;
    }
    let function = Function::process(Command::new(script("function.py")));
    let simulator = Simulator::builder().handler("app.main").function(function).start().await;
    let mut listener = Listener::open(&[]).await;
    let mut extension = RawExtension::register(&simulator, "watcher", &["INVOKE", "SHUTDOWN"]).await;
    extension.subscribe(listener.port, "2025-01-29", &["function"], json!({ "timeoutMs": 25 })).await;
    let life = tokio::spawn(async move {
        while extension.next().await["eventType"] == "INVOKE" {}
        extension
    });
    let turned = simulator.invoke("{\"text\":\"abc\"}").await.expect_success();
    assert_eq!(turned.response.as_deref(), Some(&b"\"cba\""[..]));
    let failed = simulator.invoke("{\"fail\":true}").await.expect_error("Function.Asked");
    assert!(String::from_utf8_lossy(&failed.response.expect("an answer")).contains("as asked"));
    let ending = async {
        let told = life.await.expect("SHUTDOWN comes");
        let mut lines: Vec<String> = Vec::new();
        while lines.last().is_none_or(|line| !line.contains("leave")) {
            let records = listener.batch().await;
            lines.extend(records.iter().map(|record| record["record"].as_str().expect("text").to_owned()));
        }
        drop(told);
        lines
    };
    let (report, lines) = tokio::join!(simulator.shutdown(ShutdownReason::Spindown), ending);
    report.expect_clean();
    assert_eq!(
        lines,
        ["handler app.main runs\n", "handler app.main runs\n", "the runtime was asked to leave\n"]
    );
}

#[tokio::test]
async fn a_runtime_that_dies_is_an_exit_error_and_is_started_again() {
    if !has("python3") {
        return;
    }
    let function = Function::process(Command::new(script("function.py")));
    let simulator = Simulator::builder().function(function).start().await;
    simulator.invoke("{\"die\":true}").await.expect_error("Runtime.ExitError");
    simulator.invoke("{\"text\":\"abc\"}").await.expect_success();
}

#[tokio::test]
async fn an_extension_sees_lambdas_variables_and_its_output_becomes_telemetry() {
    if !has("python3") {
        return;
    }
    let simulator = Simulator::builder()
        .memory(512)
        .env("CUSTOMER", "yes")
        .env("_HIDDEN", "no")
        .env("AWS_XRAY_CONTEXT_MISSING", "no")
        .start()
        .await;
    let probe = Probe::new("variables");
    simulator.spawn_as("probe.py", probe.command());
    assert_eq!(simulator.init().await, Status::Success);
    let environment = &probe.notes()["environment"];
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "512");
    assert_eq!(environment["AWS_LAMBDA_INITIALIZATION_TYPE"], "on-demand");
    assert_eq!(environment["AWS_LAMBDA_RUNTIME_API"], simulator.runtime_api());
    assert_eq!(environment["CUSTOMER"], "yes");
    for hidden in
        ["_HANDLER", "_HIDDEN", "AWS_XRAY_CONTEXT_MISSING", "LAMBDA_TASK_ROOT", "CARGO_MANIFEST_DIR"]
    {
        assert!(environment.get(hidden).is_none(), "{hidden} should not be seen");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn processes_are_stopped_while_everybody_waits() {
    if !has("python3") {
        return;
    }
    let simulator = Simulator::start().await;
    let probe = Probe::new("freezing");
    let mut command = probe.command();
    command.env("CHILD", "1");
    simulator.spawn(command);
    simulator.invoke("{}").await.expect_success();
    let pids = probe.pids();
    assert_eq!(pids.len(), 2);
    eventually(|| pids.iter().all(|pid| state(*pid) == Some('T'))).await;
    simulator.thaw();
    eventually(|| pids.iter().all(|pid| state(*pid) != Some('T'))).await;
    simulator.freeze();
    simulator.invoke("{}").await.expect_success();
    simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_stays_is_killed_with_its_children() {
    if !has("python3") {
        return;
    }
    let simulator = Simulator::start().await;
    let probe = Probe::new("killing");
    let mut command = probe.command();
    command.env("CHILD", "1").env("STAY", "1");
    simulator.spawn(command);
    simulator.invoke("{}").await.expect_success();
    let pids = probe.pids();
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    assert!(report.shutdowns[0].extensions[0].killed, "{report}");
    assert!(report.shutdowns[0].duration >= Duration::from_secs(2));
    eventually(|| pids.iter().all(|pid| state(*pid).is_none())).await;
}

#[tokio::test]
async fn a_bad_exit_code_after_shutdown_is_a_problem() {
    if !has("python3") {
        return;
    }
    let simulator = Simulator::start().await;
    let probe = Probe::new("exit-code");
    let mut command = probe.command();
    command.env("EXIT", "4");
    simulator.spawn(command);
    simulator.invoke("{}").await.expect_success();
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    assert_eq!(report.problems[0].what, "did not exit well after SHUTDOWN: exit status 4");
}

#[tokio::test]
async fn a_file_that_cannot_be_executed_fails_init() {
    let simulator = Simulator::start().await;
    simulator.spawn(Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")));
    simulator.invoke("{}").await.expect_error("Extension.LaunchError");
    let report = simulator.report();
    assert_eq!(report.inits[0].extensions[0].state, "LaunchError");
    assert!(report.problems[0].what.starts_with("could not be started: Permission denied"), "{report}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn data_sent_after_asking_for_the_next_event_is_stuck_in_the_freeze() {
    if !has("python3") {
        return;
    }
    let collector = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let simulator = Simulator::start().await;
    let probe = Probe::new("late");
    let mut command = probe.command();
    command.env("LATE_PORT", collector.local_addr().expect("bound").port().to_string());
    simulator.spawn(command);
    simulator.invoke("{}").await.expect_success();
    let too_soon = tokio::time::timeout(Duration::from_millis(300), collector.accept()).await;
    assert!(too_soon.is_err(), "a frozen process sends nothing");
    simulator.thaw();
    let (stream, _) = collector.accept().await.expect("it is sent after the thaw");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.expect("the data");
    assert_eq!(line, "data\n");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_report_tells_who_was_still_working_when_it_was_frozen() {
    if !has("python3") {
        return;
    }
    let collector = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let simulator = Simulator::start().await;
    let (late, good) = (Probe::new("working"), Probe::new("waiting"));
    let mut command = late.command();
    command.env("NAME", "late").env("LATE_PORT", collector.local_addr().expect("bound").port().to_string());
    simulator.spawn_as("late", command);
    let mut command = good.command();
    command.env("NAME", "good");
    simulator.spawn_as("good", command);
    for _ in 0..3 {
        simulator.invoke("{}").await.expect_success();
        // The environment stays frozen for longer than the late one puts its work off.
        tokio::time::sleep(Duration::from_millis(80)).await;
    }
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    let busy: Vec<_> =
        report.freezes.iter().map(|one| (one.extension.as_str(), one.thawed, one.busy)).collect();
    assert_eq!(busy, [("good", 3, 0), ("late", 3, 3)]);
    assert!(report.to_string().contains("late was still working at 3 of 3 freezes"), "{report}");
}
