//! A request of one of the APIs: what it asks for, what that comes to, and its line in the journal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::Incoming;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::answer::Answer;
use super::calls::Carried;
use super::core::{Core, Inner};
use super::environment::{Api, Destination, MAX_PAYLOAD, Outcome, Rules, Subscription};
use super::journal::Call;
use super::random::Random;
use super::route::{Asked, Route};
use super::settings::{InitializationType, TelemetryApi};
use super::telemetry::{Sender, Subscriber, deliver, dial};

/// What SnapStart functions send to fetch their credentials.
pub(crate) const CREDENTIALS_TOKEN: &str = "5a1a9f8e-6f0c-4f5b-9c55-0d9a4c1f7a11";

/// On Managed Instances Lambda reads no more than this of an extension's request.
const MANAGED_INSTANCES_BODY: usize = 1024 * 1024;
const LARGEST_BODY: usize = MAX_PAYLOAD + MANAGED_INSTANCES_BODY;

/// What is remembered of a connection: which extension was told to shut down over it.
#[derive(Default)]
pub(super) struct Connection {
    told_to_end: Mutex<Option<String>>,
}

impl Connection {
    /// It was closed: an extension without a process of its own that was told to end over it is taken to be gone.
    pub(super) fn closed(&self, core: &Arc<Core>) {
        if let Some(name) = self.told_to_end().take() {
            core.attached_ended(&name, "closed its connection", true);
        }
    }

    fn told_to_end(&self) -> MutexGuard<'_, Option<String>> {
        self.told_to_end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, read to its end.
pub(super) struct Received {
    line: String,
    asked: Asked,
    headers: hyper::HeaderMap,
    body: Result<Bytes, ()>,
}

impl Received {
    pub(super) async fn read(core: &Core, request: Request<Incoming>) -> Self {
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

    pub(super) fn route(&self) -> Option<Route> {
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

    pub(super) async fn carry_out(&self, core: &Arc<Core>) -> Carried {
        let route = match &self.asked {
            Asked::Nothing => return Carried::Answer(Answer::not_found()),
            Asked::WrongMethod => return Carried::Answer(Answer::method_not_allowed()),
            Asked::Invocation(route, request_id) => {
                return Carried::Answer(self.finish(core, *route, request_id));
            }
            Asked::Route(route) => *route,
        };
        let most = match core.settings.rules() {
            Rules::Default => LARGEST_BODY,
            Rules::ManagedInstances => MANAGED_INSTANCES_BODY,
        };
        let Some(body) = self.body.as_ref().ok().filter(|body| body.len() <= most) else {
            let refused = Answer::forbidden("InvalidRequestFormat", "http: request body too large");
            return Carried::Answer(refused);
        };
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
            // The last two are nobody's without a request id, and have been answered above with one.
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
            inner.init.registered.insert(name.to_owned(), Instant::now());
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
            let error = error_type.unwrap_or_default();
            inner.problem(core, name, format!("reported {error} by {route}"));
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
        let seed = Random::seeded(inner.random.next());
        let sender = Sender::new(subscription.destination.clone(), tcp);
        let subscriber = Arc::new(Subscriber::new(&name, subscription, schema, core.settings.disorder, seed));
        // The books name everybody who asked, also those who never get anything.
        inner.ledger.telemetry(&name);
        let kind = match api {
            Api::Telemetry => "platform.telemetrySubscription",
            Api::Logs => "platform.logsSubscription",
        };
        let record = json!({ "name": name, "state": "Subscribed", "types": types });
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
            &json!({
                "AccessKeyId": "simulated",
                "SecretAccessKey": "simulated",
                "Token": "simulated",
                "Expiration": "2099-01-01T00:00:00Z",
            }),
        )
    }

    /// Writes the call into the journal.
    pub(super) fn enter(&self, core: &Core, connection: &Connection, answer: Option<&Answer>) {
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
            *connection.told_to_end() = Some(name.clone());
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
            let route = route.map(|route| route.to_string()).unwrap_or_default();
            self.problem(core, name, format!("was refused at {route}: {error}"));
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
