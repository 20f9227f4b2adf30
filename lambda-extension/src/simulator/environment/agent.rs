//! One extension as Lambda sees it: a state, and perhaps one parked poll.

use super::{Event, EventKind, PollId, Released};
use crate::simulator::answer::Answer;

/// The states of Lambda's own bookkeeping, with its own names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentState {
    /// Its process was started; it has not registered.
    Started,
    Registered,
    /// A poll is parked.
    Ready,
    /// An event was delivered and the extension has not asked again.
    Running,
    InitError,
    ExitError,
    /// Its file could not be executed.
    LaunchError,
    /// It ended by itself after SHUTDOWN.
    Exited,
    /// It had to be killed, or ended with a failure, after SHUTDOWN.
    ShutdownFailed,
}

impl AgentState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Registered => "Registered",
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::InitError => "InitError",
            Self::ExitError => "ExitError",
            Self::LaunchError => "LaunchError",
            Self::Exited => "Exited",
            Self::ShutdownFailed => "ShutdownFailed",
        }
    }
}

/// Whether Lambda started the extension itself, or it lives in the runtime's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentKind {
    External,
    Internal,
}

/// Why a call was refused; the words end the message of the 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotAllowed,
    Concurrent,
}

impl Refusal {
    fn words(self) -> &'static str {
        match self {
            Self::NotAllowed => "State transition is not allowed",
            Self::Concurrent => "Concurrent state modification",
        }
    }
}

/// One extension.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) kind: AgentKind,
    pub(crate) state: AgentState,
    pub(crate) events: Vec<EventKind>,
    /// What it said was wrong, or why it could not be launched.
    pub(crate) error_type: Option<String>,
    parked: Option<PollId>,
    /// An event released while nobody was parked: the next poll gets it at once.
    released: Option<Event>,
    /// It was handed SHUTDOWN.
    told_to_end: bool,
}

impl Agent {
    pub(crate) fn new(name: &str, id: String, kind: AgentKind) -> Self {
        Self {
            name: name.to_owned(),
            id,
            kind,
            state: AgentState::Started,
            events: Vec::new(),
            error_type: None,
            parked: None,
            released: None,
            told_to_end: false,
        }
    }

    pub(crate) fn wants(&self, kind: EventKind) -> bool {
        self.events.contains(&kind)
    }

    pub(crate) fn register(&mut self, events: Vec<EventKind>) -> Result<(), Refusal> {
        if self.state != AgentState::Started {
            return Err(Refusal::NotAllowed);
        }
        self.state = AgentState::Registered;
        self.events = events;
        Ok(())
    }

    pub(crate) fn was_told_to_end(&self) -> bool {
        self.told_to_end
    }

    /// An event that waited, or nothing while the poll is parked.
    pub(crate) fn next(&mut self, poll: PollId) -> Result<Option<Answer>, Refusal> {
        if !matches!(self.state, AgentState::Registered | AgentState::Running) {
            return Err(Refusal::NotAllowed);
        }
        if let Some(event) = self.released.take() {
            return Ok(Some(self.hand_over(&event)));
        }
        self.state = AgentState::Ready;
        self.parked = Some(poll);
        Ok(None)
    }

    pub(crate) fn init_error(&mut self, error_type: &str) -> Result<(), Refusal> {
        match self.state {
            AgentState::Registered => {
                self.state = AgentState::InitError;
                self.error_type = Some(error_type.to_owned());
                Ok(())
            }
            // The first error is the one that counts.
            AgentState::InitError => Ok(()),
            _ => Err(Refusal::NotAllowed),
        }
    }

    pub(crate) fn exit_error(&mut self, error_type: &str) -> Result<(), Refusal> {
        match self.state {
            AgentState::Registered | AgentState::Ready | AgentState::Running => {
                self.state = AgentState::ExitError;
                self.error_type = Some(error_type.to_owned());
                Ok(())
            }
            AgentState::ExitError => Ok(()),
            _ => Err(Refusal::NotAllowed),
        }
    }

    /// Hands an event to the parked poll, or keeps it for the next one.
    pub(crate) fn release(&mut self, event: &Event) -> Option<Released> {
        let Some(poll) = self.parked.take() else {
            if matches!(self.state, AgentState::Registered | AgentState::Running) {
                self.released = Some(event.clone());
            }
            return None;
        };
        let answer = if self.state == AgentState::Ready {
            self.hand_over(event)
        } else {
            // It reported an error on another connection while this poll was parked.
            self.refused(AgentState::Ready.name(), &self.id, Refusal::Concurrent)
        };
        Some(Released { poll, answer: Some(answer) })
    }

    fn hand_over(&mut self, event: &Event) -> Answer {
        self.state = AgentState::Running;
        self.told_to_end |= matches!(event, Event::Shutdown { .. });
        event.answer()
    }

    /// Its process is gone: whatever is parked will never be answered.
    pub(crate) fn forget_poll(&mut self) -> Option<PollId> {
        self.parked.take()
    }

    /// The 403 for a call that this state does not allow.
    pub(crate) fn refused(&self, target: &str, called: &str, refusal: Refusal) -> Answer {
        Answer::forbidden(
            "Extension.InvalidExtensionState",
            &format!(
                "State transition from {} to {target} failed for extension {called}. Error: {}",
                self.state.name(),
                refusal.words()
            ),
        )
    }
}
