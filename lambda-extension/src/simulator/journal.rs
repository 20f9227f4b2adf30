//! What was called, what was answered and what Lambda did, in order: the first thing to read when a test fails.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::Route;

/// Older entries are forgotten, so that a long run needs no more memory than a short one.
const KEPT: usize = 2_000;
/// A failed expectation prints no more than this.
const PRINTED: usize = 200;

/// One call of one of the APIs, as [`Simulator::calls`](super::Simulator::calls) lists it and
/// [`Simulator::call`](super::Simulator::call) waits for it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use lambda_extension::simulator::{Route, Simulator};
/// use lambda_extension::{Error, InvokeEvent, extension_fn};
///
/// let simulator = Simulator::start().await;
/// let extension = extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) });
/// tokio::spawn(simulator.config("caller").run(extension));
/// let call = simulator.call(|call| call.route == Some(Route::Register)).await;
/// assert_eq!((call.who.as_str(), call.status), ("caller", 200));
/// assert_eq!(call.to_string(), "POST /2020-01-01/extension/register -> 200");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// When it was answered, counted from the start of the simulator.
    pub at: Duration,
    /// The name of the extension that called, or `runtime`; empty where nobody could be told.
    pub who: String,
    /// The route, if the path is one.
    pub route: Option<Route>,
    /// Method and path as they came.
    pub request: String,
    /// The status of the answer; 0 where the connection was closed without one.
    pub status: u16,
    /// Lambda's `errorType`, where the answer was a refusal.
    pub error_type: Option<String>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.request, self.status)?;
        match &self.error_type {
            Some(error) => write!(f, " {error}"),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Debug)]
enum Entry {
    Call(Call),
    Note { at: Duration, text: String },
}

/// The journal. It prints itself, newest last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    entries: VecDeque<Entry>,
    forgotten: u64,
}

impl Journal {
    pub(crate) fn call(&mut self, call: Call) {
        self.push(Entry::Call(call));
    }

    pub(crate) fn note(&mut self, at: Duration, text: impl Into<String>) {
        self.push(Entry::Note { at, text: text.into() });
    }

    pub(crate) fn calls(&self) -> impl DoubleEndedIterator<Item = &Call> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Call(call) => Some(call),
            Entry::Note { .. } => None,
        })
    }

    fn push(&mut self, entry: Entry) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        self.entries.push_back(entry);
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.entries.len().saturating_sub(PRINTED);
        if hidden > 0 || self.forgotten > 0 {
            writeln!(f, "  … {} earlier entries", hidden as u64 + self.forgotten)?;
        }
        for entry in self.entries.iter().skip(hidden) {
            let (at, who, text) = match entry {
                Entry::Call(call) => (call.at, call.who.as_str(), call.to_string()),
                Entry::Note { at, text } => (*at, "", text.clone()),
            };
            writeln!(f, "  {:>10.3} ms  {who:<16} {text}", at.as_secs_f64() * 1_000.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_forgets_the_oldest_and_says_so() {
        let mut journal = Journal::default();
        for number in 0..KEPT + 5 {
            journal.note(Duration::ZERO, format!("note {number}"));
        }
        assert_eq!(journal.entries.len(), KEPT);
        let text = journal.to_string();
        assert!(text.starts_with(&format!("  … {} earlier entries", KEPT + 5 - PRINTED)), "{text}");
        assert!(text.trim_end().ends_with(&format!("note {}", KEPT + 4)));
    }
}
