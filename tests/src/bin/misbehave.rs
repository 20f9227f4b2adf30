//! An extension whose hooks go wrong as told: `MISBEHAVE="on_invoke=panic on_flush=hang"`, `ON_ERROR=exit`.
//!
//! What a hook, or the `constructor`, can do is [`behave`]; `idle` is `on_telemetry` between two invocations. `ONCE` names a file by
//! which a later life knows that it has been done; `NOTES` one for what was counted, a line for each life that ends by itself.
//! `TELEMETRY` subscribes to platform and function, `INIT_TIMEOUT_MS` bounds the initialisation, `LIMIT_FILES` and
//! `LIMIT_MEMORY_MB` limit the process, and `SINK` is what the hook that does `send` talks to.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use lambda_extension::telemetry::{Batch, Category, Subscription};
use lambda_extension::{
    Config, Error, ErrorPolicy, Extension, ExtensionError, FlushEvent, FlushStrategy, Handle, InvokeEvent,
    Registration, ShutdownEvent,
};
use rustix::process::{Resource, Rlimit, Signal, getpid, getrlimit, kill_process, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a hook says when it fails: more than a header can carry.
const MESSAGE: &str = "first line\nsecond line: żółw 🐢, \"quoted\"";

#[derive(Debug)]
struct Failure {
    cause: std::num::ParseIntError,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MESSAGE)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

struct Misbehaving {
    handle: Handle,
    /// What was opened to leave no descriptor to anybody else.
    open: Vec<File>,
}

impl Extension for Misbehaving {
    async fn on_init(&mut self, _: &Registration) -> Result<(), Error> {
        behave("on_init", &mut self.open).await
    }

    async fn on_invoke(&mut self, _: InvokeEvent) -> Result<(), Error> {
        behave("on_invoke", &mut self.open).await
    }

    async fn on_telemetry(&mut self, _: Batch) -> Result<(), Error> {
        if self.handle.current_invocation().is_some() || self.handle.metrics().invocations == 0 {
            return Ok(());
        }
        behave("idle", &mut self.open).await
    }

    async fn on_flush(&mut self, event: FlushEvent) -> Result<(), Error> {
        // The last flush belongs to SHUTDOWN, which has a hook of its own to misbehave in.
        if event.request_id.is_some() { behave("on_flush", &mut self.open).await } else { Ok(()) }
    }

    async fn on_shutdown(&mut self, _: ShutdownEvent) -> Result<(), Error> {
        behave("on_shutdown", &mut self.open).await
    }
}

async fn behave(hook: &str, open: &mut Vec<File>) -> Result<(), Error> {
    say(&format!("{hook} is called"));
    let told = variable("MISBEHAVE").unwrap_or_default();
    let Some(fault) = told.split(' ').find_map(|each| each.strip_prefix(hook)?.strip_prefix('=')) else {
        return Ok(());
    };
    if let Some(once) = variable("ONCE")
        && File::create_new(once).is_err()
    {
        return Ok(());
    }
    match fault {
        "fail" => Err(Failure { cause: "x".parse::<u8>().expect_err("no number") }.into()),
        "panic" => panic!("{MESSAGE}"),
        "hang" => std::future::pending().await,
        "block" => loop {
            std::thread::park();
        },
        "exit-0" => std::process::exit(0),
        "exit-3" => std::process::exit(3),
        "abort" => std::process::abort(),
        "overflow" => Err(format!("{} frames", overflow(0)).into()),
        "allocate" => Err(format!("{} bytes", allocate()).into()),
        "terminate" => signal(Signal::TERM).await,
        "kill" => signal(Signal::KILL).await,
        "descriptors" => {
            open.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
            say(&format!("{} descriptors are taken", open.len()));
            Ok(())
        }
        "send" => send().await,
        "nothing" => Ok(()),
        other => panic!("MISBEHAVE does not know `{other}`"),
    }
}

/// Not `println`, which panics where nobody reads.
fn say(what: &str) {
    let _ = writeln!(std::io::stdout(), "misbehave: {what}");
}

#[expect(unconditional_recursion, reason = "that is the fault")]
fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 512]);
    overflow(frame[0] + 1) + frame[1]
}

fn allocate() -> usize {
    let mut held = Vec::new();
    loop {
        held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
        if held.is_empty() {
            return held.len();
        }
    }
}

async fn signal(signal: Signal) -> Result<(), Error> {
    kill_process(getpid(), signal)?;
    std::future::pending().await
}

/// Tells the sink who this is, and waits for its answer.
async fn send() -> Result<(), Error> {
    let mut sink = TcpStream::connect(variable("SINK").expect("there is a sink")).await?;
    sink.write_all(format!("{}\n", std::process::id()).as_bytes()).await?;
    sink.read_u8().await?;
    Ok(())
}

fn limit(resource: Resource, to: &str, unit: u64) {
    let current = Some(to.parse::<u64>().expect("a limit is a number") * unit);
    setrlimit(resource, Rlimit { current, maximum: getrlimit(resource).maximum })
        .expect("less is always granted");
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn write_notes(handle: &Handle) {
    let Some(path) = variable("NOTES") else { return };
    let metrics = handle.metrics();
    let notes = format!("{} {} {}\n", metrics.records, metrics.dropped_records, metrics.dropped_batches);
    let written = File::options()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(notes.as_bytes()));
    written.expect("the notes can be written");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ExtensionError> {
    lambda_extension::logging::init();
    let mut config = Config::from_env()?;
    if variable("ON_ERROR").is_some_and(|policy| policy == "exit") {
        config = config.on_error(ErrorPolicy::Exit);
    }
    if let Some(bound) = variable("INIT_TIMEOUT_MS") {
        config =
            config.init_timeout(Duration::from_millis(bound.parse().expect("INIT_TIMEOUT_MS is a number")));
    }
    if variable("TELEMETRY").is_some() {
        config = config.telemetry(Subscription::new([Category::Platform, Category::Function]).port(0));
        config = config.flush(FlushStrategy::End);
    }
    if let Some(files) = variable("LIMIT_FILES") {
        limit(Resource::Nofile, &files, 1);
    }
    if let Some(megabytes) = variable("LIMIT_MEMORY_MB") {
        limit(Resource::As, &megabytes, 1 << 20);
    }
    let registered = config.register().await?;
    let handle = registered.registration().handle();
    let counted = handle.clone();
    let ended = registered
        .run_with(async |_| {
            behave("constructor", &mut Vec::new()).await.map(|()| Misbehaving { handle, open: Vec::new() })
        })
        .await;
    write_notes(&counted);
    ended
}
