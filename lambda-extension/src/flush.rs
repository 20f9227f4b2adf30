//! When to flush, and whether to wait for the end of the invocation first: decisions fed with times and facts, no I/O.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::{event::FlushReason, id::RequestId};

/// When [`Extension::on_flush`](crate::Extension::on_flush) is called, besides the last time in SHUTDOWN.
///
/// A flush holds the environment, and Lambda bills that time. Not to flush means that the data waits, frozen with the
/// environment, for the next invocation or for SHUTDOWN.
///
/// What that costs in milliseconds billed for each invocation, where the function takes 100 ms, Lambda reports its end 30 ms
/// later, and a flush takes 50 ms:
///
/// | | once a minute | once a second | bursts of 20, five a second | once a day |
/// |---|---|---|---|---|
/// | `End` | 80 | 80 | 80 | 80 |
/// | `Periodic(10 s)` | 0 | 0 | 0 | 0 |
/// | `Adaptive` | 80 | 0.4 | 20 | 80 |
/// | `Shutdown` | 0 | 0 | 0 | 0 |
///
/// `Periodic` costs nothing here because its flush runs beside the function and is done before it; a flush that takes longer
/// than the function holds Lambda for the difference.
///
/// And as the local Lambda reports it for the example `log_shipper` with a sink that takes no time, in milliseconds held, and
/// so billed, for each of 20 invocations, four a second (`lambda-sim -n 20 --rate 4 --function-ms 200 -- log_shipper end`):
///
/// | | a function of 20 ms | a function of 200 ms |
/// |---|---|---|
/// | `End` | 6.2 | 27.9 |
/// | `Adaptive` | 1.7 | 6.9 |
/// | `Periodic(10 s)`, `Shutdown` | 0.0 | 0.0 |
///
/// What `End` holds is the wait for the report: Lambda gathers a batch for 25 ms from its first record, which for a short function
/// is its first line.
///
/// ```
/// use std::time::Duration;
/// use lambda_extension::{Config, FlushStrategy};
///
/// # fn main() -> Result<(), lambda_extension::ExtensionError> {
/// let every_minute = Config::new("127.0.0.1:9001")?.flush(FlushStrategy::Periodic(Duration::from_secs(60)));
/// # let _ = every_minute;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlushStrategy {
    /// At the end of every invocation. With telemetry that is when its `platform.runtimeDone` has come, so that all the
    /// function logged is in the flush; without, when `on_invoke` has returned.
    End,
    /// In the first invocation after this much time, at least a millisecond, once its `on_invoke` has returned. Nothing is waited
    /// for: the flush runs beside the function.
    Periodic(Duration),
    /// `End` while invocations are rare, and `Periodic` with 10 s while they are dense: when the last five came less than
    /// 10 s apart on average.
    Adaptive,
    /// Only in SHUTDOWN.
    Shutdown,
}

/// `Adaptive`: how many gaps between invocations are looked at.
const GAPS: usize = 5;
/// `Adaptive`: gaps shorter than this, on average, are dense. Also the interval between two flushes then, and on Managed
/// Instances where the strategy names none.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// How many `runtimeDone` events are remembered that came before their INVOKE.
const EARLY: usize = 8;

/// How long before a bound a function must have ended for its report to come in time: the 25 ms that a batch is gathered
/// for, and what its delivery takes.
const DELIVERY_MS: u64 = 100;

/// An invocation whose end Lambda reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) request_id: RequestId,
    /// When the function ended, in milliseconds since the Unix epoch, as far as that can be read.
    pub(crate) time_ms: Option<u64>,
}

/// What the loop asks before it asks for the next event.
#[derive(Debug)]
pub(crate) struct Decision {
    strategy: FlushStrategy,
    last_flush: Instant,
    /// The latest arrivals, the oldest first; one more than there are gaps.
    arrivals: VecDeque<Instant>,
    gate: Option<Gate>,
}

impl Decision {
    pub(crate) fn new(strategy: FlushStrategy, now: Instant) -> Self {
        Self { strategy, last_flush: now, arrivals: VecDeque::with_capacity(GAPS + 1), gate: None }
    }

    /// From here on Lambda reports the ends of invocations, by a working subscription to `platform`.
    pub(crate) fn expect_reports(&mut self) {
        self.gate = Some(Gate::default());
    }

    /// An invocation begins.
    pub(crate) fn invoked(&mut self, request_id: &RequestId, now: Instant) {
        if self.arrivals.len() > GAPS {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(now);
        if let Some(gate) = &mut self.gate {
            gate.invoked(request_id);
        }
    }

    /// Lambda reports that the function is done with this invocation. True if that is the present one, and if it has not
    /// been reported before.
    pub(crate) fn runtime_done(&mut self, ended: Ended, in_time: bool) -> bool {
        self.gate.as_mut().is_some_and(|gate| gate.runtime_done(ended, in_time))
    }

    /// Whether this is the invocation that came last.
    pub(crate) fn is_present(&self, request_id: &RequestId) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.present.as_ref() == Some(request_id))
    }

    /// Whether the end of the present invocation is reported already.
    pub(crate) fn is_done(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.done)
    }

    /// Whether the end of the present invocation is yet to be reported.
    pub(crate) fn expects_report(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.present.is_some() && !gate.done)
    }

    /// Whether to wait for the report of the present invocation's end before asking for the next event.
    pub(crate) fn waits(&self) -> bool {
        self.flushes_at_end() && self.gate.as_ref().is_some_and(|gate| gate.trusted && !gate.done)
    }

    /// The invocation met its bound, at this time in milliseconds since the Unix epoch, while its end was waited for. True if
    /// that switches the waiting off.
    pub(crate) fn missed(&mut self, bound_ms: u64) -> bool {
        self.gate.as_mut().is_some_and(|gate| gate.missed(bound_ms))
    }

    /// Why to flush now, at the end of an invocation; `None` if it is not time yet.
    pub(crate) fn due(&self, requested: bool, now: Instant) -> Option<FlushReason> {
        if self.flushes_at_end() {
            Some(FlushReason::InvocationEnd)
        } else if self
            .interval()
            .is_some_and(|interval| now.saturating_duration_since(self.last_flush) >= interval)
        {
            Some(FlushReason::Interval)
        } else {
            requested.then_some(FlushReason::Requested)
        }
    }

    /// When to flush by the timer, in an environment that is never frozen.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        let interval = match self.strategy {
            FlushStrategy::Shutdown => return None,
            FlushStrategy::Periodic(interval) => interval,
            FlushStrategy::End | FlushStrategy::Adaptive => INTERVAL,
        };
        self.last_flush.checked_add(interval)
    }

    pub(crate) fn flushed(&mut self, now: Instant) {
        self.last_flush = now;
    }

    fn flushes_at_end(&self) -> bool {
        match self.strategy {
            FlushStrategy::End => true,
            FlushStrategy::Adaptive => !self.dense(),
            FlushStrategy::Periodic(_) | FlushStrategy::Shutdown => false,
        }
    }

    fn interval(&self) -> Option<Duration> {
        match self.strategy {
            FlushStrategy::Periodic(interval) => Some(interval),
            FlushStrategy::Adaptive => Some(INTERVAL),
            FlushStrategy::End | FlushStrategy::Shutdown => None,
        }
    }

    fn dense(&self) -> bool {
        let (Some(first), Some(last)) = (self.arrivals.front(), self.arrivals.back()) else { return false };
        self.arrivals.len() > GAPS && *last - *first < INTERVAL * GAPS as u32
    }
}

/// Whether the end of the present invocation was reported.
///
/// The report may come before its INVOKE is handled, late, twice or never; so it is kept by its request id.
#[derive(Debug)]
struct Gate {
    present: Option<RequestId>,
    done: bool,
    /// Reports whose INVOKE has not been seen.
    early: VecDeque<RequestId>,
    /// False after a report did not come in time, until one does: else every invocation would be held to its bound.
    trusted: bool,
    /// The invocation whose report did not come in time, and the bound it met.
    missed: Option<(RequestId, u64)>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { present: None, done: false, early: VecDeque::new(), trusted: true, missed: None }
    }
}

impl Gate {
    fn invoked(&mut self, request_id: &RequestId) {
        self.done = self.early.contains(request_id);
        self.trusted |= self.done;
        self.early.retain(|early| early != request_id);
        self.present = Some(request_id.clone());
    }

    fn runtime_done(&mut self, ended: Ended, in_time: bool) -> bool {
        self.trusted |= self.excuses(&ended);
        if self.present.as_ref() == Some(&ended.request_id) {
            self.trusted |= in_time;
            return !std::mem::replace(&mut self.done, true);
        }
        if !self.early.contains(&ended.request_id) {
            if self.early.len() == EARLY {
                self.early.pop_front();
            }
            self.early.push_back(ended.request_id);
        }
        false
    }

    fn missed(&mut self, bound_ms: u64) -> bool {
        self.missed = self.present.clone().map(|present| (present, bound_ms));
        std::mem::replace(&mut self.trusted, false)
    }

    /// Whether this is the report that was missed, and the function itself ran until then: it could not have come in time,
    /// and the next ones will.
    fn excuses(&self, ended: &Ended) -> bool {
        let (Some((missed, bound_ms)), Some(time_ms)) = (&self.missed, ended.time_ms) else { return false };
        *missed == ended.request_id && time_ms + DELIVERY_MS > *bound_ms
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod traces;
