//! Metrics of invocations, by the semantic conventions for functions where those have a name.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use lambda_extension::telemetry::{PlatformReport, Status};
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        data::ResourceMetrics, reader::MetricReader, InstrumentKind, ManualReader, Pipeline,
        SdkMeterProvider, Temporality,
    },
    Resource,
};
use opentelemetry_semantic_conventions::metric;

use crate::resource;

/// In seconds: the conventions' own boundaries end at 10, and a function may run for 900.
const SECONDS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// In bytes, from 32 MB to 8 GB: a function has 128 MB to 10 GB.
const BYTES: [f64; 9] = [
    33_554_432.0,
    67_108_864.0,
    134_217_728.0,
    268_435_456.0,
    536_870_912.0,
    1_073_741_824.0,
    2_147_483_648.0,
    4_294_967_296.0,
    8_589_934_592.0,
];

pub(crate) struct Metrics {
    reader: OnDemand,
    /// The reader reads from it as long as it is there.
    _provider: SdkMeterProvider,
    instruments: Instruments,
    /// What was collected and not sent yet, the oldest first.
    waiting: VecDeque<ResourceMetrics>,
}

struct Instruments {
    invocations: Counter<u64>,
    errors: Counter<u64>,
    timeouts: Counter<u64>,
    cold_starts: Counter<u64>,
    duration: Histogram<f64>,
    init_duration: Histogram<f64>,
    billed_duration: Histogram<f64>,
    extension_overhead: Histogram<f64>,
    memory: Histogram<u64>,
}

impl Metrics {
    pub(crate) fn new(resource: Resource, temporality: Temporality) -> Self {
        let reader = OnDemand(Arc::new(ManualReader::builder().with_temporality(temporality).build()));
        let provider =
            SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build();
        let instruments = Instruments::new(&provider.meter_with_scope(resource::scope()));
        Self { reader, _provider: provider, instruments, waiting: VecDeque::new() }
    }

    /// The function is done with an invocation, after so many milliseconds.
    pub(crate) fn ran(&self, duration: Option<f64>) {
        if let Some(duration) = duration {
            self.instruments.duration.record(duration / 1_000.0, &[]);
        }
    }

    /// An invocation is over, extensions included.
    pub(crate) fn reported(&self, report: &PlatformReport<'_>) {
        let to = &self.instruments;
        to.invocations.add(1, &[]);
        match &report.status {
            Some(Status::Timeout) => to.timeouts.add(1, &[]),
            Some(Status::Error | Status::Failure) => to.errors.add(1, &[]),
            _ => {}
        }
        let metrics = report.metrics.unwrap_or_default();
        if let Some(init) = metrics.init_duration_ms.or(metrics.restore_duration_ms) {
            to.cold_starts.add(1, &[]);
            to.init_duration.record(init / 1_000.0, &[]);
        }
        if let Some(billed) = metrics.billed_duration_ms {
            to.billed_duration.record(billed as f64 / 1_000.0, &[]);
        }
        if let Some(megabytes) = metrics.max_memory_used_mb {
            to.memory.record(megabytes << 20, &[]);
        }
        let overhead = report.spans.iter().find(|span| span.name.as_deref() == Some("extensionOverhead"));
        if let Some(overhead) = overhead.and_then(|span| span.duration_ms) {
            to.extension_overhead.record(overhead / 1_000.0, &[]);
        }
    }

    /// What is to be sent next; it stays until it is [removed](Self::remove). What happens as long as something waits goes
    /// into the next sum, so that a collector that is away costs no memory.
    pub(crate) fn first(&mut self) -> Option<&ResourceMetrics> {
        if self.waiting.is_empty() {
            self.collect();
        }
        self.waiting.front()
    }

    pub(crate) fn remove(&mut self) {
        self.waiting.pop_front();
    }

    /// From here on, the metrics are those of another resource.
    pub(crate) fn belong_to(&mut self, resource: Resource, temporality: Temporality) {
        self.collect();
        let waiting = std::mem::take(&mut self.waiting);
        *self = Self { waiting, ..Self::new(resource, temporality) };
    }

    fn collect(&mut self) {
        let mut collected = ResourceMetrics::default();
        let read = self.reader.collect(&mut collected);
        if read.is_ok() && collected.scope_metrics().next().is_some() {
            self.waiting.push_back(collected);
        }
    }
}

impl Instruments {
    fn new(meter: &Meter) -> Self {
        let counter = |name, unit, description| {
            meter.u64_counter(name).with_unit(unit).with_description(description).build()
        };
        let seconds = |name, description| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(description);
            histogram.with_boundaries(SECONDS.to_vec()).build()
        };
        Self {
            invocations: counter(metric::FAAS_INVOCATIONS, "{invocation}", "Invocations that are over"),
            errors: counter(metric::FAAS_ERRORS, "{error}", "Invocations that failed"),
            timeouts: counter(
                metric::FAAS_TIMEOUTS,
                "{timeout}",
                "Invocations that met the function's timeout",
            ),
            cold_starts: counter(metric::FAAS_COLDSTARTS, "{coldstart}", "Invocations that waited for Init"),
            duration: seconds(metric::FAAS_INVOKE_DURATION, "How long the function took"),
            init_duration: seconds(metric::FAAS_INIT_DURATION, "How long Init, or the restore, took"),
            billed_duration: seconds("aws.lambda.billed_duration", "What is billed"),
            extension_overhead: seconds(
                "aws.lambda.extension_overhead",
                "How long extensions held the environment after the function was done",
            ),
            memory: meter
                .u64_histogram(metric::FAAS_MEM_USAGE)
                .with_unit("By")
                .with_description("The most memory that was used")
                .with_boundaries(BYTES.to_vec())
                .build(),
        }
    }
}

/// The SDK's manual reader, shared with the provider, which wants to own one.
#[derive(Clone)]
struct OnDemand(Arc<ManualReader>);

impl fmt::Debug for OnDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl MetricReader for OnDemand {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, into: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(into)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
