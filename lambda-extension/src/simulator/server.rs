//! HTTP in front of the state machine: routes, bodies, parked polls, and the journal of it all.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::Answer;
use super::core::{Carried, Core, Inner};
use super::environment::{Api, Destination, MAX_PAYLOAD, Outcome, Rules, Subscription};
use super::fault::Fault;
use super::journal::Call;
use super::route::{Asked, Route};
use super::settings::{InitializationType, TelemetryApi};
use super::telemetry::{Sender, Subscriber, deliver, dial};

/// What SnapStart functions send to fetch their credentials.
pub(crate) const CREDENTIALS_TOKEN: &str = "5a1a9f8e-6f0c-4f5b-9c55-0d9a4c1f7a11";

/// On Managed Instances Lambda reads no more than this of an extension's request.
const MANAGED_INSTANCES_BODY: usize = 1024 * 1024;
const LARGEST_BODY: usize = MAX_PAYLOAD + MANAGED_INSTANCES_BODY;

/// What comes instead of an answer where somebody wants to see that.
const GARBAGE: &[u8] = b"<html>\xff\xfe not what was asked for";

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer")]
struct HangUp;

/// What is remembered of a connection: which extension was told to shut down over it.
#[derive(Default)]
struct Connection {
    told_to_end: Mutex<Option<String>>,
}

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
    let ended = connection.told_to_end.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(name) = ended {
        core.attached_ended(&name, "closed its connection", true);
    }
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

/// A request, read to its end.
struct Received {
    line: String,
    asked: Asked,
    headers: hyper::HeaderMap,
    body: Result<Bytes, ()>,
}

impl Received {
    async fn read(core: &Core, request: Request<Incoming>) -> Self {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let mut asked = Route::of(parts.method.as_str(), path);
        if let Asked::Route(route) = asked
            && !is_there(core, route)
        {
            asked = Asked::Nothing;
        }
        let line = format!("{} {path}", parts.method);
        let body = Limited::new(body, LARGEST_BODY).collect().await;
        Self { line, asked, headers: parts.headers, body: body.map(|body| body.to_bytes()).map_err(drop) }
    }

    fn route(&self) -> Option<Route> {
        match &self.asked {
            Asked::Route(route) | Asked::Invocation(route, _) => Some(*route),
            Asked::WrongMethod | Asked::Nothing => None,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn id(&self) -> Option<&str> {
        self.header("Lambda-Extension-Identifier")
    }

    async fn carry_out(&self, core: &Arc<Core>) -> Carried {
        let route = match &self.asked {
            Asked::Nothing => return Carried::Answer(Answer::not_found()),
            Asked::WrongMethod => return Carried::Answer(Answer::method_not_allowed()),
            Asked::Invocation(route, request_id) => {
                return Carried::Answer(self.finish(core, *route, request_id));
            }
            Asked::Route(route) => *route,
        };
        let Ok(body) = &self.body else {
            return Carried::Answer(Answer::forbidden(
                "InvalidRequestFormat",
                "http: request body too large",
            ));
        };
        let managed = core.settings.rules() == Rules::ManagedInstances;
        if managed && body.len() > MANAGED_INSTANCES_BODY {
            return Carried::Answer(Answer::forbidden(
                "InvalidRequestFormat",
                "http: request body too large",
            ));
        }
        Carried::Answer(match route {
            Route::Next => return core.extension_next(self.id()),
            Route::RuntimeNext => return core.runtime_next(),
            Route::RestoreNext => return core.runtime_restore_next(),
            Route::Register => self.register(core, body),
            Route::InitError | Route::ExitError => self.extension_error(core, route),
            Route::Telemetry => self.subscribe(core, Api::Telemetry, body).await,
            Route::Logs => self.subscribe(core, Api::Logs, body).await,
            Route::RuntimeInitError => core.runtime_init_error(self.error_type()),
            Route::RestoreError => {
                let error_type = self.error_type().to_owned();
                core.lock().env.fatal(&error_type);
                core.changed();
                Answer::accepted()
            }
            Route::Credentials => self.credentials(),
            Route::Ping | Route::RuntimeResponse | Route::RuntimeError => {
                Answer::new(200, "text/plain; charset=utf-8", "pong")
            }
        })
    }

    fn error_type(&self) -> &str {
        self.header("Lambda-Runtime-Function-Error-Type").unwrap_or_default()
    }

    fn finish(&self, core: &Core, route: Route, request_id: &str) -> Answer {
        let body = match &self.body {
            Ok(body) => body.clone(),
            // Longer than anything that is allowed: any body beyond the limit tells the state machine so.
            Err(()) => Bytes::from(vec![b' '; MAX_PAYLOAD + 1]),
        };
        if !matches!(self.header("Lambda-Runtime-Function-Response-Mode"), None | Some("" | "streaming")) {
            return Answer::error(400, "InvalidFunctionResponseMode", "Invalid function response mode");
        }
        let outcome = if route == Route::RuntimeError {
            let said = Some(self.error_type()).filter(|error| !error.is_empty());
            Outcome::Error { error_type: said.unwrap_or("Function.Unknown").to_owned(), body }
        } else {
            Outcome::Response(body)
        };
        core.runtime_finish(request_id, outcome)
    }

    fn register(&self, core: &Core, body: &[u8]) -> Answer {
        let name = self.header("Lambda-Extension-Name").unwrap_or_default();
        let features = self.header("Lambda-Extension-Accept-Feature").unwrap_or_default();
        let mut inner = core.lock();
        let answer = inner.env.register(name, features, body);
        if answer.status == 200 {
            inner.init.registered.insert(name.to_owned(), tokio::time::Instant::now());
        }
        drop(inner);
        core.changed();
        answer
    }

    fn extension_error(&self, core: &Arc<Core>, route: Route) -> Answer {
        let error_type = self.header("Lambda-Extension-Function-Error-Type");
        let mut inner = core.lock();
        let answer = match route {
            Route::InitError => inner.env.init_error(self.id(), error_type),
            _ => inner.env.exit_error(self.id(), error_type),
        };
        let reported =
            if answer.status == 202 { self.id().and_then(|id| inner.env.name_of(id)) } else { None };
        let reported = reported.map(str::to_owned);
        if let Some(name) = &reported {
            let at = core.time.since_start();
            let error = error_type.unwrap_or_default();
            inner.ledger.problem(at, name, format!("reported {error} by {route}"));
        }
        drop(inner);
        core.changed();
        if let Some(name) = reported {
            // An extension without a process of its own cannot exit: the report counts as its end.
            core.attached_ended(&name, "reported an error", false);
        }
        answer
    }

    async fn subscribe(&self, core: &Arc<Core>, api: Api, body: &[u8]) -> Answer {
        if core.settings.telemetry == TelemetryApi::Stub {
            let word = if api == Api::Telemetry { "Telemetry" } else { "Logs" };
            return Answer::error(
                202,
                &format!("{word}.NotSupported"),
                &format!("{word} API is not supported"),
            );
        }
        let checked = core.lock().env.check_subscription(api, self.id(), body);
        let subscription = match checked {
            Ok(subscription) => subscription,
            Err(refused) => return refused,
        };
        let tcp = match subscription.destination {
            Destination::Tcp { port } => match dial(port).await {
                Ok(stream) => Some(stream),
                Err(error) => {
                    let message = format!("Invalid destination: could not TCP dial port {port}: {error}");
                    return Answer::error(400, api.validation_error(), &message);
                }
            },
            Destination::Http { .. } => None,
        };
        self.enter_subscription(core, subscription, tcp);
        Answer::new(200, "application/json", "\"OK\"")
    }

    fn enter_subscription(&self, core: &Arc<Core>, subscription: Subscription, tcp: Option<TcpStream>) {
        let Some(id) = self.id() else { return };
        let mut inner = core.lock();
        let name = inner.env.name_of(id).unwrap_or_default().to_owned();
        let (api, types) = (subscription.api, subscription.types.clone());
        if inner.env.subscribe(id, subscription.clone()) {
            return;
        }
        let schema = match core.settings.schema {
            Some(schema) if api == Api::Telemetry => schema.to_string(),
            _ => subscription.schema.clone(),
        };
        let seed = super::random::Random::seeded(inner.random.next());
        let sender = Sender::new(subscription.destination.clone(), tcp);
        let subscriber = Arc::new(Subscriber::new(&name, subscription, schema, core.settings.disorder, seed));
        // The books name everybody who asked, also those who never get anything.
        inner.ledger.telemetry(&name);
        let kind = match api {
            Api::Telemetry => "platform.telemetrySubscription",
            Api::Logs => "platform.logsSubscription",
        };
        let record = serde_json::json!({ "name": name, "state": "Subscribed", "types": types });
        let delivery = tokio::spawn(deliver(Arc::clone(core), Arc::clone(&subscriber), sender));
        inner.hub.subscribe(subscriber, delivery.abort_handle());
        inner.platform(core, kind, record);
    }

    fn credentials(&self) -> Answer {
        if self.header("Authorization") != Some(CREDENTIALS_TOKEN) {
            return Answer::not_found();
        }
        Answer::json(
            200,
            &serde_json::json!({
                "AccessKeyId": "simulated",
                "SecretAccessKey": "simulated",
                "Token": "simulated",
                "Expiration": "2099-01-01T00:00:00Z",
            }),
        )
    }

    /// Writes the call into the journal.
    fn enter(&self, core: &Core, connection: &Connection, answer: Option<&Answer>) {
        let mut inner = core.lock();
        let route = self.route();
        let who = match route {
            Some(Route::Register) => self.header("Lambda-Extension-Name").map(str::to_owned),
            Some(Route::Next | Route::InitError | Route::ExitError | Route::Telemetry | Route::Logs) => {
                self.id().and_then(|id| inner.env.name_of(id)).map(str::to_owned)
            }
            Some(_) => Some("runtime".to_owned()),
            None => None,
        };
        let status = answer.map_or(0, |answer| answer.status);
        let caller = self.id().filter(|_| route == Some(Route::Next)).and_then(|id| inner.env.agent(id));
        if let Some(name) = caller.filter(|agent| agent.was_told_to_end()).map(|agent| &agent.name) {
            *connection.told_to_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.clone());
        }
        if let Some(name) = &who {
            inner.blame_refusal(core, name, route, answer);
        }
        inner.journal.call(Call {
            at: core.time.since_start(),
            who: who.unwrap_or_default(),
            route,
            request: self.line.clone(),
            status,
            error_type: answer.and_then(Answer::error_type),
        });
        drop(inner);
        core.changed();
    }
}

impl Inner {
    /// A refused call is the extension's mistake, but for the one by which a careful one finds out where it runs.
    fn blame_refusal(&mut self, core: &Core, name: &str, route: Option<Route>, answer: Option<&Answer>) {
        let extensions_own = matches!(
            route,
            Some(
                Route::Register
                    | Route::Next
                    | Route::InitError
                    | Route::ExitError
                    | Route::Telemetry
                    | Route::Logs
            )
        );
        let Some(answer) = answer.filter(|answer| extensions_own && matches!(answer.status, 400 | 403))
        else {
            return;
        };
        let error = answer.error_type().unwrap_or_default();
        if error != "Extension.InvalidEventType" {
            let at = core.time.since_start();
            let route = route.map(|route| route.to_string()).unwrap_or_default();
            self.ledger.problem(at, name, format!("was refused at {route}: {error}"));
        }
    }
}

/// Some routes exist only in some kinds of Lambda.
fn is_there(core: &Core, route: Route) -> bool {
    let snap_start = core.settings.init_type == InitializationType::SnapStart;
    match route {
        Route::Logs => core.settings.rules() == Rules::Default,
        Route::RestoreNext | Route::RestoreError | Route::Credentials => snap_start,
        _ => true,
    }
}
