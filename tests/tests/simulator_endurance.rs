//! A long life: ten thousand invocations of an extension in the same process, quickly, with flat memory.

mod simulator_support;

use std::time::{Duration, Instant};

use lambda_extension::simulator::{Function, ShutdownReason, Simulator};
use serde_json::json;
use simulator_support::{Listener, RawExtension};

/// This process's memory in kB, where the system tells.
fn memory_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The processor time this process has used, where the system tells: other programs on the machine do not count.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name in parentheses come the fields from the third on; the 14th and 15th are in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let hundredths: u64 = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
    Some(Duration::from_millis(hundredths * 10))
}

#[tokio::test]
async fn ten_thousand_invocations_take_less_than_ten_seconds_and_no_more_memory() {
    let simulator = Simulator::builder().function(Function::echo().logs("hello")).start().await;
    let mut listener = Listener::open(&[]).await;
    let mut extension = RawExtension::register(&simulator, "watcher", &["INVOKE", "SHUTDOWN"]).await;
    let types = ["platform", "function"];
    extension.subscribe(listener.port, "2025-01-29", &types, json!({ "timeoutMs": 25 })).await;
    let life = tokio::spawn(async move { while extension.next().await["eventType"] == "INVOKE" {} });
    let began = Instant::now();
    let mut warm = None;
    for number in 0..10_000 {
        simulator.invoke("{}").await.expect_success();
        drop(listener.came());
        if number == 3_000 {
            warm = memory_kb();
        }
    }
    let took = processor_time().unwrap_or(began.elapsed());
    let grown = memory_kb().zip(warm).map(|(now, warm)| now.saturating_sub(warm));
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    drop(life.await);
    println!("10,000 invocations in {took:?}, memory grew by {grown:?} kB after the first 3,000");
    assert_eq!(report.totals.invocations, 10_000);
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    assert!(grown.is_none_or(|kb| kb < 2_048), "memory grew by {grown:?} kB");
}
