//! The events that extensions are given, as they go over the wire.

use serde::Serialize;

use super::{AgentKind, Rules};
use crate::simulator::answer::Answer;

/// The two events there are to register for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    Invoke,
    Shutdown,
}

impl EventKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Invoke => "INVOKE",
            Self::Shutdown => "SHUTDOWN",
        }
    }
}

/// The events an extension may register for; the error is in the words of the refusal.
pub(super) fn events_allowed(
    rules: Rules,
    kind: AgentKind,
    asked: &[String],
) -> Result<Vec<EventKind>, String> {
    let mut events = Vec::new();
    for event in asked {
        let known = match event.as_str() {
            "INVOKE" => Some(EventKind::Invoke),
            "SHUTDOWN" => Some(EventKind::Shutdown),
            _ => None,
        };
        let allowed = match (rules, kind, known) {
            (Rules::ManagedInstances, AgentKind::Internal, _) => {
                return Err(format!("{event}: No events allowed for internal extensions"));
            }
            (Rules::ManagedInstances, AgentKind::External, Some(EventKind::Invoke)) => None,
            (Rules::Default, AgentKind::Internal, Some(EventKind::Shutdown)) => {
                return Err(format!("{event}: ShutdownEventNotSupportedForInternalExtension"));
            }
            (_, _, known) => known,
        };
        let Some(allowed) = allowed else {
            return Err(format!("{event}: ErrorInvalidEventType"));
        };
        if !events.contains(&allowed) {
            events.push(allowed);
        }
    }
    Ok(events)
}

/// An event as it is sent to an extension.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Invoke {
        deadline_ms: u64,
        request_id: String,
        arn: String,
        trace: Option<String>,
        event_id: String,
    },
    Shutdown {
        deadline_ms: u64,
        reason: String,
    },
    /// Something no documentation names, for those who want to see what their extension does with it.
    Unknown {
        event_type: String,
        deadline_ms: u64,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventBody<'a> {
    event_type: &'a str,
    deadline_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoked_function_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracing: Option<Tracing<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shutdown_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Tracing<'a> {
    r#type: &'a str,
    value: &'a str,
}

impl Event {
    pub(crate) fn answer(&self) -> Answer {
        let nothing = EventBody {
            event_type: "INVOKE",
            deadline_ms: 0,
            request_id: None,
            invoked_function_arn: None,
            tracing: None,
            shutdown_reason: None,
        };
        let (body, content_type) = match self {
            Self::Invoke { deadline_ms, request_id, arn, trace, .. } => (
                EventBody {
                    deadline_ms: *deadline_ms,
                    request_id: Some(request_id),
                    invoked_function_arn: Some(arn),
                    tracing: trace.as_deref().map(|value| Tracing { r#type: "X-Amzn-Trace-Id", value }),
                    ..nothing
                },
                "application/json",
            ),
            // Lambda sets no content type here, and Go's library then guesses text.
            Self::Shutdown { deadline_ms, reason } => (
                EventBody {
                    event_type: "SHUTDOWN",
                    deadline_ms: *deadline_ms,
                    shutdown_reason: Some(reason),
                    ..nothing
                },
                "text/plain; charset=utf-8",
            ),
            Self::Unknown { event_type, deadline_ms } => {
                (EventBody { event_type, deadline_ms: *deadline_ms, ..nothing }, "application/json")
            }
        };
        let json = serde_json::to_string(&body).expect("our own bodies have string keys");
        let answer = Answer::new(200, content_type, json);
        match self {
            Self::Invoke { event_id, .. } => answer.with("Lambda-Extension-Event-Identifier", event_id),
            _ => answer,
        }
    }
}
