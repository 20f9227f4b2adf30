//! The figures we are after, and whether they are reached.

use crate::{
    batch::Format,
    build_cost::BuildCost,
    compare::Comparison,
    delivery::{self, Connection},
    life::Life,
    stats::Spread,
    subjects::{FLOOR, OURS, OURS_TELEMETRY, PEER, REQWEST},
};

/// Fewer pairs than this say nothing reliable about a ratio.
pub(crate) const ENOUGH: usize = 15;

/// Why a target may be missed.
const START: &str = "a program that only connects and speaks, the raw socket, takes two thirds of the peer's time or more: the kernel's \
     exec, the dynamic loader and Rust's own start, which are the same for everybody. Of ours, three fifths of the \
     instructions are that program's too";
const TURN: &str = "most of it is the kernel's: to wake a process that has slept, and to carry two messages; the raw socket needs six \
     tenths of the peer's time. Ours has four fifths of the peer's instructions and one system call less, and writes a longer line";
const MEMORY: &str = "1.9 MB of it every program has that links the C library: see the raw socket. Of the rest, 0.5 MB are pages of the \
     program and 32 kB a table of threads in tracing-subscriber";
const READING: &str = "a third of the instructions for a record are the scan, and the rest are HTTP, the queue, the filter and the hook, \
     which the scan alone does without";
const PEERS_READING: &str = "even the scan that builds nothing and has no queue is only about six times (text) or fourteen times (JSON) as \
     fast as the peer";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Worth knowing, and not promised.
    Towards(f64),
}

/// One figure, and what it should be.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) figure: String,
    /// What a ratio is to; a unit where it is none.
    pub(crate) against: &'static str,
    pub(crate) limit: Limit,
    pub(crate) spread: Spread,
    /// What keeps it from being met, where that is known.
    pub(crate) reason: &'static str,
}

impl Target {
    /// Whether the worse quartile is within the limit. `None` for what was not promised.
    pub(crate) fn is_met(&self) -> Option<bool> {
        match self.limit {
            Limit::AtMost(limit) => Some(self.spread.upper <= limit),
            Limit::AtLeast(limit) => Some(self.spread.lower >= limit),
            Limit::Towards(_) => None,
        }
    }
}

pub(crate) fn targets(figures: &Comparison, cost: &BuildCost) -> Vec<Target> {
    let mut targets = if figures.has_lives() { of_lives(figures) } else { Vec::new() };
    targets.extend(of_telemetry(figures));
    targets.push(Target {
        figure: "binary size, both with logging".into(),
        against: PEER.name,
        limit: Limit::AtMost(0.63),
        spread: single(cost.size(OURS) as f64 / cost.size(PEER) as f64),
        reason: "",
    });
    targets.push(Target {
        figure: "crates in the tree".into(),
        against: "crates",
        limit: Limit::AtMost(cost.crates(PEER) as f64),
        spread: single(cost.crates(OURS) as f64),
        reason: "",
    });
    targets
}

fn of_lives(figures: &Comparison) -> Vec<Target> {
    let turn = |life: &Life| life.event_to_next_p50;
    let memory = |life: &Life| life.footprint.peak_kib as f64;
    let ms = |subject, figure: fn(&Life) -> f64| {
        let values: Vec<f64> = figures.life(subject, figure).iter().map(|micros| micros / 1e3).collect();
        Spread::of(&values)
    };
    let mut targets = Vec::new();
    let mut add = |figure: &str, against, limit, spread, reason| {
        targets.push(Target { figure: figure.into(), against, limit, spread, reason });
    };
    let figure = "process start to first next";
    let ratio = |theirs| figures.life_ratio(OURS, theirs, |life| life.start);
    add(figure, REQWEST.name, Limit::AtMost(1.1), ratio(REQWEST), "");
    add(figure, PEER.name, Limit::AtMost(0.75), ratio(PEER), START);
    add(figure, FLOOR.name, Limit::Towards(1.2), ratio(FLOOR), "");
    let figure = "event answered to next asked, p50";
    let ratio = |theirs| figures.life_ratio(OURS, theirs, turn);
    add(figure, REQWEST.name, Limit::AtMost(1.05), ratio(REQWEST), "");
    add(figure, PEER.name, Limit::AtMost(0.95), ratio(PEER), TURN);
    add(figure, FLOOR.name, Limit::Towards(1.5), ratio(FLOOR), "");
    add("peak memory", PEER.name, Limit::AtMost(0.7), figures.life_ratio(OURS, PEER, memory), MEMORY);
    let gone = "SHUTDOWN to process gone";
    add(gone, "ms", Limit::AtMost(3.0), ms(OURS, |life| life.shutdown), "");
    let gone = "SHUTDOWN to process gone, with a subscription";
    // The window in which telemetry must be quiet before it is taken to be complete is 30 ms.
    add(gone, "ms", Limit::AtMost(33.0), ms(OURS_TELEMETRY, |life| life.shutdown), "");
    targets
}

fn of_telemetry(figures: &Comparison) -> Vec<Target> {
    let mut targets = Vec::new();
    for load in figures.loads() {
        if load.records < 1_000 || load.connection == Connection::New {
            continue;
        }
        let [_, peer, floor] = delivery::subjects(load.format);
        let wanted = match load.format {
            Format::Text => 4.0,
            Format::Json => 10.0,
        };
        for (theirs, wanted) in [(peer, wanted), (floor, 0.6)] {
            targets.push(Target {
                figure: format!("records a second: {load}"),
                against: theirs.name,
                limit: Limit::AtLeast(wanted),
                spread: figures.delivery_ratio(load, OURS_TELEMETRY, theirs),
                reason: if theirs == floor { READING } else { PEERS_READING },
            });
        }
    }
    targets
}

fn single(value: f64) -> Spread {
    Spread::of(&[value])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_quartile_decides() {
        let mut target = Target {
            figure: String::new(),
            against: "",
            limit: Limit::AtMost(1.0),
            spread: Spread::of(&[0.5, 0.5, 0.9, 1.2, 1.3]),
            reason: "",
        };
        assert_eq!(target.is_met(), Some(false));
        target.limit = Limit::AtLeast(0.5);
        assert_eq!(target.is_met(), Some(true));
        target.limit = Limit::Towards(0.1);
        assert_eq!(target.is_met(), None);
    }
}
