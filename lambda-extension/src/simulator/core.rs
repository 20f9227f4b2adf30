//! What everybody in the simulator shares: the state machine, who is parked, who runs, and what was seen.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::answer::Answer;
use super::environment::{Environment, FunctionFacts, Outcome, PollId, Released};
use super::fault::Faults;
use super::guest::{Guest, Role};
use super::journal::Journal;
use super::random::Random;
use super::report::Ledger;
use super::settings::{Freezing, Settings};
use super::telemetry::{Content, Hub, LineCategory, TelemetryEvent};
use super::time::Timekeeper;

/// What is answered to a call; `None` closes its connection.
pub(crate) type Reply = Option<Answer>;

/// What a call comes to: its answer, or a place to wait for it.
pub(crate) enum Carried {
    Answer(Answer),
    Parked(oneshot::Receiver<Reply>),
}

impl Carried {
    pub(crate) async fn reply(self) -> Reply {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Parked(reply) => reply.await.ok().flatten(),
        }
    }
}

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
    /// When each extension asked for the next event.
    pub(crate) asked: BTreeMap<String, Instant>,
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
    polls: HashMap<PollId, oneshot::Sender<Reply>>,
    last_poll: PollId,
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
            polls: HashMap::new(),
            last_poll: 0,
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
        let at = self.time.since_start();
        self.lock().journal.note(at, text);
    }

    // Freezing.

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
        let at = self.time.since_start();
        inner.journal.note(at, "frozen");
    }

    pub(crate) fn thaw(&self) {
        let mut inner = self.lock();
        if !self.frozen.send_replace(false) {
            return;
        }
        inner.guests.iter().for_each(Guest::go_on);
        let at = self.time.since_start();
        inner.journal.note(at, "thawed");
    }

    // Calls, whether they come over HTTP or from the built-in function.

    pub(crate) fn extension_next(&self, id: Option<&str>) -> Carried {
        self.poll(|inner, poll| {
            let caller = id.and_then(|id| inner.env.agent(id));
            let caller = caller.map(|agent| (agent.name.clone(), agent.was_told_to_end()));
            let answer = inner.env.next(id, poll);
            let accepted = answer.as_ref().is_none_or(|answer| answer.status == 200);
            if let Some((name, told_to_end)) = caller.filter(|_| accepted) {
                inner.asked(self, &name, told_to_end);
            }
            answer
        })
    }

    pub(crate) fn runtime_next(&self) -> Carried {
        self.poll(|inner, poll| {
            let (answer, ended) = inner.env.runtime.next(poll);
            let now = Instant::now();
            inner.init.runtime_ready.get_or_insert(now);
            if let Some(progress) = ended.and_then(|id| inner.progress_of(&id)) {
                progress.runtime_next = Some(now);
            }
            answer
        })
    }

    pub(crate) fn runtime_restore_next(&self) -> Carried {
        self.poll(|inner, poll| {
            inner.init.runtime_ready.get_or_insert_with(Instant::now);
            inner.env.runtime.restore_next(poll)
        })
    }

    /// Answers a poll, or parks it where the state machine has no answer yet.
    fn poll(&self, ask: impl FnOnce(&mut Inner, PollId) -> Option<Answer>) -> Carried {
        let mut inner = self.lock();
        inner.last_poll += 1;
        let poll = inner.last_poll;
        let carried = match ask(&mut inner, poll) {
            Some(answer) => Carried::Answer(answer),
            None => {
                let (sender, receiver) = oneshot::channel();
                inner.polls.insert(poll, sender);
                Carried::Parked(receiver)
            }
        };
        drop(inner);
        self.changed();
        carried
    }

    pub(crate) fn runtime_finish(&self, request_id: &str, outcome: Outcome) -> Answer {
        let mut inner = self.lock();
        let answer = inner.env.runtime.finish(request_id, outcome);
        let outcome = inner.env.runtime.outcome(request_id).cloned();
        if let Some(progress) = inner.progress_of(request_id)
            && progress.outcome.is_none()
            && outcome.is_some()
        {
            progress.outcome = outcome;
            progress.responded = Some(Instant::now());
        }
        drop(inner);
        self.changed();
        answer
    }

    pub(crate) fn runtime_init_error(&self, error_type: &str) -> Answer {
        let mut inner = self.lock();
        let answer = inner.env.runtime.init_error(error_type);
        if answer.status == 202 {
            let error = inner.env.runtime.init_error_type().unwrap_or("Runtime.Unknown").to_owned();
            inner.env.fatal(&error);
        }
        drop(inner);
        self.changed();
        answer
    }
}

impl Inner {
    /// Answers polls; one whose connection is gone takes its event with it, as in Lambda.
    pub(crate) fn let_go(&mut self, released: impl IntoIterator<Item = Released>) {
        for one in released {
            if let Some(poll) = self.polls.remove(&one.poll) {
                drop(poll.send(one.answer));
            }
        }
    }

    /// Closes every connection that waits.
    pub(crate) fn hang_up(&mut self) {
        self.polls.clear();
    }

    pub(crate) fn progress_of(&mut self, request_id: &str) -> Option<&mut Progress> {
        self.progress.iter_mut().find(|one| one.request_id == request_id)
    }

    /// An extension asked for its next event, and was not refused.
    fn asked(&mut self, core: &Core, name: &str, told_to_end: bool) {
        let now = Instant::now();
        if told_to_end {
            let at = core.time.since_start();
            let what = "asked for another event after SHUTDOWN; exiting is the answer to SHUTDOWN";
            return self.ledger.problem(at, name, what);
        }
        match self.phase {
            Phase::Invoke => {
                if let Some(progress) = self.progress.last_mut() {
                    progress.asked.entry(name.to_owned()).or_insert(now);
                }
            }
            _ => drop(self.init.ready.entry(name.to_owned()).or_insert(now)),
        }
    }

    /// A guest is gone. Before the end that is a fault, whatever its exit code.
    pub(crate) fn guest_ended(&mut self, core: &Core, name: &str, role: Role, words: &str, well: bool) {
        let at = core.time.since_start();
        self.journal.note(at, format!("{name} ended: {words}"));
        let expected = matches!(self.phase, Phase::Ending | Phase::Down | Phase::Over);
        let released = match role {
            Role::Runtime => {
                if !expected {
                    self.env.fatal("Runtime.ExitError");
                }
                None
            }
            Role::Extension if expected => self.env.ended(name, well),
            Role::Extension => {
                let released = self.env.crashed(name);
                self.ledger.problem(
                    at,
                    name,
                    format!("ended before SHUTDOWN ({words}); Lambda calls that a crash"),
                );
                released
            }
        };
        self.let_go(released);
    }

    // Telemetry.

    pub(crate) fn platform(&mut self, core: &Core, kind: &'static str, record: Value) {
        let content = Content::Platform { kind, record };
        self.hub.emit(TelemetryEvent { time_ms: core.time.now_ms(), content });
    }

    pub(crate) fn line(&mut self, core: &Core, category: LineCategory, text: &str) {
        let content = Content::Line { category, text: text.to_owned() };
        self.hub.emit(TelemetryEvent { time_ms: core.time.now_ms(), content });
    }
}

/// A span of telemetry.
pub(crate) fn span(core: &Core, name: &str, from: Instant, to: Instant) -> Value {
    serde_json::json!({
        "name": name,
        "start": super::time::iso(core.time.at_ms(from)),
        "durationMs": super::time::millis(to.saturating_duration_since(from)),
    })
}

/// The rest of a time limit.
pub(crate) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
