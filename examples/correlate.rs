//! Joins what belongs to one invocation: its lines, its end and its report.
//!
//! A line of text names no invocation. Where it is certain which one it belongs to, `Event::request_id` says so: one
//! invocation at a time runs in an environment, except on Managed Instances.

use std::collections::HashMap;

use lambda_extension::{
    telemetry::{Batch, Category, Record, Subscription},
    Defaults, Error, Extension, RequestId, ShutdownEvent,
};
use tracing::info;

#[derive(Default)]
struct Correlate {
    lines: HashMap<RequestId, usize>,
    unattributed: usize,
}

impl Extension for Correlate {
    fn defaults() -> Defaults {
        Defaults::default().telemetry(Subscription::new([Category::Platform, Category::Function]))
    }

    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        for event in batch.events() {
            match (&event.record, event.request_id()) {
                (Record::Function(_), Some(id)) => *self.lines.entry(id).or_default() += 1,
                (Record::Function(_), None) => self.unattributed += 1,
                // Comes with the next invocation, or in SHUTDOWN: nothing more will be heard of this one.
                (Record::PlatformReport(report), Some(id)) => {
                    let lines = self.lines.remove(&id).unwrap_or_default();
                    let metrics = report.metrics.unwrap_or_default();
                    info!("{id}: {lines} lines in {:.0} ms", metrics.duration_ms.unwrap_or_default());
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn on_shutdown(&mut self, _: ShutdownEvent) -> Result<(), Error> {
        info!("{} lines belong to no invocation for certain", self.unattributed);
        Ok(())
    }
}

#[lambda_extension::main]
async fn main() -> Result<Correlate, Error> {
    Ok(Correlate::default())
}
