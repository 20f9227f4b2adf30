//! HTTP to Lambda's API: one connection, used again for as long as it lasts.
//!
//! The API is plain HTTP/1.1 at one address, and an extension asks one thing at a time, but for the report of an error while
//! its poll is parked. So this is hyper's connection and one place to keep it: a whole HTTP client would parse the same URL,
//! look up the same pool and walk through the same layers for each event.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    client::conn::http1::{self, SendRequest},
    http::uri::Authority,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Where the API is, and the connection that is free to be used.
#[derive(Clone)]
pub(crate) struct Connection {
    authority: Arc<Authority>,
    free: Arc<Mutex<Option<SendRequest<Full<Bytes>>>>>,
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
        let (response, sender) = self.head(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(broken)?.to_bytes();
        // Only now can it be used again.
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        Ok(Response::from_parts(head, body))
    }

    async fn head(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<hyper::body::Incoming>, SendRequest<Full<Bytes>>), Failure> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).take();
        let request = match free {
            None => request,
            Some(mut sender) => match sender.ready().await {
                Err(_) => request,
                Ok(()) => match sender.try_send_request(request).await {
                    Ok(response) => return Ok((response, sender)),
                    // Lambda closed the connection while it was free. Nothing of the request was sent.
                    Err(mut error) => match error.take_message() {
                        Some(request) => request,
                        None => return Err(broken(error.into_error())),
                    },
                },
            },
        };
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok((response, sender))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let refused = |error: std::io::Error| Failure::Connect(error.to_string());
        let port = self.authority.port_u16().unwrap_or(80);
        // An IPv6 address stands in brackets.
        let host = self.authority.host().trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, port)).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with the connection; what breaks it is told to whoever waits for an answer.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
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
