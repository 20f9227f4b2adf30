//! The phases of an environment's life, in the order and with the budgets of Lambda.

mod end;
mod init;
mod invocation;
mod invoke;
mod records;
mod restore;

use tokio::time::Instant;

use self::init::InitPhase;
pub use self::invocation::Invocation;
pub(crate) use self::invoke::Fate;
use super::core::{Core, Inner};
use super::report::Status;

/// Why a phase did not come to its good end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    /// Lambda's error type; a timeout has none.
    pub(crate) error_type: Option<String>,
}

impl Failure {
    fn error(error_type: &str) -> Self {
        Self { status: Status::Error, error_type: Some(error_type.to_owned()) }
    }

    fn timeout() -> Self {
        Self { status: Status::Timeout, error_type: None }
    }

    /// The reason SHUTDOWN states after this failure.
    fn shutdown_reason(&self) -> &'static str {
        if self.status == Status::Timeout { "timeout" } else { "failure" }
    }
}

impl Core {
    /// Waits until a gate opens, something fatal happens or the time is up.
    async fn gate(&self, deadline: Instant, mut open: impl FnMut(&mut Inner) -> bool) -> Result<(), Failure> {
        let outcome = self.until_or(deadline, |inner| match inner.env.first_fatal() {
            Some(error) => Some(Err(Failure::error(error))),
            None => open(inner).then_some(Ok(())),
        });
        outcome.await.unwrap_or_else(|| Err(Failure::timeout()))
    }
}
