//! Lambda's API for extensions, as the one that answers: it notes when each call came, and leaves the answer to the driver.

use std::{
    io::{BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};

use crate::http;

/// No program measured here takes this long for anything.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Register,
    Subscribe,
    Next,
}

/// A call that came and waits for its answer.
pub(crate) struct Call {
    /// When it was there whole.
    pub(crate) at: Instant,
    pub(crate) route: Route,
    pub(crate) body: Vec<u8>,
    connection: TcpStream,
}

impl Call {
    /// Answers. Returns when the answer was about to be sent.
    pub(crate) fn answer(mut self, answer: &[u8]) -> Result<Instant> {
        let at = Instant::now();
        self.connection.write_all(answer).context("answering a call")?;
        Ok(at)
    }
}

/// The API, for one life of one extension, or of several at once.
pub(crate) struct Lambda {
    address: SocketAddr,
    calls: Receiver<Call>,
    closed: Arc<AtomicBool>,
}

impl Lambda {
    pub(crate) fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (sender, calls) = mpsc::channel();
        let closed = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&closed);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let sender = sender.clone();
                thread::spawn(move || serve(stream, &sender));
            }
        });
        Ok(Self { address, calls, closed })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for a call by this route.
    pub(crate) fn call(&self, route: Route) -> Result<Call> {
        let call = self.calls.recv_timeout(PATIENCE).with_context(|| format!("waiting for {route:?}"))?;
        if call.route != route {
            bail!("{:?} came where {route:?} was due: {}", call.route, String::from_utf8_lossy(&call.body));
        }
        Ok(call)
    }

    /// Lets an extension register and, if it wants, subscribe. Returns the port it wants telemetry on, and its first poll.
    pub(crate) fn init(&self) -> Result<(Option<u16>, Call)> {
        self.call(Route::Register)?.answer(&registered())?;
        let call = self.calls.recv_timeout(PATIENCE).context("waiting for the first poll")?;
        match call.route {
            Route::Next => Ok((None, call)),
            Route::Register => bail!("registered twice"),
            Route::Subscribe => {
                let port = port(&call.body)?;
                call.answer(&http::answer("", "\"OK\""))?;
                Ok((Some(port), self.call(Route::Next)?))
            }
        }
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // The thread that accepts sees that it is closed when one more connection comes.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, calls: &Sender<Call>) {
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    while let Ok(Some(request)) = http::read(&mut stream) {
        let at = Instant::now();
        let route = match request.start.split(' ').nth(1) {
            Some("/2020-01-01/extension/register") => Route::Register,
            Some("/2020-01-01/extension/event/next") => Route::Next,
            Some("/2022-07-01/telemetry") => Route::Subscribe,
            other => {
                eprintln!(
                    "a call that nothing measured here makes: {other:?} {}",
                    String::from_utf8_lossy(&request.body)
                );
                return;
            }
        };
        let Ok(connection) = stream.get_ref().try_clone() else { return };
        if calls.send(Call { at, route, body: request.body, connection }).is_err() {
            return;
        }
    }
}

/// The port in `"URI":"http://sandbox.localdomain:PORT…"`.
fn port(subscription: &[u8]) -> Result<u16> {
    let text = String::from_utf8_lossy(subscription);
    let (_, rest) = text.split_once("http://").context("no HTTP destination in the subscription")?;
    let (_, rest) = rest.split_once(':').context("no port in the subscription")?;
    let digits = rest.split(|other: char| !other.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().with_context(|| format!("the port of {text}"))
}

/// The answer to a registration.
pub(crate) fn registered() -> Vec<u8> {
    http::answer(
        "Lambda-Extension-Identifier: 6ecd3f8b-1e0c-4c6c-9d57-4f0a0f6a1e11\r\n",
        r#"{"accountId":"123456789012","functionName":"measured","functionVersion":"$LATEST","handler":"index.handler"}"#,
    )
}

fn deadline_ms(after: Duration) -> u128 {
    (SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + after).as_millis()
}

/// The id of an invocation.
fn request_id(number: u64) -> String {
    format!("29b2a6dc-7b47-4f5e-9a16-{number:012}")
}

/// The answer to a poll that begins an invocation.
pub(crate) fn invoke(number: u64) -> Vec<u8> {
    let request_id = request_id(number);
    let deadline = deadline_ms(Duration::from_secs(30));
    http::answer(
        &format!("Lambda-Extension-Event-Identifier: 7d1b8f7e-8f0c-4b7b-9c1e-{number:012}\r\n"),
        &format!(
            r#"{{"eventType":"INVOKE","deadlineMs":{deadline},"requestId":"{request_id}","invokedFunctionArn":"arn:aws:lambda:eu-central-1:123456789012:function:measured","tracing":{{"type":"X-Amzn-Trace-Id","value":"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"}}}}"#
        ),
    )
}

/// A line that the function has written.
pub(crate) fn line(number: u64) -> String {
    let line = format!("invocation {number} has a line to log, as most have");
    format!(r#"[{{"time":"2026-07-28T19:02:11.804Z","type":"function","record":{line:?}}}]"#)
}

/// The telemetry that says that the function is done with an invocation.
pub(crate) fn runtime_done(number: u64) -> String {
    format!(
        r#"[{{"time":"2026-07-28T19:02:11.805Z","type":"platform.runtimeDone","record":{{"requestId":"{}","status":"success","metrics":{{"durationMs":1.5,"producedBytes":2}},"spans":[]}}}}]"#,
        request_id(number)
    )
}

/// The answer to a poll that ends it all.
pub(crate) fn shutdown() -> Vec<u8> {
    let deadline = deadline_ms(SHUTDOWN_BUDGET);
    http::answer(
        "",
        &format!(r#"{{"eventType":"SHUTDOWN","deadlineMs":{deadline},"shutdownReason":"spindown"}}"#),
    )
}

/// What Lambda gives external extensions before it kills them.
pub(crate) const SHUTDOWN_BUDGET: Duration = Duration::from_secs(2);
