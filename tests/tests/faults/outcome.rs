//! What a run came to, in words made of what was observed.

use std::fmt;

use lambda_extension::Metrics;

/// What became of the telemetry that the extension's listener accepted, in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// What was accepted, as whoever sent it counted.
    pub sent: u64,
    pub handed_on: u64,
    pub dropped: u64,
    /// Deliveries that were broken off or too large, so that nobody could count their records.
    pub broken: u64,
    /// What the framework says it has dropped, in batches.
    pub dropped_batches: u64,
}

/// What became of the function, the data and the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What callers got for the first, the second … invocation: `200`, or the error.
    pub answers: Vec<String>,
    /// `None` where there is no telemetry, or nobody is left who could tell.
    pub accounts: Option<Accounts>,
    /// What is to be said of the data beside the accounts.
    pub data: Option<&'static str>,
    /// How each process ended.
    pub ends: Vec<String>,
    /// What was counted of the fault, where somebody is left who could tell.
    pub counted: Option<String>,
}

impl Outcome {
    pub fn answered(&self) -> bool {
        !self.answers.is_empty() && self.answers.iter().all(|answer| answer == "200")
    }

    /// The same where it is a matter of chance how much is accepted: all of that was handed on, be it nothing.
    pub fn of_what_is_accepted(mut self) -> Self {
        if let Some(Accounts { sent, handed_on, dropped: 0, dropped_batches: 0, .. }) = self.accounts
            && sent == handed_on
        {
            (self.accounts, self.data) = (None, Some("what is accepted is handed on"));
        }
        self
    }

    /// The same where that much was counted as dropped.
    pub fn none_of_what_is_accepted(mut self) -> Self {
        if let Some(Accounts { sent, handed_on: 0, dropped, .. }) = self.accounts
            && sent == dropped
        {
            (self.accounts, self.data) = (None, Some("what is accepted is counted as dropped"));
        }
        self
    }

    /// What is wrong with the accounts.
    pub fn unbalanced(&self) -> Option<String> {
        let accounts = self.accounts?;
        let balanced = accounts.sent == accounts.handed_on + accounts.dropped
            && (accounts.dropped > 0 || accounts.dropped_batches == accounts.broken);
        (!balanced).then(|| format!("what was sent is neither handed on nor counted: {accounts:?}"))
    }

    /// Takes in what another run of the same fault came to, or tells how that differs.
    ///
    /// AWS's emulator has no telemetry for ordinary functions, and processes keep their counts to themselves.
    pub fn join(&mut self, other: &Self) -> Result<(), String> {
        if !self.agrees(other) {
            return Err(format!("{self}, and this to {other}"));
        }
        for (known, new, what) in [
            (self.telemetry(), other.telemetry(), "data"),
            (self.counted.clone(), other.counted.clone(), "counts"),
        ] {
            if known.is_some() && new.is_some() && known != new {
                return Err(format!("{self}, and this to {other}: the {what} differ"));
            }
        }
        if self.telemetry().is_none() {
            (self.accounts, self.data) = (other.accounts, other.data);
        }
        self.counted = self.counted.take().or_else(|| other.counted.clone());
        Ok(())
    }

    /// Whether the function and the process came to the same in another run.
    pub fn agrees(&self, other: &Self) -> bool {
        self.function() == other.function() && self.process() == other.process()
    }

    fn function(&self) -> String {
        let mut failed: Vec<&str> =
            self.answers.iter().map(String::as_str).filter(|answer| *answer != "200").collect();
        let each = failed.len() == self.answers.len();
        failed.dedup();
        match (failed.join(", "), each) {
            _ if failed.is_empty() => "200".to_owned(),
            (failed, true) => format!("{failed} each time"),
            (failed, false) => format!("{failed}, then 200"),
        }
    }

    fn telemetry(&self) -> Option<String> {
        let accounts = self.accounts.map(|accounts| match accounts {
            Accounts { handed_on: 0, dropped: 0, .. } => "no telemetry",
            Accounts { dropped: 0, broken: 0, .. } => "handed on",
            Accounts { dropped: 0, .. } => "handed on, what is broken counted",
            Accounts { handed_on: 0, .. } => "counted as dropped",
            _ => "handed on or counted as dropped",
        });
        match (accounts, self.data) {
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
            (Some(accounts), Some(data)) => Some(format!("{accounts}, {data}")),
        }
    }

    fn process(&self) -> String {
        let mut ends: Vec<&str> = self.ends.iter().map(String::as_str).collect();
        ends.dedup();
        ends.join(", then ")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.function())?;
        for part in [self.telemetry(), Some(self.process()), self.counted.clone()].into_iter().flatten() {
            if !part.is_empty() {
                write!(f, "; {part}")?;
            }
        }
        Ok(())
    }
}

/// The counters that speak of faults, those that are not zero.
pub fn counted(metrics: &[Metrics]) -> String {
    let sum = |of: fn(&Metrics) -> u64| metrics.iter().map(of).sum::<u64>();
    let counters = [
        ("error", "errors", sum(|one| one.errors)),
        ("panic", "panics", sum(|one| one.panics)),
        ("hook dropped", "hooks dropped", sum(|one| one.cancelled)),
        ("flush left out", "flushes left out", sum(|one| one.flushes_skipped)),
        ("end missed", "ends missed", sum(|one| one.missed_runtime_done)),
        ("unknown event", "unknown events", sum(|one| one.unknown_events)),
        ("failed subscription", "failed subscriptions", sum(|one| one.failed_subscriptions)),
    ];
    let counters = counters.into_iter().filter(|(.., count)| *count > 0);
    let words: Vec<_> = counters
        .map(|(one, many, count)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    words.join(", ")
}
