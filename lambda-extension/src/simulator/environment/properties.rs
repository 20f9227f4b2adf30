//! What holds whatever is called in whatever order.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::tests::{environment, invoke_event};
use super::*;

/// A step of a random life: a call of one of a few extensions, or something Lambda does.
#[derive(Clone, Copy, Debug)]
enum Step {
    Launch(usize),
    Register(usize, usize),
    Next(usize),
    InitError(usize),
    ExitError(usize),
    RuntimeNext,
    RuntimeAnswer,
    Invoke,
    Shutdown,
    Crash(usize),
    CloseSubscription,
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..12usize;
    prop_oneof![
        3 => who.clone().prop_map(Step::Launch),
        6 => (who.clone(), 0..5usize).prop_map(|(who, events)| Step::Register(who, events)),
        8 => who.clone().prop_map(Step::Next),
        1 => who.clone().prop_map(Step::InitError),
        1 => who.clone().prop_map(Step::ExitError),
        2 => Just(Step::RuntimeNext),
        2 => Just(Step::RuntimeAnswer),
        4 => Just(Step::Invoke),
        1 => Just(Step::Shutdown),
        1 => who.prop_map(Step::Crash),
        1 => Just(Step::CloseSubscription),
        1 => Just(Step::Reset),
    ]
}

const EVENTS: [&str; 5] = [
    "{}",
    "{\"events\":[\"INVOKE\"]}",
    "{\"events\":[\"SHUTDOWN\"]}",
    "{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}",
    "{",
];

/// The environment under test and the books a careful observer keeps beside it.
struct Life {
    environment: Environment,
    /// Extension polls that wait, and those that ever got their end.
    parked: HashSet<PollId>,
    answered: HashSet<PollId>,
    /// Whose process is gone. Lambda leaves their state as it was, but nothing of theirs waits any more.
    crashed: HashSet<String>,
    last_poll: PollId,
    delivered: usize,
}

impl Life {
    fn id(&self, who: usize) -> Option<String> {
        let name = format!("x{who}");
        self.environment.agents().iter().find(|agent| agent.name == name).map(|agent| agent.id.clone())
    }

    fn let_go(&mut self, released: impl IntoIterator<Item = Released>) -> usize {
        let mut events = 0;
        for one in released {
            self.parked.remove(&one.poll);
            assert!(self.answered.insert(one.poll), "poll {} was answered twice", one.poll);
            events += usize::from(one.answer.is_some_and(|answer| answer.status == 200));
        }
        events
    }

    fn states(&self) -> Vec<(String, AgentState)> {
        self.environment.agents().iter().map(|agent| (agent.name.clone(), agent.state)).collect()
    }

    fn take(&mut self, step: Step) {
        let before = self.states();
        let mut refused = false;
        match step {
            Step::Launch(who) => {
                let name = format!("x{who}");
                if before.iter().all(|(taken, _)| *taken != name) && before.len() < MAX_AGENTS {
                    self.environment.launch(&name).expect("there is room");
                }
            }
            Step::Register(who, events) => {
                let answer = self.environment.register(&format!("x{who}"), "", EVENTS[events].as_bytes());
                refused = answer.status != 200;
            }
            Step::Next(who) => {
                let Some(id) = self.id(who) else { return };
                self.last_poll += 1;
                let poll = self.last_poll;
                match self.environment.next(Some(&id), poll) {
                    None => drop(self.parked.insert(poll)),
                    Some(answer) => {
                        assert!(self.answered.insert(poll));
                        refused = answer.status != 200;
                        self.delivered += usize::from(!refused);
                    }
                }
            }
            Step::InitError(who) => {
                let Some(id) = self.id(who) else { return };
                refused = self.environment.init_error(Some(&id), Some("Extension.A")).status != 202;
            }
            Step::ExitError(who) => {
                let Some(id) = self.id(who) else { return };
                refused = self.environment.exit_error(Some(&id), Some("Extension.A")).status != 202;
            }
            Step::RuntimeNext => {
                self.last_poll += 1;
                drop(self.environment.runtime.next(self.last_poll));
            }
            Step::RuntimeAnswer => {
                drop(self.environment.runtime.finish("r", Outcome::Response(bytes::Bytes::new())));
            }
            Step::Invoke => {
                let released = self.environment.release(EventKind::Invoke, &invoke_event());
                for one in &released {
                    assert!(self.parked.contains(&one.poll), "only a parked poll can be released");
                }
                self.delivered += self.let_go(released);
            }
            Step::Shutdown => {
                let event = Event::Shutdown { deadline_ms: 1, reason: "spindown".to_owned() };
                let released = self.environment.release(EventKind::Shutdown, &event);
                self.delivered += self.let_go(released);
            }
            Step::Crash(who) => {
                let name = format!("x{who}");
                let released = self.environment.crashed(&name);
                self.let_go(released);
                self.crashed.insert(name);
            }
            Step::CloseSubscription => self.environment.close_subscription(),
            Step::Reset => {
                let released: Vec<_> = self.environment.reset();
                assert!(released.iter().all(|one| one.answer.is_none()));
                self.let_go(
                    released.into_iter().filter(|one| self.parked.contains(&one.poll)).collect::<Vec<_>>(),
                );
                assert!(self.parked.is_empty(), "a reset leaves nobody parked");
                self.crashed.clear();
            }
        }
        if refused {
            assert_eq!(before, self.states(), "a refused call changes no state");
        }
        self.check();
    }

    fn check(&self) {
        let agents = self.environment.agents();
        assert!(agents.len() <= MAX_AGENTS);
        let ids: HashSet<_> = agents.iter().map(|agent| &agent.id).collect();
        assert_eq!(ids.len(), agents.len(), "identifiers are unique");
        let ready = agents
            .iter()
            .filter(|agent| agent.state == AgentState::Ready && !self.crashed.contains(&agent.name))
            .count();
        assert!(ready <= self.parked.len(), "who is ready has a poll parked");
        let waited_for =
            agents.iter().any(|agent| agent.wants(EventKind::Invoke) && agent.state != AgentState::Ready);
        assert_eq!(self.environment.invoke_agents_ready(), !waited_for, "nobody else is waited for");
    }
}

proptest! {
    #[test]
    fn no_order_of_calls_breaks_the_environment(steps in vec(step(), 1..120)) {
        let mut life = Life {
            environment: environment(Rules::Default),
            parked: HashSet::new(),
            answered: HashSet::new(),
            crashed: HashSet::new(),
            last_poll: 0,
            delivered: 0,
        };
        for step in steps {
            life.take(step);
        }
        prop_assert!(life.delivered <= life.answered.len());
    }

    #[test]
    fn bodies_of_any_kind_get_an_answer(body in vec(any::<u8>(), 0..64)) {
        let mut environment = environment(Rules::Default);
        environment.launch("a").expect("room");
        let status = environment.register("a", "", &body).status;
        prop_assert!(status == 200 || status == 403);
        let refused = environment.check_subscription(Api::Telemetry, Some(&environment.agents()[0].id.clone()), &body);
        prop_assert!(refused.is_err());
    }
}
