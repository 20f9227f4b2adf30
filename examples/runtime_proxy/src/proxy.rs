//! The proxy: everything the runtime says goes to Lambda as it is, but for what a [`Hook`] changes.

use std::{
    convert::Infallible,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Arc,
    time::Duration,
};

use http_body_util::{combinators::BoxBody, BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    header::{HeaderName, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    server::conn::http1,
    service::service_fn,
    HeaderMap, Method, Request, Response, StatusCode, Uri,
};
use hyper_util::{
    client::legacy::{connect::HttpConnector, Client},
    rt::{TokioExecutor, TokioIo},
};
use lambda_extension::Error;
use tokio::net::{TcpListener, TcpStream};
use tracing::{error, warn};

use crate::hook::Hook;

/// How long a hook may take before the original goes on without it.
const HOOK_TIMEOUT: Duration = Duration::from_secs(1);

const INVOCATION: &str = "/2018-06-01/runtime/invocation/";
const REQUEST_ID: &str = "lambda-runtime-aws-request-id";
const RESPONSE_MODE: HeaderName = HeaderName::from_static("lambda-runtime-function-response-mode");

type Body = BoxBody<Bytes, hyper::Error>;

pub(crate) struct Proxy<H> {
    hook: Arc<H>,
    client: Client<HttpConnector, Body>,
}

impl<H> Clone for Proxy<H> {
    fn clone(&self) -> Self {
        Self { hook: Arc::clone(&self.hook), client: self.client.clone() }
    }
}

/// What is asked for, as far as a hook is concerned.
enum Route {
    /// The next event: a long poll, which may be answered in hours and has no time-out here.
    Next,
    Response {
        request_id: String,
    },
    Streamed {
        request_id: String,
    },
    /// Errors, a restore, and what an internal extension asks.
    Other,
}

impl Route {
    fn of(request: &Request<Incoming>) -> Self {
        let Some(rest) = request.uri().path().strip_prefix(INVOCATION) else { return Self::Other };
        if request.method() == Method::GET && rest == "next" {
            return Self::Next;
        }
        let Some(request_id) = rest.strip_suffix("/response").map(ToOwned::to_owned) else {
            return Self::Other;
        };
        let streamed = request.headers().get(RESPONSE_MODE);
        if streamed.is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"streaming")) {
            Self::Streamed { request_id }
        } else {
            Self::Response { request_id }
        }
    }
}

impl<H: Hook> Proxy<H> {
    pub(crate) fn new(hook: H) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .http1_title_case_headers(true)
            .http1_preserve_header_case(true)
            .build(connector);
        Self { hook: Arc::new(hook), client }
    }

    /// Serves for as long as the process lives. What is behind the proxy is asked for with every connection.
    pub(crate) async fn serve(self, listener: TcpListener, upstream: impl Fn() -> String) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(self.clone().connection(stream, upstream()))),
                // Out of file descriptors, usually: there may be some again in a while.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn connection(self, stream: TcpStream, upstream: String) {
        drop(stream.set_nodelay(true));
        let service = service_fn(|request| {
            let (proxy, upstream) = (self.clone(), upstream.clone());
            async move { Ok::<_, Infallible>(proxy.answer(request, &upstream).await) }
        });
        // Runtimes are used to Lambda's way of writing headers.
        let mut server = http1::Builder::new();
        server.title_case_headers(true).preserve_header_case(true);
        // An error is the runtime's end.
        drop(server.serve_connection(TokioIo::new(stream), service).await);
    }

    async fn answer(&self, request: Request<Incoming>, upstream: &str) -> Response<Body> {
        match self.forward(request, upstream).await {
            Ok(response) => response,
            Err(error) => {
                error!("{upstream}, which is behind this proxy, does not answer: {error:?}");
                let body =
                    Full::from("the proxy cannot reach Lambda").map_err(|never| match never {}).boxed();
                let mut response = Response::new(body);
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        }
    }

    async fn forward(&self, request: Request<Incoming>, upstream: &str) -> Result<Response<Body>, Error> {
        let route = Route::of(&request);
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = Uri::try_from(format!("http://{upstream}{path}"))?;
        head.headers.remove(HOST);
        remove_hop(&mut head.headers);
        let body = match &route {
            Route::Response { request_id } => {
                let original = body.collect().await?.to_bytes();
                let hook = Arc::clone(&self.hook);
                let (id, response) = (request_id.clone(), original.clone());
                let changed = async move { hook.response(&id, response).await };
                whole(&mut head.headers, unless_it_fails(request_id, original, changed).await)
            }
            Route::Streamed { request_id } => self.parts(request_id.clone(), body),
            Route::Next | Route::Other => body.boxed(),
        };
        let (mut head, body) = self.client.request(Request::from_parts(head, body)).await?.into_parts();
        remove_hop(&mut head.headers);
        let request_id = head.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(ToOwned::to_owned);
        let body = match (route, request_id) {
            (Route::Next, Some(request_id)) if head.status.is_success() => {
                let original = body.collect().await?.to_bytes();
                let hook = Arc::clone(&self.hook);
                let (id, event) = (request_id.clone(), original.clone());
                let changed = async move { hook.event(&id, event).await };
                whole(&mut head.headers, unless_it_fails(&request_id, original, changed).await)
            }
            _ => body.boxed(),
        };
        Ok(Response::from_parts(head, body))
    }

    /// A streamed body, each part changed and sent on as it comes. Trailers, by which a function tells of a failure in the middle
    /// of a stream, go on as they are.
    fn parts(&self, request_id: String, body: Incoming) -> Body {
        let hook = Arc::clone(&self.hook);
        let mut failed = false;
        let mut change = move |part: Bytes| {
            if failed {
                return part;
            }
            catch_unwind(AssertUnwindSafe(|| hook.part(&request_id, part.clone()))).unwrap_or_else(|_| {
                failed = true;
                warn!("{request_id}: the hook for parts panicked; the rest of the response passes as it is");
                part
            })
        };
        body.map_frame(move |frame| frame.map_data(&mut change)).boxed()
    }
}

/// What the hook makes of it, or the original. As a task of its own, the hook may panic.
async fn unless_it_fails(
    request_id: &str,
    original: Bytes,
    changed: impl Future<Output = Result<Bytes, Error>> + Send + 'static,
) -> Bytes {
    let mut task = tokio::spawn(changed);
    let why = match tokio::time::timeout(HOOK_TIMEOUT, &mut task).await {
        Ok(Ok(Ok(changed))) => return changed,
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(_)) => "it panicked".to_owned(),
        Err(_) => {
            task.abort();
            format!("it takes longer than {HOOK_TIMEOUT:?}")
        }
    };
    warn!("{request_id}: the hook has failed, and the original passes: {why}");
    original
}

/// A body that is known as a whole, and said to be.
fn whole(headers: &mut HeaderMap, body: Bytes) -> Body {
    headers.remove(TRANSFER_ENCODING);
    headers.insert(CONTENT_LENGTH, body.len().into());
    Full::new(body).map_err(|never| match never {}).boxed()
}

/// What concerns one connection and not the other. How a body is framed is left in: hyper does by it what it says.
fn remove_hop(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
}

#[cfg(test)]
mod tests;
