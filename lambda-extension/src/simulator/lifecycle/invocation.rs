//! An invocation that is over, as whoever invoked sees it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::simulator::core::Core;
use crate::simulator::report::{Held, Status};
use crate::simulator::time::millis;

/// One invocation that is over, as [`Simulator::invoke`](crate::simulator::Simulator::invoke) returns it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use lambda_extension::simulator::{Function, Simulator, Status};
///
/// let sad = Function::failing("Function.Sad", "no");
/// let simulator = Simulator::builder().function(sad).start().await;
/// let invocation = simulator.invoke("{}").await.expect_error("Function.Sad");
/// assert_eq!(invocation.status, Status::Error);
/// assert!(invocation.init.is_some(), "the first invocation waits for Init");
/// assert!(invocation.runtime.unwrap() <= invocation.duration);
/// assert!(invocation.to_string().starts_with("error (Function.Sad) in "));
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Invocation {
    /// Its request id, which the extensions' event, telemetry and the [report](crate::simulator::InvocationReport) name too.
    pub request_id: String,
    /// How it ended.
    pub status: Status,
    /// Lambda's error type, if it failed; a timeout has none.
    pub error_type: Option<String>,
    /// What the function answered, which with a failed function is its error as JSON; nothing if it did not answer.
    pub response: Option<Vec<u8>>,
    /// How long Init took, if this invocation had to wait for it.
    pub init: Option<Duration>,
    /// How long it took, extensions included, without Init.
    pub duration: Duration,
    /// How long the runtime took until it asked for the next invocation; nothing if it never did.
    pub runtime: Option<Duration>,
    /// When each extension that was given the invocation asked for the next event.
    pub held: Vec<Held>,
    pub(super) never_began: bool,
    pub(super) core: Arc<Core>,
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("request_id", &self.request_id)
            .field("status", &self.status)
            .field("error_type", &self.error_type)
            .field("response", &self.response.as_deref().map(String::from_utf8_lossy))
            .field("init", &self.init)
            .field("duration", &self.duration)
            .field("runtime", &self.runtime)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

/// How it ended and what it took, such as `success in 23.4 ms, held 1.2 ms by extensions`.
impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(error) = &self.error_type {
            write!(f, " ({error})")?;
        }
        let (duration, held) = (millis(self.duration), millis(self.longest_hold()));
        write!(f, " in {duration:.1} ms, held {held:.1} ms by extensions")
    }
}

impl Invocation {
    /// What the slowest extension held beyond the runtime. It is billed.
    pub fn longest_hold(&self) -> Duration {
        self.held.iter().map(|one| one.beyond_runtime).max().unwrap_or_default()
    }

    /// Init failed, so that neither function nor extensions were given anything.
    pub(crate) fn never_began(&self) -> bool {
        self.never_began
    }

    /// Fails a test unless the invocation succeeded.
    ///
    /// # Panics
    ///
    /// If it did not; the message shows the invocation and the journal of calls.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        self.expect(Status::Success, None)
    }

    /// Fails a test unless the invocation timed out.
    ///
    /// # Panics
    ///
    /// If it did not; the message shows the invocation and the journal of calls.
    #[track_caller]
    pub fn expect_timeout(self) -> Self {
        self.expect(Status::Timeout, None)
    }

    /// Fails a test unless the invocation failed with this error type, such as `Extension.Crash`.
    ///
    /// # Panics
    ///
    /// If it did not; the message shows the invocation and the journal of calls.
    #[track_caller]
    pub fn expect_error(self, error_type: &str) -> Self {
        self.expect(Status::Error, Some(error_type))
    }

    #[track_caller]
    fn expect(self, status: Status, error_type: Option<&str>) -> Self {
        if self.status != status || self.error_type.as_deref() != error_type {
            let journal = self.core.lock().journal.to_string();
            let error = error_type.map(|error| format!(" ({error})")).unwrap_or_default();
            panic!(
                "expected an invocation that ends with {status}{error}, but came:\n  {self}\n  {self:?}\njournal:\n{journal}"
            );
        }
        self
    }
}
