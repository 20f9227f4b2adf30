//! A table of faults and phases whose cells are what runs were seen to come to, and its place in `docs/faults.md`.

use std::{
    collections::BTreeMap,
    env, fmt, fs, panic,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use lambda_extension_tests::{Emulator, lock, programs};

use crate::outcome::Outcome;

/// When in an extension's life a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    Init,
    Idle,
    Invoke,
    Flush,
    Shutdown,
}

pub use Phase::{Flush, Idle, Init, Invoke, Shutdown};

pub const PHASES: [Phase; 5] = [Init, Idle, Invoke, Flush, Shutdown];

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Init => "init",
            Idle => "idle",
            Invoke => "invoke",
            Flush => "flush",
            Shutdown => "shutdown",
        })
    }
}

/// Who plays Lambda.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lambda {
    Simulator,
    /// AWS's own emulator.
    Emulator,
}

/// Whether the function is to answer whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    Answers,
    /// Nothing can contain these, so what is seen is stated.
    Stated,
}

type Run = Box<dyn Fn() -> Outcome + Send + Sync>;

/// A fault in a phase, done and watched.
pub struct Case {
    row: usize,
    fault: String,
    phase: Phase,
    lambda: Lambda,
    run: Run,
}

/// What the runs of a fault in a phase came to.
#[derive(Default)]
struct Cell {
    simulator: Option<Outcome>,
    emulator: Option<Outcome>,
}

type Cells = BTreeMap<(usize, Phase), Cell>;

impl Cell {
    /// Whether both came to the same, which is then one outcome.
    fn agree(&mut self) -> Result<(), String> {
        match (&mut self.simulator, &self.emulator) {
            (Some(simulator), Some(emulator)) => simulator.join(emulator),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.simulator, &self.emulator) {
            (Some(simulator), Some(emulator)) if simulator.agrees(emulator) => {
                write!(f, "{simulator}{DAGGER}")
            }
            (Some(simulator), Some(emulator)) => write!(f, "{simulator}{ELSE}{emulator}{DAGGER}"),
            (Some(simulator), None) => write!(f, "{simulator}"),
            (None, _) => Ok(()),
        }
    }
}

/// One table: the faults of one kind.
pub struct Table {
    name: &'static str,
    promise: Promise,
    /// How many runs at once: those that sleep leave the processor to others.
    at_once: usize,
    faults: Vec<String>,
    cases: Vec<Case>,
    never: BTreeMap<(usize, Phase), &'static str>,
}

impl Table {
    pub fn new(name: &'static str, promise: Promise, at_once: usize) -> Self {
        Self { name, promise, at_once, faults: Vec::new(), cases: Vec::new(), never: BTreeMap::new() }
    }

    /// Begins the row of a fault. What follows is about it.
    pub fn fault(&mut self, fault: impl Into<String>) -> &mut Self {
        self.faults.push(fault.into());
        self
    }

    /// What the fault comes to in this phase. Several runs of one cell must come to the same.
    pub fn seen(
        &mut self,
        phase: Phase,
        lambda: Lambda,
        run: impl Fn() -> Outcome + Send + Sync + 'static,
    ) -> &mut Self {
        let row = self.faults.len() - 1;
        let fault = self.faults[row].clone();
        self.cases.push(Case { row, fault, phase, lambda, run: Box::new(run) });
        self
    }

    /// Why the fault cannot happen in these phases.
    pub fn never(&mut self, phases: &[Phase], reason: &'static str) -> &mut Self {
        let row = self.faults.len() - 1;
        self.never.extend(phases.iter().map(|phase| ((row, *phase), reason)));
        self
    }

    /// Runs every case, holds it to the promise, and compares what was seen with the committed table.
    ///
    /// AWS's emulator may not have been fetched, so it only shows what the simulator shows as well.
    pub fn check(self) {
        let simulated = |case: &Case| {
            let cell = |other: &Case| (other.row, other.phase) == (case.row, case.phase);
            self.cases.iter().any(|other| cell(other) && other.lambda == Lambda::Simulator)
        };
        let unseen = self.cases.iter().find(|case| !simulated(case));
        assert!(unseen.is_none(), "{unseen:?}: nothing shows this where there is no emulator");
        let emulator = Emulator::builder().is_some();
        let cells = self.run(emulator);
        compare(self.name, &self.render(&cells), emulator);
    }

    fn run(&self, emulator: bool) -> Cells {
        let cases: Vec<_> =
            self.cases.iter().filter(|case| emulator || case.lambda == Lambda::Simulator).collect();
        let next = AtomicUsize::new(0);
        let (results, failures) =
            (Mutex::<Vec<(&Case, Outcome)>>::default(), Mutex::<Vec<String>>::default());
        thread::scope(|scope| {
            for _ in 0..self.at_once {
                scope.spawn(|| {
                    while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match case.watched() {
                            Ok(outcome) => lock(&results).push((*case, outcome)),
                            Err(_) => lock(&failures).push(format!("{case:?}: the run itself failed")),
                        }
                    }
                });
            }
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut cells: Cells = BTreeMap::new();
        for (case, outcome) in results {
            if self.promise == Promise::Answers && !outcome.answered() {
                failures.push(format!("{case:?}: the function did not answer: {outcome}"));
            }
            failures.extend(outcome.unbalanced().map(|what| format!("{case:?}: {what}")));
            let cell = cells.entry((case.row, case.phase)).or_default();
            let place = match case.lambda {
                Lambda::Simulator => &mut cell.simulator,
                Lambda::Emulator => &mut cell.emulator,
            };
            match place {
                None => *place = Some(outcome),
                Some(known) => {
                    if let Err(difference) = known.join(&outcome) {
                        failures.push(format!("{case:?}: other runs of this cell came to {difference}"));
                    }
                }
            }
        }
        for ((row, phase), cell) in &mut cells {
            if let Err(difference) = cell.agree()
                && self.promise == Promise::Answers
            {
                failures
                    .push(format!("{} in {phase}, the simulator came to {difference}", self.faults[*row]));
            }
        }
        assert!(failures.is_empty(), "{}:\n  {}", self.name, failures.join("\n  "));
        cells
    }

    fn render(&self, cells: &Cells) -> String {
        let mut reasons: Vec<&str> = Vec::new();
        let mut text =
            String::from("| fault | init | idle | invoke | flush | shutdown |\n|---|---|---|---|---|---|\n");
        for (row, fault) in self.faults.iter().enumerate() {
            text.push_str(&format!("| {fault} |"));
            for phase in PHASES {
                let cell = match (cells.get(&(row, phase)), self.never.get(&(row, phase))) {
                    (Some(cell), None) => cell.to_string(),
                    (None, Some(reason)) => {
                        let known = reasons.iter().position(|known| known == reason);
                        let number = known.unwrap_or_else(|| {
                            reasons.push(reason);
                            reasons.len() - 1
                        });
                        format!("cannot happen ({})", number + 1)
                    }
                    (None, None) => panic!("{fault} in {phase} has neither a run nor a reason"),
                    (Some(_), Some(_)) => panic!("{fault} in {phase} is said never to happen, and did"),
                };
                text.push_str(&format!(" {cell} |"));
            }
            text.push('\n');
        }
        for (number, reason) in reasons.iter().enumerate() {
            text.push_str(&format!("\n{}. {reason}", number + 1));
        }
        if !reasons.is_empty() {
            text.push('\n');
        }
        text
    }
}

impl Case {
    /// The emulator spoils a run now and then, by races of its own in a reset. Such a run, one that came to nothing, is made again.
    fn watched(&self) -> thread::Result<Outcome> {
        let attempts = if self.lambda == Lambda::Emulator { 3 } else { 1 };
        let mut outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| (self.run)()));
        for _ in 1..attempts {
            if outcome.is_ok() {
                break;
            }
            outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| (self.run)()));
        }
        outcome
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}, {:?}", self.fault, self.phase, self.lambda)
    }
}

/// Marks what AWS's emulator shows as well.
const DAGGER: &str = " †";

/// Between what the simulator shows and what AWS's emulator shows, where that differs.
const ELSE: &str = "; under AWS's emulator: ";

/// The table as it is seen where there is no emulator.
fn without_emulator(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let cells = line.split('|').map(|cell| match cell.trim_end().strip_suffix(DAGGER.trim()) {
            Some(cell) => format!("{} ", cell.split(ELSE).next().unwrap_or_default().trim_end()),
            None => cell.to_owned(),
        });
        cells.collect::<Vec<_>>().join("|")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Compares a table with the committed one, or puts it in its place where `UPDATE_FAULTS` says 1.
fn compare(name: &str, seen: &str, emulator: bool) {
    // Several tables are in one file.
    static FILE: Mutex<()> = Mutex::new(());
    let _held = lock(&FILE);
    let path: PathBuf = programs::workspace().join("docs/faults.md");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (begin, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- {name}: end -->\n"));
    let (Some((before, rest)), true) = (text.split_once(&begin), text.contains(&end)) else {
        panic!("{} has no place for the table of {name}: {begin}{end}", path.display());
    };
    let (committed, after) = rest.split_once(&end).expect("just seen");
    if env::var("UPDATE_FAULTS").is_ok_and(|value| value == "1") {
        assert!(emulator, "the table is written where AWS's emulator is: tests/fetch-emulator");
        let text = format!("{before}{begin}\n{seen}\n{end}{after}");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let committed = if emulator { committed.to_owned() } else { without_emulator(committed) };
    let differences = differences(committed.trim(), seen.trim());
    assert!(
        differences.is_empty(),
        "docs/faults.md says of {name} what was not seen.\n{differences}\nIf what was seen is right, write it down: \
         UPDATE_FAULTS=1 cargo test -p lambda_extension_tests --test faults"
    );
}

/// The lines that differ.
fn differences(committed: &str, seen: &str) -> String {
    let (committed, seen): (Vec<_>, Vec<_>) = (committed.lines().collect(), seen.lines().collect());
    let gone = committed.iter().filter(|line| !seen.contains(line)).map(|line| format!("- {line}\n"));
    let new = seen.iter().filter(|line| !committed.contains(line)).map(|line| format!("+ {line}\n"));
    gone.chain(new).collect()
}
