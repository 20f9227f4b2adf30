//! The books from which the report is made, bounded so that a long run needs no more memory than a short one.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::simulator::Fault;
use crate::simulator::journal::Journal;

use super::{
    FreezeReport, InitReport, InvocationReport, Problem, Report, ShutdownReport, Status, TelemetryReport,
    Totals,
};

const KEPT_INVOCATIONS: usize = 1_000;
const KEPT_PHASES: usize = 200;
const KEPT_PROBLEMS: usize = 200;

/// What has been seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    inits: VecDeque<InitReport>,
    invocations: VecDeque<InvocationReport>,
    shutdowns: VecDeque<ShutdownReport>,
    telemetry: BTreeMap<String, TelemetryReport>,
    freezes: BTreeMap<String, FreezeReport>,
    error_lines: BTreeMap<String, u64>,
    problems: Vec<Problem>,
    more_problems: u64,
    totals: Totals,
}

impl Ledger {
    /// `billed` is what is not billed as part of an invocation anyway.
    pub(crate) fn init(&mut self, init: InitReport, billed: Duration) {
        self.totals.billed += billed;
        keep(&mut self.inits, init, KEPT_PHASES);
    }

    /// `billed` includes a restart inside the invocation, but not the first Init.
    pub(crate) fn invocation(&mut self, invocation: InvocationReport, billed: Duration) {
        let held = invocation.longest_hold();
        self.totals.invocations += 1;
        self.totals.failed += u64::from(invocation.status != Status::Success);
        self.totals.billed += billed;
        self.totals.held += held;
        self.totals.longest_hold = self.totals.longest_hold.max(held);
        keep(&mut self.invocations, invocation, KEPT_INVOCATIONS);
    }

    pub(crate) fn is_first_invocation(&self) -> bool {
        self.totals.invocations == 0
    }

    pub(crate) fn shutdown(&mut self, shutdown: ShutdownReport) {
        keep(&mut self.shutdowns, shutdown, KEPT_PHASES);
    }

    pub(crate) fn frozen(&mut self) {
        self.totals.freezes += 1;
    }

    pub(crate) fn thawed(&mut self, extension: &str, busy: bool) {
        let one = self
            .freezes
            .entry(extension.to_owned())
            .or_insert_with(|| FreezeReport { extension: extension.to_owned(), ..FreezeReport::default() });
        one.thawed += 1;
        one.busy += u64::from(busy);
    }

    pub(crate) fn telemetry(&mut self, extension: &str) -> &mut TelemetryReport {
        self.telemetry.entry(extension.to_owned()).or_insert_with(|| TelemetryReport {
            extension: extension.to_owned(),
            ..TelemetryReport::default()
        })
    }

    pub(crate) fn error_line(&mut self, extension: &str) {
        *self.error_lines.entry(extension.to_owned()).or_default() += 1;
    }

    /// Enters a problem; one that is seen again and again is entered once.
    pub(crate) fn problem(&mut self, problem: Problem) {
        let same = |known: &Problem| known.extension == problem.extension && known.what == problem.what;
        if self.problems.iter().any(same) {
            return;
        }
        if self.problems.len() < KEPT_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.more_problems += 1;
        }
    }

    pub(crate) fn report(&self, unused_faults: Vec<Fault>, journal: &Journal) -> Report {
        let mut problems = self.problems.clone();
        if self.more_problems > 0 {
            problems.push(Problem {
                at: Duration::ZERO,
                extension: "simulator".to_owned(),
                what: format!("{} more problems are not listed", self.more_problems),
                last_lines: Vec::new(),
            });
        }
        Report {
            inits: self.inits.iter().cloned().collect(),
            invocations: self.invocations.iter().cloned().collect(),
            totals: self.totals,
            shutdowns: self.shutdowns.iter().cloned().collect(),
            telemetry: self.telemetry.values().cloned().collect(),
            freezes: self.freezes.values().cloned().collect(),
            error_lines: self.error_lines.clone(),
            problems,
            unused_faults,
            journal: journal.to_string(),
        }
    }
}

fn keep<T>(list: &mut VecDeque<T>, value: T, limit: usize) {
    if list.len() == limit {
        list.pop_front();
    }
    list.push_back(value);
}
