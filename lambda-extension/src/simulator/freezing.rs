//! Freezing and thawing, and whether a process had work left when it was frozen, seen from how it wakes.
//!
//! A process that only waits for its next event does next to nothing when it is thawed: each thread wakes once, because
//! the signal interrupts its system call, and waits again. One that meant to send something goes on with it.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Pid;
use tokio::time::Instant;

use super::core::Core;
use super::guest::{Guest, Role};
use super::settings::Freezing;

/// How long a thawed process is looked at before it is given anything; longer, where it waits for a processor meanwhile.
const WATCHED: Duration = Duration::from_millis(3);
const WATCHED_AT_MOST: Duration = Duration::from_millis(60);
/// Waking up for nothing was seen to take less than a tenth of this, in nanoseconds.
const WAKING_UP: u64 = 1_000_000;

impl Core {
    /// Waits until the environment is not frozen.
    pub(crate) async fn thawed(&self) {
        // The sender lives as long as this core does.
        drop(self.frozen.subscribe().wait_for(|frozen| !frozen).await);
    }

    /// Stops every process, and time for deliveries.
    pub(crate) fn freeze(&self) {
        if self.settings.freezing == Freezing::Off {
            return;
        }
        // Under the lock, so that nobody thaws what is half frozen.
        let mut inner = self.lock();
        inner.guests.iter().for_each(Guest::stop);
        if self.frozen.send_replace(true) {
            return;
        }
        inner.hub.window += 1;
        inner.ledger.frozen();
        inner.note(self, "frozen");
    }

    pub(crate) fn thaw(&self) {
        let mut inner = self.lock();
        if !self.frozen.send_replace(false) {
            return;
        }
        inner.guests.iter().for_each(Guest::go_on);
        inner.note(self, "thawed");
    }

    /// Thaws the environment, and looks at what its extensions do before anybody gives them something to do.
    pub(crate) async fn thaw_and_watch(&self) {
        let watched: Vec<(String, Pid, Activity)> = {
            let inner = self.lock();
            let extensions = inner.guests.iter().filter(|guest| guest.role == Role::Extension);
            let frozen = *self.frozen.borrow();
            extensions
                .filter(|_| frozen)
                .filter_map(|guest| Some((guest.name.clone(), guest.pid()?, Activity::of(guest.pid()?)?)))
                .collect()
        };
        if !watched.is_empty() {
            self.lock().guests.iter().for_each(Guest::go_on);
            let thawed = Instant::now();
            let wants_to_run = |pid| Activity::of(pid).is_some_and(|now| now.wants_to_run());
            loop {
                tokio::time::sleep(WATCHED).await;
                let at_rest = !watched.iter().any(|(_, pid, _)| wants_to_run(*pid));
                if at_rest || thawed.elapsed() >= WATCHED_AT_MOST {
                    break;
                }
            }
            let mut inner = self.lock();
            for (name, pid, before) in watched {
                let busy = Activity::of(pid).is_some_and(|now| now.is_work_since(&before));
                inner.ledger.thawed(&name, busy);
            }
        }
        self.thaw();
    }

    /// Sleeps for a time that does not pass while the environment is frozen.
    pub(crate) async fn sleep_thawed(&self, duration: Duration) {
        let mut left = duration;
        let mut frozen = self.frozen.subscribe();
        while !left.is_zero() {
            self.thawed().await;
            let began = Instant::now();
            tokio::select! {
                () = tokio::time::sleep(left) => return,
                _ = frozen.wait_for(|frozen| *frozen) => left = left.saturating_sub(began.elapsed()),
            }
        }
    }
}

/// What a process has done so far, by thread.
#[derive(Debug, PartialEq, Eq)]
struct Activity {
    threads: BTreeMap<String, Thread>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Thread {
    running_ns: u64,
    waits: u64,
    /// It runs, or would if there was a processor for it.
    runnable: bool,
}

impl Activity {
    /// Reads what Linux tells; nothing on other systems, and where the process is gone.
    fn of(pid: Pid) -> Option<Self> {
        let folder = format!("/proc/{}/task", pid.as_raw_nonzero());
        let mut threads = BTreeMap::new();
        for entry in std::fs::read_dir(folder).ok()? {
            let path = entry.ok()?.path();
            let (Ok(running), Ok(status)) = (
                std::fs::read_to_string(path.join("schedstat")),
                std::fs::read_to_string(path.join("status")),
            ) else {
                continue;
            };
            let running_ns = running.split_whitespace().next()?.parse().ok()?;
            let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let waits = field("voluntary_ctxt_switches:")?.parse().ok()?;
            let thread = Thread { running_ns, waits, runnable: field("State:")?.starts_with('R') };
            threads.insert(path.file_name()?.to_string_lossy().into_owned(), thread);
        }
        Some(Self { threads })
    }

    fn wants_to_run(&self) -> bool {
        self.threads.values().any(|thread| thread.runnable)
    }

    /// Whether more was done than waking up and waiting again.
    fn is_work_since(&self, before: &Self) -> bool {
        if !self.threads.keys().eq(before.threads.keys()) {
            return true;
        }
        let mut running_ns = 0;
        let mut waited_twice = false;
        for (name, now) in &self.threads {
            let then = &before.threads[name];
            running_ns += now.running_ns.saturating_sub(then.running_ns);
            waited_twice |= now.waits > then.waits + 1;
        }
        waited_twice || running_ns > WAKING_UP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(threads: &[(&str, u64, u64)]) -> Activity {
        let thread = |(name, running_ns, waits): &(&str, u64, u64)| {
            ((*name).to_owned(), Thread { running_ns: *running_ns, waits: *waits, runnable: false })
        };
        Activity { threads: threads.iter().map(thread).collect() }
    }

    #[test]
    fn waking_up_and_waiting_again_is_no_work() {
        let before = activity(&[("1", 5_000, 7), ("2", 0, 3)]);
        assert!(!activity(&[("1", 85_000, 8), ("2", 40_000, 4)]).is_work_since(&before));
        assert!(
            activity(&[("1", 85_000, 9), ("2", 0, 3)]).is_work_since(&before),
            "it waited for something else"
        );
        assert!(activity(&[("1", 2_000_000, 7), ("2", 0, 3)]).is_work_since(&before), "it calculated");
        assert!(activity(&[("1", 5_000, 7)]).is_work_since(&before), "a thread came to its end");
    }
}
