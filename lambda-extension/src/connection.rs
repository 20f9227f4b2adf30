//! HTTP to Lambda's API: one connection, used again for as long as it lasts.
//!
//! The API is plain HTTP/1.1 at one address, and an extension asks one thing at a time, but for the report of an error while
//! its poll is parked. So this is hyper's connection and one place to keep it: a whole HTTP client would parse the same URL,
//! look up the same pool and walk through the same layers for each event.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Waker},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{self, SendRequest},
    },
    http::uri::Authority,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Where the API is, and the connection that is free to be used.
#[derive(Clone)]
pub(crate) struct Connection {
    authority: Arc<Authority>,
    free: Arc<Mutex<Option<Open>>>,
}

/// Why there is no answer.
pub(crate) enum Failure {
    /// No connection could be made, so nothing was sent.
    Connect(String),
    /// The request may have been sent, and the answer did not come, or not whole.
    Broken(String),
}

impl Connection {
    /// Nothing is connected before it is needed.
    pub(crate) fn new(authority: Authority) -> Self {
        Self { authority: Arc::new(authority), free: Arc::default() }
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// One request and its whole answer. There is no timeout.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Failure> {
        let (response, mut open) = self.head(request).await?;
        let (head, body) = response.into_parts();
        let body = open.body(body).await.map_err(broken)?;
        // Only now can it be used again.
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
        Ok(Response::from_parts(head, body))
    }

    async fn head(&self, request: Request<Full<Bytes>>) -> Result<(Response<Incoming>, Open), Failure> {
        let request = match self.usable() {
            None => request,
            Some(mut open) => match open.send(request).await {
                Ok(response) => return Ok((response, open)),
                // Lambda closed it just now. Nothing of the request was sent.
                Err(mut error) => match error.take_message() {
                    Some(request) => request,
                    None => return Err(broken(error.into_error())),
                },
            },
        };
        let mut open = self.connect().await?;
        let response = open.send(request).await.map_err(|error| broken(error.into_error()))?;
        Ok((response, open))
    }

    /// The connection that is free, unless Lambda closed it meanwhile.
    fn usable(&self) -> Option<Open> {
        let mut open = self.free.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        open.is_ready().then_some(open)
    }

    async fn connect(&self) -> Result<Open, Failure> {
        let refused = |error: std::io::Error| Failure::Connect(error.to_string());
        let port = self.authority.port_u16().unwrap_or(80);
        // An IPv6 address stands in brackets.
        let host = self.authority.host().trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, port)).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let (sender, work) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        Ok(Open { sender, work: Some(Box::pin(work)) })
    }
}

type Work = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// A connection. It does its work within the call that waits for it: with a task of its own, the runtime would have to turn to
/// that task for each event, and back.
struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it is over.
    work: Option<Pin<Box<Work>>>,
}

impl Open {
    /// Whether it can be used again, after the answer before was read to its end.
    fn is_ready(&mut self) -> bool {
        let over = |work: &mut Pin<Box<Work>>| work.as_mut().poll(&mut for_nobody()).is_ready();
        !self.work.as_mut().is_none_or(over) && self.sender.is_ready()
    }

    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let response = self.sender.try_send_request(request);
        drive(&mut self.work, response).await
    }

    async fn body(&mut self, body: Incoming) -> Result<Bytes, hyper::Error> {
        Ok(drive(&mut self.work, body.collect()).await?.to_bytes())
    }
}

/// Waits for something that comes over the connection, and has the connection do its work meanwhile.
///
/// Only the work is to wake the task. What it does for the awaited happens in this very poll, and would wake the task that is awake: it
/// would do one more turn just when it has asked for the next event and should be asleep.
async fn drive<F: Future>(work: &mut Option<Pin<Box<Work>>>, awaited: F) -> F::Output {
    let mut awaited = pin!(awaited);
    poll_fn(|context| {
        // What breaks it is told to whoever waits.
        if work.as_mut().is_some_and(|work| work.as_mut().poll(context).is_ready()) {
            *work = None;
        }
        awaited.as_mut().poll(&mut for_nobody())
    })
    .await
}

fn for_nobody() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// The innermost cause is the one a person can act on: hyper's own says only which layer met it.
fn broken(error: hyper::Error) -> Failure {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Failure::Broken(cause.to_string())
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.authority()).finish()
    }
}
