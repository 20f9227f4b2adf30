//! How long Lambda may be kept waiting for the next poll.

use std::time::Duration;

use tokio::time::Instant;

/// What is used of the time before a SHUTDOWN's deadline where Lambda does not say when that is.
const UNKNOWN_SHUTDOWN: Duration = Duration::from_secs(2);

/// A SHUTDOWN's deadline that is further away says that this machine's clock is wrong: external extensions have 2 s ("Lambda
/// execution environment lifecycle", shutdown phase), and who believes in more is killed before it is done.
const CREDIBLE_SHUTDOWN: Duration = Duration::from_secs(60);

/// How much is left unused before a deadline: a tenth of what remains, at least 50 ms and at most 500 ms.
fn margin(remaining: Duration) -> Duration {
    (remaining / 10).clamp(Duration::from_millis(50), Duration::from_millis(500))
}

/// How the time for a SHUTDOWN is shared out: one deadline, computed once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShutdownPlan {
    /// Until when telemetry is waited for: a quarter.
    pub(crate) accept: Instant,
    /// Until when what was received is handed on: half.
    pub(crate) hand_on: Instant,
    /// When everything must be over.
    pub(crate) end: Instant,
}

impl ShutdownPlan {
    /// `remaining`: how long it is until Lambda kills the process, where it says.
    pub(crate) fn new(remaining: Option<Duration>, now: Instant) -> Self {
        let credible = remaining.filter(|remaining| *remaining <= CREDIBLE_SHUTDOWN);
        let remaining = credible.unwrap_or(UNKNOWN_SHUTDOWN);
        let budget = remaining.saturating_sub(margin(remaining));
        Self { accept: now + budget / 4, hand_on: now + budget / 2, end: now + budget }
    }

    /// Until when the last flush may run: two thirds of what is left.
    pub(crate) fn flush(&self, now: Instant) -> Instant {
        now + self.end.saturating_duration_since(now) * 2 / 3
    }
}

/// How long one event may hold the environment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    /// The function's deadline less a margin, where it is known.
    deadline: Option<Instant>,
    /// Since when the function has been done, as far as we know.
    done: Option<Instant>,
    max_hold: Duration,
}

impl Hold {
    /// The hold of an invocation that has `remaining` until the function times out.
    pub(crate) fn invocation(remaining: Option<Duration>, max_hold: Duration, now: Instant) -> Self {
        let deadline = remaining.map(|remaining| now + remaining.saturating_sub(margin(remaining)));
        Self { deadline, done: None, max_hold }
    }

    /// The hold of a SHUTDOWN, as long as telemetry is handed on.
    pub(crate) fn shutdown(plan: &ShutdownPlan) -> Self {
        Self { deadline: Some(plan.hand_on), done: None, max_hold: Duration::MAX }
    }

    /// The function is done, so that from now on only the extension keeps Lambda waiting.
    pub(crate) fn function_done(&mut self, now: Instant) {
        self.done.get_or_insert(now);
    }

    /// When the function was done.
    pub(crate) fn done_at(&self) -> Option<Instant> {
        self.done
    }

    /// What sets the bound, as errors name it.
    pub(crate) fn bound_name(&self) -> &'static str {
        if self.bound() == self.deadline {
            "the function's timeout less a margin"
        } else {
            "`Config::max_hold`"
        }
    }

    /// Whether the function's own time is not up yet.
    pub(crate) fn before_deadline(&self, now: Instant) -> bool {
        self.deadline.is_none_or(|deadline| now < deadline)
    }

    /// When the next event must be asked for, whatever still runs.
    pub(crate) fn bound(&self) -> Option<Instant> {
        // An invocation may be held for ever, if its author says so.
        let money = self.done.and_then(|done| done.checked_add(self.max_hold));
        match (self.deadline, money) {
            (Some(deadline), Some(money)) => Some(deadline.min(money)),
            (deadline, money) => deadline.or(money),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_HOLD: Duration = Duration::from_secs(2);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_margin_is_a_tenth_within_its_limits() {
        assert_eq!(margin(ms(100)), ms(50));
        assert_eq!(margin(ms(2_000)), ms(200));
        assert_eq!(margin(Duration::from_secs(900)), ms(500));
    }

    #[test]
    fn an_invocation_is_bounded_by_its_deadline_until_the_function_is_done() {
        let now = Instant::now();
        let mut hold = Hold::invocation(Some(ms(60_000)), MAX_HOLD, now);
        assert_eq!(hold.bound(), Some(now + ms(59_500)));
        assert!(hold.bound_name().contains("timeout"));
        hold.function_done(now + ms(10));
        hold.function_done(now + ms(900));
        assert_eq!(hold.bound(), Some(now + ms(10) + MAX_HOLD));
        assert!(hold.bound_name().contains("max_hold"));
        let mut hold = Hold::invocation(Some(ms(1_000)), MAX_HOLD, now);
        hold.function_done(now);
        assert_eq!(hold.bound(), Some(now + ms(900)), "the deadline comes first");
    }

    #[test]
    fn an_unknown_deadline_bounds_nothing_but_money_does() {
        let now = Instant::now();
        let mut hold = Hold::invocation(None, MAX_HOLD, now);
        assert_eq!(hold.bound(), None);
        hold.function_done(now);
        assert_eq!(hold.bound(), Some(now + MAX_HOLD));
    }

    #[test]
    fn a_hold_without_end_is_no_bound() {
        let now = Instant::now();
        let mut hold = Hold::invocation(Some(ms(1_000)), Duration::MAX, now);
        hold.function_done(now);
        assert_eq!(hold.bound(), Some(now + ms(900)));
        let plan = ShutdownPlan::new(None, now);
        let mut hold = Hold::shutdown(&plan);
        hold.function_done(now);
        assert_eq!(hold.bound(), Some(plan.hand_on), "a late report of an end changes nothing");
    }

    #[test]
    fn shutdown_has_two_seconds_where_lambda_does_not_say() {
        let now = Instant::now();
        let plan = ShutdownPlan::new(None, now);
        assert_eq!((plan.accept, plan.hand_on, plan.end), (now + ms(450), now + ms(900), now + ms(1_800)));
        assert_eq!(plan.flush(now + ms(300)), now + ms(1_300));
        assert_eq!(ShutdownPlan::new(Some(ms(3_600_000)), now).end, now + ms(1_800), "a clock that is wrong");
        assert_eq!(ShutdownPlan::new(Some(ms(300)), now).end, now + ms(250));
        assert_eq!(ShutdownPlan::new(Some(ms(20)), now).end, now);
    }
}
