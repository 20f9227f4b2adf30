//! What each strategy costs, and how long data waits, where invocations come in different ways.

use super::*;

/// The function takes this long, the report of its end comes this much later, and a flush takes this long.
const FUNCTION: Duration = Duration::from_millis(100);
const REPORT: Duration = Duration::from_millis(30);
const FLUSH: Duration = Duration::from_millis(50);
/// When `on_invoke` returns.
const HOOK: Duration = Duration::from_millis(1);

const DAY: u64 = 24 * 60 * 60;

/// What became of one invocation.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    began: Instant,
    flush: Option<FlushReason>,
    /// How long Lambda was kept waiting after the function's end. That is billed.
    held: Duration,
}

/// Plays invocations that begin this many seconds after the start.
fn play(strategy: FlushStrategy, subscribed: bool, arrivals: &[f64]) -> Vec<Outcome> {
    let start = Instant::now();
    let mut decision = Decision::new(strategy, start);
    if subscribed {
        decision.expect_reports();
    }
    let invocation = |(number, after): (usize, &f64)| {
        let began = start + Duration::from_secs_f64(*after);
        let id = RequestId::from(number.to_string().as_str());
        decision.invoked(&id, began);
        let mut now = began + HOOK;
        if decision.waits() {
            now = began + FUNCTION + REPORT;
            assert!(decision.runtime_done(Ended { request_id: id, time_ms: None }, true));
        }
        let flush = decision.due(false, now);
        if flush.is_some() {
            decision.flushed(now);
            now += FLUSH;
        }
        Outcome { began, flush, held: now.saturating_duration_since(began + FUNCTION) }
    };
    arrivals.iter().enumerate().map(invocation).collect()
}

fn every(seconds: f64, times: usize) -> Vec<f64> {
    (0..times).map(|number| number as f64 * seconds).collect()
}

/// Bursts of `size`, five a second, `apart` seconds from each other.
fn bursts(size: usize, apart: f64, times: usize) -> Vec<f64> {
    let burst = |begin: f64| (0..size).map(move |number| begin + number as f64 * 0.2);
    every(apart, times).into_iter().flat_map(burst).collect()
}

fn sparse() -> Vec<f64> {
    every(60.0, 100)
}

fn steady() -> Vec<f64> {
    every(1.0, 1_000)
}

fn once_a_day() -> Vec<f64> {
    every(DAY as f64, 30)
}

fn count(outcomes: &[Outcome], reason: FlushReason) -> usize {
    outcomes.iter().filter(|outcome| outcome.flush == Some(reason)).count()
}

fn mean_hold_ms(outcomes: &[Outcome]) -> f64 {
    let held: Duration = outcomes.iter().map(|outcome| outcome.held).sum();
    held.as_secs_f64() * 1_000.0 / outcomes.len() as f64
}

#[test]
fn adaptive_flushes_at_every_end_while_invocations_are_rare() {
    for arrivals in [sparse(), once_a_day(), every(11.0, 50)] {
        let outcomes = play(FlushStrategy::Adaptive, true, &arrivals);
        assert_eq!(count(&outcomes, FlushReason::InvocationEnd), arrivals.len());
    }
}

#[test]
fn adaptive_flushes_by_interval_while_invocations_are_dense() {
    let outcomes = play(FlushStrategy::Adaptive, true, &steady());
    assert_eq!(count(&outcomes, FlushReason::InvocationEnd), GAPS, "until it is known that they are dense");
    let dense = &outcomes[GAPS..];
    // 995 s, a flush every ten.
    assert!(
        (98..=101).contains(&count(dense, FlushReason::Interval)),
        "{}",
        count(dense, FlushReason::Interval)
    );
    assert_eq!(mean_hold_ms(dense), 0.0, "the function is never waited for");
}

#[test]
fn adaptive_is_at_every_end_again_after_a_burst() {
    let outcomes = play(FlushStrategy::Adaptive, true, &bursts(20, 600.0, 10));
    for burst in outcomes.chunks(20) {
        assert_eq!(burst[0].flush, Some(FlushReason::InvocationEnd), "the first after ten quiet minutes");
        assert!(burst[19].flush != Some(FlushReason::InvocationEnd), "the last of a burst");
    }
}

#[test]
fn under_periodic_no_flush_is_later_than_the_interval_and_the_next_invocation() {
    let interval = Duration::from_secs(10);
    for arrivals in [sparse(), steady(), bursts(20, 7.0, 20), bursts(3, 600.0, 10), once_a_day()] {
        let outcomes = play(FlushStrategy::Periodic(interval), true, &arrivals);
        // The first invocation whose data no flush has taken yet.
        let mut waiting: Option<Instant> = None;
        for outcome in outcomes {
            let overdue = waiting.is_some_and(|since| outcome.began >= since + interval);
            assert!(!overdue || outcome.flush.is_some(), "data has waited longer than the interval");
            waiting = if outcome.flush.is_some() { None } else { waiting.or(Some(outcome.began)) };
        }
    }
}

#[test]
fn without_a_subscription_the_end_of_the_function_is_not_waited_for() {
    for strategy in [FlushStrategy::End, FlushStrategy::Adaptive] {
        assert_eq!(mean_hold_ms(&play(strategy, false, &sparse())), 0.0);
    }
}

/// Run with `--nocapture` to see the figures.
#[test]
fn every_strategy_costs_what_its_documentation_says() {
    let traces = [
        ("sparse", sparse()),
        ("steady", steady()),
        ("bursty", bursts(20, 600.0, 50)),
        ("one a day", once_a_day()),
    ];
    println!("milliseconds held, and billed, for each invocation; a flush takes {} ms", FLUSH.as_millis());
    let mut costs = Vec::new();
    for strategy in [
        FlushStrategy::End,
        FlushStrategy::Periodic(Duration::from_secs(10)),
        FlushStrategy::Adaptive,
        FlushStrategy::Shutdown,
    ] {
        for (trace, arrivals) in &traces {
            let cost = mean_hold_ms(&play(strategy, true, arrivals));
            println!("{:>16} {trace:>10}: {cost:6.2}", format!("{strategy:?}"));
            costs.push(cost);
        }
    }
    // As in the documentation of `FlushStrategy`.
    let documented = [[80.0; 4], [0.0; 4], [80.0, 0.4, 20.0, 80.0], [0.0; 4]].concat();
    let close = |(cost, documented): (&f64, &f64)| (cost - documented).abs() < 0.01;
    assert!(costs.iter().zip(&documented).all(close), "{costs:?}");
}
