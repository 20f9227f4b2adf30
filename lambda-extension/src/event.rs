//! What Lambda tells an extension, and what the framework tells its hooks.
//!
//! The two events that come over the wire are [`InvokeEvent`] and [`ShutdownEvent`], together [`NextEvent`];
//! [`FlushEvent`] and [`RestoreEvent`] are the framework's own. The shapes on the wire are those of the
//! Extensions API `2020-01-01` ("Lambda Extensions API" in the AWS Lambda Developer Guide).

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{
    clock::{Bound, Deadline, deadline_methods},
    id::{FunctionArn, RequestId},
};

/// The kinds of event an extension can register for, with [`Config::events`](crate::Config::events) or
/// [`Defaults::events`](crate::Defaults::events).
///
/// Lambda waits in every invocation for those that register for INVOKE, and kills those unannounced that do not for SHUTDOWN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum EventType {
    /// The function is invoked.
    Invoke,
    /// The execution environment shuts down.
    Shutdown,
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invoke => "INVOKE",
            Self::Shutdown => "SHUTDOWN",
        })
    }
}

/// The next event, as `GET /extension/event/next` answers it.
///
/// There are exactly these two, so a `match` needs no third arm. An event type that this version does not know
/// is logged and skipped by [`Client::next_event`](crate::client::Client::next_event).
///
/// `Display` gives a line with every field, for a log:
///
/// ```
/// use lambda_extension::{NextEvent, ShutdownEvent, ShutdownReason};
///
/// let event = NextEvent::Shutdown(ShutdownEvent::new(ShutdownReason::Timeout));
/// assert_eq!(event.to_string(), "SHUTDOWN shutdownReason=timeout deadlineMs=0");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "eventType")]
pub enum NextEvent {
    /// The function is invoked.
    #[serde(rename = "INVOKE")]
    Invoke(InvokeEvent),
    /// The execution environment shuts down.
    #[serde(rename = "SHUTDOWN")]
    Shutdown(ShutdownEvent),
}

impl fmt::Display for NextEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invoke(event) => event.fmt(f),
            Self::Shutdown(event) => event.fmt(f),
        }
    }
}

/// The function is invoked. The payload is not part of it: Lambda shows that to the function only.
///
/// ```
/// use lambda_extension::InvokeEvent;
///
/// let event = InvokeEvent::new("8f60e725-45d2-4901-949c-482a936d20be").with_deadline_ms(1_775_516_174_092);
/// assert!(event.to_string().contains("8f60e725"));
/// assert!(event.deadline().is_some());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InvokeEvent {
    /// The invocation. Logs and telemetry name the same one.
    pub request_id: RequestId,
    /// When the function times out, in milliseconds since the Unix epoch; 0 where an emulator does not say.
    #[serde(default, deserialize_with = "lenient_ms")]
    pub deadline_ms: u64,
    /// The function as it was invoked, with its version or alias.
    #[serde(default)]
    pub invoked_function_arn: FunctionArn,
    /// The X-Ray trace, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<TraceContext>,
    #[serde(skip)]
    pub(crate) read: Deadline,
}

impl InvokeEvent {
    /// An event for a unit test of a hook: no deadline, no ARN, no trace.
    #[must_use]
    pub fn new(request_id: impl Into<RequestId>) -> Self {
        Self {
            request_id: request_id.into(),
            deadline_ms: 0,
            invoked_function_arn: FunctionArn::default(),
            tracing: None,
            read: Deadline::default(),
        }
    }

    /// The same event for this function.
    #[must_use]
    pub fn with_invoked_function_arn(mut self, arn: impl Into<FunctionArn>) -> Self {
        self.invoked_function_arn = arn.into();
        self
    }

    /// The same event as part of this trace.
    #[must_use]
    pub fn with_tracing(mut self, tracing: TraceContext) -> Self {
        self.tracing = Some(tracing);
        self
    }
}

deadline_methods!(
    InvokeEvent,
    "the function times out",
    "that is unknown, since emulators send 0 or a time long past"
);

impl fmt::Display for InvokeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INVOKE requestId={} deadlineMs={}", self.request_id, self.deadline_ms)?;
        write!(f, " invokedFunctionArn={}", self.invoked_function_arn)?;
        match &self.tracing {
            Some(tracing) => write!(f, " tracing={tracing}"),
            None => Ok(()),
        }
    }
}

/// The execution environment shuts down: the last event of every life.
///
/// ```
/// use lambda_extension::{ShutdownEvent, ShutdownReason};
///
/// let event = ShutdownEvent::new(ShutdownReason::Spindown);
/// assert_eq!(event.to_string(), "SHUTDOWN shutdownReason=spindown deadlineMs=0");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ShutdownEvent {
    /// Why: idle for long, a timeout, or a failure.
    #[serde(default)]
    pub shutdown_reason: ShutdownReason,
    /// When Lambda kills the extension, in milliseconds since the Unix epoch; 0 where an emulator does not say.
    #[serde(default, deserialize_with = "lenient_ms")]
    pub deadline_ms: u64,
    #[serde(skip)]
    pub(crate) read: Deadline,
}

impl ShutdownEvent {
    /// An event for a unit test of a hook, without a deadline.
    #[must_use]
    pub fn new(shutdown_reason: ShutdownReason) -> Self {
        Self { shutdown_reason, deadline_ms: 0, read: Deadline::default() }
    }
}

deadline_methods!(
    ShutdownEvent,
    "Lambda kills the extension",
    "that is unknown, since emulators send 0 or a time long past"
);

impl fmt::Display for ShutdownEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHUTDOWN shutdownReason={} deadlineMs={}", self.shutdown_reason, self.deadline_ms)
    }
}

/// Why the environment shuts down.
///
/// The documentation writes the reasons in upper case, Lambda's own code in lower case and emulators in their own
/// words, so they are read in any letter case and an unknown one is kept as it came.
///
/// ```
/// use lambda_extension::ShutdownReason;
///
/// assert_eq!(ShutdownReason::from("SPINDOWN"), ShutdownReason::Spindown);
/// assert_eq!(ShutdownReason::from("recompiling").to_string(), "recompiling");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum ShutdownReason {
    /// The ordinary end: the environment was idle, or is recycled.
    Spindown,
    /// The function, or an extension, went over the function's timeout.
    Timeout,
    /// The function or an extension failed, so that Lambda starts the environment again.
    Failure,
    /// A reason this version does not know, as it was sent. Empty where none was sent.
    Other(String),
}

impl ShutdownReason {
    /// The word for it: Lambda's own in lower case, an unknown one as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
            Self::Other(word) => word,
        }
    }
}

impl Default for ShutdownReason {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl From<&str> for ShutdownReason {
    fn from(word: &str) -> Self {
        [Self::Spindown, Self::Timeout, Self::Failure]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(word))
            .unwrap_or_else(|| Self::Other(word.to_owned()))
    }
}

impl From<String> for ShutdownReason {
    fn from(word: String) -> Self {
        Self::from(word.as_str())
    }
}

impl From<ShutdownReason> for String {
    fn from(reason: ShutdownReason) -> Self {
        reason.as_str().to_owned()
    }
}

impl fmt::Display for ShutdownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The X-Ray trace an invocation is part of.
///
/// ```
/// use lambda_extension::TraceContext;
///
/// let trace = TraceContext::new("Root=1-62e900b2-710d76f009d6e7785905449a;Parent=0efbd19962d95b05;Sampled=1");
/// assert_eq!(trace.root(), Some("1-62e900b2-710d76f009d6e7785905449a"));
/// assert_eq!(trace.sampled(), Some(true));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TraceContext {
    /// Which header `value` belongs to: `X-Amzn-Trace-Id`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// `Root=…;Parent=…;Sampled=…`, possibly with more fields.
    #[serde(default)]
    pub value: String,
}

impl TraceContext {
    /// A trace context of the one kind there is, `X-Amzn-Trace-Id`.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self { kind: "X-Amzn-Trace-Id".to_owned(), value: value.into() }
    }

    /// The trace's id, `Root=…`: the same in everything that belongs to it.
    #[must_use]
    pub fn root(&self) -> Option<&str> {
        self.field("Root")
    }

    /// The segment the invocation was started from, `Parent=…`: what a segment of the extension's own would name as its parent.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.field("Parent")
    }

    /// Whether the trace is recorded; `None` where that is not decided yet (`Sampled=?`) or not said.
    #[must_use]
    pub fn sampled(&self) -> Option<bool> {
        match self.field("Sampled")? {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.value.split(';').find_map(|field| match field.trim().split_once('=') {
            Some((key, value)) if key.eq_ignore_ascii_case(name) => Some(value),
            _ => None,
        })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value)
    }
}

/// Why the framework asks for a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlushReason {
    /// An invocation is over, and the next event has not been asked for yet.
    InvocationEnd,
    /// The interval of [`FlushStrategy::Periodic`](crate::FlushStrategy::Periodic) has passed.
    Interval,
    /// [`Handle::request_flush`](crate::Handle::request_flush) was called.
    Requested,
    /// The environment shuts down: there will be no other flush.
    Shutdown,
}

impl fmt::Display for FlushReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvocationEnd => "end of the invocation",
            Self::Interval => "interval",
            Self::Requested => "requested",
            Self::Shutdown => "shutdown",
        })
    }
}

/// Now is the time to send what was gathered: the environment is held until
/// [`Extension::on_flush`](crate::Extension::on_flush) returns.
///
/// ```
/// use std::time::Duration;
/// use lambda_extension::{FlushEvent, FlushReason};
///
/// fn timeout(event: &FlushEvent) -> Duration {
///     let remaining = event.remaining().unwrap_or(Duration::from_secs(5));
///     // There will be no other flush after this one, so all of the time is its own.
///     if event.reason == FlushReason::Shutdown { remaining } else { remaining / 2 }
/// }
/// assert_eq!(timeout(&FlushEvent::new(FlushReason::Interval)), Duration::from_millis(2_500));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FlushEvent {
    /// Why now: by the strategy, because it was asked for, or because it is the last.
    pub reason: FlushReason,
    /// The invocation that holds the environment, if one does.
    pub request_id: Option<RequestId>,
    deadline_ms: u64,
    read: Deadline,
}

impl FlushEvent {
    /// An event for a unit test of a hook, without a deadline.
    #[must_use]
    pub fn new(reason: FlushReason) -> Self {
        Self::within(Bound::default(), reason, None)
    }

    pub(crate) fn within(bound: Bound, reason: FlushReason, request_id: Option<RequestId>) -> Self {
        Self { reason, request_id, deadline_ms: bound.deadline_ms, read: bound.read }
    }

    /// The same event within this invocation.
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl Into<RequestId>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }
}

deadline_methods!(FlushEvent, "the framework drops a hook that still runs", "nothing bounds it");

/// The environment was restored from a SnapStart snapshot: connections, credentials, random seeds and whatever
/// else was made before are stale, and shared with every other environment restored from the same snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RestoreEvent {
    /// The log stream of the restored environment, where `platform.restoreStart` has come and says so.
    pub instance_id: Option<String>,
    deadline_ms: u64,
    read: Deadline,
}

impl RestoreEvent {
    /// An event for a unit test of a hook, without a deadline.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn within(bound: Bound, instance_id: Option<String>) -> Self {
        Self { instance_id, deadline_ms: bound.deadline_ms, read: bound.read }
    }

    /// The same event in the environment with this log stream.
    #[must_use]
    pub fn with_instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.instance_id = Some(instance_id.into());
        self
    }
}

deadline_methods!(RestoreEvent, "the framework drops a hook that still runs", "nothing bounds it");

/// Reads a number of milliseconds in whatever way it is written. A negative one, or none at all, becomes 0, which
/// is how emulators say that they do not know: a strange deadline must not cost the event.
pub(crate) fn lenient_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Ms;

    impl<'de> Visitor<'de> for Ms {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("milliseconds")
        }

        fn visit_u64<E>(self, ms: u64) -> Result<u64, E> {
            Ok(ms)
        }

        fn visit_i64<E>(self, ms: i64) -> Result<u64, E> {
            Ok(ms.try_into().unwrap_or(0))
        }

        fn visit_f64<E>(self, ms: f64) -> Result<u64, E> {
            // A negative one, or one that is too large, saturates.
            Ok(ms as u64)
        }

        fn visit_bool<E>(self, _: bool) -> Result<u64, E> {
            Ok(0)
        }

        fn visit_str<E>(self, _: &str) -> Result<u64, E> {
            Ok(0)
        }

        fn visit_unit<E>(self) -> Result<u64, E> {
            Ok(0)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<u64, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(0)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(0)
        }
    }

    deserializer.deserialize_any(Ms)
}
