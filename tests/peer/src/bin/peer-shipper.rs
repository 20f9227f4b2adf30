//! Ships log lines, written with AWS's crate. `docs/migrating.md` shows it beside the same with the framework.

use std::sync::{Arc, Mutex};

use lambda_extension::{
    Error, Extension, LambdaEvent, LambdaTelemetry, LambdaTelemetryRecord, LogBuffering, SharedService,
    service_fn,
};

type Lines = Arc<Mutex<Vec<String>>>;

async fn keep(lines: Lines, events: Vec<LambdaTelemetry>) -> Result<(), Error> {
    for event in events {
        if let LambdaTelemetryRecord::Function(line) = event.record {
            lines.lock().expect("nobody panics with it").push(format!("{} {}", event.time, line.trim_end()));
        }
    }
    Ok(())
}

/// Sends what the invocations before have left: of this one nothing is known yet.
async fn send(lines: Lines, _: LambdaEvent) -> Result<(), Error> {
    let lines = std::mem::take(&mut *lines.lock().expect("nobody panics with it"));
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let lines = Lines::default();
    let (kept, sent) = (Arc::clone(&lines), lines);
    Extension::new()
        .with_events_processor(service_fn(move |event| send(Arc::clone(&sent), event)))
        .with_telemetry_types(&["function"])
        .with_telemetry_buffering(LogBuffering { timeout_ms: 100, max_bytes: 262_144, max_items: 1_000 })
        .with_telemetry_processor(SharedService::new(service_fn(move |events| {
            keep(Arc::clone(&kept), events)
        })))
        .run()
        .await
}
