//! The end of an environment, for good or before it is started again: budgets, SHUTDOWN, signals.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::simulator::core::{Core, Inner, Phase};
use crate::simulator::environment::{AgentKind, AgentState, Event, EventKind};
use crate::simulator::fault::Fault;
use crate::simulator::guest::Role;
use crate::simulator::report::{ExtensionEnd, ShutdownReport};

/// What extensions and runtime have together when there are external extensions.
const WITH_EXTERNAL: Duration = Duration::from_millis(2_000);
/// What the runtime has when extensions live in its process.
const WITH_INTERNAL: Duration = Duration::from_millis(500);
/// The runtime's part when there are only external extensions.
const RUNTIME_SHARE: Duration = Duration::from_millis(300);
/// A killed process is gone at once; this is for the news of it.
const NEWS: Duration = Duration::from_secs(2);

impl Core {
    /// Ends everything; the next invocation starts it again.
    pub(crate) async fn bring_down(self: &Arc<Self>, reason: &str) {
        self.end(reason).await;
        let mut inner = self.lock();
        inner.forget_environment(self);
        inner.phase = Phase::Down;
        drop(inner);
        self.changed();
    }

    /// Ends everything for good.
    pub(crate) async fn shut_down(self: &Arc<Self>, reason: &str) {
        if matches!(self.lock().phase, Phase::Over) {
            return;
        }
        if self.lock().phase != Phase::Down {
            self.end(reason).await;
        }
        let mut inner = self.lock();
        inner.forget_environment(self);
        inner.phase = Phase::Over;
        drop(inner);
        self.changed();
    }

    async fn end(self: &Arc<Self>, reason: &str) {
        let started = Instant::now();
        let budget = {
            let mut inner = self.lock();
            inner.phase = Phase::Ending;
            inner.hub.ending = true;
            inner.note(self, format!("shutdown begins: {reason}"));
            inner.budget()
        };
        self.thaw_and_watch().await;
        let alive = self.lock().alive_extensions();
        self.end_runtime(budget, started).await;
        let deadline = started + budget.total;
        let told = self.tell_extensions(reason, deadline);
        self.wait(deadline, |inner| !told.iter().any(|name| inner.lives(name))).await;
        let killed: Vec<String> = {
            let mut inner = self.lock();
            let left: Vec<String> = inner.alive_extensions();
            inner.guests.iter_mut().for_each(|guest| guest.kill());
            left.into_iter().filter(|name| told.contains(name)).collect()
        };
        self.wait(Instant::now() + NEWS, |inner| inner.alive_extensions().is_empty()).await;
        self.lock().enter_shutdown(self, reason, started, &alive, &told, &killed);
    }

    /// SIGTERM and a part of the budget if there are extensions, otherwise the end at once.
    async fn end_runtime(&self, budget: Budget, started: Instant) {
        if self.lock().ask_runtime_to_end(budget) {
            self.wait(started + budget.runtime, |inner| !inner.runtime_lives()).await;
        }
        if let Some(runtime) = self.lock().runtime_guest() {
            runtime.kill();
        }
        self.wait(Instant::now() + NEWS, |inner| !inner.runtime_lives()).await;
        // Its streams are closed: what it wrote is delivered without waiting.
        self.lock().hub.flush();
    }

    /// Releases SHUTDOWN to those who want it and kills the others; returns the names of those who got it.
    fn tell_extensions(&self, reason: &str, deadline: Instant) -> Vec<String> {
        let odd = self.faults.take(|fault| match fault {
            Fault::UnknownReason(reason) => Some(reason.clone()),
            _ => None,
        });
        let event = Event::Shutdown {
            deadline_ms: self.time.at_ms(deadline),
            reason: odd.unwrap_or_else(|| reason.to_owned()),
        };
        let mut inner = self.lock();
        let told: Vec<String> = inner
            .env
            .externals()
            .filter(|agent| agent.wants(EventKind::Shutdown))
            // Whoever reported an error is not told anything any more.
            .filter(|agent| {
                matches!(agent.state, AgentState::Registered | AgentState::Ready | AgentState::Running)
            })
            .map(|agent| agent.name.clone())
            .collect();
        let released = inner.env.release(EventKind::Shutdown, &event);
        inner.let_go(released);
        for guest in &mut inner.guests {
            if guest.role == Role::Extension && !told.contains(&guest.name) {
                guest.kill();
            }
        }
        drop(inner);
        self.changed();
        told
    }
}

/// How long the end may take.
#[derive(Clone, Copy, Debug)]
struct Budget {
    total: Duration,
    runtime: Duration,
}

impl Inner {
    fn budget(&self) -> Budget {
        let external = self.guests.iter().any(|guest| guest.role == Role::Extension && guest.is_alive());
        let internal = self.env.agents().iter().any(|agent| agent.kind == AgentKind::Internal);
        match (external, internal) {
            (true, false) => Budget { total: WITH_EXTERNAL, runtime: RUNTIME_SHARE },
            (true, true) => Budget { total: WITH_EXTERNAL, runtime: WITH_INTERNAL },
            (false, true) => Budget { total: WITH_INTERNAL, runtime: WITH_INTERNAL },
            (false, false) => Budget { total: Duration::ZERO, runtime: Duration::ZERO },
        }
    }

    /// Whether there is a process that has time to end by itself.
    fn ask_runtime_to_end(&mut self, budget: Budget) -> bool {
        let Some(runtime) = self.runtime_guest() else { return false };
        let asked = runtime.is_process() && !budget.runtime.is_zero();
        if asked {
            runtime.terminate();
        }
        asked
    }

    fn alive_extensions(&self) -> Vec<String> {
        self.guests
            .iter()
            .filter(|guest| guest.role == Role::Extension && guest.is_alive())
            .map(|guest| guest.name.clone())
            .collect()
    }

    fn lives(&mut self, name: &str) -> bool {
        self.extension(name).is_some_and(|extension| extension.is_alive())
    }

    fn runtime_lives(&self) -> bool {
        self.guests.iter().any(|guest| guest.role == Role::Runtime && guest.is_alive())
    }

    fn enter_shutdown(
        &mut self,
        core: &Core,
        reason: &str,
        started: Instant,
        alive: &[String],
        told: &[String],
        killed: &[String],
    ) {
        let mut extensions = Vec::new();
        for name in alive {
            let Some(guest) = self.extension(name) else { continue };
            let end = guest.end.clone();
            let was_killed = killed.contains(name);
            let (ended, took, well) = match end {
                Some(end) => (end.words, end.at.saturating_duration_since(started), end.well),
                None => ("unknown".to_owned(), started.elapsed(), false),
            };
            let was_told = told.contains(name);
            if was_killed {
                let limit = WITH_EXTERNAL.as_millis();
                self.problem(
                    core,
                    name,
                    format!("did not exit within the {limit} ms of SHUTDOWN and was killed"),
                );
            } else if was_told && !well {
                let what = format!("did not exit well after SHUTDOWN: {ended}");
                self.bad_end(core, name, Role::Extension, what);
            }
            extensions.push(ExtensionEnd { name: name.clone(), took, ended, was_told, killed: was_killed });
        }
        self.ledger.shutdown(ShutdownReport {
            reason: reason.to_owned(),
            started: core.time.since_start_at(started),
            duration: started.elapsed(),
            extensions,
        });
    }

    /// Nobody is left: connections are closed, identifiers forgotten, undelivered telemetry counted as lost.
    fn forget_environment(&mut self, core: &Core) {
        let released = self.env.reset();
        self.let_go(released);
        self.hang_up();
        for (name, lost) in self.hub.reset() {
            let figures = self.ledger.telemetry(&name);
            figures.lost += lost.records;
            figures.lost_at_end += lost.records - lost.avoidable - lost.dropped;
            figures.dropped += lost.dropped;
            if lost.avoidable > 0 {
                let what =
                    format!("{} telemetry records could not be delivered before the end", lost.avoidable);
                self.problem(core, &name, what);
            }
        }
    }
}
