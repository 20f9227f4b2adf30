//! Noticing an extension that is fed by its own log lines.

use std::time::Duration;

use tokio::time::Instant;

/// How many batches of extensions' lines may come between two invocations before it looks like a loop.
const USUAL: u32 = 10;
/// How long to wait between two of them then.
const PAUSE: Duration = Duration::from_secs(1);

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    HandOn,
    /// Leave it out; `first` when this is the first time.
    LeaveOut {
        first: bool,
    },
}

/// Counts the batches with nothing but extensions' lines that come while no invocation goes on.
///
/// A line that this extension writes, while it handles telemetry, without the mark of [`logging`](crate::logging) cannot
/// be told from another extension's, and comes back as telemetry. Between invocations nothing else keeps on writing.
#[derive(Debug, Default)]
pub(crate) struct Feedback {
    streak: u32,
    last: Option<Instant>,
    noticed: bool,
}

impl Feedback {
    /// An invocation has begun: extensions may write again.
    pub(crate) fn invoked(&mut self) {
        self.streak = 0;
    }

    /// A batch with nothing but extensions' lines has come while no invocation goes on.
    pub(crate) fn judge(&mut self, now: Instant) -> Verdict {
        self.streak = self.streak.saturating_add(1);
        let soon = self.last.is_some_and(|last| now < last + PAUSE);
        if self.streak > USUAL && soon {
            return Verdict::LeaveOut { first: !std::mem::replace(&mut self.noticed, true) };
        }
        self.last = Some(now);
        Verdict::HandOn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_slowed_to_one_batch_a_second_and_told_once() {
        let mut feedback = Feedback::default();
        let start = Instant::now();
        // A loop that takes 30 ms a turn, for ten seconds.
        let verdicts: Vec<_> =
            (0..333).map(|turn| feedback.judge(start + Duration::from_millis(30) * turn)).collect();
        let handed_on = verdicts.iter().filter(|verdict| **verdict == Verdict::HandOn).count();
        assert_eq!(handed_on, 10 + 9);
        let told = verdicts.iter().filter(|verdict| **verdict == Verdict::LeaveOut { first: true }).count();
        assert_eq!(told, 1);
    }

    #[test]
    fn what_other_extensions_write_around_invocations_is_handed_on() {
        let mut feedback = Feedback::default();
        let start = Instant::now();
        for invocation in 0..100 {
            feedback.invoked();
            for line in 0..3 {
                let now = start + Duration::from_millis(50 * invocation + line);
                assert_eq!(feedback.judge(now), Verdict::HandOn);
            }
        }
    }
}
