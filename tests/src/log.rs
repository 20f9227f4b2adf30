//! Lines of output, each with the time it came, and a way to wait for one.

use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use crate::BOUND;

/// What [`Log::lines`] writes into the pipe to learn that everything before it was read. No program prints that.
const MARK: &str = "\u{1}read until here\u{1}\n";

/// What a process tree has printed so far.
pub(crate) struct Log {
    shared: Arc<Shared>,
    /// Our own end of the pipe, open until nobody else is expected to write.
    input: Mutex<Option<PipeWriter>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    marks: usize,
    ended: bool,
}

impl Log {
    /// A log, and the standard output and error of those who write it.
    pub(crate) fn new() -> io::Result<(Self, Stdio, Stdio)> {
        let (output, input) = io::pipe()?;
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let (stdout, stderr) = (input.try_clone()?.into(), input.try_clone()?.into());
        let collected = Arc::clone(&shared);
        thread::spawn(move || collected.collect(output));
        Ok((Self { shared, input: Mutex::new(Some(input)) }, stdout, stderr))
    }

    /// The `nth` line, counted from one, that has all the parts; `None` when it does not come in time, or before the end.
    pub(crate) fn wait_for(&self, nth: usize, parts: &[&str]) -> Option<String> {
        let has_all = |line: &&String| parts.iter().all(|part| line.contains(part));
        let mut found = None;
        self.shared.wait(|state| {
            found = state.lines.iter().filter(has_all).nth(nth - 1).cloned();
            found.is_some() || state.ended
        });
        found
    }

    /// Waits until everybody who could write is gone; whether they all went in time.
    pub(crate) fn wait_for_end(&self) -> bool {
        *self.input.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.wait(|state| state.ended)
    }

    /// Every line that was written until now.
    pub(crate) fn lines(&self) -> Vec<String> {
        if let Some(input) = &mut *self.input.lock().unwrap_or_else(PoisonError::into_inner) {
            let marks = self.shared.state().marks;
            // One write, which nobody else's can come between.
            input.write_all(MARK.as_bytes()).expect("the reader reads until the end");
            assert!(self.shared.wait(|state| state.marks > marks), "the mark in the log was not found");
        }
        self.shared.state().lines.clone()
    }
}

impl Shared {
    /// Collects lines until every writing end of the pipe is closed.
    fn collect(&self, output: PipeReader) {
        let mut begun = String::new();
        for bytes in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            begun.push_str(&String::from_utf8_lossy(&bytes));
            // Somebody may have written half a line when the mark came; the other half follows.
            let marked = begun.strip_suffix(MARK.trim_end()).map(str::len);
            match marked {
                Some(length) => {
                    begun.truncate(length);
                    self.state().marks += 1;
                }
                None => self.state().lines.push(std::mem::take(&mut begun)),
            }
            self.changed.notify_all();
        }
        self.state().ended = true;
        self.changed.notify_all();
    }

    /// Waits until `done`, but not for ever; whether it was.
    fn wait(&self, mut done: impl FnMut(&State) -> bool) -> bool {
        let until = Instant::now() + BOUND;
        let mut state = self.state();
        loop {
            if done(&state) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn log_of(script: &str) -> Log {
        let (log, stdout, stderr) = Log::new().expect("a pipe");
        let shell = Command::new("sh").args(["-c", script]).stdout(stdout).stderr(stderr).status();
        assert!(shell.expect("sh runs").success());
        log
    }

    #[test]
    fn every_line_written_before_is_there() {
        let log = log_of("seq 1 5000; echo to stderr >&2");
        let lines = log.lines();
        assert_eq!((lines.len(), lines[4999].as_str(), lines[5000].as_str()), (5001, "5000", "to stderr"));
    }

    #[test]
    fn lines_are_counted_from_one() {
        let log = log_of("seq 1 20");
        assert_eq!(log.wait_for(3, &["1"]).as_deref(), Some("11"));
    }

    #[test]
    fn half_a_line_stays_one_line() {
        let (log, stdout, _) = Log::new().expect("a pipe");
        let script = "printf begun; read go; echo ' and ended'";
        let mut command = Command::new("sh");
        let mut shell =
            command.args(["-c", script]).stdin(Stdio::piped()).stdout(stdout).spawn().expect("sh runs");
        drop(command);
        log.lines();
        drop(shell.stdin.take());
        shell.wait().expect("our own child");
        assert!(log.wait_for_end());
        assert_eq!(log.lines(), ["begun and ended"]);
    }

    #[test]
    fn a_line_that_never_comes_is_not_waited_for_after_the_end() {
        let log = log_of("echo something else");
        assert!(log.wait_for_end());
        assert_eq!(log.wait_for(1, &["something", "missing"]), None);
        assert_eq!(log.wait_for(1, &["some", "else"]).as_deref(), Some("something else"));
    }
}
