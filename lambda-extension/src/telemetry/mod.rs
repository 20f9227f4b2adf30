//! Telemetry: what the function, Lambda and other extensions have to say.

pub(crate) mod batch;
pub(crate) mod intake;
pub(crate) mod listener;
mod subscription;

pub use batch::Batch;
pub use subscription::{Buffering, Category, Protocol, Subscription};
