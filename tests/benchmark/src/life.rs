//! One life of an extension: start, invocations, SHUTDOWN.

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    http::{self, Delivery},
    lambda::{self, Lambda, Route, SHUTDOWN_BUDGET},
    process::{Footprint, Process},
    stats::quantile,
};

/// What a life shows from outside. Durations in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// From the start of the process to its first poll.
    pub(crate) start: f64,
    /// From the moment an event is sent to the moment the next poll is there. With a subscription to telemetry from the moment
    /// `platform.runtimeDone` is sent, since that is what the extension waits for.
    pub(crate) event_to_next_p50: f64,
    pub(crate) event_to_next_p99: f64,
    /// From the moment SHUTDOWN is sent to the end of the process; [`SHUTDOWN_BUDGET`] where it had to be killed.
    pub(crate) shutdown: f64,
    pub(crate) killed: bool,
    pub(crate) cpu: f64,
    pub(crate) footprint: Footprint,
}

/// How an extension is made to live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) invocations: u64,
    /// How long the environment is idle between invocations, so that everybody waits where they would in Lambda.
    pub(crate) idle: Duration,
    /// Whether the function writes a line in each invocation.
    pub(crate) line: bool,
}

impl Life {
    /// The median of each figure.
    pub(crate) fn median(lives: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| quantile(&lives.iter().map(figure).collect::<Vec<_>>(), 0.5);
        Self {
            start: of(|life| life.start),
            event_to_next_p50: of(|life| life.event_to_next_p50),
            event_to_next_p99: of(|life| life.event_to_next_p99),
            shutdown: of(|life| life.shutdown),
            killed: lives.iter().any(|life| life.killed),
            cpu: of(|life| life.cpu),
            footprint: Footprint {
                peak_kib: of(|life| life.footprint.peak_kib as f64) as u64,
                threads: of(|life| life.footprint.threads as f64) as u64,
            },
        }
    }
}

/// One whole life, and as many starts as make up a median: one takes too little time to say much.
pub(crate) fn live(program: impl Fn() -> Command, plan: Plan, starts: usize) -> Result<Life> {
    run(&program, plan, starts).with_context(|| format!("one life of {:?}", program().get_program()))
}

/// Process start to first poll, in microseconds.
fn start(mut program: Command) -> Result<f64> {
    let lambda = Lambda::open()?;
    let process = Process::start(&mut program, lambda.address(), Stdio::null())?;
    let (_, poll) = lambda.init()?;
    let start = micros(poll.at - process.started);
    process.kill()?;
    Ok(start)
}

fn run(program: &impl Fn() -> Command, plan: Plan, starts: usize) -> Result<Life> {
    let starts: Vec<f64> = (0..starts).map(|_| start(program())).collect::<Result<_>>()?;
    let lambda = Lambda::open()?;
    let process = Process::start(&mut program(), lambda.address(), Stdio::null())?;
    let (port, mut poll) = lambda.init()?;
    let mut telemetry = port.map(Delivery::connect).transpose()?;
    let mut turns = Vec::with_capacity(plan.invocations as usize);
    for number in 0..plan.invocations {
        if !plan.idle.is_zero() {
            thread::sleep(plan.idle);
        }
        let mut done = poll.answer(&lambda::invoke(number))?;
        if let Some(telemetry) = &mut telemetry {
            thread::sleep(plan.idle);
            done = Instant::now();
            if plan.line {
                telemetry.post(&http::post(&lambda::line(number)))?;
            }
            telemetry.post(&http::post(&lambda::runtime_done(number)))?;
        }
        poll = lambda.call(Route::Next)?;
        turns.push(micros(poll.at - done));
    }
    thread::sleep(plan.idle);
    let footprint = process.footprint()?;
    let sent = poll.answer(&lambda::shutdown())?;
    let end = process.wait(SHUTDOWN_BUDGET.saturating_sub(sent.elapsed()))?;
    Ok(Life {
        start: quantile(&starts, 0.5),
        event_to_next_p50: quantile(&turns, 0.5),
        event_to_next_p99: quantile(&turns, 0.99),
        shutdown: micros(end.gone - sent),
        killed: end.killed,
        cpu: micros(end.cpu),
        footprint,
    })
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The microseconds since `start`.
pub(crate) fn since(start: Instant) -> f64 {
    micros(start.elapsed())
}
