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
    /// From the moment an event is sent to the moment the next poll is there. With a subscription to telemetry from the moment
    /// `platform.runtimeDone` is sent, since that is what the extension waits for.
    pub event_to_next_p50: f64,
    pub event_to_next_p99: f64,
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
}

/// Process start to first poll, the median of several starts: one takes too little time to say much. In microseconds.
pub(crate) fn start(program: impl Fn() -> Command, times: usize) -> Result<f64> {
    let mut starts = Vec::with_capacity(times);
    for _ in 0..times {
        let lambda = Lambda::open()?;
        let process = Process::start(&mut program(), lambda.address(), &[], Stdio::null())?;
        let (_, poll) = lambda.init().with_context(|| format!("starting {:?}", program().get_program()))?;
        starts.push(micros(poll.at - process.started));
        process.kill()?;
    }
    Ok(quantile(&starts, 0.5))
}

pub(crate) fn live(mut program: Command, plan: Plan) -> Result<Life> {
    run(&mut program, plan).with_context(|| format!("one life of {:?}", program.get_program()))
}

fn run(program: &mut Command, plan: Plan) -> Result<Life> {
    let lambda = Lambda::open()?;
    let process = Process::start(program, lambda.address(), &[], Stdio::null())?;
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
