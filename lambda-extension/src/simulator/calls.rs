//! Calls of the APIs, whether they come over HTTP or from the built-in function: answered at once, or parked.

use std::collections::HashMap;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answer::Answer;
use super::core::{Core, Inner, Phase};
use super::environment::{Outcome, PollId, Released};

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

/// The polls that wait for their answer.
#[derive(Debug, Default)]
pub(super) struct Polls {
    parked: HashMap<PollId, oneshot::Sender<Reply>>,
    last: PollId,
}

impl Core {
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
        inner.polls.last += 1;
        let poll = inner.polls.last;
        let carried = match ask(&mut inner, poll) {
            Some(answer) => Carried::Answer(answer),
            None => {
                let (sender, receiver) = oneshot::channel();
                inner.polls.parked.insert(poll, sender);
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
    /// An extension asked for its next event, and was not refused.
    fn asked(&mut self, core: &Core, name: &str, told_to_end: bool) {
        let now = Instant::now();
        if told_to_end {
            let what = "asked for another event after SHUTDOWN; exiting is the answer to SHUTDOWN";
            return self.problem(core, name, what);
        }
        match self.phase {
            Phase::Invoke => {
                if let Some(progress) = self.progress.last_mut() {
                    // An internal extension may have registered only meanwhile.
                    progress.asked.entry(name.to_owned()).or_default().get_or_insert(now);
                }
            }
            _ => drop(self.init.ready.entry(name.to_owned()).or_insert(now)),
        }
    }

    /// Answers polls; one whose connection is gone takes its event with it, as in Lambda.
    pub(crate) fn let_go(&mut self, released: impl IntoIterator<Item = Released>) {
        for one in released {
            if let Some(poll) = self.polls.parked.remove(&one.poll) {
                drop(poll.send(one.answer));
            }
        }
    }

    /// Closes every connection that waits.
    pub(crate) fn hang_up(&mut self) {
        self.polls.parked.clear();
    }
}
