//! A look over an extension's shoulder: a proxy between it and the emulator that writes down every call.
//!
//! The emulator's log shows neither the bodies of error reports nor when a call was answered.

use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::http::Message;
use crate::lock;

/// One request, and what became of it.
#[derive(Clone, Debug)]
pub struct Call {
    /// As the extension sent it.
    pub request: Message,
    /// When it had arrived.
    pub began: Instant,
    /// When and how it was answered; `None` while it waits, and when the connection broke.
    pub answer: Option<(Instant, Message)>,
    forgotten: bool,
}

impl Call {
    /// What comes after the API's version: `register`, `event/next`, `init/error`, `exit/error` …
    pub fn route(&self) -> &str {
        let path = self.request.start_line.split(' ').nth(1).unwrap_or_default();
        path.strip_prefix("/2020-01-01/extension/").unwrap_or(path)
    }

    /// The body of the request, as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.request.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The status of the answer, 0 while there is none.
    pub fn status(&self) -> u16 {
        self.answer.as_ref().map_or(0, |(_, response)| response.status())
    }

    fn is_poll(&self) -> bool {
        self.route() == "event/next"
    }

    fn brought_shutdown(&self) -> bool {
        self.is_poll()
            && self.answer.as_ref().is_some_and(|(_, response)| response.text().contains("\"SHUTDOWN\""))
    }
}

/// The proxy; it lives as long as the process, since a parked poll may wait on it for ever.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Recorder {
    pub(crate) fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port for the recorder");
        let address = listener.local_addr().expect("a bound socket has an address");
        let calls = Arc::new(Mutex::default());
        let recorder = Self { address, calls: Arc::clone(&calls) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let calls = Arc::clone(&calls);
                // An error here is one side closing its connection; what was called until then is written down.
                thread::spawn(move || relay(&client, upstream, &calls));
            }
        });
        recorder
    }

    /// Leaves out of every journal what was called since then.
    pub(crate) fn forget(&self, since: Instant) {
        for call in lock(&self.calls).iter_mut().filter(|call| call.began >= since) {
            call.forgotten = true;
        }
    }

    /// The calls of one extension, in the order in which they arrived.
    pub(crate) fn journal(&self, extension: &str) -> Journal {
        let all = lock(&self.calls).clone();
        let is_ours = |call: &Call| call.request.header("lambda-extension-name") == Some(extension);
        let identifiers: Vec<String> = all
            .iter()
            .filter(|call| is_ours(call))
            .filter_map(|call| {
                Some(call.answer.as_ref()?.1.header("lambda-extension-identifier")?.to_owned())
            })
            .collect();
        let by_identifier = |call: &Call| {
            let identifier = call.request.header("lambda-extension-identifier");
            identifier.is_some_and(|identifier| identifiers.iter().any(|known| known == identifier))
        };
        Journal(
            all.into_iter()
                .filter(|call| !call.forgotten && (is_ours(call) || by_identifier(call)))
                .collect(),
        )
    }
}

fn relay(client: &TcpStream, upstream: SocketAddr, calls: &Mutex<Vec<Call>>) -> io::Result<()> {
    let mut from_client = BufReader::new(client);
    let server = TcpStream::connect(upstream)?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let mut from_server = BufReader::new(&server);
    while let Some(request) = Message::read_request(&mut from_client)? {
        let index = {
            let mut calls = lock(calls);
            calls.push(Call {
                request: request.clone(),
                began: Instant::now(),
                answer: None,
                forgotten: false,
            });
            calls.len() - 1
        };
        request.write_to(&mut &server)?;
        let response = Message::read_response(&mut from_server)?;
        lock(calls)[index].answer = Some((Instant::now(), response.clone()));
        response.write_to(&mut &*client)?;
    }
    Ok(())
}

/// Everything one extension has asked of the API. A restarted extension goes on in the same journal.
#[derive(Debug)]
pub struct Journal(pub Vec<Call>);

impl Journal {
    /// The routes, in order.
    pub fn routes(&self) -> Vec<&str> {
        self.0.iter().map(Call::route).collect()
    }

    /// The calls of one route.
    pub fn of(&self, route: &str) -> Vec<&Call> {
        self.0.iter().filter(|call| call.route() == route).collect()
    }

    /// The lives of the extension: a registration that was accepted begins one.
    pub fn lives(&self) -> Vec<Vec<&Call>> {
        let mut lives: Vec<Vec<&Call>> = Vec::new();
        for call in &self.0 {
            if call.route() == "register" && call.status() == 200 || lives.is_empty() {
                lives.push(Vec::new());
            }
            lives.last_mut().expect("just made sure").push(call);
        }
        lives
    }

    /// The rules that hold for every extension, whatever else happens to it.
    ///
    /// # Panics
    ///
    /// When one is broken, with the whole journal.
    pub fn assert_lawful(&self) {
        for life in self.lives() {
            let polls: Vec<_> = life.iter().enumerate().filter(|(_, call)| call.is_poll()).collect();
            let first_poll = polls.first().map_or(usize::MAX, |(index, _)| *index);
            for (index, call) in life.iter().enumerate() {
                match call.route() {
                    "init/error" => assert!(index < first_poll, "init/error after the first next: {self:#?}"),
                    "exit/error" => {
                        assert!(index > first_poll, "exit/error before the first next: {self:#?}")
                    }
                    _ => {}
                }
                if call.route().ends_with("/error") {
                    self.assert_error_report_has_its_form(call);
                }
            }
            for pair in polls.windows(2) {
                let (earlier, later) = (pair[0].1, pair[1].1);
                let answered = earlier.answer.as_ref().map(|(at, _)| *at);
                assert!(answered.is_some_and(|at| at <= later.began), "two polls at once: {self:#?}");
                assert!(!earlier.brought_shutdown(), "asked for more after SHUTDOWN: {self:#?}");
            }
        }
    }

    /// A short code in the header, everything a person wants to know in the body, and Lambda accepted both.
    fn assert_error_report_has_its_form(&self, call: &Call) {
        let kind = call.request.header("lambda-extension-function-error-type").unwrap_or_default();
        let reason = kind.strip_prefix("Extension.").unwrap_or_default();
        let is_code = reason.starts_with(|first: char| first.is_ascii_uppercase())
            && reason.chars().all(|each| each.is_ascii_alphabetic());
        assert!(is_code, "error type {kind:?}: {self:#?}");
        for (name, value) in &call.request.headers {
            assert!(
                !value.contains([' ', '\t']) && value.is_ascii(),
                "free text in header {name}: {value:?}"
            );
        }
        let body = call.json();
        assert_eq!(body["errorType"], *kind, "header and body disagree: {self:#?}");
        assert!(body["errorMessage"].as_str().is_some_and(|message| !message.is_empty()), "{self:#?}");
        assert!(body["stackTrace"].is_null() || body["stackTrace"].is_array(), "{self:#?}");
        assert_eq!(call.status(), 202, "the report was refused: {self:#?}");
    }
}
