//! The Extensions API as typed calls, for the event loop and for those who need none.
//!
//! Most extensions need nothing of this: [`run`](crate::run) makes these calls in the right order and at the right time. By hand a life is
//!
//! ```no_run
//! use lambda_extension::client::Client;
//! use lambda_extension::{EventType, ExtensionError, NextEvent};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), ExtensionError> {
//!     let client = Client::new(&std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap_or_default())?;
//!     let registration = client.register("my-extension", &[EventType::Invoke, EventType::Shutdown]).await?;
//!     loop {
//!         // Also says that the extension is done with the last one: from here on Lambda may freeze the process.
//!         match client.next_event(&registration.extension_id).await? {
//!             NextEvent::Invoke(event) => println!("{event}"),
//!             // Not to ask again, and to exit, is the answer to SHUTDOWN.
//!             NextEvent::Shutdown(_) => return Ok(()),
//!         }
//!     }
//! }
//! ```

use std::{error::Error as StdError, pin::Pin, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode, Uri,
    header::{CONTENT_TYPE, HOST},
};

pub use crate::answer::Subscribed;
use crate::{
    answer::{Answer, Url},
    clock::{Clock, Deadline},
    connection::{Connection, Failure},
    error::{ApiError, ExtensionError},
    event::{EventType, NextEvent},
    id::ExtensionId,
    registration::Registration,
    say,
    telemetry::Subscription,
    wire::{self, Destination, ErrorReport, Polled, RegisterRequest, SubscribeRequest},
};

/// How often a refused connection is tried again before registering, and how long the first wait is: each next
/// one is twice as long. Lambda's own API is always there; an emulator may still be starting.
const CONNECT_RETRIES: u32 = 5;
const FIRST_CONNECT_DELAY: Duration = Duration::from_millis(10);

/// Talks to Lambda's APIs for extensions at one address.
///
/// It connects to that address and to nothing else: proxy variables are ignored, redirects are not followed,
/// and nothing is sent twice. It has no timeout, because the poll for the next event must not have one ("Next" in
/// the Extensions API reference: setting a timeout on the GET call is ruled out there).
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
    /// What stands before every route: the path of the address, without a slash at its end.
    prefix: String,
    clock: Clock,
}

impl Client {
    /// A client for the API at `runtime_api`: `host:port` as in `AWS_LAMBDA_RUNTIME_API`, or a URL, whose path then
    /// stands before every route.
    ///
    /// # Errors
    ///
    /// [`ExtensionError::Config`] when that is no address.
    pub fn new(runtime_api: &str) -> Result<Self, ExtensionError> {
        let address = parse_address(runtime_api)?;
        let prefix = address.path().trim_end_matches('/').to_owned();
        let authority = address.into_parts().authority.expect("an address without one is refused");
        Ok(Self { connection: Connection::new(authority), prefix, clock: Clock::System })
    }

    /// The same client, reading deadlines by another clock.
    #[cfg(feature = "simulator")]
    pub(crate) fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The clock deadlines are read by.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Registers an extension for these events.
    ///
    /// `name` must be that of the file Lambda started from `/opt/extensions`; any other name registers an internal
    /// extension. A refused connection is tried again for a third of a second.
    ///
    /// # Errors
    ///
    /// [`ExtensionError::Register`] with what Lambda answered.
    pub async fn register(&self, name: &str, events: &[EventType]) -> Result<Registration, ExtensionError> {
        self.try_register(name, events)
            .await
            .map_err(|source| ExtensionError::Register { name: name.to_owned(), source })
    }

    async fn try_register(&self, name: &str, events: &[EventType]) -> Result<Registration, ApiError> {
        let headers =
            [(wire::EXTENSION_NAME_HEADER, name), (wire::ACCEPT_FEATURE_HEADER, wire::ACCOUNT_ID_FEATURE)];
        let mut delay = FIRST_CONNECT_DELAY;
        let mut retries = CONNECT_RETRIES;
        let answer = loop {
            let body = to_json(&RegisterRequest { events });
            match self.send(Method::POST, wire::REGISTER_PATH, &headers, Some(body)).await {
                Err(ApiError::Connect { .. }) if retries > 0 => {
                    tokio::time::sleep(delay).await;
                    delay *= 2;
                    retries -= 1;
                }
                other => break other?,
            }
        };
        answer.registration()
    }

    /// Waits for the next event, however long that takes. Asking also tells Lambda that the extension is done with
    /// the last one, so that the environment may be frozen. An event of an unknown type is logged and skipped.
    ///
    /// Never drop the future: Lambda does not notice, keeps the extension as "ready", and refuses the next poll.
    ///
    /// # Errors
    ///
    /// [`ExtensionError::NextEvent`]. The poll cannot be repeated then; report [`exit_error`](Self::exit_error) and exit.
    pub async fn next_event(&self, id: &ExtensionId) -> Result<NextEvent, ExtensionError> {
        self.next_known_event(id, || {}).await
    }

    /// [`next_event`](Self::next_event), telling of each event that is skipped.
    pub(crate) async fn next_known_event(
        &self,
        id: &ExtensionId,
        skipped: impl Fn(),
    ) -> Result<NextEvent, ExtensionError> {
        loop {
            match self.poll(id).await.map_err(|source| ExtensionError::NextEvent { source })? {
                Polled::Event(event) => return Ok(event),
                Polled::Unknown(kind) => {
                    skipped();
                    say::warn(format_args!(
                        "Lambda sends an event of the type `{kind}`, which this version does not know; it is left out, and the next one asked for"
                    ));
                }
            }
        }
    }

    async fn poll(&self, id: &ExtensionId) -> Result<Polled, ApiError> {
        let headers = [(wire::EXTENSION_ID_HEADER, id.as_str())];
        self.send(Method::GET, wire::NEXT_PATH, &headers, None).await?.event(Deadline::received(self.clock))
    }

    /// Subscribes to telemetry, which Lambda then delivers to a server of yours on `port`. That must accept connections before
    /// this is called, and this must be called before [`next_event`](Self::next_event).
    ///
    /// Asks for the newest schema this version knows, and for an older one where that is refused.
    ///
    /// ```no_run
    /// use lambda_extension::client::{Client, Subscribed};
    /// use lambda_extension::telemetry::{Category, Subscription};
    /// use lambda_extension::{Error, EventType};
    /// use tokio::net::TcpListener;
    ///
    /// # async fn example() -> Result<(), Error> {
    /// let client = Client::new(&std::env::var("AWS_LAMBDA_RUNTIME_API")?)?;
    /// // Before registering: once every extension has, the function starts, and its lines are on the way.
    /// let listener = TcpListener::bind("0.0.0.0:0").await?;
    /// let registration = client.register("my-extension", &[EventType::Invoke, EventType::Shutdown]).await?;
    /// let subscription = Subscription::new([Category::Function]);
    /// let port = listener.local_addr()?.port();
    /// match client.subscribe(&registration.extension_id, &subscription, port).await? {
    ///     Subscribed::Delivering => println!("batches come as POST requests to port {port}"),
    ///     _ => println!("there is no telemetry here"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ExtensionError::Subscribe`] with what Lambda answered.
    pub async fn subscribe(
        &self,
        id: &ExtensionId,
        subscription: &Subscription,
        port: u16,
    ) -> Result<Subscribed, ExtensionError> {
        self.subscribe_as(id, subscription, port, &wire::TELEMETRY_SCHEMAS).await
    }

    /// [`subscribe`](Self::subscribe) with these schemas, the newest first.
    pub(crate) async fn subscribe_as(
        &self,
        id: &ExtensionId,
        subscription: &Subscription,
        port: u16,
        schemas: &[&'static str],
    ) -> Result<Subscribed, ExtensionError> {
        self.subscribe_at(wire::TELEMETRY_PATH, id, subscription, port, schemas).await
    }

    /// Subscribes to the legacy Logs API instead of telemetry: logs, and fewer and poorer platform events. Lambda delivers
    /// them to a server of yours on `port`, as a JSON array that [`Batch::from_json`](crate::telemetry::Batch::from_json) reads; with
    /// [`Protocol::Tcp`](crate::telemetry::Protocol::Tcp) one event a line.
    ///
    /// Superseded by [`subscribe`](Self::subscribe), missing on Managed Instances (404), and refused to an extension that
    /// has subscribed to telemetry ("Lambda Logs API" in the AWS Lambda Developer Guide). The same rules apply: the server
    /// must accept connections before this is called, and this must be called before [`next_event`](Self::next_event).
    ///
    /// Asks for the schema that has `platform.runtimeDone`, and for the first one where that is refused.
    ///
    /// # Errors
    ///
    /// [`ExtensionError::Subscribe`] with what Lambda answered.
    #[cfg(feature = "logs")]
    pub async fn subscribe_logs(
        &self,
        id: &ExtensionId,
        subscription: &Subscription,
        port: u16,
    ) -> Result<Subscribed, ExtensionError> {
        self.subscribe_at(wire::LOGS_PATH, id, subscription, port, &wire::LOGS_SCHEMAS).await
    }

    async fn subscribe_at(
        &self,
        path: &str,
        id: &ExtensionId,
        subscription: &Subscription,
        port: u16,
        schemas: &[&'static str],
    ) -> Result<Subscribed, ExtensionError> {
        let mut refused = None;
        for schema_version in schemas {
            match self.try_subscribe(path, id, subscription, port, schema_version).await {
                Err(source @ ApiError::Refused { status: 400, .. }) => {
                    refused.get_or_insert(source);
                }
                Err(source) => return Err(ExtensionError::Subscribe { source }),
                Ok(subscribed) => return Ok(subscribed),
            }
        }
        // The refusal of the newest schema says most about what is wrong.
        Err(ExtensionError::Subscribe { source: refused.expect("there is a schema, and it was refused") })
    }

    async fn try_subscribe(
        &self,
        path: &str,
        id: &ExtensionId,
        subscription: &Subscription,
        port: u16,
        schema_version: &'static str,
    ) -> Result<Subscribed, ApiError> {
        let headers = [(wire::EXTENSION_ID_HEADER, id.as_str())];
        let body = to_json(&SubscribeRequest {
            schema_version,
            types: subscription.categories().collect(),
            buffering: subscription.buffering.unwrap_or_default(),
            destination: Destination::new(subscription.protocol, port),
        });
        self.send(Method::PUT, path, &headers, Some(body)).await?.subscribed()
    }

    /// Reports that the extension could not be initialised. Only before the first [`next_event`](Self::next_event);
    /// afterwards exit. `error_type` has the form `Extension.ConfigInvalid`; another one reaches Lambda as
    /// `Extension.Unknown`. The error's message and its causes go into the body.
    ///
    /// ```no_run
    /// use lambda_extension::{Error, EventType, client::Client};
    ///
    /// # fn read_settings() -> Result<(), std::num::ParseIntError> { Ok(()) }
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let registration = client.register("my-extension", &[EventType::Shutdown]).await?;
    /// if let Err(error) = read_settings() {
    ///     client.init_error(&registration.extension_id, "Extension.ConfigInvalid", &error).await?;
    ///     return Err(error.into());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ExtensionError::Report`].
    pub async fn init_error(
        &self,
        id: &ExtensionId,
        error_type: &str,
        error: &(dyn StdError + Send + Sync + 'static),
    ) -> Result<(), ExtensionError> {
        self.report(wire::INIT_ERROR_PATH, id, error_type, error).await
    }

    /// Reports why the extension is about to exit, after its first [`next_event`](Self::next_event); otherwise like
    /// [`init_error`](Self::init_error).
    ///
    /// ```no_run
    /// use lambda_extension::client::Client;
    /// use lambda_extension::{Error, ExtensionId, NextEvent};
    ///
    /// # fn write_down(_: NextEvent) -> std::io::Result<()> { Ok(()) }
    /// # async fn example(client: Client, id: ExtensionId) -> Result<(), Error> {
    /// let event = client.next_event(&id).await?;
    /// if let Err(error) = write_down(event) {
    ///     client.exit_error(&id, "Extension.DiskFull", &error).await?;
    ///     return Err(error.into());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ExtensionError::Report`].
    pub async fn exit_error(
        &self,
        id: &ExtensionId,
        error_type: &str,
        error: &(dyn StdError + Send + Sync + 'static),
    ) -> Result<(), ExtensionError> {
        self.report(wire::EXIT_ERROR_PATH, id, error_type, error).await
    }

    async fn report(
        &self,
        path: &str,
        id: &ExtensionId,
        error_type: &str,
        error: &(dyn StdError + Send + Sync + 'static),
    ) -> Result<(), ExtensionError> {
        let headers = [
            (wire::EXTENSION_ID_HEADER, id.as_str()),
            (wire::ERROR_TYPE_HEADER, wire::header_safe(error_type)),
        ];
        let body = to_json(&ErrorReport::new(error_type, error));
        let sent = self.send(Method::POST, path, &headers, Some(body)).await;
        match sent.and_then(|answer| answer.expect(StatusCode::ACCEPTED)) {
            Ok(_) => Ok(()),
            Err(source) => Err(ExtensionError::Report { source }),
        }
    }

    /// A request for telemetry that came to nothing.
    pub(crate) fn broken(&self, reason: String) -> ApiError {
        let (address, prefix) = (self.connection.authority(), &self.prefix);
        ApiError::Broken { url: format!("http://{address}{prefix}{}", wire::TELEMETRY_PATH), reason }
    }

    /// One request and its whole answer, whatever its status. Boxed, or its code would be in each of its callers anew.
    fn send<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        headers: &'a [(&'static str, &'a str)],
        body: Option<Vec<u8>>,
    ) -> Pin<Box<dyn Future<Output = Result<Answer<'a>, ApiError>> + Send + 'a>> {
        Box::pin(self.exchange(method, path, headers, body))
    }

    async fn exchange<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        headers: &[(&'static str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer<'a>, ApiError> {
        let address = self.connection.authority();
        let url = Url { address, prefix: &self.prefix, path };
        let mut request = Request::builder().method(method).header(HOST, address);
        request = match self.prefix.as_str() {
            "" => request.uri(path),
            prefix => request.uri(format!("{prefix}{path}")),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let unsent = |error: hyper::http::Error| ApiError::Broken {
            url: url.to_string(),
            reason: format!("nothing was sent: {error}"),
        };
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default()))).map_err(unsent)?;
        match self.connection.send(request).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                Ok(Answer { url, status: head.status, headers: head.headers, body })
            }
            Err(Failure::Connect(reason)) => Err(ApiError::Connect { address: address.to_owned(), reason }),
            Err(Failure::Broken(reason)) => Err(ApiError::Broken { url: url.to_string(), reason }),
        }
    }
}

/// `host:port`, with or without scheme and path: AWS's emulators give the first, cargo-lambda a whole URL.
fn parse_address(runtime_api: &str) -> Result<Uri, ExtensionError> {
    // A password in it must not be told, wherever its owner meant it to be.
    let shown = match runtime_api.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}{}…@{host}", if scheme.is_empty() { "" } else { "://" })
        }
        None => runtime_api.to_owned(),
    };
    let wrong = |reason: String| {
        ExtensionError::config(format!(
            "{reason}; `{shown}` should be like 127.0.0.1:9001 or http://127.0.0.1:9001/path"
        ))
    };
    let text = runtime_api.trim();
    if text.is_empty() {
        return Err(ExtensionError::config(
            "the address of Lambda's API is empty; it should be like 127.0.0.1:9001 or http://127.0.0.1:9001/path",
        ));
    }
    let uri = match text.split_once("://") {
        Some(("http", _)) => Uri::try_from(text),
        Some((scheme, _)) => return Err(wrong(format!("Lambda's API is plain http, not {scheme}"))),
        None => Uri::try_from(format!("http://{text}")),
    };
    let uri = uri.map_err(|error| wrong(format!("the address of Lambda's API is unusable ({error})")))?;
    let authority =
        uri.authority().ok_or_else(|| wrong("the address of Lambda's API has no host".to_owned()))?;
    if authority.as_str().contains('@') {
        return Err(wrong("the address of Lambda's API has no user name or password".to_owned()));
    }
    // What is left of it must be a port, which is read when it is connected to.
    if authority.host().is_empty() || (authority.port().is_none() && authority.as_str() != authority.host()) {
        return Err(wrong("the address of Lambda's API is neither a host nor a host and a port".to_owned()));
    }
    Ok(uri)
}

/// Our own request bodies hold strings and numbers only, which always have a JSON form.
fn to_json(body: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("strings and numbers have a JSON form")
}
