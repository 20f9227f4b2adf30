//! Lines of output, each with the time it came, and a way to wait for one.

use std::io::{BufRead, BufReader, PipeReader};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use crate::BOUND;

/// What a process tree has printed so far.
#[derive(Clone)]
pub(crate) struct Log(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<(Instant, String)>,
    ended: bool,
}

impl Log {
    /// Collects lines until every writing end of the pipe is closed.
    pub(crate) fn collect(pipe: PipeReader) -> Self {
        let log = Self(Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() }));
        let shared = Arc::clone(&log.0);
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                shared.state().lines.push((Instant::now(), line));
                shared.changed.notify_all();
            }
            shared.state().ended = true;
            shared.changed.notify_all();
        });
        log
    }

    /// When a line that has all the parts came first, or `None` when none did in time, or before the end.
    pub(crate) fn wait_for(&self, parts: &[&str]) -> Option<(Instant, String)> {
        let until = Instant::now() + BOUND;
        let mut state = self.0.state();
        let mut seen = 0;
        loop {
            let found =
                state.lines[seen..].iter().find(|(_, line)| parts.iter().all(|part| line.contains(part)));
            if let Some(found) = found {
                return Some(found.clone());
            }
            seen = state.lines.len();
            let left = until.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until everybody who could still write is gone.
    pub(crate) fn wait_for_end(&self) -> bool {
        let wait = self.0.changed.wait_timeout_while(self.0.state(), BOUND, |state| !state.ended);
        wait.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.state().lines.iter().map(|(_, line)| line.clone()).collect()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
