//! The extension: turns what Lambda tells into OpenTelemetry's data, and sends that when it is time.

use std::time::SystemTime;

use lambda_extension::{
    telemetry::{Batch, Event, LogLine, PlatformReport, PlatformRuntimeDone, Record},
    Error, Extension, FlushEvent, Registration, ShutdownEvent,
};
use opentelemetry_sdk::{
    logs::{LogBatch, LogExporter, SdkLogRecord},
    metrics::exporter::PushMetricExporter,
    trace::{SpanData, SpanExporter},
};
use tracing::{info, warn};

use crate::{
    backlog::Backlog,
    export::{Exporters, Route},
    invocations::{End, Invocations},
    logs::Logs,
    metrics::Metrics,
    resource::{self, Identity},
    xray::Sampler,
};

/// How many bytes of each kind wait at most for a collector that is away.
const BACKLOG: usize = 8 << 20;
/// About what a record or a span takes in memory, beside its text.
const OVERHEAD: usize = 512;

pub(crate) struct Observer {
    identity: Identity,
    exporters: Exporters,
    invocations: Invocations,
    make: Logs,
    logs: Backlog<SdkLogRecord>,
    spans: Backlog<SpanData>,
    metrics: Metrics,
}

impl Observer {
    pub(crate) fn new(registration: &Registration, sampler: Sampler) -> Result<Self, Error> {
        let identity = Identity::new(registration);
        let mut exporters = Exporters::from_env()?;
        let resource = identity.resource();
        exporters.speak_for(&resource);
        Ok(Self {
            invocations: Invocations::new(identity.function.clone(), sampler),
            metrics: Metrics::new(resource, exporters.metrics.exporter.temporality()),
            identity,
            exporters,
            make: Logs::new(),
            logs: Backlog::new(BACKLOG),
            spans: Backlog::new(BACKLOG),
        })
    }

    fn observe(&mut self, event: &Event<'_>) {
        let time = event.timestamp();
        let now = time.unwrap_or_else(SystemTime::now);
        match &event.record {
            Record::Function(line) => self.keep_line(event, line),
            Record::PlatformInitStart(start) => {
                self.identity.started(start);
                self.introduce();
            }
            Record::PlatformRestoreStart(start) => {
                self.identity.writes_to(start.instance_id.as_deref());
                self.introduce();
            }
            Record::PlatformInitReport(report) => {
                self.invocations.prepared(
                    "init",
                    report.metrics.and_then(|metrics| metrics.duration_ms),
                    now,
                );
            }
            Record::PlatformRestoreReport(report) => {
                self.invocations.prepared(
                    "restore",
                    report.metrics.and_then(|metrics| metrics.duration_ms),
                    now,
                );
            }
            Record::PlatformStart(start) => {
                let preparation = self.invocations.started(start, now);
                self.keep_spans(preparation);
            }
            Record::PlatformRuntimeDone(done) => self.runtime_done(done, now),
            Record::PlatformReport(report) => self.report(report, now),
            Record::PlatformLogsDropped(dropped) => {
                warn!("Lambda dropped {:?} records: {:?}", dropped.dropped_records, dropped.reason);
            }
            _ => {}
        }
    }

    fn keep_line(&mut self, event: &Event<'_>, line: &LogLine<'_>) {
        let request_id = event.request_id();
        let request_id = request_id.as_ref().map(AsRef::as_ref);
        let invocation = request_id.and_then(|id| self.invocations.find(id));
        let record = self.make.record(event.timestamp(), line, request_id, invocation);
        self.logs.push(OVERHEAD + line.raw().len(), record);
    }

    fn keep_spans(&mut self, spans: impl IntoIterator<Item = SpanData>) {
        spans.into_iter().for_each(|span| self.spans.push(OVERHEAD, span));
    }

    fn runtime_done(&mut self, done: &PlatformRuntimeDone<'_>, time: SystemTime) {
        let Some(request_id) = done.request_id.as_deref() else { return };
        self.metrics.ran(done.metrics.and_then(|metrics| metrics.duration_ms));
        let end = End { time, outcome: done.status.as_ref(), error: done.error_type.as_deref() };
        let span = self.invocations.ended(request_id, &end);
        let parts = self.invocations.parts(request_id, &done.spans);
        self.keep_spans(span.into_iter().chain(parts));
    }

    fn report(&mut self, report: &PlatformReport<'_>, time: SystemTime) {
        let Some(request_id) = report.request_id.as_deref() else { return };
        self.metrics.reported(report);
        let end = End { time, outcome: report.status.as_ref(), error: report.error_type.as_deref() };
        // Only where no `runtimeDone` said so: on Managed Instances, and after a crash.
        let span = self.invocations.ended(request_id, &end);
        let parts = self.invocations.parts(request_id, &report.spans);
        self.keep_spans(span.into_iter().chain(parts));
    }

    /// All that follows is said in the name of the environment as it is known now.
    fn introduce(&mut self) {
        let resource = self.identity.resource();
        self.exporters.speak_for(&resource);
        self.metrics.belong_to(resource, self.exporters.metrics.exporter.temporality());
    }
}

impl Extension for Observer {
    /// Only keeps what it is told: Lambda may freeze the environment here at any time.
    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        batch.events().for_each(|event| self.observe(&event));
        Ok(())
    }

    /// Sends all three kinds at once, so that one that is stuck holds up none of the others.
    async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
        let lost = self.logs.take_lost() + self.spans.take_lost();
        if lost > 0 {
            warn!("{lost} log records and spans are lost: more were waiting than memory is given to");
        }
        let (logs, spans, metrics) = tokio::join!(
            send_logs(&self.exporters.logs, &mut self.logs),
            send_spans(&self.exporters.spans, &mut self.spans),
            send_metrics(&self.exporters.metrics, &mut self.metrics),
        );
        let failures: Vec<_> = [logs, spans, metrics]
            .into_iter()
            .filter_map(Result::err)
            .map(|error| error.to_string())
            .collect();
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures.join("; ").into())
        }
    }

    async fn on_shutdown(&mut self, _: ShutdownEvent) -> Result<(), Error> {
        match (self.logs.len(), self.spans.len()) {
            (0, 0) => info!("all logs and spans were delivered"),
            (logs, spans) => {
                warn!("{logs} log records and {spans} spans are lost: the collector did not take them")
            }
        }
        Ok(())
    }
}

// Each of these may be dropped at its `.await`, so what is sent is removed only when that is settled.

async fn send_logs<E: LogExporter>(to: &Route<E>, logs: &mut Backlog<SdkLogRecord>) -> Result<(), Error> {
    let scope = resource::scope();
    loop {
        let records: Vec<_> = logs.first().map(|record| (record, &scope)).collect();
        if records.is_empty() {
            return Ok(());
        }
        to.settle("log records", to.exporter.export(LogBatch::new(&records)).await)?;
        let sent = records.len();
        logs.remove(sent);
    }
}

async fn send_spans<E: SpanExporter>(to: &Route<E>, spans: &mut Backlog<SpanData>) -> Result<(), Error> {
    loop {
        let sending: Vec<_> = spans.first().cloned().collect();
        if sending.is_empty() {
            return Ok(());
        }
        let sent = sending.len();
        to.settle("spans", to.exporter.export(sending).await)?;
        spans.remove(sent);
    }
}

async fn send_metrics<E: PushMetricExporter>(to: &Route<E>, metrics: &mut Metrics) -> Result<(), Error> {
    while let Some(collected) = metrics.first() {
        to.settle("metrics", to.exporter.export(collected).await)?;
        metrics.remove();
    }
    Ok(())
}
