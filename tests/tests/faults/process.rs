//! The lives of a real process, the program `misbehave`, under the local Lambda and under AWS's emulator.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lambda_extension::simulator::{Function, ShutdownReason, Simulator};
use lambda_extension_tests::{Emulator, Extension, emulator::Builder, process::Process, programs};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::Mutex,
};

use crate::{
    life::word,
    outcome::{Accounts, Outcome},
    table::{Phase, Phase::*},
};

const NAME: &str = "misbehave";
const INVOCATIONS: usize = 3;
/// In seconds. The margin below it is a tenth.
const FUNCTION_TIMEOUT: u32 = 2;

/// What goes wrong, and where.
#[derive(Clone, Debug)]
pub struct Misbehaviour {
    phase: Phase,
    /// Whether the process ends of it.
    ends: bool,
    program: PathBuf,
    variables: Vec<(&'static str, String)>,
    /// Whether it goes wrong in the first life only.
    once: bool,
    /// What the shell does with the output of the program.
    redirected: &'static str,
    payload: &'static str,
}

impl Misbehaviour {
    /// This fault of `misbehave` in the hook of the phase.
    pub fn new(phase: Phase, fault: &str) -> Self {
        Self {
            phase,
            ends: false,
            program: programs::program(NAME),
            variables: vec![
                ("MISBEHAVE", format!("{}={fault}", hook(phase))),
                ("INIT_TIMEOUT_MS", "1000".to_owned()),
            ],
            once: false,
            redirected: "",
            payload: "answer",
        }
    }

    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    pub fn program(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    /// What the function is given first.
    pub fn payload(mut self, payload: &'static str) -> Self {
        self.payload = payload;
        self
    }

    pub fn ending(mut self) -> Self {
        self.ends = true;
        self
    }

    pub fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    pub fn redirected(mut self, redirected: &'static str) -> Self {
        self.redirected = redirected;
        self
    }

    /// Waits until what goes wrong between two invocations has done so: `platform.report` is told when everybody waits again.
    async fn pass_idle_time(&self, simulator: &Simulator, directory: &Path) {
        let idle = self.phase == Idle;
        if idle && self.once {
            eventually("the hook is called", || directory.join("once").exists()).await;
        }
        if self.payload == KILL_WHEN_IDLE {
            eventually("the function ends", || simulator.journal().contains(" ended: signal 9")).await;
        }
        if idle && self.ends {
            let ended = format!("{NAME} ended: ");
            eventually("the extension ends", || simulator.journal().contains(&ended)).await;
        }
    }

    fn variables(&self, directory: &Path) -> Vec<(&'static str, String)> {
        let mut variables = self.variables.clone();
        let path = |name: &str| directory.join(name).to_string_lossy().into_owned();
        if self.once {
            variables.push(("ONCE", path("once")));
        }
        variables.push(("NOTES", path("notes")));
        variables
    }
}

/// The payload for a function that is killed before it takes any.
pub const KILL_IN_INIT: &str = "kill-in-init";

/// The payload for a function that is killed when everybody waits.
pub const KILL_WHEN_IDLE: &str = "kill-when-idle";

/// Looks again and again, where nothing announces what is waited for.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looking)
        .await
        .unwrap_or_else(|_| panic!("{what}: it does not"));
}

/// A function that kills itself as its first payload says, and only once.
fn function(directory: &Path) -> Command {
    let mut function = Command::new(programs::program("function"));
    function.env("FUNCTION_ONCE", directory.join("function"));
    function
}

/// The hook that is called in a phase.
pub fn hook(phase: Phase) -> &'static str {
    match phase {
        Init => "on_init",
        Idle => "idle",
        Invoke => "on_invoke",
        Flush => "on_flush",
        Shutdown => "on_shutdown",
    }
}

/// Under the local Lambda, with telemetry.
pub fn simulated(misbehaviour: &Misbehaviour) -> Outcome {
    simulated_with(misbehaviour, Arc::default(), async |_| {})
}

/// The same, where the hook tells the test and waits until that has done its part.
///
/// `disturb` gives the records that it got accepted.
pub fn simulated_while(
    phase: Phase,
    memory: Option<&str>,
    disturb: impl AsyncFn(&Simulator, Process) -> u64,
) -> Outcome {
    let sink = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    sink.set_nonblocking(true).expect("it is a socket");
    let address = sink.local_addr().expect("it is bound").to_string();
    let mut misbehaviour = Misbehaviour::new(phase, "send").once().env("SINK", address);
    if let Some(megabytes) = memory {
        misbehaviour = misbehaviour.env("LIMIT_MEMORY_MB", megabytes);
    }
    let (accepted, busy) = (AtomicU64::new(0), Arc::new(Mutex::new(())));
    let mut outcome = simulated_with(&misbehaviour, Arc::clone(&busy), async |simulator| {
        let sink = TcpListener::from_std(sink).expect("a runtime is there");
        loop {
            let (told, _) = sink.accept().await.expect("it is bound");
            let _busy = busy.lock().await;
            let mut told = BufReader::new(told);
            let mut pid = String::new();
            told.read_line(&mut pid).await.expect("the hook says who it is");
            let process = Process::of(pid.trim().parse().expect("a number"));
            accepted.fetch_add(disturb(&simulator, process).await, Ordering::Relaxed);
            // It may have been too late for the hook.
            let _ = told.write_all(b"\n").await;
        }
    });
    if let Some(accounts) = &mut outcome.accounts {
        accounts.sent += accepted.into_inner();
    }
    outcome
}

/// `busy` is held by what goes on beside the life, for as long as it does.
fn simulated_with(
    misbehaviour: &Misbehaviour,
    busy: Arc<Mutex<()>>,
    beside: impl AsyncFnOnce(Arc<Simulator>),
) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = match misbehaviour.redirected {
            "" => Command::new(&misbehaviour.program),
            redirected => {
                let mut shell = Command::new("bash");
                shell.args(["-c", &format!("exec \"$0\" {redirected}")]).arg(&misbehaviour.program);
                shell
            }
        };
        command.env("LAMBDA_EXTENSION_NAME", NAME).env("TELEMETRY", "1");
        command.envs(misbehaviour.variables(directory.path()));
        let function = match misbehaviour.payload {
            "answer" => Function::echo().logs("a line of the function's"),
            payload => {
                let mut function = function(directory.path());
                if payload == KILL_IN_INIT {
                    function.env("FUNCTION_INIT", "kill");
                }
                Function::process(function)
            }
        };
        let simulator = Simulator::builder()
            .function(function)
            .timeout(Duration::from_secs(FUNCTION_TIMEOUT.into()))
            // Or nothing is delivered while everybody waits.
            .without_freezing()
            .start()
            .await;
        let simulator = Arc::new(simulator);
        simulator.spawn_as(NAME, command);
        let living = async {
            let mut answers = Vec::new();
            for number in 0..INVOCATIONS {
                let payload = if number == 0 { misbehaviour.payload } else { "answer" };
                answers.push(word(&simulator.invoke(payload).await));
                if number == 0 {
                    misbehaviour.pass_idle_time(&simulator, directory.path()).await;
                }
            }
            drop(busy.lock().await);
            let report = simulator.shutdown(ShutdownReason::Spindown).await;
            drop(busy.lock().await);
            (answers, report)
        };
        let (answers, report) = tokio::select! {
            lived = living => lived,
            () = async { beside(Arc::clone(&simulator)).await; std::future::pending().await } => unreachable!(),
        };
        let ends = ends_told(&simulator.journal());
        let notes = fs::read_to_string(directory.path().join("notes")).unwrap_or_default();
        let sent = report.telemetry.first().map_or(0, |telemetry| telemetry.delivered + telemetry.duplicates);
        let ended_well = notes.lines().count() == ends.len();
        let (accounts, data) = match ended_well {
            true => (Some(accounts(sent, &notes)), None),
            false => (None, Some("what it held is lost with it")),
        };
        Outcome { answers, accounts, data, ends, counted: None }
    })
}

/// How its processes ended, of what the journal says.
fn ends_told(journal: &str) -> Vec<String> {
    let told = format!("{NAME} ended: ");
    let words = journal.lines().filter_map(|line| Some(line.split_once(&told)?.1));
    words.map(|words| words.replace("exit code", "exit").replace("exit status", "exit")).collect()
}

fn accounts(sent: u64, notes: &str) -> Accounts {
    let column = |index: usize| {
        let figures = notes.lines().filter_map(|line| line.split(' ').nth(index)?.parse::<u64>().ok());
        figures.sum()
    };
    Accounts { sent, handed_on: column(0), dropped: column(1), broken: 0, dropped_batches: column(2) }
}

/// Under AWS's emulator, which has no telemetry for ordinary functions.
pub fn emulated(misbehaviour: &Misbehaviour) -> Outcome {
    emulated_with(misbehaviour, |_| {})
}

/// The same, with something that happens after the first invocation.
pub fn emulated_with(misbehaviour: &Misbehaviour, idle: impl FnOnce(&Emulator)) -> Outcome {
    lived(Emulator::builder().expect("the table asked whether there is one"), misbehaviour, idle)
}

/// The same beside other extensions.
pub fn emulated_among(others: Builder, misbehaviour: &Misbehaviour) -> Outcome {
    lived(others, misbehaviour, |_| {})
}

fn lived(builder: Builder, misbehaviour: &Misbehaviour, idle: impl FnOnce(&Emulator)) -> Outcome {
    let directory = tempfile::tempdir().expect("a directory");
    let mut extension = Extension::program(misbehaviour.program.clone()).named(NAME);
    for (name, value) in misbehaviour.variables(directory.path()) {
        extension = extension.env(name, &value);
    }
    if !misbehaviour.redirected.is_empty() {
        extension = extension.redirected(misbehaviour.redirected);
    }
    let once = directory.path().join("function").to_string_lossy().into_owned();
    let builder = builder.function_timeout(FUNCTION_TIMEOUT).env("FUNCTION_ONCE", &once);
    let builder =
        builder.env("FUNCTION_INIT", if misbehaviour.payload == KILL_IN_INIT { "kill" } else { "" });
    let emulator = builder.extension(extension.recorded()).start();
    let mut answers = vec![answer(&emulator, misbehaviour.payload)];
    idle(&emulator);
    answers.extend((1..INVOCATIONS).map(|_| answer(&emulator, "answer")));
    emulator.terminate();
    let journal = emulator.journal(NAME);
    journal.assert_lawful();
    let mut ends: Vec<String> = Vec::new();
    for line in emulator.lines() {
        if let Some((_, code)) = line.split_once(&format!("launcher: {NAME} ended with ")) {
            let code: i32 = code.trim().parse().expect("the launcher prints a number");
            ends.push(if code > 128 { format!("signal {}", code - 128) } else { format!("exit {code}") });
        } else if line.contains("Deadline: the agent") && line.contains("did not exit") {
            ends.push("signal 9".to_owned());
        }
    }
    Outcome { answers, accounts: None, data: None, ends, counted: None }
}

/// What the caller got. Where an extension has ended, the emulator answers with the function's answer, or with nothing, and names
/// the error in its log only.
fn answer(emulator: &Emulator, payload: &str) -> String {
    let invocation = emulator.invoke(payload);
    let body: Value = serde_json::from_str(&invocation.body).unwrap_or_default();
    if let Some(error_type) = body["errorType"].as_str() {
        return error_type.to_owned();
    }
    if invocation.body.contains("timed out") {
        return "timeout".to_owned();
    }
    if invocation.status == 200 {
        return "200".to_owned();
    }
    let told = emulator.lines_with(ERROR_RESPONSE);
    let error_type = told.last().and_then(|line| line.split(ERROR_RESPONSE).nth(1));
    error_type.map_or_else(|| invocation.status.to_string(), ToOwned::to_owned)
}

const ERROR_RESPONSE: &str = "Sending Error Response: ";
