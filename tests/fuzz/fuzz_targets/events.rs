//! The answer to a poll for the next event.

#![no_main]

use lambda_extension::{__private::fuzzing, NextEvent};
use lambda_extension_fuzz::{assert_fit_to_be_seen, bounded, json, status};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (status, body) = status(input);
    let event = match bounded(body, 16, || fuzzing::event(status, body)) {
        Ok(event) => event,
        Err(error) => return assert_fit_to_be_seen(&error, &[]),
    };
    let Some(json) = json(body).filter(|json| json.is_object()) else { return };
    let Some(event) = event else {
        assert!(json["eventType"] != "INVOKE" && json["eventType"] != "SHUTDOWN");
        return;
    };
    match &event {
        NextEvent::Invoke(event) => {
            assert_eq!(json["eventType"], "INVOKE");
            assert_eq!(json["requestId"].as_str().unwrap_or_default(), event.request_id.as_str());
            assert!(event.to_string().contains(event.request_id.as_str()));
            assert_eq!(event.deadline().is_some(), event.remaining().is_some());
            if let Some(trace) = &event.tracing {
                assert!(trace.root().is_none_or(|root| trace.value.contains(root)));
                assert!(trace.parent().is_none_or(|parent| trace.value.contains(parent)));
                assert!(trace.sampled().is_none() || trace.value.to_ascii_lowercase().contains("sampled"));
            }
        }
        NextEvent::Shutdown(event) => {
            assert_eq!(json["eventType"], "SHUTDOWN");
            let sent = json["shutdownReason"].as_str().unwrap_or_default();
            assert!(event.shutdown_reason.as_str().eq_ignore_ascii_case(sent));
            assert_eq!(event.deadline().is_some(), event.remaining().is_some());
        }
    }
    // What an event serializes to reads as the same event.
    let again = serde_json::to_vec(&event).expect("events are JSON");
    assert_eq!(fuzzing::event(200, &again).expect("it was an event").as_ref(), Some(&event));
});
