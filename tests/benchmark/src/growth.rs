//! How cost grows: with invocations, batch size, the number of extensions, and the depth of the queue.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    batch::{Format, batch},
    delivery::{self, Connection, Load},
    lambda::{self, Lambda, Route},
    life::micros,
    process::Process,
    stats::quantile,
    subjects::{Built, OURS, OURS_TELEMETRY},
};

#[derive(Debug)]
pub(crate) struct Growth {
    /// After so many invocations: resident memory in KiB, and the median turn in µs since the row before.
    pub(crate) invocations: Vec<(u64, u64, f64)>,
    /// For so many records a batch: µs of wall and of CPU time a record, text.
    pub(crate) batch: Vec<(u64, f64, f64)>,
    /// For so many extensions at once: ms until all asked for their first event, KiB of memory of all together.
    pub(crate) extensions: Vec<(usize, f64, u64)>,
    /// For so many batches behind a hook that sleeps: KiB sent, and of memory.
    pub(crate) queue: Vec<(u64, u64, u64)>,
}

pub(crate) fn grow(built: &Built, quick: bool) -> Result<Growth> {
    let most = if quick { 1_000 } else { 100_000 };
    eprintln!("{most} invocations");
    let invocations = invocations(built, most)?;
    eprintln!("batches, extensions and queues of every size");
    let mut sizes = Vec::new();
    for records in [1, 10, 100, 1_000, 10_000] {
        let batches = (if quick { 10_000 } else { 100_000 } / records).clamp(4, 2_000);
        let load = Load { format: Format::Text, records, batches, connection: Connection::Kept };
        let received = delivery::deliver(built, OURS_TELEMETRY, load)?;
        let all = (records * batches) as f64;
        sizes.push((records, 1e6 / received.records_per_second, received.cpu / all));
    }
    let mut extensions = Vec::new();
    for count in [1, 2, 5, 10] {
        let (ms, kib) = at_once(built, count)?;
        extensions.push((count, ms, kib));
    }
    let mut queue = Vec::new();
    let records = 1_000;
    let size = batch(Format::Text, records).len() as u64;
    for batches in [1, 5, 10, 20, 40] {
        let load = Load { format: Format::Text, records, batches, connection: Connection::Kept };
        let received = delivery::deliver_to_sleeper(built, load, 500)?;
        queue.push((batches, batches * size / 1024, received.footprint.peak_kib));
    }
    Ok(Growth { invocations, batch: sizes, extensions, queue })
}

fn invocations(built: &Built, most: u64) -> Result<Vec<(u64, u64, f64)>> {
    let lambda = Lambda::open()?;
    let process = Process::start(&mut built.command(OURS), lambda.address(), Stdio::null())?;
    let (_, mut poll) = lambda.init()?;
    let mut rows = Vec::new();
    let mut turns = Vec::new();
    let mut next_row = 100;
    for number in 1..=most {
        let answered = poll.answer(&lambda::invoke(number))?;
        poll = lambda.call(Route::Next)?;
        turns.push(micros(poll.at - answered));
        if number == next_row {
            rows.push((number, process.resident_kib()?, quantile(&turns, 0.5)));
            turns.clear();
            next_row *= 10;
        }
    }
    poll.answer(&lambda::shutdown())?;
    process.wait(Duration::from_secs(2))?;
    Ok(rows)
}

fn at_once(built: &Built, count: usize) -> Result<(f64, u64)> {
    let started = Instant::now();
    let mut running = Vec::new();
    for _ in 0..count {
        // An address each, so that their calls cannot be mixed up.
        let lambda = Lambda::open()?;
        let process = Process::start(&mut built.command(OURS), lambda.address(), Stdio::null())?;
        running.push((lambda, process));
    }
    // Answered one after the other, as they come in any order and none waits for a previous one longer than it takes.
    let mut polls = Vec::new();
    for (lambda, _) in &running {
        lambda.call(Route::Register)?.answer(&lambda::registered())?;
    }
    for (lambda, _) in &running {
        polls.push(lambda.call(Route::Next)?);
    }
    let last = polls.iter().map(|poll| poll.at).max().unwrap_or(started);
    let mut memory = 0;
    for (poll, (_, process)) in polls.into_iter().zip(running) {
        memory += process.footprint()?.peak_kib;
        poll.answer(&lambda::shutdown())?;
        process.wait(Duration::from_secs(2))?;
    }
    Ok((micros(last - started) / 1e3, memory))
}
