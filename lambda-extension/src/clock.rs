//! What time it is, for deadlines that Lambda states as wall-clock milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
            Self::System => since_epoch_ms(SystemTime::now()).unwrap_or(0),
            Self::Tokio { epoch_ms, origin } => epoch_ms + origin.elapsed().as_millis() as u64,
        }
    }

    /// `instant` in milliseconds since the Unix epoch, 0 if there is none.
    pub(crate) fn epoch_ms(self, instant: Option<Instant>) -> u64 {
        let Some(instant) = instant else { return 0 };
        let left = instant.saturating_duration_since(Instant::now()).as_millis();
        // An instant may be as far away as whoever configures a bound likes.
        self.now_ms().saturating_add(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

/// A time as telemetry writes it.
pub(crate) fn timestamp(time: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(time).ok()
}

/// A time as the Extensions API writes it; `None` before the Unix epoch.
pub(crate) fn since_epoch_ms(time: SystemTime) -> Option<u64> {
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_millis() as u64)
}

/// How an event's `deadlineMs` is to be read: by which clock, and what that showed when the event came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadline {
    clock: Clock,
    received_ms: u64,
}

/// How an event is read is no part of what it says.
impl PartialEq for Deadline {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Deadline {
    /// The reading of an event that has come just now.
    pub(crate) fn received(clock: Clock) -> Self {
        Self { clock, received_ms: clock.now_ms() }
    }

    /// The deadline as a time. 0, and a time that had passed when the event came, say that Lambda does not know.
    pub(crate) fn time(self, deadline_ms: u64) -> Option<SystemTime> {
        self.known(deadline_ms).map(|ms| UNIX_EPOCH + Duration::from_millis(ms))
    }

    /// What is left until then.
    pub(crate) fn remaining(self, deadline_ms: u64) -> Option<Duration> {
        self.known(deadline_ms).map(|ms| Duration::from_millis(ms.saturating_sub(self.clock.now_ms())))
    }

    fn known(self, deadline_ms: u64) -> Option<u64> {
        (deadline_ms > self.received_ms).then_some(deadline_ms)
    }
}

/// The bound of a hook, as the hook is told of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bound {
    /// 0 where there is none.
    pub(crate) deadline_ms: u64,
    pub(crate) read: Deadline,
}

impl Bound {
    /// A bound that is set now.
    pub(crate) fn at(instant: Option<Instant>, clock: Clock) -> Self {
        Self { deadline_ms: clock.epoch_ms(instant), read: Deadline::received(clock) }
    }
}

/// The methods of an event that has its deadline in the fields `deadline_ms` and `read`: when what happens, and where that is `None`.
macro_rules! deadline_methods {
    ($event:ty, $when:literal, $none:literal) => {
        impl $event {
            /// The same event with this deadline, in milliseconds since the Unix epoch: for a unit test of a hook.
            #[must_use]
            pub fn with_deadline_ms(mut self, deadline_ms: u64) -> Self {
                self.deadline_ms = deadline_ms;
                self
            }

            #[doc = concat!("When ", $when, "; `None` where ", $none, ".")]
            #[must_use]
            pub fn deadline(&self) -> Option<std::time::SystemTime> {
                self.read.time(self.deadline_ms)
            }

            #[doc = concat!("How long until ", $when, ", zero once that time has come; `None` where ", $none, ".")]
            #[must_use]
            pub fn remaining(&self) -> Option<std::time::Duration> {
                self.read.remaining(self.deadline_ms)
            }
        }
    };
}
pub(crate) use deadline_methods;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_at_the_end_of_time_is_a_bound() {
        // So many seconds that their milliseconds, as 64 bits hold them, are a thousand short of none.
        let for_ever = Instant::now() + Duration::from_secs((1 << 62) - 1);
        let bound = Bound::at(Some(for_ever), Clock::System);
        assert!(bound.read.remaining(bound.deadline_ms) > Some(Duration::from_secs(1 << 32)), "{bound:?}");
    }
}
