//! One event of a known type, whose record is anything.

#![no_main]

use lambda_extension::telemetry::{Batch, LogLine, Record};
use lambda_extension_fuzz::{assert_is_whole, bounded, has_a_key_twice};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const KINDS: [&str; 20] = [
    "function",
    "extension",
    "platform.initStart",
    "platform.initRuntimeDone",
    "platform.initReport",
    "platform.extension",
    "platform.telemetrySubscription",
    "platform.logsSubscription",
    "platform.start",
    "platform.runtimeDone",
    "platform.end",
    "platform.report",
    "platform.restoreStart",
    "platform.restoreRuntimeDone",
    "platform.restoreReport",
    "platform.logsDropped",
    "platform.fault",
    "platform.unheardOf",
    "unheardOf",
    "",
];

fuzz_target!(|input: &[u8]| {
    let Some((&first, record)) = input.split_first() else { return };
    let kind = KINDS[usize::from(first) % KINDS.len()];
    let record = std::str::from_utf8(record).map_or("null", str::trim);
    let body = format!(r#"[{{"time":"2026-07-28T19:02:11.805Z","type":"{kind}","record":{record}}}]"#);
    let batch = Batch::from_json(body.clone());
    let events: Vec<_> = bounded(body.as_bytes(), 256, || batch.events().collect());
    let Ok(json) = serde_json::from_str::<Value>(record) else {
        events.into_iter().for_each(assert_is_whole);
        return;
    };
    // Of a record with a key twice, what is told is not decided here.
    if has_a_key_twice(record) {
        events.into_iter().for_each(assert_is_whole);
        return;
    }
    let [event] = &events[..] else { panic!("{} events", events.len()) };
    assert!(event.timestamp().is_some());
    assert_eq!(event.record.kind(), kind);
    match &event.record {
        Record::Function(line) | Record::Extension(line) => {
            assert_eq!(line.raw(), record);
            assert_eq!(matches!(line, LogLine::Text(_)), json.is_string());
            if let LogLine::Text(text) = line {
                assert_eq!(text.to_str(), json.as_str().expect("it is a string"));
            }
        }
        Record::PlatformFault(text) => assert_eq!(text.to_str(), json.as_str().expect("it is a string")),
        Record::Unknown { .. } => assert!(!json.is_object() || !KINDS[2..16].contains(&kind), "{kind}"),
        Record::Malformed(_) => panic!("it is JSON"),
        Record::PlatformRuntimeDone(done) => {
            assert_text(done.request_id.as_deref(), &json["requestId"]);
            assert_text(done.status.as_ref().map(|status| status.as_str()), &json["status"]);
            assert_text(event.request_id().as_ref().map(|id| id.as_str()), &json["requestId"]);
        }
        Record::PlatformReport(report) => {
            let sent = &json["metrics"]["durationMs"];
            // A string may hold a number.
            if !sent.is_string() {
                assert_eq!(report.metrics.unwrap_or_default().duration_ms, sent.as_f64());
            }
        }
        Record::PlatformLogsDropped(dropped) => assert_text(dropped.reason.as_deref(), &json["reason"]),
        _ => assert!(json.is_object()),
    }
    let shown = format!("{:?}", event.record);
    for event in events {
        assert_eq!(format!("{:?}", event.clone().into_static().record), shown);
        assert_is_whole(event);
    }
});

/// A field that is a string. A number, or a word, in its place is kept as it is written.
fn assert_text(found: Option<&str>, sent: &Value) {
    match sent {
        Value::Number(_) | Value::Bool(_) => assert!(found.is_some()),
        _ => assert_eq!(found, sent.as_str()),
    }
}
