//! The runtime as Lambda sees it: who is parked, and which invocations are in its hands.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{PollId, Released};
use crate::simulator::answer::Answer;

/// The largest response a function may give.
pub(crate) const MAX_PAYLOAD: usize = 6 * 1024 * 1024 + 100;

/// One payload on its way to the runtime.
#[derive(Clone, Debug)]
pub(crate) struct Invoke {
    pub(crate) request_id: String,
    pub(crate) answer: Answer,
}

/// What the function said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Response(Bytes),
    Error { error_type: String, body: Bytes },
}

#[derive(Clone, Debug)]
struct InFlight {
    request_id: String,
    outcome: Option<Outcome>,
}

/// The runtime: one worker, or with Managed Instances many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runtime {
    ready: bool,
    restoring: bool,
    failed: Option<String>,
    parked: VecDeque<PollId>,
    restore: Option<PollId>,
    waiting: VecDeque<Invoke>,
    in_flight: Vec<InFlight>,
    concurrent: bool,
}

impl Runtime {
    pub(crate) fn new(concurrent: bool) -> Self {
        Self { concurrent, ..Self::default() }
    }

    /// It asked for its first invocation, or waits to be restored.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// It was told to restore and has not asked for an invocation since.
    pub(crate) fn is_restoring(&self) -> bool {
        self.restoring
    }

    pub(crate) fn init_error_type(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    pub(crate) fn outcome(&self, request_id: &str) -> Option<&Outcome> {
        self.in_flight.iter().find(|one| one.request_id == request_id)?.outcome.as_ref()
    }

    /// `GET /runtime/invocation/next`; no answer means that the poll is parked. The second value tells which invocation
    /// this ends.
    pub(crate) fn next(&mut self, poll: PollId) -> (Option<Answer>, Option<String>) {
        if self.failed.is_some() {
            return (Some(self.refused("RuntimeInitError", "RuntimeReady")), None);
        }
        self.ready = true;
        self.restoring = false;
        let mut ended = None;
        if !self.concurrent {
            match self.in_flight.iter().position(|one| one.outcome.is_some()) {
                Some(done) => ended = Some(self.in_flight.swap_remove(done).request_id),
                // It asks while it has an invocation in hand: it is shown that invocation again.
                None if !self.in_flight.is_empty() && self.waiting.is_empty() => {
                    self.parked.push_back(poll);
                    return (None, None);
                }
                None => {}
            }
        }
        if let Some(invoke) = self.waiting.pop_front() {
            return (Some(self.hand_over(invoke)), ended);
        }
        self.parked.push_back(poll);
        (None, ended)
    }

    /// `GET /runtime/restore/next`; `None` means that the poll is parked.
    pub(crate) fn restore_next(&mut self, poll: PollId) -> Option<Answer> {
        if self.ready || self.failed.is_some() {
            let from = if self.ready { "RuntimeReady" } else { "RuntimeInitError" };
            return Some(self.refused(from, "RuntimeRestoreReady"));
        }
        self.ready = true;
        self.restore = Some(poll);
        None
    }

    /// Lets the runtime go on after a restore, if it waits for one.
    pub(crate) fn restore(&mut self) -> Option<Released> {
        let poll = self.restore.take()?;
        self.restoring = true;
        Some(Released { poll, answer: Some(Answer::new(200, "application/json", "{}")) })
    }

    /// `POST /runtime/init/error`
    pub(crate) fn init_error(&mut self, error_type: &str) -> Answer {
        if self.ready || self.failed.is_some() {
            let from = if self.ready { "RuntimeReady" } else { "RuntimeInitError" };
            return self.refused(from, "RuntimeInitError");
        }
        let error_type = if error_type.is_empty() { "Runtime.Unknown" } else { error_type };
        self.failed = Some(error_type.to_owned());
        Answer::accepted()
    }

    /// Gives a payload to a parked worker, or keeps it for the next.
    pub(crate) fn invoke(&mut self, invoke: Invoke) -> Option<Released> {
        match self.parked.pop_front() {
            Some(poll) => Some(Released { poll, answer: Some(self.hand_over(invoke)) }),
            None => {
                self.waiting.push_back(invoke);
                None
            }
        }
    }

    /// `POST /runtime/invocation/{id}/response` or `…/error`
    pub(crate) fn finish(&mut self, request_id: &str, outcome: Outcome) -> Answer {
        let Some(position) = self.in_flight.iter().position(|one| one.request_id == request_id) else {
            return if self.in_flight.is_empty() && !self.concurrent {
                self.refused("RuntimeReady", "RuntimeInvocationResponse")
            } else {
                Answer::error(400, "InvalidRequestID", "Invalid request ID")
            };
        };
        let one = &mut self.in_flight[position];
        if one.outcome.is_some() {
            return self.refused("RuntimeResponseSent", "RuntimeInvocationResponse");
        }
        if matches!(&outcome, Outcome::Response(body) if body.len() > MAX_PAYLOAD) {
            let message = format!("Exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes).");
            one.outcome = Some(Outcome::Error {
                error_type: "Function.ResponseSizeTooLarge".to_owned(),
                body: Bytes::from(format!(
                    "{{\"errorMessage\":\"{message}\",\"errorType\":\"Function.ResponseSizeTooLarge\"}}"
                )),
            });
            return Answer::error(413, "RequestEntityTooLarge", &message);
        }
        one.outcome = Some(outcome);
        Answer::accepted()
    }

    /// Takes an invocation out of the books: it is over, one way or another.
    pub(crate) fn forget(&mut self, request_id: &str) {
        self.in_flight.retain(|one| one.request_id != request_id);
        self.waiting.retain(|one| one.request_id != request_id);
    }

    pub(crate) fn forget_polls(&mut self) -> Vec<PollId> {
        self.parked.drain(..).chain(self.restore.take()).collect()
    }

    fn hand_over(&mut self, invoke: Invoke) -> Answer {
        self.in_flight.push(InFlight { request_id: invoke.request_id, outcome: None });
        invoke.answer
    }

    fn refused(&self, from: &str, to: &str) -> Answer {
        Answer::forbidden(
            "InvalidStateTransition",
            &format!(
                "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
            ),
        )
    }
}
