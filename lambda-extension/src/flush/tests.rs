use std::collections::HashSet;

use proptest::{collection::vec, prelude::*};

use super::*;

fn id(number: u32) -> RequestId {
    RequestId::from(number.to_string().as_str())
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The end of an invocation as Lambda reports it, at a time nobody asks for.
fn end(number: u32) -> Ended {
    Ended { request_id: id(number), time_ms: None }
}

fn gated(strategy: FlushStrategy) -> (Decision, Instant) {
    let now = Instant::now();
    let mut decision = Decision::new(strategy, now);
    decision.expect_reports();
    (decision, now)
}

#[test]
fn an_end_reported_before_its_invoke_is_not_waited_for() {
    let (mut decision, now) = gated(FlushStrategy::End);
    assert!(!decision.runtime_done(end(1), true), "it is not the present one's yet");
    decision.invoked(&id(1), now);
    assert!(!decision.waits() && decision.is_done());
    assert!(!decision.runtime_done(end(1), true), "it was reported before");
}

#[test]
fn a_missed_end_is_told_once_and_no_later_invocation_waits() {
    let (mut decision, now) = gated(FlushStrategy::End);
    decision.invoked(&id(1), now);
    assert!(decision.waits());
    assert!(decision.missed(1_000));
    decision.invoked(&id(2), now + ms(1_000));
    assert!(!decision.waits());
}

#[test]
fn an_end_in_time_brings_the_waiting_back() {
    for early in [false, true] {
        let (mut decision, now) = gated(FlushStrategy::End);
        decision.invoked(&id(1), now);
        decision.missed(1_000);
        if early {
            decision.runtime_done(end(2), true);
            decision.invoked(&id(2), now);
        } else {
            decision.invoked(&id(2), now);
            decision.runtime_done(end(2), true);
        }
        decision.invoked(&id(3), now);
        assert!(decision.waits(), "early: {early}");
    }
}

#[test]
fn a_function_that_ran_past_the_bound_itself_does_not_end_the_waiting() {
    let (mut decision, now) = gated(FlushStrategy::End);
    decision.invoked(&id(1), now);
    decision.missed(2_700);
    // The environment was frozen in between, so the report comes with the next invocation.
    decision.runtime_done(Ended { request_id: id(1), time_ms: Some(2_800) }, false);
    decision.invoked(&id(2), now + ms(60_000));
    assert!(decision.waits());
}

#[test]
fn reports_that_always_come_late_are_not_waited_for_again() {
    let (mut decision, now) = gated(FlushStrategy::End);
    decision.invoked(&id(1), now);
    decision.missed(2_700);
    decision.runtime_done(Ended { request_id: id(1), time_ms: Some(700) }, false);
    decision.runtime_done(Ended { request_id: id(7), time_ms: Some(9_000) }, false);
    decision.invoked(&id(2), now + ms(60_000));
    assert!(!decision.waits());
}

#[test]
fn ends_of_invocations_that_never_come_are_forgotten() {
    let (mut decision, _) = gated(FlushStrategy::End);
    for number in 0..1_000 {
        decision.runtime_done(end(number), true);
    }
    assert_eq!(decision.gate.map(|gate| gate.early.len()), Some(EARLY));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next invocation comes, if none goes on.
    Invoke {
        timeout_ms: u64,
    },
    /// `on_invoke` returns.
    Return,
    /// Lambda reports the end of the invocation that came this many after the latest.
    Done {
        after: i32,
    },
    /// Lambda reports the end of an invocation that never comes.
    Foreign {
        number: u32,
    },
    Pass {
        ms: u64,
    },
}

/// Decoded from numbers, because a strategy for each step makes 100,000 cases take minutes.
fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    vec(any::<u16>(), 0..30).prop_map(|numbers| {
        let step = |number: u16| {
            let (kind, value) = (number % 12, u32::from(number / 12));
            match kind {
                0..3 => Step::Invoke { timeout_ms: u64::from(value % 3_000) + 1 },
                3..6 => Step::Return,
                // Late, for the present one, early; and twice, because there are few. No more of them than are remembered.
                6..9 => Step::Done { after: (value % 5) as i32 - 2 },
                9 => Step::Foreign { number: value % 2 },
                _ => Step::Pass { ms: u64::from(value % 4_000) },
            }
        };
        numbers.into_iter().map(step).collect()
    })
}

/// What the loop is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    Parked,
    Hook { number: u32, bound: Instant },
    Waiting { number: u32, bound: Instant },
}

/// Does with a [`Decision`] what the loop does, and checks it against what it was told.
struct Loop {
    decision: Decision,
    subscribed: bool,
    strategy: FlushStrategy,
    start: Instant,
    now: Instant,
    doing: Doing,
    /// The number of the latest invocation. It begins high, so that foreign and late ends have numbers too.
    latest: u32,
    /// The invocations whose ends Lambda reported.
    told: HashSet<u32>,
    /// Whether the last wait was in vain and nothing has come in time since.
    in_vain: bool,
    switched_off: u32,
    misses: u32,
}

impl Loop {
    fn new(strategy: FlushStrategy, subscribed: bool) -> Self {
        let now = Instant::now();
        let mut decision = Decision::new(strategy, now);
        if subscribed {
            decision.expect_reports();
        }
        Self {
            decision,
            subscribed,
            strategy,
            start: now,
            now,
            doing: Doing::Parked,
            latest: 100,
            told: HashSet::new(),
            in_vain: false,
            switched_off: 0,
            misses: 0,
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match (step, self.doing) {
            (Step::Invoke { timeout_ms }, Doing::Parked) => {
                self.latest += 1;
                let number = self.latest;
                self.decision.invoked(&id(number), self.now);
                self.in_vain &= !self.told.contains(&number);
                self.doing = Doing::Hook { number, bound: self.now + ms(timeout_ms) };
            }
            (Step::Return, Doing::Hook { number, bound }) => {
                if self.decision.waits() {
                    prop_assert!(!self.told.contains(&number), "it waits for what it was told");
                    self.doing = Doing::Waiting { number, bound };
                } else {
                    self.ask();
                }
            }
            (Step::Done { after }, doing) => self.done(self.latest.saturating_add_signed(after), doing)?,
            (Step::Foreign { number }, doing) => self.done(number, doing)?,
            (Step::Pass { ms: passed }, doing) => {
                self.now += ms(passed);
                match doing {
                    Doing::Hook { bound, .. } if self.now >= bound => self.ask(),
                    Doing::Waiting { bound, .. } if self.now >= bound => {
                        prop_assert!(!self.in_vain, "a second invocation meets its bound");
                        // Long after the function's end, as far as that is known: nothing excuses the platform.
                        let told = self.decision.missed((bound - self.start).as_millis() as u64 + 1_000_000);
                        prop_assert!(told);
                        self.switched_off += 1;
                        self.misses += 1;
                        self.in_vain = true;
                        self.ask();
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        if !self.subscribed || !matches!(self.strategy, FlushStrategy::End | FlushStrategy::Adaptive) {
            prop_assert!(!self.decision.waits(), "nothing reports, or nobody asks for reports");
        }
        if let Some(gate) = &self.decision.gate {
            prop_assert!(gate.early.len() <= EARLY);
        }
        prop_assert!(self.switched_off == self.misses);
        Ok(())
    }

    fn done(&mut self, number: u32, doing: Doing) -> Result<(), TestCaseError> {
        let ended =
            Ended { request_id: id(number), time_ms: Some((self.now - self.start).as_millis() as u64) };
        let (Doing::Hook { number: present, bound } | Doing::Waiting { number: present, bound }) = doing
        else {
            self.decision.runtime_done(ended, false);
            self.told.insert(number);
            return Ok(());
        };
        let over = self.decision.runtime_done(ended, self.now < bound);
        if number == present && self.subscribed {
            prop_assert_eq!(over, self.told.insert(number), "an end is news once");
            self.in_vain &= self.now >= bound;
            prop_assert!(!self.decision.waits(), "a wait ends at once");
            if let Doing::Waiting { .. } = doing {
                self.ask();
            }
        } else {
            prop_assert!(!over);
            self.told.insert(number);
        }
        Ok(())
    }

    /// The end of the invocation.
    fn ask(&mut self) {
        if self.decision.due(false, self.now).is_some() {
            self.decision.flushed(self.now);
        }
        self.doing = Doing::Parked;
    }
}

fn any_strategy() -> impl Strategy<Value = FlushStrategy> {
    prop_oneof![
        Just(FlushStrategy::End),
        Just(FlushStrategy::Adaptive),
        Just(FlushStrategy::Periodic(ms(5_000))),
        Just(FlushStrategy::Shutdown),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    #[test]
    fn no_order_of_events_makes_an_invocation_wait_in_vain_twice(
        strategy in any_strategy(),
        subscribed in any::<bool>(),
        steps in any_steps()
    ) {
        let mut run = Loop::new(strategy, subscribed);
        for step in steps {
            run.step(step)?;
        }
    }
}
