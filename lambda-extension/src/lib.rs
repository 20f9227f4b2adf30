//! Write [AWS Lambda extensions](https://docs.aws.amazon.com/lambda/latest/dg/lambda-extensions.html): you say what yours does,
//! and this framework registers it, runs the event loop, receives telemetry, knows when it is safe to ask for the next event,
//! contains errors and panics, and shuts down in time.
//!
//! ```no_run
//! use lambda_extension::{Error, NextEvent};
//! use tracing::info;
//!
//! #[lambda_extension::main]
//! async fn log_extension(event: NextEvent) -> Result<(), Error> {
//!     match event {
//!         NextEvent::Shutdown(event) => info!("{event}"),
//!         NextEvent::Invoke(event) => info!("{event}"),
//!     }
//!     Ok(())
//! }
//! ```
//!
//! That is a whole program: it registers, logs each invocation and the end, and is gone when it is told to go.
//! `cargo run --features lambda_extension/simulator` shows its life on your own machine.
//!
//! # Four ideas
//!
//! - **Events.** Lambda tells an extension of each [`InvokeEvent`] and of the [`ShutdownEvent`]. Asking for the next one also says
//!   that the extension is done with the last one, and from then on Lambda may freeze its process.
//! - **An [`Extension`]** is a set of hooks that the event loop calls one at a time: for the events, for telemetry, and for a flush
//!   while the environment is held. One async function is an extension too: [`extension_fn`], or the attribute
//!   [`main`](macro@main).
//! - **[`telemetry`]** is what the function logs and what Lambda reports, delivered in batches. A [`FlushStrategy`] says whether
//!   the loop waits for the end of an invocation, so that all of it is in the flush, and what that may cost.
//! - **The simulator** (feature `simulator`) is a local Lambda: for tests, and for
//!   `cargo run --features lambda_extension/simulator`, where a program that finds no Lambda around it is run under a local one.
//!
//! # Where to begin
//!
//! | you want | look at |
//! |---|---|
//! | one function that is called for events or telemetry | [`main`](macro@main), [`extension_fn`] |
//! | state, preparations, a flush | [`Extension`] |
//! | to read logs and platform events | [`telemetry::Batch`], [`telemetry::Record`] |
//! | to choose what an invocation may be held for | [`FlushStrategy`], [`Config::max_hold`] |
//! | something between registering and running, or an internal extension | [`Config::register`], [`Config::internal`] |
//! | to ask for a flush, or for what was counted, from a task of your own | [`Handle`] |
//! | the calls without the loop | [`client::Client`] |
#![cfg_attr(feature = "simulator", doc = "| a test | [`simulator::Simulator`] |")]
#![cfg_attr(not(feature = "simulator"), doc = "| a test | `simulator::Simulator` |")]
//!
//! The guide in the repository's `docs/` has pictures of every phase of a life, what each flush strategy costs, and the messages
//! Lambda prints with their causes.
//!
//! # A life
//!
//! ```text
//! register -> subscribe -> constructor, on_init -> next event
//!   INVOKE:   on_invoke beside the function, on_telemetry for each batch, on_flush if it is due -> next event
//!   SHUTDOWN: on_telemetry for the rest, on_flush, on_shutdown -> the process ends
//! ```
//!
//! # What holds
//!
//! Under [`ErrorPolicy::Continue`], the default, the function answers whatever a hook returns, panics with or waits for; what was
//! accepted as telemetry is handed on or counted in [`Metrics`]. What nothing can contain is a process that ends and a
//! thread that blocks; build with `panic = "unwind"`. `docs/faults.md` in the repository is a table of what tests saw of each fault in
//! each phase.
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `logging` | yes | [`logging`]: log lines as Lambda's logging configuration asks |
//! | `logs` | no | `subscribe_logs` of [`client::Client`]: the legacy Logs API |
//! | `simulator` | no | the local Lambda, and the program `lambda-sim` |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs, clippy::unwrap_used)]

#[doc(hidden)]
#[path = "private.rs"]
#[allow(missing_docs)]
pub mod __private;
mod answer;
pub mod client;
mod clock;
mod config;
mod connection;
mod contain;
mod error;
mod event;
mod extension;
mod flush;
mod handle;
mod hold;
mod hook;
mod id;
mod inbox;
mod lenient;
#[cfg(feature = "logging")]
pub mod logging;
mod registered;
mod registration;
mod runtime;
mod say;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod telemetry;
mod variables;
mod wire;

pub use config::{Config, ErrorPolicy};
pub use error::{ApiError, Error, ExtensionError, Hook, HookError};
pub use event::{
    EventType, FlushEvent, FlushReason, InvokeEvent, NextEvent, RestoreEvent, ShutdownEvent, ShutdownReason,
    TraceContext,
};
pub use extension::{Defaults, Extension, HandlerEvent, extension_fn};
pub use flush::FlushStrategy;
pub use handle::{Handle, Metrics};
pub use id::{AccountId, ExtensionId, FunctionArn, RequestId};
pub use lambda_extension_macros::main;
pub use registered::Registered;
pub use registration::Registration;

/// Runs an extension as its environment says, until SHUTDOWN: [`Config::from_env`], then [`Config::run`].
///
/// It returns when the last hook has, and the process should end then: Lambda bills the time until it does. What it costs beside
/// your hooks is in the repository's `docs/figures.md`: about two milliseconds of Init and three megabytes.
///
/// # Errors
///
/// [`ExtensionError`], as the type that `main` usually returns. It has been reported to Lambda where that was possible; `main` should
/// return it, so that the process exits with another code than 0.
///
/// ```no_run
/// use lambda_extension::{Error, InvokeEvent, extension_fn};
///
/// async fn on_invoke(event: InvokeEvent) -> Result<(), Error> {
///     println!("{event}");
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     lambda_extension::run(extension_fn(on_invoke)).await
/// }
/// ```
pub async fn run<E: Extension>(extension: E) -> Result<(), Error> {
    Ok(Config::from_env()?.run(extension).await?)
}

/// The programs in the README and in the guide compile, and run where they can.
#[cfg(all(doctest, feature = "simulator"))]
mod guide {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/lifecycle.md")]
    struct Lifecycle;
    #[doc = include_str!("../../docs/flushing.md")]
    struct Flushing;
    #[doc = include_str!("../../docs/testing.md")]
    struct Testing;
    #[doc = include_str!("../../docs/errors.md")]
    struct Errors;
    #[doc = include_str!("../../docs/migrating.md")]
    struct Migrating;
}
