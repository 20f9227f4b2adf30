//! Telemetry, delivered as Lambda delivers it, to an extension whose hook looks at every record.

use std::{fmt, net::TcpListener, process::Stdio, time::Instant};

use anyhow::{Context, Result, ensure};

use crate::{
    batch::{Format, batch},
    http::{self, Delivery},
    lambda::Lambda,
    life::{micros, since},
    process::{self, Footprint, Process},
    stats::quantile,
    subjects::{Built, FLOOR_TELEMETRY, OURS_TELEMETRY, PEER_TELEMETRY, PEER_TELEMETRY_JSON, Subject},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Connection {
    /// One for all batches.
    Kept,
    /// A new one for each.
    New,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Load {
    pub(crate) format: Format,
    /// Records in each batch.
    pub(crate) records: u64,
    pub(crate) batches: u64,
    pub(crate) connection: Connection,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match self.format {
            Format::Text => "text",
            Format::Json => "JSON",
        };
        let connection = match self.connection {
            Connection::Kept => "one connection",
            Connection::New => "a connection each",
        };
        write!(f, "{format}, {} a batch, {connection}", self.records)
    }
}

/// What one run shows from outside.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// From the first byte sent to the report that the last record was seen.
    pub(crate) records_per_second: f64,
    /// From a batch's first byte to its answer, in microseconds: median, and the slowest hundredth.
    pub(crate) answer_p50: f64,
    pub(crate) answer_p99: f64,
    pub(crate) cpu: f64,
    pub(crate) footprint: Footprint,
}

/// Those who receive this format.
pub(crate) fn subjects(format: Format) -> [Subject; 3] {
    match format {
        Format::Text => [OURS_TELEMETRY, PEER_TELEMETRY, FLOOR_TELEMETRY],
        Format::Json => [OURS_TELEMETRY, PEER_TELEMETRY_JSON, FLOOR_TELEMETRY],
    }
}

pub(crate) fn deliver(built: &Built, subject: Subject, load: Load) -> Result<Received> {
    run(built, subject, load, 0).with_context(|| format!("{load} to {subject}"))
}

/// The same for a hook that sleeps once, for so many milliseconds, so that batches queue up behind it.
pub(crate) fn deliver_to_sleeper(built: &Built, load: Load, pause_ms: u64) -> Result<Received> {
    run(built, OURS_TELEMETRY, load, pause_ms).with_context(|| format!("{load} to a hook that sleeps"))
}

fn run(built: &Built, subject: Subject, load: Load, pause_ms: u64) -> Result<Received> {
    let batch = http::post(&batch(load.format, load.records));
    let lambda = Lambda::open()?;
    let expected = load.records * load.batches;
    let mut command = built.command(subject);
    let port = free_port()?;
    command
        .env("BENCHMARK_RECORDS", expected.to_string())
        .env("BENCHMARK_PORT", port.to_string())
        .env("BENCHMARK_PAUSE_MS", pause_ms.to_string());
    let mut process = Process::start(&mut command, lambda.address(), Stdio::piped())?;
    let mut lines = process.lines()?;
    let (port, _parked) = lambda.init()?;
    let port = port.context("it did not subscribe")?;
    let mut answers = Vec::with_capacity(load.batches as usize);
    let mut connection = Delivery::connect(port)?;
    let begun = Instant::now();
    for number in 0..load.batches {
        let sent = Instant::now();
        if load.connection == Connection::New && number > 0 {
            connection = Delivery::connect(port)?;
        }
        connection.post(&batch)?;
        answers.push(since(sent));
    }
    let report = process::line(&mut lines)?;
    let took = begun.elapsed();
    ensure!(
        report.starts_with(&format!("{expected} ")),
        "it saw {report} where {expected} records were sent"
    );
    let footprint = process.footprint()?;
    let cpu = micros(process.kill()?.cpu);
    Ok(Received {
        records_per_second: expected as f64 / took.as_secs_f64(),
        answer_p50: quantile(&answers, 0.5),
        answer_p99: quantile(&answers, 0.99),
        cpu,
        footprint,
    })
}

/// A port that was free a moment ago: programs that cannot tell theirs need one chosen for them.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("0.0.0.0:0")?.local_addr()?.port())
}
