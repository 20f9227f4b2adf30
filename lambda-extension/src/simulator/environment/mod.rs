//! The execution environment as a pure state machine: no sockets, no time, no processes.
//!
//! A call comes in and leaves as an [`Answer`] or is parked; what a change of phase lets go is handed back as
//! [`Released`] polls, for whoever holds the connections to answer. States, gates and words are those of Lambda.

mod agent;
mod event;
mod go_json;
mod parse;
#[cfg(test)]
mod properties;
mod runtime;
mod subscription;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub(crate) use self::agent::{Agent, AgentKind, AgentState};
use self::event::events_allowed;
pub(crate) use self::event::{Event, EventKind};
use self::parse::{RegisterBody, canonical_uuid, identifier};
pub(crate) use self::runtime::{Invoke, MAX_PAYLOAD, Outcome, Runtime};
pub(crate) use self::subscription::{Api, Destination, Method, Subscription};
use super::answer::Answer;
use super::random::Random;

/// Extensions, internal and external together, that one function may have.
pub(crate) const MAX_AGENTS: usize = 10;

/// A request that waits for its answer; whoever holds the connection chooses the number.
pub(crate) type PollId = u64;

/// A parked poll that is let go; without an answer its connection is closed.
#[derive(Clone, Debug)]
pub(crate) struct Released {
    pub(crate) poll: PollId,
    pub(crate) answer: Option<Answer>,
}

/// What the register answer tells about the function.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FunctionFacts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account_id: Option<String>,
    pub(crate) function_name: String,
    pub(crate) function_version: String,
    pub(crate) handler: String,
}

/// What kind of Lambda this is, as far as the rules for extensions differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    Default,
    ManagedInstances,
}

/// Why a file in `/opt/extensions` did not become an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyExtensions;

/// The execution environment.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    rules: Rules,
    function: FunctionFacts,
    agents: Vec<Agent>,
    pub(crate) runtime: Runtime,
    subscription_open: bool,
    subscriptions: Vec<(String, Subscription)>,
    first_fatal: Option<String>,
    random: Random,
}

impl Environment {
    pub(crate) fn new(rules: Rules, function: FunctionFacts, random: Random) -> Self {
        Self {
            rules,
            function,
            agents: Vec::new(),
            runtime: Runtime::new(rules == Rules::ManagedInstances),
            subscription_open: true,
            subscriptions: Vec::new(),
            first_fatal: None,
            random,
        }
    }

    // What Lambda itself does.

    /// A file of `/opt/extensions` is started under its name.
    pub(crate) fn launch(&mut self, name: &str) -> Result<(), TooManyExtensions> {
        let id = self.random.uuid();
        let mut agent = Agent::new(name, id, AgentKind::External);
        let full = self.agents.len() >= MAX_AGENTS;
        if full {
            agent.state = AgentState::LaunchError;
            agent.error_type = Some("TooManyExtensions".to_owned());
            self.fatal("Extension.LaunchError");
        }
        self.agents.push(agent);
        if full { Err(TooManyExtensions) } else { Ok(()) }
    }

    /// The file could not be executed.
    pub(crate) fn launch_failed(&mut self, name: &str, error_type: &str) {
        if let Some(agent) = self.external_mut(name) {
            agent.state = AgentState::LaunchError;
            agent.error_type = Some(error_type.to_owned());
        }
        self.fatal("Extension.LaunchError");
    }

    /// The extension's process ended before SHUTDOWN; whatever its exit code, that is a fault.
    pub(crate) fn crashed(&mut self, name: &str) -> Option<Released> {
        let agent = self.external_mut(name)?;
        let error = match agent.state {
            AgentState::InitError => "Extension.InitError",
            AgentState::ExitError => "Extension.ExitError",
            AgentState::LaunchError => "Extension.LaunchError",
            _ => "Extension.Crash",
        };
        let poll = agent.forget_poll();
        self.fatal(error);
        poll.map(|poll| Released { poll, answer: None })
    }

    /// The extension's process ended after SHUTDOWN, by itself or killed.
    pub(crate) fn ended(&mut self, name: &str, well: bool) -> Option<Released> {
        let agent = self.external_mut(name)?;
        // Lambda's books know these two ends only for an extension that was handed SHUTDOWN; one killed elsewhere stays as it was.
        if agent.state == AgentState::Running {
            agent.state = if well { AgentState::Exited } else { AgentState::ShutdownFailed };
        }
        agent.forget_poll().map(|poll| Released { poll, answer: None })
    }

    /// The first error is the one Lambda reports.
    pub(crate) fn fatal(&mut self, error_type: &str) {
        self.first_fatal.get_or_insert_with(|| error_type.to_owned());
    }

    pub(crate) fn first_fatal(&self) -> Option<&str> {
        self.first_fatal.as_deref()
    }

    /// Gives an event to every extension that registered for that kind.
    pub(crate) fn release(&mut self, kind: EventKind, event: &Event) -> Vec<Released> {
        self.agents
            .iter_mut()
            .filter(|agent| agent.wants(kind))
            .filter_map(|agent| agent.release(event))
            .collect()
    }

    /// Init is over: nobody may subscribe any more.
    pub(crate) fn close_subscription(&mut self) {
        self.subscription_open = false;
    }

    /// Everything starts anew: processes are gone, identifiers are forgotten.
    pub(crate) fn reset(&mut self) -> Vec<Released> {
        let polls: Vec<PollId> = self
            .agents
            .iter_mut()
            .filter_map(Agent::forget_poll)
            .chain(self.runtime.forget_polls())
            .collect();
        self.agents.clear();
        self.runtime = Runtime::new(self.rules == Rules::ManagedInstances);
        self.subscriptions.clear();
        self.subscription_open = true;
        self.first_fatal = None;
        polls.into_iter().map(|poll| Released { poll, answer: None }).collect()
    }

    // Gates.

    /// Every file that was started has registered: the runtime may start.
    pub(crate) fn externals_registered(&self) -> bool {
        self.externals().all(|agent| !matches!(agent.state, AgentState::Started | AgentState::LaunchError))
    }

    /// Every extension asked for its first event, and the runtime for its first invocation: Init is done.
    pub(crate) fn init_done(&self) -> bool {
        self.runtime.is_ready() && self.agents.iter().all(|agent| agent.state == AgentState::Ready)
    }

    /// Every extension that was given INVOKE asked again.
    pub(crate) fn invoke_agents_ready(&self) -> bool {
        self.rules == Rules::ManagedInstances
            || self
                .agents
                .iter()
                .filter(|agent| agent.wants(EventKind::Invoke))
                .all(|agent| agent.state == AgentState::Ready)
    }

    pub(crate) fn agents(&self) -> &[Agent] {
        &self.agents
    }

    pub(crate) fn externals(&self) -> impl Iterator<Item = &Agent> {
        self.agents.iter().filter(|agent| agent.kind == AgentKind::External)
    }

    /// Whose identifier this is.
    pub(crate) fn agent(&self, id: &str) -> Option<&Agent> {
        let id = canonical_uuid(id)?;
        self.agents.iter().find(|agent| agent.id == id)
    }

    pub(crate) fn name_of(&self, id: &str) -> Option<&str> {
        self.agent(id).map(|agent| agent.name.as_str())
    }

    // What extensions call.

    /// `POST /extension/register`
    pub(crate) fn register(&mut self, name: &str, features: &str, body: &[u8]) -> Answer {
        if name.is_empty() {
            return Answer::forbidden("Extension.InvalidExtensionName", "Empty extension name");
        }
        let body = match RegisterBody::parse(body) {
            Ok(body) => body,
            Err(message) => return Answer::forbidden("InvalidRequestFormat", &message),
        };
        if !body.configuration_keys.is_empty() {
            let message = "configurationKeys are deprecated; use environment variables instead";
            return Answer::forbidden("InvalidRequestFormat", message);
        }
        let asked = body.events;
        let external =
            self.agents.iter().position(|agent| agent.kind == AgentKind::External && agent.name == name);
        let kind = if external.is_some() { AgentKind::External } else { AgentKind::Internal };
        let events = match events_allowed(self.rules, kind, &asked) {
            Ok(events) => events,
            Err(message) => return Answer::forbidden("Extension.InvalidEventType", &message),
        };
        let position = match external {
            Some(position) => position,
            None => match self.new_internal(name) {
                Ok(position) => position,
                Err(refused) => return refused,
            },
        };
        let agent = &mut self.agents[position];
        if let Err(refusal) = agent.register(events) {
            return agent.refused(AgentState::Registered.name(), name, refusal);
        }
        let mut facts = self.function.clone();
        if !features.split(',').any(|feature| feature.trim() == "accountId") {
            facts.account_id = None;
        }
        Answer::json(200, &facts).with("Lambda-Extension-Identifier", &self.agents[position].id)
    }

    /// `GET /extension/event/next`; `None` means that the poll is parked.
    pub(crate) fn next(&mut self, id: Option<&str>, poll: PollId) -> Option<Answer> {
        let id = match identifier(id) {
            Ok(id) => id,
            Err(refused) => return Some(refused),
        };
        let Some(agent) = self.agent_mut(&id) else {
            return Some(unknown_extension(&id));
        };
        match agent.next(poll) {
            Ok(next) => next,
            Err(refusal) => Some(agent.refused(AgentState::Ready.name(), &id, refusal)),
        }
    }

    /// `POST /extension/init/error`
    pub(crate) fn init_error(&mut self, id: Option<&str>, error_type: Option<&str>) -> Answer {
        self.error(id, error_type, AgentState::InitError.name(), Agent::init_error)
    }

    /// `POST /extension/exit/error`
    pub(crate) fn exit_error(&mut self, id: Option<&str>, error_type: Option<&str>) -> Answer {
        // The target is named Exited here, not ExitError.
        self.error(id, error_type, AgentState::Exited.name(), Agent::exit_error)
    }

    /// `PUT` to the Telemetry or Logs API: refused, or what is asked for. [`Environment::subscribe`] then enters it.
    pub(crate) fn check_subscription(
        &self,
        api: Api,
        id: Option<&str>,
        body: &[u8],
    ) -> Result<Subscription, Answer> {
        let id = identifier(id)?;
        if !self.agents.iter().any(|agent| agent.id == id) {
            return Err(unknown_extension(&id));
        }
        if !self.subscription_open {
            return Err(match api {
                Api::Telemetry if self.rules == Rules::ManagedInstances => {
                    Answer::forbidden("Telemetry.SubscriptionClosed", "Telemetry API subscription is closed")
                }
                Api::Telemetry => Answer::forbidden(
                    "Telemetry.SubscriptionClosed",
                    "Telemetry API subscription is closed already",
                ),
                // Not seen on the wire: formed like the other one.
                Api::Logs => {
                    Answer::forbidden("Logs.SubscriptionClosed", "Logs API subscription is closed already")
                }
            });
        }
        let mine = || self.subscriptions.iter().filter(|(owner, _)| *owner == id);
        if mine().any(|(_, other)| other.api != api) {
            return Err(Answer::error(
                400,
                api.validation_error(),
                "An extension can subscribe to either the Telemetry API or the Logs API, not to both",
            ));
        }
        if self.rules == Rules::ManagedInstances && mine().next().is_some() {
            return Err(Answer::error(500, "InternalServerError", "Internal Server Error"));
        }
        Subscription::parse(api, self.rules, body)
            .map_err(|message| Answer::error(400, api.validation_error(), &message))
    }

    /// Enters a checked subscription. `true` if it replaces an equal one: the Logs API is idempotent.
    pub(crate) fn subscribe(&mut self, id: &str, subscription: Subscription) -> bool {
        let Some(id) = canonical_uuid(id) else { return false };
        let known = subscription.api == Api::Logs
            && self.subscriptions.iter().any(|(owner, other)| *owner == id && *other == subscription);
        if !known {
            self.subscriptions.push((id, subscription));
        }
        known
    }

    fn error(
        &mut self,
        id: Option<&str>,
        error_type: Option<&str>,
        target: &str,
        enter: fn(&mut Agent, &str) -> Result<(), agent::Refusal>,
    ) -> Answer {
        let id = match identifier(id) {
            Ok(id) => id,
            Err(refused) => return refused,
        };
        let Some(error_type) = error_type.filter(|error| !error.is_empty()) else {
            return Answer::forbidden(
                "Extension.MissingHeader",
                "Lambda-Extension-Function-Error-Type not found",
            );
        };
        let Some(agent) = self.agent_mut(&id) else {
            return Answer::forbidden(
                "Extension.UnknownExtensionIdentifier",
                "Unknown Lambda-Extension-Identifier",
            );
        };
        match enter(agent, error_type) {
            Ok(()) => Answer::accepted(),
            Err(refusal) => agent.refused(target, &id, refusal),
        }
    }

    fn new_internal(&mut self, name: &str) -> Result<usize, Answer> {
        if self.runtime.is_ready() {
            return Err(Answer::forbidden(
                "Extension.RegistrationClosed",
                "Extension registration closed already",
            ));
        }
        if self.agents.len() >= MAX_AGENTS {
            let message = format!("Extension limit ({MAX_AGENTS}) reached");
            return Err(Answer::forbidden("Extension.TooManyExtensions", &message));
        }
        if self.agents.iter().any(|agent| agent.name == name) {
            return Err(Answer::forbidden(
                "Extension.InvalidExtensionState",
                "Extension with this name already registered",
            ));
        }
        let id = self.random.uuid();
        self.agents.push(Agent::new(name, id, AgentKind::Internal));
        Ok(self.agents.len() - 1)
    }

    fn agent_mut(&mut self, id: &str) -> Option<&mut Agent> {
        // An identifier that was never told to anybody cannot be used.
        self.agents.iter_mut().find(|agent| agent.id == id)
    }

    fn external_mut(&mut self, name: &str) -> Option<&mut Agent> {
        self.agents.iter_mut().find(|agent| agent.kind == AgentKind::External && agent.name == name)
    }
}

fn unknown_extension(id: &str) -> Answer {
    Answer::forbidden("Extension.UnknownExtensionIdentifier", &format!("Unknown extension {id}"))
}
