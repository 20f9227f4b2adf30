//! Telemetry: what the function, Lambda and other extensions have to say.

pub(crate) mod batch;
mod body;
mod connections;
pub(crate) mod correlation;
pub(crate) mod cut;
mod event;
pub(crate) mod feedback;
mod head;
pub(crate) mod intake;
mod lenient;
mod line;
pub(crate) mod listener;
pub(crate) mod mark;
mod pace;
pub(crate) mod pieces;
mod record;
pub(crate) mod scan;
pub(crate) mod sign;
pub(crate) mod stream;
pub(crate) mod subscription;

pub use batch::{Batch, Events};
pub use event::Event;
pub use line::{LogLine, Text};
pub use record::{
    DurationMetrics, InitPhase, InitType, PlatformEnd, PlatformExtension, PlatformInitReport,
    PlatformInitRuntimeDone, PlatformInitStart, PlatformLogsDropped, PlatformLogsSubscription,
    PlatformReport, PlatformRestoreReport, PlatformRestoreRuntimeDone, PlatformRestoreStart,
    PlatformRuntimeDone, PlatformStart, PlatformTelemetrySubscription, Record, ReportMetrics,
    RuntimeDoneMetrics, Span, Status, Tracing,
};
pub use subscription::{Buffering, Category, Protocol, Subscription};
