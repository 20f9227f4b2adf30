//! The paths, headers and bodies of Lambda's APIs for extensions: plain data, no I/O.

use std::{borrow::Cow, error::Error};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Deadline,
    error::chain,
    event::{EventType, InvokeEvent, NextEvent, ShutdownEvent, ShutdownReason, TraceContext, lenient_ms},
    id::{AccountId, FunctionArn, RequestId},
    lenient::{FromRaw, lenient},
    telemetry::{Buffering, Category, Protocol},
};

pub(crate) const REGISTER_PATH: &str = "/2020-01-01/extension/register";
pub(crate) const NEXT_PATH: &str = "/2020-01-01/extension/event/next";
pub(crate) const INIT_ERROR_PATH: &str = "/2020-01-01/extension/init/error";
pub(crate) const EXIT_ERROR_PATH: &str = "/2020-01-01/extension/exit/error";

pub(crate) const TELEMETRY_PATH: &str = "/2022-07-01/telemetry";

/// The schemas of the Telemetry API, the newest first. Managed Instances take no other than the first.
pub(crate) const TELEMETRY_SCHEMAS: [&str; 3] = ["2025-01-29", "2022-12-13", "2022-07-01"];

#[cfg(feature = "logs")]
pub(crate) const LOGS_PATH: &str = "/2020-08-15/logs";

/// The schemas of the Logs API, the newest first.
#[cfg(feature = "logs")]
pub(crate) const LOGS_SCHEMAS: [&str; 2] = ["2021-03-18", "2020-08-15"];

pub(crate) const EXTENSION_NAME_HEADER: &str = "lambda-extension-name";
pub(crate) const EXTENSION_ID_HEADER: &str = "lambda-extension-identifier";
pub(crate) const ACCEPT_FEATURE_HEADER: &str = "lambda-extension-accept-feature";
pub(crate) const ERROR_TYPE_HEADER: &str = "lambda-extension-function-error-type";

/// The one feature there is: the account id in the answer to a registration.
pub(crate) const ACCOUNT_ID_FEATURE: &str = "accountId";

#[derive(Serialize)]
pub(crate) struct RegisterRequest<'a> {
    pub(crate) events: &'a [EventType],
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RegisterResponse {
    pub(crate) function_name: String,
    pub(crate) function_version: String,
    pub(crate) handler: String,
    pub(crate) account_id: Option<AccountId>,
}

/// The body of `init/error` and `exit/error`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorReport<'a> {
    error_message: String,
    error_type: &'a str,
    stack_trace: Vec<String>,
}

impl<'a> ErrorReport<'a> {
    pub(crate) fn new(error_type: &'a str, error: &(dyn Error + 'static)) -> Self {
        let stack_trace = chain(error);
        Self { error_message: stack_trace.join(": "), error_type, stack_trace }
    }
}

/// What goes into the header: Lambda takes `Extension.` and letters, and a header takes no free text at all.
pub(crate) fn header_safe(error_type: &str) -> &str {
    let fits = error_type.strip_prefix("Extension.").is_some_and(|reason| {
        reason.starts_with(|first: char| first.is_ascii_uppercase())
            && reason.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    if fits { error_type } else { "Extension.Unknown" }
}

/// The body of a subscription.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscribeRequest {
    pub(crate) schema_version: &'static str,
    pub(crate) types: Vec<Category>,
    pub(crate) buffering: Buffering,
    pub(crate) destination: Destination,
}

/// Where telemetry is to be delivered.
#[derive(Clone, Serialize)]
#[serde(tag = "protocol")]
pub(crate) enum Destination {
    #[serde(rename = "HTTP")]
    Http {
        #[serde(rename = "URI")]
        uri: String,
    },
    #[serde(rename = "TCP")]
    Tcp { port: u16 },
}

impl Destination {
    /// The extension's own environment has this one name, whatever its address.
    pub(crate) fn new(protocol: Protocol, port: u16) -> Self {
        match protocol {
            Protocol::Http => Self::Http { uri: format!("http://sandbox.localdomain:{port}") },
            Protocol::Tcp => Self::Tcp { port },
        }
    }
}

/// The body of a refusal, as far as it is one.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refusal {
    pub(crate) error_type: Option<String>,
    pub(crate) error_message: Option<String>,
}

/// What a poll answers.
#[derive(Debug)]
pub(crate) enum Polled {
    Event(NextEvent),
    /// An event type this version does not know.
    Unknown(String),
}

/// The body of an event of either type: one pass over it, and half the code of one for each.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventBody<'a> {
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(default, deserialize_with = "lenient_ms")]
    deadline_ms: u64,
    #[serde(default)]
    request_id: RequestId,
    #[serde(default)]
    invoked_function_arn: FunctionArn,
    tracing: Option<TraceContext>,
    #[serde(default)]
    shutdown_reason: ShutdownReason,
}

/// The same where a field has a type that it should not have, which must not cost the event. This takes a second look at every
/// field, so it is read only then.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OddEventBody<'a> {
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(default, deserialize_with = "lenient_ms")]
    deadline_ms: u64,
    #[serde(borrow, default, deserialize_with = "lenient")]
    request_id: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    invoked_function_arn: Cow<'a, str>,
    #[serde(default, deserialize_with = "lenient")]
    tracing: Option<TraceContext>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    shutdown_reason: Cow<'a, str>,
}

impl<'a> From<OddEventBody<'a>> for EventBody<'a> {
    fn from(odd: OddEventBody<'a>) -> Self {
        Self {
            event_type: odd.event_type,
            deadline_ms: odd.deadline_ms,
            request_id: odd.request_id.into_owned().into(),
            invoked_function_arn: odd.invoked_function_arn.into_owned().into(),
            tracing: odd.tracing,
            shutdown_reason: ShutdownReason::from(&*odd.shutdown_reason),
        }
    }
}

impl FromRaw<'_> for TraceContext {
    fn from_raw(raw: &str) -> Option<Self> {
        serde_json::from_str(raw).ok()
    }
}

/// Reads the answer to a poll; `read` is how its deadline is to be read.
pub(crate) fn read_event(body: &[u8], read: Deadline) -> Result<Polled, serde_json::Error> {
    let event = serde_json::from_slice::<EventBody<'_>>(body);
    let event = event.or_else(|_| serde_json::from_slice::<OddEventBody<'_>>(body).map(EventBody::from))?;
    let EventBody { event_type, deadline_ms, request_id, invoked_function_arn, tracing, shutdown_reason } =
        event;
    Ok(match &*event_type {
        "INVOKE" => Polled::Event(NextEvent::Invoke(InvokeEvent {
            request_id,
            deadline_ms,
            invoked_function_arn,
            tracing,
            read,
        })),
        "SHUTDOWN" => {
            Polled::Event(NextEvent::Shutdown(ShutdownEvent { shutdown_reason, deadline_ms, read }))
        }
        _ => Polled::Unknown(event_type.into_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVOKE: &str = r#"{"eventType":"INVOKE","deadlineMs":1775516174092,
        "requestId":"29b2a6dc-7b47-4f5e-9a16-3f1f0f4f6e59",
        "invokedFunctionArn":"arn:aws:lambda:eu-central-1:123456789012:function:f",
        "tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"}}"#;

    fn event(body: &str) -> NextEvent {
        match read_event(body.as_bytes(), Deadline::default()) {
            Ok(Polled::Event(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_invoke_event_is_read_whole() {
        let NextEvent::Invoke(invoke) = event(INVOKE) else { panic!("not INVOKE") };
        assert_eq!(invoke.request_id, "29b2a6dc-7b47-4f5e-9a16-3f1f0f4f6e59");
        assert_eq!(invoke.deadline_ms, 1_775_516_174_092);
        let trace = invoke.tracing.expect("it has a trace");
        assert_eq!(trace.root(), Some("1-5759e988-bd862e3fe1be46a994272793"));
        assert_eq!((trace.parent(), trace.sampled()), (None, Some(true)));
    }

    #[test]
    fn events_serialize_to_what_they_were_read_from() {
        for body in
            [INVOKE, r#"{"eventType":"SHUTDOWN","deadlineMs":1753729342123,"shutdownReason":"spindown"}"#]
        {
            let again = serde_json::to_value(event(body)).expect("events are JSON");
            let sent: serde_json::Value = serde_json::from_str(body).expect("the sample is JSON");
            assert_eq!(again, sent);
        }
    }

    #[test]
    fn an_invoke_event_needs_no_more_than_its_request_id() {
        let NextEvent::Invoke(invoke) = event(r#"{"eventType":"INVOKE","requestId":"1"}"#) else { panic!() };
        assert_eq!((invoke.tracing.as_ref(), invoke.deadline()), (None, None));
    }

    #[test]
    fn strange_deadlines_are_unknown_and_cost_nothing_else() {
        for deadline in ["0", "-5", "null", "\"soon\"", "1.5e-3", "{\"in\":[5]}", "[[5]]", "true"] {
            let body = format!(r#"{{"eventType":"SHUTDOWN","deadlineMs":{deadline},"shutdownReason":"x"}}"#);
            let NextEvent::Shutdown(shutdown) = event(&body) else { panic!("not SHUTDOWN") };
            assert_eq!(shutdown.deadline(), None, "{deadline}");
        }
    }

    #[test]
    fn an_event_is_worth_more_than_any_of_its_fields() {
        for odd in ["null", "5", "true", "[\"a\"]", "{\"b\":1}"] {
            for field in ["requestId", "invokedFunctionArn", "tracing", "shutdownReason", "deadlineMs"] {
                for kind in ["INVOKE", "SHUTDOWN"] {
                    let event = event(&format!(r#"{{"eventType":"{kind}","{field}":{odd}}}"#));
                    assert_eq!(matches!(event, NextEvent::Invoke(_)), kind == "INVOKE", "{field} is {odd}");
                }
            }
        }
        let tracing = r#"{"eventType":"INVOKE","requestId":"1","tracing":{"type":7,"value":null}}"#;
        let NextEvent::Invoke(invoke) = event(tracing) else { panic!("not INVOKE") };
        assert_eq!(invoke.request_id, "1");
    }

    #[test]
    fn a_deadline_may_be_written_as_a_float() {
        let NextEvent::Invoke(invoke) =
            event(r#"{"eventType":"INVOKE","requestId":"1","deadlineMs":17.0e1}"#)
        else {
            panic!("not INVOKE")
        };
        assert_eq!(invoke.deadline_ms, 170);
    }

    #[test]
    fn reasons_are_read_in_any_case_and_unknown_ones_kept() {
        for (word, reason) in [
            ("SPINDOWN", ShutdownReason::Spindown),
            ("Timeout", ShutdownReason::Timeout),
            ("failure", ShutdownReason::Failure),
            ("ReleaseFail", ShutdownReason::Other("ReleaseFail".into())),
        ] {
            let body = format!(r#"{{"eventType":"SHUTDOWN","deadlineMs":1,"shutdownReason":"{word}"}}"#);
            let NextEvent::Shutdown(shutdown) = event(&body) else { panic!("not SHUTDOWN") };
            assert_eq!(shutdown.shutdown_reason, reason);
        }
    }

    #[test]
    fn free_text_never_gets_into_a_header() {
        assert_eq!(header_safe("Extension.ConfigInvalid"), "Extension.ConfigInvalid");
        for text in
            ["no table\n", "Extension.", "Extension.lower", "Extension.A b", "Extension.Ü", "Extension.A\n"]
        {
            assert_eq!(header_safe(text), "Extension.Unknown", "{text:?}");
        }
    }

    #[test]
    fn an_unknown_event_type_is_no_error() {
        let body = br#"{"eventType":"HIBERNATE","deadlineMs":[]}"#;
        assert!(
            matches!(read_event(body, Deadline::default()), Ok(Polled::Unknown(kind)) if kind == "HIBERNATE")
        );
    }
}
