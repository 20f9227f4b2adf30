//! One invocation: everybody gets it at once, and it lasts until the slowest asked for the next.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::records::{Begun, RUNTIME_DONE, verdict};
use super::{Failure, InitPhase, Invocation};
use crate::simulator::answer::Answer;
use crate::simulator::core::{Core, Inner, Phase, Progress};
use crate::simulator::environment::{AgentState, Event, EventKind, Invoke, Outcome, Rules};
use crate::simulator::fault::Fault;
use crate::simulator::report::{Held, InvocationReport, Status};
use crate::simulator::settings::InitializationType;

/// What is to happen to the function in an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Normal,
    /// It never answers.
    Hang,
    /// Its process ends.
    Crash,
}

/// An environment that can take an invocation.
struct Ready {
    init: Option<Duration>,
    /// Init was repeated inside the invocation, which pays for it.
    suppressed: bool,
    deadline: Instant,
}

impl Core {
    /// Invokes the function and waits until everybody is done with it.
    pub(crate) async fn invoke(self: &Arc<Self>, payload: Bytes, fate: Fate) -> Invocation {
        let turn = self.turn.lock().await;
        let began = Instant::now();
        self.jump_on_demand();
        let ready = self.make_ready(began).await;
        let invocation = match ready {
            Ok(ready) if self.settings.rules() == Rules::ManagedInstances => {
                drop(turn);
                return self.run_concurrently(ready, payload, fate).await;
            }
            Ok(ready) => self.run(ready, began, payload, fate).await,
            Err(failure) => self.fail_before_start(began, failure).await,
        };
        drop(turn);
        invocation
    }

    fn jump_on_demand(&self) {
        let jump = self.faults.take(|fault| match fault {
            Fault::ClockJump(by_ms) => Some(*by_ms),
            _ => None,
        });
        if let Some(by_ms) = jump {
            self.time.jump(by_ms);
            self.note(format!("the clock jumped by {by_ms} ms"));
        }
    }

    /// Init where it is due, again where it failed, and restore where there is a snapshot.
    async fn make_ready(self: &Arc<Self>, began: Instant) -> Result<Ready, Failure> {
        let phase = self.lock().phase;
        assert!(phase != Phase::Over, "the environment was shut down: nothing can be invoked any more");
        let mut init = None;
        if matches!(phase, Phase::New | Phase::Init) {
            match self.initialise(InitPhase::Init, began + self.settings.init_timeout()).await {
                Ok(took) => init = Some(took),
                Err(failure) => self.bring_down(failure.shutdown_reason()).await,
            }
        }
        let left_ending = self.lock().phase == Phase::Ending;
        let crashed_meanwhile = self.lock().env.first_fatal().is_some();
        if left_ending || crashed_meanwhile {
            self.bring_down("failure").await;
        }
        if self.lock().phase == Phase::Down {
            let deadline = Instant::now() + self.settings.timeout;
            let took = self.initialise(InitPhase::Invoke, deadline).await?;
            return Ok(Ready { init: Some(took), suppressed: true, deadline });
        }
        if self.settings.init_type == InitializationType::SnapStart && self.lock().restored.is_none() {
            self.settle().await;
            self.restore_now().await?;
        }
        Ok(Ready { init, suppressed: false, deadline: Instant::now() + self.settings.timeout })
    }

    async fn run(self: &Arc<Self>, ready: Ready, began: Instant, payload: Bytes, fate: Fate) -> Invocation {
        self.thaw_and_watch().await;
        self.unknown_event_on_demand(ready.deadline).await;
        let begun = self.begin(&ready, payload, fate);
        self.crash_on_demand(fate);
        let runtime = self.gate(ready.deadline, |inner| inner.runtime_is_done(&begun.request_id)).await;
        self.tell_runtime_done(&begun, &runtime);
        let everybody = match runtime {
            Ok(()) => self.gate(ready.deadline, |inner| inner.env.invoke_agents_ready()).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = &everybody {
            self.lock().blame_for(self, failure, &begun.request_id);
        }
        let ended = Instant::now();
        if let Err(failure) = &everybody {
            self.bring_down(failure.shutdown_reason()).await;
        }
        let billed_from = if ready.suppressed { began } else { begun.sent };
        let invocation = self.close(&begun, &ready, ended, billed_from, everybody);
        if self.lock().phase == Phase::Invoke {
            self.lock().phase = Phase::Idle;
            self.freeze();
        }
        invocation
    }

    fn crash_on_demand(&self, fate: Fate) {
        if fate == Fate::Crash
            && let Some(runtime) = self.lock().runtime_guest()
        {
            runtime.kill();
        }
    }

    /// The end of the function, unless somebody wants that told otherwise.
    fn tell_runtime_done(self: &Arc<Self>, begun: &Begun, outcome: &Result<(), Failure>) {
        match &begun.odd_end {
            None => self.lock().say_runtime_done(self, begun, outcome),
            Some(Fault::RuntimeDoneLate(by)) => {
                let (core, by) = (Arc::clone(self), *by);
                let record = self.lock().runtime_done(self, begun, outcome);
                tokio::spawn(async move {
                    tokio::time::sleep(by).await;
                    core.lock().platform(&core, RUNTIME_DONE, record.unwrap_or_default());
                });
            }
            Some(_) => {}
        }
    }

    /// Managed Instances: no INVOKE for extensions, no `runtimeDone`, nobody waits for anybody.
    async fn run_concurrently(self: &Arc<Self>, ready: Ready, payload: Bytes, fate: Fate) -> Invocation {
        let begun = self.begin(&ready, payload, fate);
        self.crash_on_demand(fate);
        let runtime = self.gate(ready.deadline, |inner| inner.has_answered(&begun.request_id)).await;
        let ended = Instant::now();
        self.close(&begun, &ready, ended, begun.sent, runtime)
    }

    /// Init failed even inside the invocation: it is said to have started, and to have failed.
    async fn fail_before_start(self: &Arc<Self>, began: Instant, failure: Failure) -> Invocation {
        let ready = Ready { init: None, suppressed: true, deadline: Instant::now() };
        let begun = {
            let mut inner = self.lock();
            let begun = inner.enter_invocation(self);
            inner.say_start(self, &begun);
            begun
        };
        let outcome = Err(failure.clone());
        self.lock().say_runtime_done(self, &begun, &outcome);
        self.bring_down(failure.shutdown_reason()).await;
        self.close(&begun, &ready, Instant::now(), began, outcome)
    }

    fn odd_end_on_demand(&self) -> Option<Fault> {
        self.faults.take(|fault| match fault {
            Fault::RuntimeDoneEarly | Fault::RuntimeDoneLate(_) | Fault::RuntimeDoneMissing => {
                Some(fault.clone())
            }
            _ => None,
        })
    }

    async fn unknown_event_on_demand(&self, deadline: Instant) {
        let event_type = self.faults.take(|fault| match fault {
            Fault::UnknownEvent(event_type) => Some(event_type.clone()),
            _ => None,
        });
        let Some(event_type) = event_type else { return };
        self.note(format!("an event of type {event_type} is sent"));
        let event = Event::Unknown { event_type, deadline_ms: self.time.at_ms(deadline) };
        {
            let mut inner = self.lock();
            let released = inner.env.release(EventKind::Invoke, &event);
            inner.let_go(released);
        }
        drop(self.gate(deadline, |inner| inner.env.invoke_agents_ready()).await);
    }

    /// Gives the invocation to the runtime and to everybody who registered for it.
    fn begin(&self, ready: &Ready, payload: Bytes, fate: Fate) -> Begun {
        let mut inner = self.lock();
        inner.phase = Phase::Invoke;
        let mut begun = inner.enter_invocation(self);
        inner.say_start(self, &begun);
        begun.odd_end = self.odd_end_on_demand();
        if begun.odd_end == Some(Fault::RuntimeDoneEarly) {
            inner.say_runtime_done(self, &begun, &Ok(()));
            inner.hub.flush();
        }
        let deadline_ms = self.time.at_ms(ready.deadline);
        let arn = self.settings.arn();
        let mut answer = Answer::new(200, "application/json", payload)
            .with("Lambda-Runtime-Aws-Request-Id", &begun.request_id)
            .with("Lambda-Runtime-Deadline-Ms", deadline_ms.to_string())
            .with("Lambda-Runtime-Invoked-Function-Arn", &arn);
        if let Some(trace) = &begun.trace {
            answer = answer.with("Lambda-Runtime-Trace-Id", trace);
        }
        if let Some(tenant) = &self.settings.tenant_id {
            answer = answer.with("Lambda-Runtime-Aws-Tenant-Id", tenant);
        }
        let event = Event::Invoke {
            deadline_ms,
            request_id: begun.request_id.clone(),
            arn,
            trace: begun.trace.clone(),
            event_id: inner.random.uuid(),
        };
        let mut released = inner.env.release(EventKind::Invoke, &event);
        let given = inner.env.agents().iter().filter(|agent| agent.wants(EventKind::Invoke));
        let unasked = given.map(|agent| (agent.name.clone(), None)).collect();
        if let Some(progress) = inner.progress_of(&begun.request_id) {
            progress.asked = unasked;
        }
        // A function that hangs is one that takes its payload and is never heard of: it need not even take it.
        if fate != Fate::Hang {
            let invoke = Invoke { request_id: begun.request_id.clone(), answer };
            released.extend(inner.env.runtime.invoke(invoke));
        }
        inner.let_go(released);
        begun
    }

    /// Writes the invocation into telemetry and books, and makes of it what the caller sees.
    fn close(
        self: &Arc<Self>,
        begun: &Begun,
        ready: &Ready,
        ended: Instant,
        billed_from: Instant,
        outcome: Result<(), Failure>,
    ) -> Invocation {
        let mut inner = self.lock();
        let progress = inner.leave_invocation(&begun.request_id);
        let (status, error_type) = verdict(&progress, &outcome);
        let duration = ended.saturating_duration_since(billed_from);
        let cold = ready.init.filter(|_| !ready.suppressed);
        inner.say_report(self, begun, &progress, status, error_type.as_deref(), duration, cold, ended);
        let runtime = progress.runtime_next.map(|next| next.saturating_duration_since(progress.sent));
        let held = held(&progress, ended);
        let report = InvocationReport {
            request_id: begun.request_id.clone(),
            status,
            error_type: error_type.clone(),
            started: self.time.since_start_at(billed_from),
            duration,
            repeated_init: ready.init.filter(|_| ready.suppressed),
            runtime,
            held: held.clone(),
        };
        inner.ledger.invocation(report, duration);
        inner.note(self, format!("invocation {} is over: {status}", begun.request_id));
        drop(inner);
        self.changed();
        Invocation {
            request_id: begun.request_id.clone(),
            status,
            error_type,
            response: progress.outcome.map(|outcome| match outcome {
                Outcome::Response(body) | Outcome::Error { body, .. } => body.to_vec(),
            }),
            init: ready.init,
            duration,
            runtime,
            held,
            never_began: ready.suppressed && ready.init.is_none(),
            core: Arc::clone(self),
        }
    }
}

impl Inner {
    fn enter_invocation(&mut self, core: &Core) -> Begun {
        if core.settings.rules() == Rules::Default {
            // Left behind by somebody who did not wait for the end of an invocation.
            let abandoned: Vec<String> =
                self.progress.drain(..).map(|progress| progress.request_id).collect();
            abandoned.iter().for_each(|request_id| self.env.runtime.forget(request_id));
        }
        let sent = Instant::now();
        let request_id = self.random.uuid();
        let trace = core.settings.tracing.then(|| {
            let seconds = core.time.now_ms() / 1_000;
            format!("Root=1-{seconds:08x}-{};Parent={};Sampled=1", self.random.hex(24), self.random.hex(16))
        });
        self.progress.push(Progress {
            request_id: request_id.clone(),
            sent,
            responded: None,
            outcome: None,
            runtime_next: None,
            asked: Default::default(),
        });
        self.note(core, format!("invocation {request_id} begins"));
        Begun { request_id, sent, trace, odd_end: None }
    }

    fn leave_invocation(&mut self, request_id: &str) -> Progress {
        self.env.runtime.forget(request_id);
        let position = self.progress.iter().position(|one| one.request_id == request_id);
        self.progress.remove(position.expect("an invocation that ends was entered when it began"))
    }

    fn runtime_is_done(&mut self, request_id: &str) -> bool {
        self.progress_of(request_id).is_some_and(|progress| progress.runtime_next.is_some())
    }

    fn has_answered(&mut self, request_id: &str) -> bool {
        self.progress_of(request_id).is_some_and(|progress| progress.outcome.is_some())
    }

    /// An extension that did not ask in time failed an invocation whose function had finished.
    fn blame_for(&mut self, core: &Core, failure: &Failure, request_id: &str) {
        if failure.status != Status::Timeout || !self.runtime_is_done(request_id) {
            return;
        }
        let late: Vec<String> = self
            .env
            .agents()
            .iter()
            .filter(|agent| agent.wants(EventKind::Invoke) && agent.state == AgentState::Running)
            .map(|agent| agent.name.clone())
            .collect();
        for name in late {
            self.problem(
                core,
                &name,
                "did not ask for the next event before the function's timeout: the invocation failed although the \
                 function had finished",
            );
        }
    }
}

/// How long each extension held an invocation; one that never asked for the next event did until the end.
fn held(progress: &Progress, ended: Instant) -> Vec<Held> {
    progress
        .asked
        .iter()
        .map(|(extension, asked)| {
            let until = asked.unwrap_or(ended);
            let beyond = progress.runtime_next.map(|done| until.saturating_duration_since(done));
            Held {
                extension: extension.clone(),
                asked: asked.map(|asked| asked.saturating_duration_since(progress.sent)),
                beyond_runtime: beyond.unwrap_or_default(),
            }
        })
        .collect()
}
