//! Load for as long as one likes: what was sent was handed on or counted as lost, to the last record, and memory stays flat.
//!
//! `SOAK_INVOCATIONS` and `SOAK_SECONDS` say for how long; without them it is short. `tests/soak` runs it for long.
#![cfg(target_os = "linux")]

mod scripted;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use lambda_extension::simulator::{Function, FunctionCall, ShutdownReason, Simulator};
use lambda_extension_tests::programs;
use scripted::{Lambda, MAX_BODY, Sender, batch, head, line};
use serde_json::Value;

/// What the extension's memory may grow by once it is warm, in kB.
const GROWTH: u64 = 1_024;
/// What it may be at its highest while more is sent than it takes: the queue has 4 MiB, and eight connections hold a batch each.
const PEAK: u64 = 32 << 10;

fn setting(variable: &str, short: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.map_or(short, |value| {
        value.parse().unwrap_or_else(|_| panic!("{variable}={value} is no whole number"))
    })
}

/// The file in which the extension tells how its books balance.
struct Tally(PathBuf);

impl Tally {
    fn new(test: &str) -> Self {
        let name = format!("{test}-{}.json", std::process::id());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn extension(&self) -> Command {
        let mut command = Command::new(programs::program("soak-extension"));
        command.env("TALLY", &self.0);
        command
    }

    fn read(self) -> Value {
        let text = std::fs::read_to_string(&self.0).expect("the extension wrote its tally");
        std::fs::remove_file(&self.0).expect("it is ours");
        serde_json::from_str(&text).expect("it is JSON")
    }
}

#[track_caller]
fn number(tally: &Value, pointer: &str) -> u64 {
    tally.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer} in {tally}"))
}

#[tokio::test]
async fn invocations_with_telemetry_under_freezing_lose_nothing_and_take_no_more_memory() {
    let invocations = setting("SOAK_INVOCATIONS", 2_000);
    let function = Function::from_fn(async |call: FunctionCall| {
        call.log("one line");
        call.log("and another");
        Ok(call.payload)
    });
    let simulator = Simulator::builder().function(function).start().await;
    let tally = Tally::new("invocations");
    simulator.spawn(tally.extension());
    let began = Instant::now();
    for _ in 0..invocations {
        simulator.invoke("{}").await.expect_success();
    }
    let took = began.elapsed();
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    let tally = tally.read();
    println!("{invocations} invocations in {took:?}, frozen {} times: {tally}", report.totals.freezes);
    assert!(report.totals.freezes >= invocations, "it is frozen between any two: {}", report.totals.freezes);
    assert_eq!((report.totals.invocations, report.totals.failed), (invocations, 0));
    assert_eq!(number(&tally, "/invocations"), invocations);
    assert_eq!(number(&tally, "/records"), number(&tally, "/metrics/records"));
    let counted = number(&tally, "/metrics/droppedRecords") + report.telemetry[0].lost;
    assert_eq!(2 * invocations, number(&tally, "/records") + counted, "sent = handed on + counted: {tally}");
    assert_eq!(counted, 0, "nothing is too fast here: {tally}");
    let grown = number(&tally, "/endKb").saturating_sub(number(&tally, "/earlyKb"));
    assert!(grown < GROWTH, "memory grew by {grown} kB after the first thousand: {tally}");
}

/// What a sender knows of what it sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    /// Batches that were sent whole, and the records in them.
    batches: u64,
    records: u64,
    /// Batches that could not be received whole: broken off, or too large.
    unfit: u64,
}

/// Sends as fast as it is answered, until then: batches of every size, with broken elements, some too large, some broken off.
async fn flood(port: u16, seed: u64, until: Instant) -> Sent {
    let mut sent = Sent::default();
    let mut sender = Sender::connect(port).await;
    let mut round = seed;
    while Instant::now() < until {
        round += 1;
        let records = [1, 10, 100, 1_000][round as usize % 4];
        let body = match round % 50 {
            7 => format!("[{},{{\"record\":oops}},{}]", line("before"), line("after")),
            _ => format!("[{}]", vec![line(&format!("{round}: GET /path took 12 ms\n")); records].join(",")),
        };
        match round % 100 {
            30 => {
                sender.send(format!("{}[{{", head(body.len())).as_bytes()).await;
                sender = Sender::connect(port).await;
                sent.unfit += 1;
            }
            60 => {
                assert_eq!(sender.post(&" ".repeat(MAX_BODY + 1)).await, 200);
                sent.unfit += 1;
            }
            _ => {
                assert_eq!(sender.post(&body).await, 200);
                sent.batches += 1;
                sent.records += if round % 50 == 7 { 3 } else { records as u64 };
            }
        }
    }
    // Once this is answered, what was broken off before has been noticed too.
    assert_eq!(sender.post(&batch("the last one")).await, 200);
    Sent { batches: sent.batches + 1, records: sent.records + 1, ..sent }
}

#[tokio::test]
async fn a_flood_that_is_faster_than_the_hook_is_counted_to_the_last_record() {
    let seconds = Duration::from_secs(setting("SOAK_SECONDS", 8));
    let mut lambda = Lambda::start().await.lasting(seconds + Duration::from_secs(60));
    let tally = Tally::new("flood");
    let mut command = tally.extension();
    command.env("AWS_LAMBDA_RUNTIME_API", lambda.address()).env("HOOK_MS", "1").env("STALL_MS", "1500");
    let extension = command.spawn().expect("it is built");
    lambda.asked(1).await;
    let until = Instant::now() + seconds;
    let senders: Vec<_> =
        (0..6).map(|number| tokio::spawn(flood(lambda.port(), number * 250, until))).collect();
    let mut sent = Sent::default();
    for sender in senders {
        let one = sender.await.expect("every batch is answered");
        sent.batches += one.batches;
        sent.records += one.records;
        sent.unfit += one.unfit;
    }
    lambda.shutdown();
    let ended = tokio::task::spawn_blocking(move || { extension }.wait()).await.expect("it does not panic");
    assert!(ended.expect("it is our child").success());
    let tally = tally.read();
    println!("{sent:?} in {seconds:?}: {tally}");
    assert_eq!(number(&tally, "/batches"), number(&tally, "/metrics/batches"));
    assert_eq!(number(&tally, "/records"), number(&tally, "/metrics/records"));
    let records = number(&tally, "/records") + number(&tally, "/metrics/droppedRecords");
    assert_eq!(sent.records, records, "sent = handed on + counted, in records: {sent:?} {tally}");
    let batches = number(&tally, "/batches") + number(&tally, "/metrics/droppedBatches");
    assert_eq!(sent.batches + sent.unfit, batches, "and in batches: {sent:?} {tally}");
    assert!(
        sent.unfit > 0 && number(&tally, "/metrics/droppedRecords") > 0,
        "it was no flood: {sent:?} {tally}"
    );
    assert!(number(&tally, "/peakKb") < PEAK, "{tally}");
    let grown = number(&tally, "/endKb").saturating_sub(number(&tally, "/earlyKb"));
    assert!(grown < 8 * GROWTH, "memory grew by {grown} kB after the first thousand batches: {tally}");
}
