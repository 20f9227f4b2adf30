//! Telemetry in JSON with AWS's crate: looks at every record, and counts lines and their fields.

use lambda_extension::{
    Error, Extension, LambdaTelemetry, LambdaTelemetryRecord, LogBuffering, SharedService, service_fn,
    tracing,
};
use serde_json::Value;

async fn count(events: Vec<LambdaTelemetry<Value>>) -> Result<(), Error> {
    let (mut lines, mut bytes) = (0, 0);
    for event in events {
        if let LambdaTelemetryRecord::Function(line) = event.record {
            lines += 1;
            bytes += line.as_object().map_or(0, |line| line.len() as u64);
        }
    }
    subject_peer::count(lines, bytes);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    Extension::new()
        .with_telemetry_record_type::<Value>()
        .with_telemetry_types(&["function"])
        .with_telemetry_buffering(LogBuffering { timeout_ms: 25, max_bytes: 1 << 20, max_items: 10_000 })
        .with_telemetry_port_number(subject_peer::port())
        .with_telemetry_processor(SharedService::new(service_fn(count)))
        .run()
        .await
}
