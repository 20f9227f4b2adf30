//! Init: extensions register, the runtime starts, everybody asks for the first event.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Failure;
use crate::simulator::command::launch_error;
use crate::simulator::core::{Core, InitProgress, Inner, Phase};
use crate::simulator::environment::{AgentState, Rules};
use crate::simulator::guest::{Guest, Recipe, Role};
use crate::simulator::report::{ExtensionInit, InitReport, Status};
use crate::simulator::time::millis;

/// How long Init telemetry may take to be delivered before an environment that nobody invokes yet is frozen.
const SETTLE: Duration = Duration::from_millis(200);

/// Whether this is the first Init, or one repeated inside an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InitPhase {
    Init,
    Invoke,
}

impl InitPhase {
    fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
        }
    }
}

impl Core {
    /// Brings an extension into the environment and starts it.
    #[track_caller]
    pub(crate) fn add_extension(self: &Arc<Self>, name: &str, recipe: Recipe) {
        let mut inner = self.lock();
        assert!(
            matches!(inner.phase, Phase::New | Phase::Init | Phase::Down),
            "the extension `{name}` comes too late: extensions start with the environment, before the first invocation"
        );
        assert!(
            inner.extension(name).is_none(),
            "there is an extension `{name}` already: names are file names in Lambda"
        );
        inner.guests.push(Guest::new(name, Role::Extension, recipe));
        if inner.phase != Phase::Down {
            inner.begin_init(self, InitPhase::Init);
            inner.launch(self, name);
        }
        drop(inner);
        self.changed();
    }

    /// Init where it is due, without an invocation.
    pub(crate) async fn init(self: &Arc<Self>) -> Status {
        let turn = self.turn.lock().await;
        let phase = self.lock().phase;
        let status = match phase {
            Phase::New | Phase::Init => {
                let deadline = Instant::now() + self.settings.init_timeout();
                match self.initialise(InitPhase::Init, deadline).await {
                    Ok(_) => {
                        self.settle().await;
                        Status::Success
                    }
                    Err(failure) => {
                        self.bring_down(failure.shutdown_reason()).await;
                        failure.status
                    }
                }
            }
            Phase::Idle | Phase::Invoke => Status::Success,
            Phase::Ending | Phase::Down | Phase::Over => Status::Error,
        };
        drop(turn);
        status
    }

    /// Goes through Init once; on failure the environment is left as it is, for whoever ends it.
    pub(crate) async fn initialise(
        self: &Arc<Self>,
        phase: InitPhase,
        deadline: Instant,
    ) -> Result<Duration, Failure> {
        self.lock().begin_init(self, phase);
        if phase == InitPhase::Invoke {
            self.lock().launch_again(self);
        }
        let outcome = self.pass_gates(deadline).await;
        let mut inner = self.lock();
        let took = inner.close_init(self, phase, &outcome);
        if outcome.is_ok() {
            inner.phase = Phase::Idle;
        }
        drop(inner);
        self.changed();
        outcome.map(|()| took)
    }

    async fn pass_gates(self: &Arc<Self>, deadline: Instant) -> Result<(), Failure> {
        self.gate(deadline, |inner| inner.env.externals_registered()).await?;
        self.lock().launch_runtime(self);
        self.gate(deadline, |inner| inner.env.init_done()).await
    }

    /// An initialised environment that nobody invokes yet: what is to be said is said, then it is frozen.
    pub(crate) async fn settle(&self) {
        self.wait(Instant::now() + SETTLE, |inner| inner.hub.is_idle()).await;
        self.freeze();
    }
}

impl Inner {
    fn begin_init(&mut self, core: &Core, phase: InitPhase) {
        if phase == InitPhase::Init && self.init.started.is_some() {
            return;
        }
        self.phase = Phase::Init;
        self.init = InitProgress { started: Some(Instant::now()), ..InitProgress::default() };
        let settings = &core.settings;
        let mut record = json!({
            "initializationType": settings.init_type.to_string(),
            "phase": phase.word(),
            "functionName": settings.function_name,
            "functionVersion": settings.function_version,
            "instanceId": self.log_stream,
            "instanceMaxMemory": u64::from(settings.memory_mb) * 1024 * 1024,
            "runtimeVersion": settings.runtime_version,
        });
        record["runtimeVersionArn"] =
            Value::from(format!("arn:aws:lambda:{}::runtime:simulated", settings.region));
        self.platform(core, "platform.initStart", record);
    }

    fn launch(&mut self, core: &Arc<Core>, name: &str) {
        if self.env.launch(name).is_err() {
            self.problem(core, name, "is the eleventh extension; Lambda starts ten");
            return;
        }
        let Some(guest) = self.extension(name) else { return };
        if let Err(error) = guest.launch(core) {
            let error_type = match error.kind() {
                std::io::ErrorKind::PermissionDenied => "PermissionDenied",
                _ if core.settings.rules() == Rules::ManagedInstances => "Extension.LaunchError",
                _ => "UnknownError",
            };
            self.env.launch_failed(name, error_type);
            let what = launch_error(&error);
            self.note(core, format!("{name} {what}"));
            self.problem(core, name, what);
        }
    }

    /// After a reset: every extension from its file again.
    fn launch_again(&mut self, core: &Arc<Core>) {
        let names: Vec<String> = self
            .guests
            .iter()
            .filter(|guest| guest.role == Role::Extension)
            .map(|guest| guest.name.clone())
            .collect();
        for name in names {
            self.launch(core, &name);
        }
    }

    fn launch_runtime(&mut self, core: &Arc<Core>) {
        let Some(runtime) = self.runtime_guest() else { return };
        if runtime.is_alive() {
            return;
        }
        if let Err(error) = runtime.launch(core) {
            let what = launch_error(&error);
            self.note(core, format!("the runtime {what}"));
            self.env.fatal("Runtime.InvalidEntrypoint");
            self.problem(core, "runtime", format!("the function {what}"));
        }
    }

    /// Says how Init went, in telemetry and in the books, and closes what closes with it.
    fn close_init(&mut self, core: &Core, phase: InitPhase, outcome: &Result<(), Failure>) -> Duration {
        let started = self.init.started.unwrap_or_else(Instant::now);
        let took = started.elapsed();
        let failure = outcome.as_ref().err();
        let status = failure.map_or(Status::Success, |failure| failure.status);
        let error_type = failure.and_then(|failure| failure.error_type.clone());
        let mut done = json!({
            "initializationType": core.settings.init_type.to_string(),
            "phase": phase.word(),
            "status": status.word(),
        });
        if let Some(error) = &error_type {
            done["errorType"] = Value::from(error.as_str());
        }
        let mut report = done.clone();
        report["metrics"] = json!({ "durationMs": millis(took) });
        self.platform(core, "platform.initRuntimeDone", done);
        self.say_extensions(core);
        self.platform(core, "platform.initReport", report);
        self.env.close_subscription();
        self.hub.close_replay();
        let report = self.init_report(core, phase, started, took, status, error_type);
        self.blame(core, &report);
        // A repeated Init is billed as part of its invocation.
        self.ledger.init(report, if phase == InitPhase::Init { took } else { Duration::ZERO });
        took
    }

    fn say_extensions(&mut self, core: &Core) {
        let records: Vec<Value> = self
            .env
            .agents()
            .iter()
            .map(|agent| {
                let events: Vec<_> = agent.events.iter().map(|event| event.name()).collect();
                let mut record = json!({ "name": agent.name, "state": agent.state.name(), "events": events });
                if let Some(error) = &agent.error_type {
                    record["errorType"] = Value::from(error.as_str());
                }
                record
            })
            .collect();
        for record in records {
            self.platform(core, "platform.extension", record);
        }
    }

    fn init_report(
        &self,
        core: &Core,
        phase: InitPhase,
        started: Instant,
        took: Duration,
        status: Status,
        error_type: Option<String>,
    ) -> InitReport {
        let after = |at: &Instant| at.saturating_duration_since(started);
        InitReport {
            phase: phase.word(),
            started: core.time.since_start_at(started),
            duration: took,
            runtime_ready: self.init.runtime_ready.as_ref().map(after),
            status,
            error_type,
            extensions: self
                .env
                .agents()
                .iter()
                .map(|agent| ExtensionInit {
                    name: agent.name.clone(),
                    state: agent.state.name(),
                    events: agent.events.iter().map(|event| event.name()).collect(),
                    registered: self.init.registered.get(&agent.name).map(after),
                    ready: self.init.ready.get(&agent.name).map(after),
                })
                .collect(),
        }
    }

    /// Whoever kept Init from ending is named.
    fn blame(&mut self, core: &Core, report: &InitReport) {
        if report.status != Status::Timeout {
            return;
        }
        let late: Vec<(String, AgentState)> = self
            .env
            .agents()
            .iter()
            .filter(|agent| agent.state != AgentState::Ready)
            .map(|agent| (agent.name.clone(), agent.state))
            .collect();
        for (name, state) in late {
            let what = match state {
                AgentState::Started => {
                    "did not register before Init timed out; if it registered under another name than its file's, \
                     Lambda took it for an internal extension"
                }
                _ => "did not ask for its first event before Init timed out",
            };
            self.problem(core, &name, what);
        }
    }
}
