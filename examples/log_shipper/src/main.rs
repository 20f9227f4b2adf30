//! Ships the function's log lines to an HTTP sink, and loses none of them: not to a freeze, not to a sink that hangs.
//!
//! `cargo run -p log_shipper --features simulator -- end` (or `periodic`, `adaptive`, `shutdown`) shows under the
//! local Lambda what each flush strategy costs. `LOG_SINK` is the URL to post to; without it the lines go to stdout.

use std::{collections::VecDeque, io::Write, time::Duration};

use lambda_extension::{
    telemetry::{Batch, Buffering, Category, Record, Subscription},
    Config, Error, Extension, FlushEvent, FlushStrategy, Registration, ShutdownEvent,
};
use serde::Serialize;
use tracing::info;

/// How long one attempt to send may take; the next one comes with the next flush.
const ATTEMPT: Duration = Duration::from_secs(5);

/// What is sent at once. The sink knows by the key whether it has a parcel already.
struct Parcel {
    key: String,
    lines: Vec<u8>,
}

struct Shipper {
    registration: Option<Registration>,
    sink: Sink,
    lines: Vec<u8>,
    parcels: u64,
    outbox: VecDeque<Parcel>,
}

/// One line of what is shipped.
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    request_id: Option<String>,
    line: &'a serde_json::value::RawValue,
}

impl Extension for Shipper {
    async fn on_init(&mut self, registration: &Registration) -> Result<(), Error> {
        self.registration = Some(registration.clone());
        Ok(())
    }

    /// Only keeps the lines: Lambda may freeze the environment here at any time.
    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        for event in batch.events() {
            if let Record::Function(line) = &event.record {
                let line = serde_json::from_str(line.raw())?;
                let request_id = event.request_id().map(|id| id.to_string());
                serde_json::to_writer(&mut self.lines, &Line { time: &event.time, request_id, line })?;
                self.lines.push(b'\n');
            }
        }
        Ok(())
    }

    /// Sends what there is. It may be dropped at any `.await`, so a parcel is removed only after the sink has it, and keeps
    /// its key when it is sent again.
    async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
        if !self.lines.is_empty() {
            self.parcels += 1;
            let environment = self.registration.as_ref().map(|registration| &registration.extension_id);
            let key = format!("{}-{}", environment.map_or("", |id| id.as_str()), self.parcels);
            self.outbox.push_back(Parcel { key, lines: std::mem::take(&mut self.lines) });
        }
        while let Some(parcel) = self.outbox.front() {
            self.sink.send(parcel).await?;
            self.outbox.pop_front();
        }
        Ok(())
    }

    async fn on_shutdown(&mut self, _: ShutdownEvent) -> Result<(), Error> {
        if let Some(registration) = &self.registration {
            let metrics = registration.handle().metrics();
            info!(
                "held {:?} in {} invocations; {} parcels left",
                metrics.held,
                metrics.invocations,
                self.outbox.len()
            );
        }
        Ok(())
    }
}

/// Where the lines go.
struct Sink {
    http: reqwest::Client,
    url: Option<String>,
}

impl Sink {
    async fn send(&self, parcel: &Parcel) -> Result<(), Error> {
        let Some(url) = &self.url else {
            std::io::stdout().write_all(&parcel.lines)?;
            return Ok(());
        };
        let request = self.http.post(url).header("idempotency-key", &parcel.key).body(parcel.lines.clone());
        request.send().await?.error_for_status()?;
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // First, because the local Lambda runs what stands before this twice.
    let config = Config::from_env()?;
    lambda_extension::logging::init();
    let flush = match std::env::args().nth(1).as_deref() {
        None | Some("adaptive") => FlushStrategy::Adaptive,
        Some("end") => FlushStrategy::End,
        Some("periodic") => FlushStrategy::Periodic(Duration::from_secs(10)),
        Some("shutdown") => FlushStrategy::Shutdown,
        Some(other) => {
            return Err(format!("`{other}` is no strategy: end, periodic, adaptive or shutdown").into())
        }
    };
    let buffering = Buffering::new(1_000, 262_144, Duration::from_millis(25))?;
    let shipper = Shipper {
        registration: None,
        sink: Sink { http: outward::client(ATTEMPT, None)?, url: std::env::var("LOG_SINK").ok() },
        lines: Vec::new(),
        parcels: 0,
        outbox: VecDeque::new(),
    };
    config
        .telemetry(Subscription::new([Category::Function]).buffering(buffering))
        .flush(flush)
        .run(shipper)
        .await?;
    Ok(())
}
