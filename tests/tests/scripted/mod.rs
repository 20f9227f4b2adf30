//! A Lambda of a few lines, for tests of telemetry: it registers an extension, takes its subscription as a test tells it to,
//! and hands out the events that a test gives it. It has no states and refuses nothing by itself.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of this")]

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::Write,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use lambda_extension::{
    Config, Error, Extension, ExtensionError, FlushEvent, FlushReason, Handle, InvokeEvent, Registration,
    ShutdownEvent,
    telemetry::{Batch, Category, Event, Subscription},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
};

pub const NAME: &str = "my-extension";

const REGISTER: &str = "POST /2020-01-01/extension/register";
const NEXT: &str = "GET /2020-01-01/extension/event/next";
pub const SUBSCRIBE: &str = "PUT /2022-07-01/telemetry";

/// What the listener takes: bodies may be twice the 256 KiB that Lambda gathers, and 1 MiB more.
pub const MAX_BODY: usize = 2 * 262_144 + (1 << 20);

/// A request that came, and its body as far as that is JSON.
#[derive(Clone, Debug)]
pub struct Call {
    pub route: String,
    pub body: Value,
}

/// The status and the body of an answer.
pub type Answer = (u16, &'static str);

pub struct Lambda {
    _watchdog: std::sync::mpsc::Sender<()>,
    address: SocketAddr,
    journal: watch::Receiver<Vec<Call>>,
    events: mpsc::UnboundedSender<Value>,
}

impl Lambda {
    /// A Lambda that takes every subscription.
    pub async fn start() -> Self {
        Self::answering([(200, "\"OK\"")]).await
    }

    /// A Lambda that answers to subscriptions with these, one after another, and with the last one from then on.
    pub async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = socket.local_addr().expect("it is bound");
        let (journal, calls) = watch::channel(Vec::new());
        let (events, queue) = mpsc::unbounded_channel();
        let server = Arc::new(Server {
            journal,
            answers: Mutex::new(answers.into_iter().collect()),
            events: tokio::sync::Mutex::new(queue),
        });
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.expect("it is bound");
                let server = Arc::clone(&server);
                let service = service_fn(move |request| {
                    let server = Arc::clone(&server);
                    async move { Ok::<_, Infallible>(server.answer(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { _watchdog: watchdog(Duration::from_secs(60)), address, journal: calls, events }
    }

    /// The same for a test that takes longer than others, but not longer than this.
    pub fn lasting(mut self, bound: Duration) -> Self {
        self._watchdog = watchdog(bound);
        self
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn config(&self) -> Config {
        Config::new(&self.address()).expect("it is an address").name(NAME)
    }

    /// The bodies of the calls of this route.
    pub fn calls(&self, route: &str) -> Vec<Value> {
        let journal = self.journal.borrow();
        journal.iter().filter(|call| call.route == route).map(|call| call.body.clone()).collect()
    }

    /// Waits until the extension has asked for the next event this many times.
    pub async fn asked(&mut self, times: usize) {
        let asked = |journal: &Vec<Call>| journal.iter().filter(|call| call.route == NEXT).count() >= times;
        self.journal.wait_for(asked).await.expect("the server lives as long as this");
    }

    /// The port that telemetry is to be delivered to.
    pub fn port(&self) -> u16 {
        let body = self.calls(SUBSCRIBE).pop().expect("the extension has subscribed");
        let destination = &body["destination"];
        match destination["URI"].as_str() {
            Some(uri) => uri.rsplit_once(':').expect("it names a port").1.parse().expect("it is a number"),
            None => destination["port"].as_u64().expect("it names a port") as u16,
        }
    }

    /// Begins an invocation that may take this long.
    pub fn invoke(&self, request_id: &str, timeout: Duration) {
        self.tell(json!({
            "eventType": "INVOKE",
            "deadlineMs": epoch_ms(timeout),
            "requestId": request_id,
            "invokedFunctionArn": "arn:aws:lambda:eu-central-1:123456789012:function:f",
        }));
    }

    pub fn shutdown(&self) {
        self.tell(json!({ "eventType": "SHUTDOWN", "deadlineMs": epoch_ms(Duration::from_secs(2)), "shutdownReason": "spindown" }));
    }

    fn tell(&self, event: Value) {
        self.events.send(event).expect("the server lives as long as this");
    }
}

/// Ends a test run that hangs. By the clock on the wall: tokio's may be paused.
fn watchdog(bound: Duration) -> std::sync::mpsc::Sender<()> {
    let (alive, gone) = std::sync::mpsc::channel();
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    std::thread::spawn(move || {
        if gone.recv_timeout(bound) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            // Not by `eprintln`, which the test harness keeps to itself, and would take with it.
            let _ = writeln!(std::io::stderr(), "{test} hangs");
            std::process::exit(101);
        }
    });
    alive
}

fn epoch_ms(from_now: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    (now + from_now).as_millis() as u64
}

struct Server {
    journal: watch::Sender<Vec<Call>>,
    answers: Mutex<VecDeque<Answer>>,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Value>>,
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let route = format!("{} {}", request.method(), request.uri().path());
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        self.journal.send_modify(|journal| journal.push(Call { route: route.clone(), body }));
        let (status, body) = match route.as_str() {
            REGISTER => {
                (200, json!({ "functionName": "f", "functionVersion": "1", "handler": "h" }).to_string())
            }
            // A poll without an event stays parked for as long as the test lasts.
            NEXT => match self.events.lock().await.recv().await {
                Some(event) => (200, event.to_string()),
                None => std::future::pending().await,
            },
            _ if route.starts_with("PUT ") => {
                let mut answers = self.answers.lock().expect("no test panics holding it");
                let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() };
                let (status, body) = answer.expect("there is an answer");
                (status, body.to_owned())
            }
            _ => (202, json!({ "status": "OK" }).to_string()),
        };
        Response::builder()
            .status(status)
            .header("lambda-extension-identifier", "8f60e725-45d2-4901-949c-482a936d20be")
            .body(Full::from(body))
            .expect("these are headers")
    }
}

/// What the hooks of a [`Recorder`] were called with.
#[derive(Debug)]
pub enum Seen {
    Telemetry(Vec<Event<'static>>),
    Invoke(String),
    Flush(FlushReason),
    Shutdown,
}

/// An extension that tells a test of every call.
pub struct Recorder {
    seen: mpsc::UnboundedSender<Seen>,
    init: Option<mpsc::UnboundedSender<Handle>>,
    /// `on_telemetry` returns as often as there are permits.
    telemetry: Arc<Semaphore>,
}

impl Extension for Recorder {
    async fn on_init(&mut self, registration: &Registration) -> Result<(), Error> {
        if let Some(init) = self.init.take() {
            init.send(registration.handle())?;
        }
        Ok(())
    }

    async fn on_invoke(&mut self, event: InvokeEvent) -> Result<(), Error> {
        Ok(self.seen.send(Seen::Invoke(event.request_id.to_string()))?)
    }

    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        self.seen.send(Seen::Telemetry(batch.into_events().collect()))?;
        self.telemetry.acquire().await?.forget();
        Ok(())
    }

    async fn on_flush(&mut self, event: FlushEvent) -> Result<(), Error> {
        Ok(self.seen.send(Seen::Flush(event.reason))?)
    }

    async fn on_shutdown(&mut self, _: ShutdownEvent) -> Result<(), Error> {
        Ok(self.seen.send(Seen::Shutdown)?)
    }
}

/// An extension that runs, beside its Lambda.
pub struct Running {
    pub lambda: Lambda,
    pub handle: Handle,
    pub seen: mpsc::UnboundedReceiver<Seen>,
    pub telemetry: Arc<Semaphore>,
    pub ended: JoinHandle<Result<(), ExtensionError>>,
}

impl Running {
    /// Starts one that wants the function's lines, and returns when it has asked for its first event.
    pub async fn for_lines() -> Self {
        Self::start(Subscription::new([Category::Function])).await
    }

    /// Starts one with this subscription, likewise.
    pub async fn start(subscription: Subscription) -> Self {
        let lambda = Lambda::start().await;
        let config = lambda.config().telemetry(subscription);
        Self::with(lambda, config).await
    }

    pub async fn with(lambda: Lambda, config: Config) -> Self {
        let mut running = Self::initialised(lambda, config).await;
        running.lambda.asked(1).await;
        running
    }

    async fn initialised(lambda: Lambda, config: Config) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let (init, mut handle) = mpsc::unbounded_channel();
        let telemetry = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let extension = Recorder { seen: sender, init: Some(init), telemetry: Arc::clone(&telemetry) };
        let ended = tokio::spawn(config.run(extension));
        let handle = handle.recv().await.expect("on_init is called");
        Self { lambda, handle, seen, telemetry, ended }
    }

    pub async fn connect(&self) -> Sender {
        Sender::connect(self.lambda.port()).await
    }

    /// The next batch that is handed on.
    pub async fn batch(&mut self) -> Vec<Event<'static>> {
        loop {
            match self.seen.recv().await.expect("the extension runs") {
                Seen::Telemetry(events) => return events,
                _ => continue,
            }
        }
    }

    /// The next `count` events that are handed on, as they were sent.
    pub async fn events(&mut self, count: usize) -> Vec<String> {
        let mut events = Vec::new();
        while events.len() < count {
            let batch = self.batch().await;
            events.extend(batch.iter().map(|event| String::from_utf8_lossy(event.raw()).into_owned()));
        }
        events
    }

    /// Sends one more batch over a connection of its own, and waits until that was handed on: what was sent before has
    /// had its effect.
    pub async fn settle(&mut self) {
        let marker = line("settled");
        assert_eq!(self.connect().await.post(&format!("[{marker}]")).await, 200);
        while self.batch().await.iter().all(|event| event.raw() != marker.as_bytes()) {}
    }

    /// Settles, and asserts how many batches were counted as lost.
    pub async fn assert_lost(&mut self, batches: u64) {
        self.settle().await;
        assert_eq!(self.handle.metrics().dropped_batches, batches);
    }
}

/// A line of the function's as an event.
pub fn line(text: &str) -> String {
    json!({ "time": "2026-07-28T19:02:11.805Z", "type": "function", "record": text }).to_string()
}

/// A batch of one line of the function's.
pub fn batch(text: &str) -> String {
    format!("[{}]", line(text))
}

/// The batch that tells of the end of an invocation.
pub fn runtime_done(request_id: &str) -> String {
    json!([{ "time": "2026-07-28T19:02:11.816Z", "type": "platform.runtimeDone",
             "record": { "requestId": request_id, "status": "success" } }])
    .to_string()
}

/// A connection over which telemetry is delivered.
pub struct Sender {
    pub stream: TcpStream,
}

impl Sender {
    pub async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the listener accepts");
        stream.set_nodelay(true).expect("it is a TCP socket");
        Self { stream }
    }

    /// Delivers a batch as Lambda does, and gives the status it was answered with.
    pub async fn post(&mut self, body: &str) -> u16 {
        self.send(format!("{}{body}", head(body.len())).as_bytes()).await;
        self.status().await.expect("it is answered")
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the listener reads");
    }

    /// The status of the next answer, or `None` if the connection is closed instead.
    pub async fn status(&mut self) -> Option<u16> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return None,
            }
        }
        let head = String::from_utf8(head).expect("a head is text").to_ascii_lowercase();
        assert!(!head.contains("transfer-encoding"), "answers have no body: {head}");
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        assert!(length.is_none_or(|length| length == "0"), "answers have no body: {head}");
        Some(head.split(' ').nth(1)?.parse().expect("a status is a number"))
    }

    /// Waits until the listener closes the connection.
    pub async fn closed(&mut self) {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
    }
}

/// The head of a delivery of this many bytes.
pub fn head(length: usize) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: sandbox.localdomain\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}
