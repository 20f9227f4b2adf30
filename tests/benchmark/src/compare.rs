//! Everybody side by side: round after round, each subject once, in an order that turns.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;

use crate::{
    batch::Format,
    delivery::{self, Connection, Load, Received},
    life::{self, Life, Plan},
    stats::Spread,
    subjects::{Built, FLOOR, GO, HYPER, OURS, OURS_TELEMETRY, OURS_TRAIT, PEER, REQWEST, Subject},
};

/// Those who live a whole life.
pub(crate) const LIVES: [Subject; 8] = [OURS, OURS_TRAIT, OURS_TELEMETRY, PEER, REQWEST, HYPER, GO, FLOOR];

pub(crate) const FORMATS: [Format; 2] = [Format::Text, Format::Json];
/// Batches of so many records, and how many of them.
const BATCHES: [(u64, u64); 3] = [(10, 2_000), (1_000, 200), (10_000, 20)];

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    lives: BTreeMap<Subject, Vec<Life>>,
    deliveries: BTreeMap<(Load, Subject), Vec<Received>>,
}

/// What a comparison can be narrowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Half {
    Lives,
    Telemetry,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) rounds: usize,
    /// How often each subject has its turn in a round; the round's figure is the median, which drifts less than one long turn.
    pub(crate) turns: usize,
    pub(crate) plan: Plan,
    /// Starts a turn, beside that of the life.
    pub(crate) starts: usize,
    /// Divides the number of batches.
    pub(crate) thinning: u64,
    /// `None` for both halves.
    pub(crate) only: Option<Half>,
}

impl Extent {
    pub(crate) fn is_quick(self) -> bool {
        self.thinning > 1
    }

    pub(crate) fn full(rounds: usize) -> Self {
        Self {
            rounds,
            turns: 3,
            plan: Plan { invocations: 100, idle: Duration::from_millis(1), line: false },
            starts: 3,
            thinning: 1,
            only: None,
        }
    }

    /// Enough to see that everything works, and no figures.
    pub(crate) fn quick() -> Self {
        Self {
            rounds: 2,
            turns: 1,
            plan: Plan { invocations: 20, idle: Duration::from_millis(1), line: false },
            starts: 1,
            thinning: 10,
            only: None,
        }
    }
}

pub(crate) fn loads(thinning: u64) -> Vec<Load> {
    let mut loads = Vec::new();
    for format in FORMATS {
        for connection in [Connection::Kept, Connection::New] {
            for (records, batches) in BATCHES {
                loads.push(Load { format, records, batches: (batches / thinning).max(1), connection });
            }
        }
    }
    loads
}

pub(crate) fn compare(built: &Built, extent: Extent) -> Result<Comparison> {
    // Once unseen: the first start of a binary reads it from disk.
    for subject in LIVES {
        life::live(|| built.command(subject), Plan { invocations: 5, ..extent.plan }, 1)?;
    }
    let mut all = Comparison::default();
    for round in 0..extent.rounds {
        eprintln!("round {} of {}", round + 1, extent.rounds);
        if extent.only != Some(Half::Telemetry) {
            let mut lives: BTreeMap<Subject, Vec<Life>> = BTreeMap::new();
            for turn in 0..extent.turns {
                for subject in turned(&LIVES, round + turn) {
                    let life = life::live(|| built.command(subject), extent.plan, extent.starts)?;
                    lives.entry(subject).or_default().push(life);
                }
            }
            for (subject, lives) in &lives {
                all.lives.entry(*subject).or_default().push(Life::median(lives));
            }
        }
        if extent.only != Some(Half::Lives) {
            for load in loads(extent.thinning) {
                for subject in turned(&delivery::subjects(load.format), round) {
                    let received = delivery::deliver(built, subject, load)?;
                    all.deliveries.entry((load, subject)).or_default().push(received);
                }
            }
        }
    }
    Ok(all)
}

/// The subjects, beginning with another one each round, so that nobody always follows the same neighbour.
fn turned(subjects: &[Subject], round: usize) -> impl Iterator<Item = Subject> {
    subjects.iter().copied().cycle().skip(round % subjects.len()).take(subjects.len())
}

impl Comparison {
    /// One figure of a subject's lives, round by round.
    pub(crate) fn life(&self, subject: Subject, figure: impl Fn(&Life) -> f64) -> Vec<f64> {
        self.lives.get(&subject).into_iter().flatten().map(figure).collect()
    }

    pub(crate) fn has_lives(&self) -> bool {
        !self.lives.is_empty()
    }

    pub(crate) fn life_ratio(
        &self,
        ours: Subject,
        theirs: Subject,
        figure: impl Fn(&Life) -> f64 + Copy,
    ) -> Spread {
        Spread::of_ratios(&self.life(ours, figure), &self.life(theirs, figure))
    }

    pub(crate) fn delivery(
        &self,
        load: Load,
        subject: Subject,
        figure: impl Fn(&Received) -> f64,
    ) -> Vec<f64> {
        self.deliveries.get(&(load, subject)).into_iter().flatten().map(figure).collect()
    }

    pub(crate) fn delivery_ratio(&self, load: Load, ours: Subject, theirs: Subject) -> Spread {
        let rate = |received: &Received| received.records_per_second;
        Spread::of_ratios(&self.delivery(load, ours, rate), &self.delivery(load, theirs, rate))
    }

    /// The loads that were measured.
    pub(crate) fn loads(&self) -> Vec<Load> {
        let mut loads: Vec<Load> = self.deliveries.keys().map(|(load, _)| *load).collect();
        loads.dedup();
        loads
    }

    pub(crate) fn was_killed(&self, subject: Subject) -> bool {
        self.lives.get(&subject).into_iter().flatten().any(|life| life.killed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_every_subject_once_in_another_order() {
        let second: Vec<_> = turned(&LIVES, 1).collect();
        assert_eq!((second.len(), second[0], second[7]), (8, LIVES[1], LIVES[0]));
    }
}
