//! The simulator and AWS's emulator get the same calls, legal and illegal, and have to give the same answers.
//!
//! What may differ is listed with its reason, and has to differ.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use lambda_extension::simulator::Simulator;
use lambda_extension_tests::http::{self, Message};
use lambda_extension_tests::{Emulator, Extension};

/// Answers by the name of the call; identifiers are replaced by a word.
type Answers = BTreeMap<String, String>;

const REGISTER: &str = "/2020-01-01/extension/register";
const NEXT: &str = "/2020-01-01/extension/event/next";
const INIT_ERROR: &str = "/2020-01-01/extension/init/error";
const EXIT_ERROR: &str = "/2020-01-01/extension/exit/error";
const ERROR_TYPE: (&str, &str) = ("Lambda-Extension-Function-Error-Type", "Extension.Asked");
const STRANGER: &str = "11111111-2222-4333-8444-555555555555";

/// Each state is tried with these; a name for each extension that is brought into the state.
const CALLS: [&str; 6] =
    ["register", "next", "init-error", "exit-error", "init-error-bare", "exit-error-bare"];

/// An extension that is held back so that Init does not go on.
const HOLDOUT: &str = "holdout";

/// What the two may answer differently, and why.
const DIFFERENCES: [(&str, &str); 8] = [
    ("telemetry: stranger", "the emulator's stub does not look at the identifier"),
    ("telemetry: no identifier", "the emulator's stub does not look at the identifier"),
    ("telemetry: odd identifier", "the emulator's stub does not look at the identifier"),
    ("logs: stranger", "the emulator's stub does not look at the identifier"),
    ("logs: no identifier", "the emulator's stub does not look at the identifier"),
    ("logs: odd identifier", "the emulator's stub does not look at the identifier"),
    ("telemetry: a subscription", "the emulator has only a stub"),
    ("logs: a subscription", "the emulator has only a stub"),
];

/// One of the two Lambdas.
trait Lambda {
    fn address(&self) -> String;
    /// Begins an invocation, and with it Init where there was none.
    fn invoke(&self);
    /// What it says of itself, where a call fails.
    fn log(&self) -> String;
    /// Waits until a poll of this extension has arrived.
    fn wait_for_poll(&self, name: &str, id: &str);
}

struct Ours {
    simulator: Arc<Simulator>,
    runtime: tokio::runtime::Runtime,
}

impl Ours {
    fn start(externals: &[&str]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let builder = Simulator::builder().function_name("test_function").handler("").without_tracing();
        let simulator = Arc::new(runtime.block_on(builder.timeout(Duration::from_secs(20)).start()));
        externals.iter().for_each(|name| runtime.block_on(async { simulator.attach(*name) }));
        Self { simulator, runtime }
    }
}

impl Lambda for Ours {
    fn address(&self) -> String {
        self.simulator.runtime_api()
    }

    fn invoke(&self) {
        let simulator = Arc::clone(&self.simulator);
        self.runtime.spawn(async move { simulator.invoke("answer").await });
    }

    fn log(&self) -> String {
        self.simulator.journal()
    }

    fn wait_for_poll(&self, name: &str, _id: &str) {
        let began = Instant::now();
        while self.simulator.state(name) == Some("Registered")
            || self.simulator.state(name) == Some("Running")
        {
            assert!(began.elapsed() < Duration::from_secs(10), "the poll of {name} does not arrive");
            thread::yield_now();
        }
    }
}

struct Theirs {
    emulator: Arc<Emulator>,
    address: String,
    polls: Mutex<BTreeMap<String, usize>>,
}

impl Theirs {
    fn start(externals: &[&str]) -> Option<Self> {
        let mut builder = Emulator::builder()?;
        for name in externals {
            // A process that only has to be there: its calls are made by the test, under its name.
            let script = "#!/bin/sh\necho \"address $AWS_LAMBDA_RUNTIME_API of ${0##*/}\"\nexec sleep 1000\n";
            builder = builder.extension(Extension::script(name, script));
        }
        let emulator = Arc::new(builder.start());
        // The emulator starts extensions when it is invoked. The answer comes with its end, and nobody waits for it.
        thread::spawn({
            let emulator = Arc::clone(&emulator);
            move || std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| emulator.invoke("answer")))
        });
        // Whoever has said its address has been started, so that its name is known.
        let lines: Vec<String> =
            externals.iter().map(|name| emulator.line(&["address ", &format!(" of {name}")])).collect();
        let address =
            lines[0].split("address ").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address");
        Some(Self { emulator, address: address.to_owned(), polls: Mutex::default() })
    }
}

impl Lambda for Theirs {
    fn address(&self) -> String {
        self.address.clone()
    }

    /// The invocation that began Init is still to come.
    fn invoke(&self) {}

    fn log(&self) -> String {
        self.emulator.lines().join("\n")
    }

    fn wait_for_poll(&self, _name: &str, id: &str) {
        let mut polls = self.polls.lock().expect("nobody panics with it");
        let seen = polls.entry(id.to_owned()).or_default();
        *seen += 1;
        let began = Instant::now();
        loop {
            let requests = self.emulator.lines_with("API request - GET /2020-01-01/extension/event/next");
            if requests.iter().filter(|line| line.contains(id)).count() >= *seen {
                // The line is written just before the state changes.
                return thread::sleep(Duration::from_millis(20));
            }
            assert!(began.elapsed() < Duration::from_secs(10), "the poll of {id} does not arrive");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Makes the calls of one scenario and keeps the answers.
struct Script<'a> {
    lambda: &'a dyn Lambda,
    answers: Answers,
    ids: BTreeMap<String, String>,
    waiting: BTreeMap<String, Receiver<Message>>,
}

impl<'a> Script<'a> {
    fn new(lambda: &'a dyn Lambda) -> Self {
        Self { lambda, answers: Answers::new(), ids: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Message {
        let answer = send(&self.lambda.address(), method, path, headers, body);
        assert_ne!(answer.status(), 0, "{method} {path} got no answer:\n{}", self.lambda.log());
        answer
    }

    /// Calls and keeps the answer under a label.
    fn say(&mut self, label: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
        let answer = self.call(method, path, headers, body);
        let said = self.said(&answer);
        self.keep(label, said);
    }

    fn keep(&mut self, label: &str, said: String) {
        assert!(self.answers.insert(label.to_owned(), said).is_none(), "`{label}` was called twice");
    }

    fn said(&self, answer: &Message) -> String {
        let body = answer.text();
        let mut text = match serde_json::from_str::<serde_json::Value>(&body) {
            Ok(json) if json.get("errorType").is_some() => {
                format!("{} {}: {}", answer.status(), json["errorType"], json["errorMessage"])
            }
            _ => format!("{} {}", answer.status(), body.trim_end()),
        };
        for (name, id) in &self.ids {
            text = text.replace(id, &format!("<id of {name}>"));
        }
        text
    }

    fn register(&mut self, name: &str, events: &str) {
        let body = format!("{{\"events\":[{events}]}}");
        let answer = self.call("POST", REGISTER, &[("Lambda-Extension-Name", name)], &body);
        assert_eq!(answer.status(), 200, "{name}: {}", answer.text());
        let id = answer.header("Lambda-Extension-Identifier").expect("an identifier").to_owned();
        self.ids.insert(name.to_owned(), id);
    }

    fn poll(&mut self, name: &str) {
        let (address, id) = (self.lambda.address(), self.ids[name].clone());
        let (sender, receiver) = channel();
        thread::spawn({
            let id = id.clone();
            move || {
                let headers = [("Lambda-Extension-Identifier", id.as_str())];
                drop(sender.send(send(&address, "GET", NEXT, &headers, "")));
            }
        });
        self.lambda.wait_for_poll(name, &id);
        self.waiting.insert(name.to_owned(), receiver);
    }

    fn event(&mut self, name: &str) -> Message {
        let poll = self.waiting.remove(name).expect("it polls");
        poll.recv_timeout(Duration::from_secs(20)).expect("an event")
    }

    /// The call that is tried in a state.
    fn try_call(&mut self, kind: &str, name: &str, call: &str) {
        let label = format!("{kind} {call}");
        let id = self.ids.get(name).cloned().unwrap_or_default();
        let id = ("Lambda-Extension-Identifier", id.as_str());
        match call {
            "register" => self.say(&label, "POST", REGISTER, &[("Lambda-Extension-Name", name)], "{}"),
            "init-error" => self.say(&label, "POST", INIT_ERROR, &[id, ERROR_TYPE], ""),
            "exit-error" => self.say(&label, "POST", EXIT_ERROR, &[id, ERROR_TYPE], ""),
            "init-error-bare" => self.say(&label, "POST", INIT_ERROR, &[id], ""),
            "exit-error-bare" => self.say(&label, "POST", EXIT_ERROR, &[id], ""),
            _ => {
                let (address, id) = (self.lambda.address(), id.1.to_owned());
                let (sender, receiver) = channel();
                thread::spawn(move || {
                    let headers = [("Lambda-Extension-Identifier", id.as_str())];
                    drop(sender.send(send(&address, "GET", NEXT, &headers, "")));
                });
                let said = match receiver.recv_timeout(Duration::from_millis(500)) {
                    Ok(answer) => self.said(&answer),
                    Err(RecvTimeoutError::Timeout) => "parked".to_owned(),
                    Err(RecvTimeoutError::Disconnected) => "closed".to_owned(),
                };
                self.keep(&label, said);
            }
        }
    }
}

fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Message {
    let sent = TcpStream::connect(address)
        .and_then(|stream| http::request(stream, method, path, headers, body.as_bytes()));
    // Whoever waits for an event gets no answer when the environment ends.
    sent.unwrap_or_else(|error| Message {
        start_line: format!("HTTP/1.1 0 {error}"),
        headers: Vec::new(),
        body: Vec::new(),
    })
}

/// The extensions of a state, by kind: one for each call. Lambda allows ten, so external and internal ones take turns.
fn names(prefix: &str) -> Vec<String> {
    CALLS.iter().map(|call| format!("{prefix}-{call}")).collect()
}

/// Brings one extension for each call into a state, and makes the calls.
fn in_state(script: &mut Script<'_>, kind: &str, state: &str) {
    let names = names(kind);
    let events = if kind == "external" { "\"INVOKE\",\"SHUTDOWN\"" } else { "\"INVOKE\"" };
    if state != "Started" {
        names.iter().for_each(|name| script.register(name, events));
    }
    for name in names.iter().filter(|_| ["Ready", "Running"].contains(&state)) {
        script.poll(name);
    }
    match state {
        "Running" => {
            script.register(HOLDOUT, "");
            script.poll(HOLDOUT);
            script.lambda.invoke();
            for name in &names {
                let event = script.event(name);
                assert!(event.text().contains("\"eventType\":\"INVOKE\""), "{}", event.text());
            }
        }
        "InitError" | "ExitError" => {
            let path = if state == "InitError" { INIT_ERROR } else { EXIT_ERROR };
            for name in &names {
                let id = script.ids[name].clone();
                let headers = [("Lambda-Extension-Identifier", id.as_str()), ERROR_TYPE];
                assert_eq!(script.call("POST", path, &headers, "").status(), 202, "{name}");
            }
        }
        _ => {}
    }
    for (name, call) in names.iter().zip(CALLS) {
        if state != "Started" || call == "register" {
            script.try_call(&format!("{kind} in {state}:"), name, call);
        }
    }
    if state == "Running" {
        let late = [("Lambda-Extension-Name", "late")];
        script.say(&format!("{kind} in {state}: a late internal one"), "POST", REGISTER, &late, "{}");
    }
}

fn named(name: &str) -> [(&str, &str); 1] {
    [("Lambda-Extension-Name", name)]
}

/// What is refused before any state matters.
fn catalogue(script: &mut Script<'_>) {
    let register = [
        ("no name", vec![], "{}"),
        ("an empty name", named("").to_vec(), "{}"),
        ("no body", named("one").to_vec(), ""),
        ("half a body", named("one").to_vec(), "{\"events\":["),
        ("no JSON", named("one").to_vec(), "x"),
        ("an array", named("one").to_vec(), "[]"),
        ("a string", named("one").to_vec(), "\"events\""),
        ("null", named("two").to_vec(), "null"),
        ("a comma too many", named("one").to_vec(), "{\"events\":[],}"),
        ("a comma too few", named("one").to_vec(), "{\"events\":[\"INVOKE\" \"SHUTDOWN\"]}"),
        ("no colon", named("one").to_vec(), "{\"events\"}"),
        ("something after", named("one").to_vec(), "{} x"),
        ("events that are a number", named("one").to_vec(), "{\"events\":1}"),
        ("an event that is a number", named("one").to_vec(), "{\"events\":[1]}"),
        ("configuration keys", named("one").to_vec(), "{\"configurationKeys\":[\"k\"]}"),
        ("an unknown event", named("one").to_vec(), "{\"events\":[\"RELOAD\"]}"),
        ("an event in lower case", named("one").to_vec(), "{\"events\":[\"invoke\"]}"),
        ("HTML in an event", named("one").to_vec(), "{\"events\":[\"<b>&\"]}"),
        ("SHUTDOWN for an internal one", named("inner").to_vec(), "{\"events\":[\"SHUTDOWN\"]}"),
        ("SHUTDOWN under a wrong name", named("One").to_vec(), "{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}"),
        ("null events", named("one").to_vec(), "{\"events\":null}"),
        ("again", named("one").to_vec(), "{}"),
        ("an unknown event, again", named("one").to_vec(), "{\"events\":[\"RELOAD\"]}"),
        (
            "a feature nobody knows",
            [named("two")[0], ("Lambda-Extension-Accept-Feature", "x,y")].to_vec(),
            "{}",
        ),
        ("an internal one", named("inner").to_vec(), "{\"events\":[\"INVOKE\",\"INVOKE\"]}"),
        ("an internal one again", named("inner").to_vec(), "{}"),
    ];
    for (label, headers, body) in register {
        script.say(&format!("register: {label}"), "POST", REGISTER, &headers, body);
    }
    for number in 0..5 {
        let name = format!("inner-{number}");
        script.say(&format!("register: internal number {number}"), "POST", REGISTER, &named(&name), "{}");
    }
    script.say("register: an eleventh", "POST", REGISTER, &named("eleventh"), "{}");
    let routes = [
        ("next", "GET", NEXT),
        ("init-error", "POST", INIT_ERROR),
        ("exit-error", "POST", EXIT_ERROR),
        ("telemetry", "PUT", "/2022-07-01/telemetry"),
        ("logs", "PUT", "/2020-08-15/logs"),
    ];
    for (label, method, path) in routes {
        let id = "Lambda-Extension-Identifier";
        script.say(&format!("{label}: no identifier"), method, path, &[ERROR_TYPE], "");
        script.say(&format!("{label}: odd identifier"), method, path, &[(id, "7"), ERROR_TYPE], "");
        script.say(&format!("{label}: stranger"), method, path, &[(id, STRANGER), ERROR_TYPE], "");
        let braced = format!("{{{}}}", STRANGER.to_uppercase());
        if method != "PUT" {
            script.say(
                &format!("{label}: stranger in braces"),
                method,
                path,
                &[(id, &braced), ERROR_TYPE],
                "",
            );
        }
    }
    for (label, path) in [("telemetry", "/2022-07-01/telemetry"), ("logs", "/2020-08-15/logs")] {
        let headers = [("Lambda-Extension-Identifier", STRANGER)];
        script.say(&format!("{label}: a subscription"), "PUT", path, &headers, "{}");
        script.say(&format!("{label}: another method"), "POST", path, &headers, "{}");
    }
    let others = [
        ("GET", REGISTER),
        ("POST", NEXT),
        ("GET", INIT_ERROR),
        ("POST", "/2020-01-01/extension/register/"),
        ("GET", "/2020-01-01/extension"),
        ("GET", "/"),
        ("GET", "/2018-06-01/ping"),
    ];
    for (method, path) in others {
        script.say(&format!("{method} {path}"), method, path, &[], "");
    }
}

/// Plays a scenario to both; nothing where the emulator is not there.
fn play(externals: &[&str], scenario: impl Fn(&mut Script<'_>)) -> Option<(Answers, Answers)> {
    let theirs = Theirs::start(externals)?;
    let ours = Ours::start(externals);
    let play = |lambda: &dyn Lambda| {
        let mut script = Script::new(lambda);
        scenario(&mut script);
        script.answers
    };
    let answers = (play(&ours), play(&theirs));
    // Threads that still wait for events of the simulator end with it.
    ours.runtime.shutdown_background();
    Some(answers)
}

#[test]
fn the_simulator_answers_as_the_emulator_does() {
    let mut tried = 0;
    let mut wrong = Vec::new();
    let mut different = Vec::new();
    let mut compare = |answers: Option<(Answers, Answers)>| {
        let Some((ours, theirs)) = answers else { return false };
        tried += ours.len();
        for (label, our) in &ours {
            let their = &theirs[label];
            if our != their {
                different.push(label.clone());
                if !DIFFERENCES.iter().any(|(known, _)| known == label) {
                    wrong.push(format!("{label}\n  ours:   {our}\n  theirs: {their}"));
                }
            }
        }
        true
    };
    for state in ["Started", "Registered", "Ready", "Running", "InitError", "ExitError"] {
        for kind in ["external", "internal"] {
            if (kind, state) == ("internal", "Started") {
                continue;
            }
            let names = names(kind);
            let mut externals: Vec<&str> = vec![HOLDOUT];
            if kind == "external" {
                externals.extend(names.iter().map(String::as_str));
            }
            if !compare(play(&externals, |script| in_state(script, kind, state))) {
                return;
            }
        }
    }
    compare(play(&["one", "two", "three", HOLDOUT], catalogue));
    println!("{tried} answers compared, {} differ for a known reason", different.len());
    assert!(tried >= 60, "only {tried} calls were compared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (known, reason) in DIFFERENCES {
        assert!(
            different.iter().any(|label| label == known),
            "`{known}` does not differ any more ({reason})"
        );
    }
}
