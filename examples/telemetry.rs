//! Reads telemetry: what the function logs, and what Lambda says of each invocation.
//!
//! A function that takes a `Batch` subscribes to `platform` and `function`; `telemetry(…)` adds the lines of other
//! extensions. Lines logged here are marked and left out of what comes back, so they do not feed themselves.

use lambda_extension::{
    telemetry::{Batch, Record},
    Error,
};
use tracing::info;

#[lambda_extension::main(telemetry(platform, function, extension))]
async fn read(batch: Batch) -> Result<(), Error> {
    for event in batch.events() {
        let time = &event.time;
        match &event.record {
            Record::Function(line) => info!("{time} the function logged {}", line.raw()),
            Record::Extension(line) => info!("{time} an extension logged {}", line.raw()),
            Record::PlatformReport(report) => info!("{time} report: {:?}", report.metrics),
            other => info!("{time} {}", other.kind()),
        }
    }
    Ok(())
}
