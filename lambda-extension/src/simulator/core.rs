//! What everybody in the simulator shares: the state machine, who is parked, who runs, and what was seen.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::calls::Polls;
use super::environment::{Environment, FunctionFacts, Outcome};
use super::fault::Faults;
use super::guest::Guest;
use super::journal::Journal;
use super::random::Random;
use super::report::{Ledger, Problem};
use super::settings::Settings;
use super::telemetry::{Content, Hub, LineCategory, TelemetryEvent};
use super::time::Timekeeper;

/// What the environment is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing has been started.
    New,
    Init,
    /// Everybody waits.
    Idle,
    Invoke,
    /// Extensions are told to end, or ended.
    Ending,
    /// Everything must be started anew, inside the next invocation.
    Down,
    /// The end.
    Over,
}

/// One invocation that is under way.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) request_id: String,
    pub(crate) sent: Instant,
    pub(crate) responded: Option<Instant>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) runtime_next: Option<Instant>,
    /// When each extension that was given it asked for the next event; `None` as long as it has not.
    pub(crate) asked: BTreeMap<String, Option<Instant>>,
}

/// What Init is waiting for, and when it came.
#[derive(Debug, Default)]
pub(crate) struct InitProgress {
    pub(crate) started: Option<Instant>,
    pub(crate) runtime_ready: Option<Instant>,
    pub(crate) registered: HashMap<String, Instant>,
    pub(crate) ready: HashMap<String, Instant>,
}

/// The shared heart. Whoever changes something calls [`Core::changed`].
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) time: Timekeeper,
    pub(crate) faults: Faults,
    pub(crate) address: SocketAddr,
    pub(crate) frozen: watch::Sender<bool>,
    /// One phase at a time; with Managed Instances invocations do not take it.
    pub(crate) turn: tokio::sync::Mutex<()>,
    inner: Mutex<Inner>,
    changed: Notify,
}

/// What is guarded by the lock.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) env: Environment,
    pub(crate) phase: Phase,
    pub(crate) guests: Vec<Guest>,
    pub(crate) init: InitProgress,
    pub(crate) progress: Vec<Progress>,
    pub(crate) journal: Journal,
    pub(crate) hub: Hub,
    pub(crate) ledger: Ledger,
    pub(crate) random: Random,
    /// How long the restore took; nothing while there was none.
    pub(crate) restored: Option<Duration>,
    pub(crate) log_stream: String,
    pub(super) polls: Polls,
}

impl Core {
    pub(crate) fn new(settings: Settings, address: SocketAddr) -> Arc<Self> {
        let time = Timekeeper::start();
        let mut random = Random::seeded(settings.seed);
        let function = FunctionFacts {
            account_id: Some(settings.account_id.clone()),
            function_name: settings.function_name.clone(),
            function_version: settings.function_version.clone(),
            handler: settings.handler.clone(),
        };
        let (year, month, day) = super::time::date(time.now_ms() / 86_400_000);
        let log_stream =
            format!("{year:04}/{month:02}/{day:02}/[{}]{}", settings.function_version, random.hex(32));
        let inner = Inner {
            env: Environment::new(settings.rules(), function, Random::seeded(random.next())),
            phase: Phase::New,
            guests: Vec::new(),
            init: InitProgress::default(),
            progress: Vec::new(),
            journal: Journal::default(),
            hub: Hub::new(settings.log_format),
            ledger: Ledger::default(),
            random,
            restored: None,
            log_stream,
            polls: Polls::default(),
        };
        Arc::new(Self {
            settings,
            time,
            faults: Faults::default(),
            address,
            frozen: watch::Sender::new(false),
            turn: tokio::sync::Mutex::new(()),
            inner: Mutex::new(inner),
            changed: Notify::new(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until something holds.
    pub(crate) async fn until<T>(&self, mut holds: impl FnMut(&mut Inner) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            if let Some(value) = holds(&mut self.lock()) {
                return value;
            }
            changed.await;
        }
    }

    /// Waits until something holds, or the time is up.
    pub(crate) async fn until_or<T>(
        &self,
        deadline: Instant,
        holds: impl FnMut(&mut Inner) -> Option<T>,
    ) -> Option<T> {
        tokio::time::timeout_at(deadline, self.until(holds)).await.ok()
    }

    /// Waits until something holds, but not beyond the deadline.
    pub(crate) async fn wait(&self, deadline: Instant, mut holds: impl FnMut(&mut Inner) -> bool) {
        self.until_or(deadline, |inner| holds(inner).then_some(())).await;
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        self.lock().note(self, text);
    }
}

impl Inner {
    pub(crate) fn progress_of(&mut self, request_id: &str) -> Option<&mut Progress> {
        self.progress.iter_mut().find(|one| one.request_id == request_id)
    }

    // What is seen goes into the journal, the report or telemetry.

    pub(crate) fn note(&mut self, core: &Core, text: impl Into<String>) {
        self.journal.note(core.time.since_start(), text);
    }

    pub(crate) fn problem(&mut self, core: &Core, extension: &str, what: impl Into<String>) {
        self.ledger.problem(Problem {
            at: core.time.since_start(),
            extension: extension.to_owned(),
            what: what.into(),
            last_lines: Vec::new(),
        });
    }

    pub(crate) fn platform(&mut self, core: &Core, kind: &'static str, record: Value) {
        let content = Content::Platform { kind, record };
        self.hub.emit(TelemetryEvent { time_ms: core.time.now_ms(), content });
    }

    pub(crate) fn line(&mut self, core: &Core, category: LineCategory, text: &str) {
        let content = Content::Line { category, text: text.to_owned() };
        self.hub.emit(TelemetryEvent { time_ms: core.time.now_ms(), content });
    }
}
