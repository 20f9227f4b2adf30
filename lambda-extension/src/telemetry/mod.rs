//! Telemetry: what the function, Lambda and other extensions have to say.
//!
//! Lambda delivers a [`Batch`] of what a [`Subscription`] asks for. It has [`Event`]s, each with a time and a [`Record`]: a
//! [`LogLine`] of the function's or an extension's, or one of the `platform.` events, in which Lambda says how an invocation went.
//!
//! ```
//! use lambda_extension::telemetry::{Batch, Record};
//!
//! fn print(batch: &Batch) {
//!     for event in batch.events() {
//!         match &event.record {
//!             Record::Function(line) => print!("{} {}", event.time, line.to_str()),
//!             Record::PlatformReport(report) => {
//!                 let billed = report.metrics.and_then(|metrics| metrics.billed_duration_ms);
//!                 println!("{:?} is over, {billed:?} ms are billed", event.request_id());
//!             }
//!             other => println!("{}", other.kind()),
//!         }
//!     }
//! }
//! # print(&Batch::from_json("[]"));
//! ```
//!
//! The events are those of the [Telemetry API], in whichever of its schemas they come; what a later schema may bring is
//! [`Record::Unknown`], and what is no JSON is [`Record::Malformed`]. All fields are optional, because no field is worth losing
//! a record for.
//!
//! [Telemetry API]: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html

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
