//! HTTP in front of the APIs: connections, and answers that go wrong on demand.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::Answer;
use super::core::Core;
use super::fault::Fault;
use super::request::{Connection, Received};
use super::route::Route;

/// What comes instead of an answer where somebody wants to see that.
const GARBAGE: &[u8] = b"<html>\xff\xfe not what was asked for";

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer")]
struct HangUp;

/// Serves until it is aborted; its connections end with it.
pub(crate) async fn serve(listener: TcpListener, core: Arc<Core>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(connection(stream, Arc::clone(&core)))),
            // Out of file descriptors, usually: there may be some again in a while.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, core: Arc<Core>) {
    drop(stream.set_nodelay(true));
    let connection = Arc::new(Connection::default());
    let service = service_fn(|request| {
        let (core, connection) = (Arc::clone(&core), Arc::clone(&connection));
        async move { handle(core, connection, request).await }
    });
    let served =
        http1::Builder::new().title_case_headers(true).serve_connection(TokioIo::new(stream), service).await;
    drop(served);
    connection.closed(&core);
}

async fn handle(
    core: Arc<Core>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<Sent>, HangUp> {
    let call = Received::read(&core, request).await;
    let fault = |wanted: Fault| core.faults.take(move |fault| (*fault == wanted).then_some(()));
    let status = core.faults.take(|fault| match fault {
        Fault::Status(route, status) if Some(*route) == call.route() => Some(*status),
        _ => None,
    });
    let answer = match status {
        Some(status) => Some(Answer::error(status, "InternalServerError", "Internal Server Error")),
        None => call.carry_out(&core).await.reply().await,
    };
    let slow = core.faults.take(|fault| match fault {
        Fault::Slow(route, time) if Some(*route) == call.route() => Some(*time),
        _ => None,
    });
    if let Some(time) = slow {
        tokio::time::sleep(time).await;
    }
    let on_demand =
        |wanted: fn(Route) -> Fault| call.route().is_some_and(|route| fault(wanted(route)).is_some());
    let mut answer = answer.filter(|_| !on_demand(Fault::Drop));
    if let Some(answer) = &mut answer
        && on_demand(Fault::Garbage)
    {
        answer.body = Bytes::from_static(GARBAGE);
    }
    call.enter(&core, &connection, answer.as_ref());
    answer.map(|answer| respond(answer, on_demand(Fault::Truncated))).ok_or(HangUp)
}

/// The body of an answer, which may break off.
type Sent = Either<Full<Bytes>, Half>;

/// A body that breaks off in the middle.
struct Half {
    whole: u64,
    half: Option<Bytes>,
}

impl Body for Half {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // Its end, before all that was announced, is what closes the connection.
        let half = self.half.take();
        Poll::Ready(half.map(|half| Ok(Frame::data(half))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.whole)
    }
}

fn respond(answer: Answer, truncated: bool) -> Response<Sent> {
    let whole = answer.body;
    let body = match truncated {
        true => Either::Right(Half { whole: whole.len() as u64, half: Some(whole.slice(..whole.len() / 2)) }),
        false => Either::Left(Full::new(whole)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        // Names are ours; a value that a fault made impossible is left out.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
