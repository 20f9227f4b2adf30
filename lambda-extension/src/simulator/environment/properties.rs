//! What holds whatever is called in whatever order.

// A generator of our own and no library: what examples are built with grows with every dev-dependency.

use std::collections::HashSet;

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

impl Step {
    fn random(random: &mut Random) -> Self {
        let who = random.below(12);
        match random.below(31) {
            0..3 => Self::Launch(who),
            3..9 => Self::Register(who, random.below(EVENTS.len())),
            9..17 => Self::Next(who),
            17 => Self::InitError(who),
            18 => Self::ExitError(who),
            19..21 => Self::RuntimeNext,
            21..23 => Self::RuntimeAnswer,
            23..27 => Self::Invoke,
            27 => Self::Shutdown,
            28 => Self::Crash(who),
            29 => Self::CloseSubscription,
            _ => Self::Reset,
        }
    }
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

/// Names the seed when a test fails, so that it can be taken up where it broke.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this life has the seed {}", self.0);
        }
    }
}

#[test]
fn no_order_of_calls_breaks_the_environment() {
    for seed in 0..3_000 {
        let named = Seed(seed);
        let mut random = Random::seeded(seed);
        let mut life = Life {
            environment: environment(Rules::Default),
            parked: HashSet::new(),
            answered: HashSet::new(),
            crashed: HashSet::new(),
            last_poll: 0,
            delivered: 0,
        };
        for _ in 0..1 + random.below(120) {
            life.take(Step::random(&mut random));
        }
        assert!(life.delivered <= life.answered.len(), "every event went to a poll of its own");
        drop(named);
    }
}

#[test]
fn bodies_of_any_kind_get_an_answer() {
    let mut random = Random::seeded(1);
    for _ in 0..3_000 {
        // JSON's own characters make more interesting bodies than any bytes do.
        let alphabet = b"{}[]\",:0eventsnul \\\xff\x00";
        let body: Vec<u8> = (0..random.below(40)).map(|_| alphabet[random.below(alphabet.len())]).collect();
        let mut environment = environment(Rules::Default);
        environment.launch("a").expect("room");
        let status = environment.register("a", "", &body).status;
        assert!(status == 200 || status == 403, "{status}");
        let id = environment.agents()[0].id.clone();
        let refused =
            environment.check_subscription(Api::Telemetry, Some(&id), &body).expect_err("no subscription");
        assert_eq!(refused.status, 400);
    }
}
