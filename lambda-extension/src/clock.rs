//! What time it is, for deadlines that Lambda states as wall-clock milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The clock that turns Lambda's `deadlineMs` into time that is left.
///
/// In production that is the system's. A simulator that shares a runtime with the extension hands out
/// [`Clock::Tokio`], so that deadlines follow tokio's paused time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Clock {
    /// The operating system's wall clock.
    #[default]
    System,
    /// Tokio's clock, which read `epoch_ms` milliseconds since the Unix epoch at `origin`.
    #[cfg_attr(not(feature = "simulator"), allow(dead_code))]
    Tokio { epoch_ms: u64, origin: Instant },
}

impl Clock {
    /// A clock that stands at the system's time now and moves with tokio's from here on.
    #[cfg_attr(not(feature = "simulator"), allow(dead_code))]
    pub(crate) fn tokio() -> Self {
        Self::Tokio { epoch_ms: Self::System.now_ms(), origin: Instant::now() }
    }

    /// Milliseconds since the Unix epoch; 0 for a clock that is set before it.
    pub(crate) fn now_ms(self) -> u64 {
        match self {
            Self::System => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
            }
            Self::Tokio { epoch_ms, origin } => epoch_ms + origin.elapsed().as_millis() as u64,
        }
    }
}
