//! An extension that counts what it is handed, and once it has ended writes to the file `TALLY` how the books balance.
//!
//! `HOOK_MS` is how long `on_telemetry` takes with each batch, and `STALL_MS` how long with every thousandth.

use std::{fs, path::PathBuf, time::Duration};

use lambda_extension::{
    Config, Error, Extension, Handle, InvokeEvent,
    telemetry::{Batch, Category, Subscription},
};
use serde_json::json;

#[derive(Default)]
struct Tally {
    /// Batches and records that hooks were called with, as they count them themselves.
    batches: u64,
    records: u64,
    invocations: u64,
    /// This process's memory in kB after a thousand invocations, or a thousand batches where there are none.
    early_kb: u64,
    end_kb: u64,
    hook: Duration,
    stall: Duration,
    file: PathBuf,
}

/// The extension is dropped at the end of its run, when everything has been counted.
struct Counter(Tally, Handle);

impl Extension for Counter {
    async fn on_invoke(&mut self, _: InvokeEvent) -> Result<(), Error> {
        self.0.invocations += 1;
        if self.0.invocations == 1_000 {
            self.0.early_kb = memory_kb("VmRSS:");
        }
        Ok(())
    }

    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        let tally = &mut self.0;
        tally.batches += 1;
        tally.records += batch.events().count() as u64;
        if tally.batches == 1_000 && tally.invocations == 0 {
            tally.early_kb = memory_kb("VmRSS:");
        }
        let pause = if tally.batches.is_multiple_of(1_000) { tally.stall } else { tally.hook };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        tally.end_kb = memory_kb("VmRSS:");
        Ok(())
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let (tally, metrics) = (&self.0, self.1.metrics());
        let json = json!({
            "batches": tally.batches,
            "records": tally.records,
            "invocations": tally.invocations,
            "earlyKb": tally.early_kb,
            "endKb": tally.end_kb,
            "peakKb": memory_kb("VmHWM:"),
            "metrics": {
                "invocations": metrics.invocations,
                "batches": metrics.batches,
                "records": metrics.records,
                "droppedBatches": metrics.dropped_batches,
                "droppedRecords": metrics.dropped_records,
                "cancelled": metrics.cancelled,
            },
        });
        fs::write(&tally.file, json.to_string()).expect("the test made the directory");
    }
}

/// What Linux says of this process, in kB.
fn memory_kb(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|kb| kb.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn milliseconds(variable: &str) -> Duration {
    Duration::from_millis(std::env::var(variable).ok().and_then(|ms| ms.parse().ok()).unwrap_or(0))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_extension::logging::init();
    let file = std::env::var_os("TALLY").expect("TALLY says where to write").into();
    let tally =
        Tally { hook: milliseconds("HOOK_MS"), stall: milliseconds("STALL_MS"), file, ..Tally::default() };
    let config = Config::from_env()?.telemetry(Subscription::new([Category::Function]));
    let registered = config.register().await?;
    let counter = Counter(tally, registered.registration().handle());
    Ok(registered.run(counter).await?)
}
