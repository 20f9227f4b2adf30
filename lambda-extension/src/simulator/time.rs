//! The simulator's clock: wall time for the wire, elapsed time for figures.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;

/// Follows tokio's clock, so that a test that pauses time pauses Lambda too.
#[derive(Debug)]
pub(crate) struct Timekeeper {
    clock: Clock,
    started: Instant,
    /// A jump of the wall clock that somebody asked for.
    shift_ms: AtomicI64,
}

impl Timekeeper {
    pub(crate) fn start() -> Self {
        Self { clock: Clock::tokio(), started: Instant::now(), shift_ms: AtomicI64::new(0) }
    }

    /// The clock for an extension that lives in this process.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms().saturating_add_signed(self.shift_ms.load(Ordering::Relaxed))
    }

    /// The wall time of an instant that lies close to now.
    pub(crate) fn at_ms(&self, instant: Instant) -> u64 {
        let now = Instant::now();
        let ahead = instant.saturating_duration_since(now).as_millis() as u64;
        let behind = now.saturating_duration_since(instant).as_millis() as u64;
        (self.now_ms() + ahead).saturating_sub(behind)
    }

    /// Time since the simulator started, for the journal and the timeline.
    pub(crate) fn since_start(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn since_start_at(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.started)
    }

    pub(crate) fn jump(&self, by_ms: i64) {
        self.shift_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

/// Milliseconds with three decimals, as telemetry states durations.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`
pub(crate) fn iso(epoch_ms: u64) -> String {
    let (year, month, day) = date(epoch_ms / 86_400_000);
    let in_day = epoch_ms % 86_400_000;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        in_day / 3_600_000,
        in_day / 60_000 % 60,
        in_day / 1_000 % 60,
        in_day % 1_000
    )
}

/// Year, month and day of a day counted from 1970-01-01, by the Gregorian rule.
pub(crate) fn date(mut day: u64) -> (u64, u64, u64) {
    // Every 400 years the calendar repeats itself; a clock that was made to jump may be far ahead.
    let mut year = 1970 + day / 146_097 * 400;
    day %= 146_097;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_iso_8601_with_milliseconds() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(1_709_210_096_007), "2024-02-29T12:34:56.007Z");
        assert_eq!(iso(1_785_265_331_667), "2026-07-28T19:02:11.667Z");
        assert_eq!(iso(13_569_465_600_000), "2400-01-01T00:00:00.000Z");
        assert_eq!(iso(u64::MAX), "584556019-04-03T14:25:51.615Z");
    }

    #[tokio::test]
    async fn the_wall_clock_can_be_made_to_jump_and_elapsed_time_does_not() {
        let time = Timekeeper::start();
        let (before, elapsed) = (time.now_ms(), time.since_start());
        time.jump(-3_600_000);
        assert!((before - 3_600_000..before).contains(&time.now_ms()));
        assert!(time.since_start() >= elapsed);
    }
}
