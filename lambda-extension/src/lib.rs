//! Write AWS Lambda extensions in Rust.
#![warn(missing_docs, clippy::unwrap_used)]

#[doc(hidden)]
#[path = "private.rs"]
#[allow(missing_docs)]
pub mod __private;
pub mod client;
mod clock;
mod config;
mod error;
mod event;
mod extension;
mod flush;
mod handle;
mod hold;
mod hook;
mod id;
mod inbox;
#[cfg(feature = "logging")]
pub mod logging;
mod mark;
mod registered;
mod registration;
mod runtime;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod telemetry;
mod wire;

pub use config::{Config, ErrorPolicy};
pub use error::{ApiError, Error, ExtensionError, HookError};
pub use event::{
    EventType, FlushEvent, FlushReason, InvokeEvent, NextEvent, RestoreEvent, ShutdownEvent, ShutdownReason,
    TraceContext,
};
pub use extension::{Defaults, Extension, ExtensionFn, HandlerEvent, Hook, extension_fn};
pub use flush::FlushStrategy;
pub use handle::{Handle, Metrics};
pub use id::{AccountId, ExtensionId, FunctionArn, RequestId};
pub use lambda_extension_macros::main;
pub use registered::Registered;
pub use registration::Registration;

/// Runs an extension as its environment says, until SHUTDOWN: [`Config::from_env`], then [`Config::run`].
///
/// # Errors
///
/// [`ExtensionError`], as the type that `main` usually returns.
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
