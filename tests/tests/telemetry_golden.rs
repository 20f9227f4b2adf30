//! Telemetry as AWS documents it and as production was seen to send it, one event a file in `golden/`: each is read into
//! its own record, and is written back as it came.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use lambda_extension::telemetry::{
    Batch, Category, Event, InitPhase, InitType, LogLine, Record, Span, Status,
};
use serde_json::Value;

const REQUEST_ID: &str = "8f60e725-45d2-4901-949c-482a936d20be";

fn golden() -> BTreeMap<String, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let files =
        fs::read_dir(directory).expect("it is there").map(|file| file.expect("it can be read").path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("it is text").trim_end().to_owned())
        })
        .collect()
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).expect("it is JSON")
}

/// The same JSON with the keys of its objects in another order.
fn shuffled(value: &Value, turn: usize) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), shuffled(value, turn)))
                .collect();
            let middle = turn % fields.len().max(1);
            fields.rotate_left(middle);
            if turn % 2 == 1 {
                fields.reverse();
            }
            format!(" {{ {} }}", fields.join(" ,\n"))
        }
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(|value| shuffled(value, turn)).collect();
            format!("[{}]", values.join(" , "))
        }
        other => other.to_string(),
    }
}

fn ms<'a>(span: &'a Span<'_>) -> (&'a str, f64) {
    (span.name.as_deref().expect("it has a name"), span.duration_ms.expect("it has a duration"))
}

/// Asserts every field that the file of this name has.
fn check(name: &str, event: &Event<'_>) {
    let success = Some(Status::Success);
    match (name, &event.record) {
        ("platform_init_start", Record::PlatformInitStart(record)) => {
            assert_eq!(record.initialization_type, Some(InitType::OnDemand));
            assert_eq!(record.phase, Some(InitPhase::Init));
            assert_eq!(record.function_name.as_deref(), Some("orders"));
            assert_eq!(record.function_version.as_deref(), Some("$LATEST"));
            assert_eq!(
                record.instance_id.as_deref(),
                Some("2026/07/28/[$LATEST]51c55ba7f2f4447380068cd63889a031")
            );
            assert_eq!(record.instance_max_memory, Some(134_217_728));
            assert_eq!(record.runtime_version.as_deref(), Some("provided:al2023.AmazonLinux2023.v147"));
            assert_eq!(
                record.runtime_version_arn.as_deref(),
                Some("arn:aws:lambda:us-east-2::runtime:de76c7")
            );
            assert_eq!((&record.function_arn, &record.tracing), (&None, &None));
        }
        ("platform_init_runtime_done", Record::PlatformInitRuntimeDone(record)) => {
            assert_eq!(record.initialization_type, Some(InitType::OnDemand));
            assert_eq!((&record.phase, &record.status), (&Some(InitPhase::Init), &success));
            assert!(record.error_type.is_none() && record.spans.is_empty());
        }
        ("platform_init_report", Record::PlatformInitReport(record)) => {
            assert_eq!((&record.phase, &record.status), (&Some(InitPhase::Init), &Some(Status::Error)));
            assert_eq!(record.error_type.as_deref(), Some("Extension.Crash"));
            assert_eq!(record.metrics.expect("it has some").duration_ms, Some(131.047));
        }
        ("platform_extension" | "logs_platform_extension", Record::PlatformExtension(record)) => {
            assert_eq!((record.name.as_deref(), record.state.as_deref()), (Some("my-ext"), Some("Ready")));
            assert_eq!(record.events, ["INVOKE", "SHUTDOWN"]);
        }
        ("platform_telemetry_subscription", Record::PlatformTelemetrySubscription(record)) => {
            assert_eq!(
                (record.name.as_deref(), record.state.as_deref()),
                (Some("my-ext"), Some("Subscribed"))
            );
            assert_eq!(record.types, ["function", "platform"]);
        }
        ("logs_platform_logs_subscription", Record::PlatformLogsSubscription(record)) => {
            assert_eq!(
                (record.name.as_deref(), record.state.as_deref()),
                (Some("my-ext"), Some("Subscribed"))
            );
            assert_eq!(record.types, ["platform", "function"]);
        }
        ("platform_start", Record::PlatformStart(record)) => {
            assert_eq!(record.request_id.as_deref(), Some(REQUEST_ID));
            assert_eq!(record.version.as_deref(), Some("$LATEST"));
            assert_eq!(
                record.function_arn.as_deref(),
                Some("arn:aws:lambda:us-east-2:123456789012:function:orders")
            );
            assert_eq!(record.tenant_id.as_deref(), Some("BlueTenant"));
            let tracing = record.tracing.as_ref().expect("it is traced");
            assert_eq!(tracing.span_id.as_deref(), Some("54565fb41ac79632"));
            assert_eq!(tracing.kind.as_deref(), Some("X-Amzn-Trace-Id"));
            assert!(tracing.value.as_deref().expect("it has one").ends_with(";Sampled=1"));
            assert_eq!(event.request_id().expect("it names one"), REQUEST_ID);
        }
        ("platform_runtime_done", Record::PlatformRuntimeDone(record)) => {
            assert_eq!(record.request_id.as_deref(), Some(REQUEST_ID));
            assert_eq!(record.status, success);
            let metrics = record.metrics.expect("it has some");
            assert_eq!((metrics.duration_ms, metrics.produced_bytes), (Some(13.137), Some(10)));
            let spans: Vec<_> = record.spans.iter().map(ms).collect();
            assert_eq!(
                spans,
                [("responseLatency", 12.35), ("responseDuration", 0.252), ("runtimeOverhead", 0.32)]
            );
            let first = &record.spans[0];
            assert_eq!(first.start.as_deref(), Some("2026-07-28T19:02:11.803Z"));
            let began = first.timestamp().expect("it can be read");
            assert_eq!(
                event.timestamp().expect("it too").duration_since(began).expect("it is later").as_millis(),
                13
            );
        }
        ("logs_platform_runtime_done", Record::PlatformRuntimeDone(record)) => {
            assert_eq!(record.request_id.as_deref(), Some("6f7f0961-f834-4211-8a7a-f6fe80b88d56"));
            assert_eq!(record.status, Some(Status::Timeout));
        }
        ("platform_report", Record::PlatformReport(record)) => {
            assert_eq!((record.request_id.as_deref(), &record.status), (Some(REQUEST_ID), &success));
            let metrics = record.metrics.expect("it has some");
            assert_eq!((metrics.duration_ms, metrics.billed_duration_ms), (Some(503.84), Some(635)));
            assert_eq!((metrics.memory_size_mb, metrics.max_memory_used_mb), (Some(128), Some(26)));
            assert_eq!((metrics.init_duration_ms, metrics.restore_duration_ms), (Some(131.048), None));
            assert_eq!(record.spans.iter().map(ms).collect::<Vec<_>>(), [("extensionOverhead", 490.29)]);
        }
        ("platform_report_managed_instances", Record::PlatformReport(record)) => {
            assert_eq!(record.status, success);
            let metrics = record.metrics.expect("it has some");
            assert_eq!((metrics.duration_ms, metrics.billed_duration_ms), (Some(1.148), None));
            assert_eq!((metrics.memory_size_mb, metrics.max_memory_used_mb), (None, None));
            assert_eq!(
                record.spans.iter().map(ms).collect::<Vec<_>>(),
                [("responseLatency", 0.847), ("responseDuration", 0.127)]
            );
        }
        ("logs_platform_report", Record::PlatformReport(record)) => {
            let metrics = record.metrics.expect("it has some");
            assert_eq!((metrics.billed_duration_ms, metrics.init_duration_ms), (Some(300), Some(116.67)));
            assert_eq!(record.status, None);
        }
        ("platform_restore_start", Record::PlatformRestoreStart(record)) => {
            assert_eq!(record.function_name.as_deref(), Some("orders"));
            assert_eq!(record.function_version.as_deref(), Some("7"));
            assert_eq!(record.instance_id.as_deref(), Some("2026/03/02/[7]ab12"));
            assert_eq!(record.instance_max_memory, Some(1_073_741_824));
            assert_eq!(record.runtime_version.as_deref(), Some("java:21.v40"));
            assert_eq!(record.runtime_version_arn.as_deref(), Some("arn:aws:lambda:us-east-1::runtime:0b1c"));
        }
        ("platform_restore_runtime_done", Record::PlatformRestoreRuntimeDone(record)) => {
            assert_eq!(record.status, success);
        }
        ("platform_restore_report", Record::PlatformRestoreReport(record)) => {
            assert_eq!(record.status, success);
            assert_eq!(record.metrics.expect("it has some").duration_ms, Some(346.19));
        }
        ("platform_logs_dropped" | "logs_platform_logs_dropped", Record::PlatformLogsDropped(record)) => {
            assert_eq!((record.dropped_records, record.dropped_bytes), (Some(123), Some(12_345)));
            assert!(record.reason.as_deref().expect("it says why").contains("logs"), "{record:?}");
        }
        ("logs_platform_end", Record::PlatformEnd(record)) => {
            assert_eq!(record.request_id.as_deref(), Some("6f7f0961-f834-4211-8a7a-f6fe80b88d56"));
        }
        ("logs_platform_start", Record::PlatformStart(record)) => {
            assert_eq!(record.request_id.as_deref(), Some("6f7f0961-f834-4211-8a7a-f6fe80b88d56"));
        }
        ("logs_platform_fault", Record::PlatformFault(text)) => {
            assert!(text.to_str().ends_with("Process exited before completing request"));
        }
        ("function_text", Record::Function(LogLine::Text(text))) => {
            assert_eq!(text.to_str(), "an ordinary log line\n");
            assert_eq!(text.raw(), r#""an ordinary log line\n""#);
        }
        ("function_json", Record::Function(LogLine::Json(json))) => {
            assert_eq!(value(json.get())["message"], "hello");
            assert_eq!(event.request_id().expect("it names one"), "79b4f56e-95b1-4643-9700-2807f4e68189");
        }
        ("extension_text", Record::Extension(LogLine::Text(text))) => {
            assert_eq!(text.to_str(), "[my-ext] flushed 12 spans\n");
        }
        ("logs_function", Record::Function(LogLine::Text(text))) => {
            assert_eq!(text.to_str(), "a line of the function")
        }
        ("logs_extension", Record::Extension(LogLine::Text(text))) => {
            assert_eq!(text.to_str(), "a line of an extension");
        }
        (name, record) => panic!("{name}.json was read as {record:?}"),
    }
}

#[test]
fn every_event_is_read_into_its_own_record_whatever_the_order_of_its_keys() {
    for (name, json) in golden() {
        let sent = value(&json);
        for turn in 0..6 {
            let body = format!("[{}]", if turn == 0 { json.clone() } else { shuffled(&sent, turn) });
            let batch = Batch::from_json(body);
            let events: Vec<_> = batch.events().collect();
            assert_eq!(events.len(), 1, "{name}");
            assert_eq!(events[0].time, sent["time"].as_str().expect("it has a time"), "{name}");
            assert_eq!(events[0].record.kind(), sent["type"].as_str().expect("it has a type"), "{name}");
            check(&name, &events[0]);
            check(&name, &events[0].clone().into_static());
        }
    }
}

#[test]
fn every_event_is_written_back_as_it_came() {
    for (name, json) in golden() {
        for turn in 0..6 {
            let body = format!("[{}]", shuffled(&value(&json), turn));
            let batch = Batch::from_json(body);
            for event in batch.clone().into_events() {
                let written = serde_json::to_string(&event).expect("it is JSON");
                assert_eq!(value(&written), value(&json), "{name}");
            }
            let written = serde_json::to_value(batch.events().collect::<Vec<_>>()).expect("it is JSON");
            assert_eq!(written, Value::Array(vec![value(&json)]), "{name}");
        }
    }
}

#[test]
fn all_of_them_in_one_batch_are_the_same_as_each_alone() {
    let golden = golden();
    assert!(golden.len() >= 26, "the files are there");
    let all: Vec<_> = golden.values().map(String::as_str).collect();
    let batch = Batch::from_json(format!("[{}]", all.join(",")));
    assert_eq!(batch.len(), golden.len());
    for ((name, json), event) in golden.iter().zip(batch.events()) {
        assert_eq!(event.raw(), json.as_bytes(), "{name}");
        let category = match value(json)["type"].as_str() {
            Some("function") => Category::Function,
            Some("extension") => Category::Extension,
            _ => Category::Platform,
        };
        assert_eq!(event.record.category(), Some(category), "{name}");
    }
}

#[test]
fn what_is_not_known_is_kept() {
    let unknown = [
        r#"{"time":"t","type":"platform.brandNew","record":{"answer":42}}"#,
        r#"{"time":"t","type":"custom","record":[1,2]}"#,
        r#"{"time":"t","type":"platform.start","record":{"requestId":"1","new":{"field":true}},"more":[null]}"#,
        r#"{"time":"t","type":"platform.report","record":{"requestId":"1","status":"exploded","metrics":{"durationMs":1,"energyJ":0.5}}}"#,
    ];
    let batch = Batch::from_json(format!("[{}]", unknown.join(",")));
    let events: Vec<_> = batch.events().collect();
    for (event, json) in events.iter().zip(unknown) {
        assert_eq!(serde_json::to_string(event).expect("it is JSON"), json);
    }
    assert!(matches!(&events[0].record, Record::Unknown { kind } if kind == "platform.brandNew"));
    assert_eq!(events[0].record.category(), Some(Category::Platform));
    assert!(matches!(&events[1].record, Record::Unknown { kind } if kind == "custom"));
    assert_eq!(events[1].record.category(), None);
    assert!(
        matches!(&events[2].record, Record::PlatformStart(start) if start.request_id.as_deref() == Some("1"))
    );
    let Record::PlatformReport(report) = &events[3].record else { panic!("{:?}", events[3].record) };
    assert_eq!(report.status.as_ref().map(Status::as_str), Some("exploded"));
}

#[test]
fn a_strange_field_costs_only_itself() {
    for (record, requests, ms) in [
        (r#"{"requestId":7,"metrics":{"durationMs":"1.5"}}"#, Some("7"), Some(1.5)),
        (r#"{"requestId":null,"metrics":{"durationMs":1.5},"spans":{}}"#, None, Some(1.5)),
        (
            r#"{"requestId":"1","metrics":[],"spans":[7,{"name":"x","start":"2026-07-28T19:02:23:521Z"}]}"#,
            Some("1"),
            None,
        ),
        (
            r#"{"requestId":"1","metrics":{"durationMs":{},"producedBytes":-1},"tracing":"none"}"#,
            Some("1"),
            None,
        ),
    ] {
        let batch =
            Batch::from_json(format!(r#"[{{"time":"t","type":"platform.runtimeDone","record":{record}}}]"#));
        let event = batch.events().next().expect("it has one");
        let Record::PlatformRuntimeDone(done) = &event.record else { panic!("{record}: {:?}", event.record) };
        assert_eq!(done.request_id.as_deref(), requests, "{record}");
        assert_eq!(done.metrics.and_then(|metrics| metrics.duration_ms), ms, "{record}");
        assert!(done.spans.iter().all(|span| span.timestamp().is_none()), "{record}");
    }
}

#[test]
fn a_record_of_another_shape_than_its_type_promises_is_unknown_and_kept() {
    for json in [
        r#"{"time":"t","type":"platform.start","record":"text"}"#,
        r#"{"time":"t","type":"platform.report","record":[1]}"#,
        r#"{"time":"t","type":"platform.fault","record":{}}"#,
        r#"{"time":"t","type":"function"}"#,
        r#"{"time":"t","type":7,"record":null}"#,
        r#"{"record":"x"}"#,
        "42",
        "null",
        r#""text""#,
        "[[]]",
        "1e999",
    ] {
        let batch = Batch::from_json(format!("[{json}]"));
        let events: Vec<_> = batch.events().collect();
        assert!(matches!(&events[..], [Event { record: Record::Unknown { .. }, .. }]), "{json}: {events:?}");
        assert_eq!(events[0].raw(), json.as_bytes());
    }
}

#[test]
fn a_json_line_nested_deeper_than_most_readers_go_is_kept_and_so_are_its_neighbours() {
    let deep = format!("{}1{}", r#"{"a":["#.repeat(5_000), "]}".repeat(5_000));
    let line = format!(r#"{{"time":"t","type":"function","record":{deep}}}"#);
    let body = |broken: &str| format!("[{line},{broken},{line}]");
    // Once in a batch that is valid, once in one that is not.
    for broken in ["1", "oops"] {
        let batch = Batch::from_json(body(broken));
        let lines: Vec<_> = batch.events().collect();
        assert_eq!(lines.len(), 3);
        for index in [0, 2] {
            let Record::Function(LogLine::Json(json)) = &lines[index].record else { panic!("{broken}") };
            assert_eq!(json.get(), deep);
            assert_eq!(serde_json::to_string(&lines[index]).expect("it is JSON"), line);
        }
    }
    // And where one of its fields is asked for.
    let named = format!(r#"{{"deep":{deep},"requestId":"1"}}"#);
    let batch = Batch::from_json(format!(r#"[{{"time":"t","type":"function","record":{named}}}]"#));
    assert_eq!(batch.events().next().and_then(|event| event.request_id()).expect("it names one"), "1");
}

#[test]
fn times_are_read_as_they_are_written_and_kept_where_they_are_not() {
    let batch = Batch::from_json(
        r#"[{"time":"1970-01-01T00:00:01.500Z"},{"time":"1970-01-01T00:00:23:521Z"},{"time":17},{}]"#,
    );
    let times: Vec<_> =
        batch.events().map(|event| (event.time.clone().into_owned(), event.timestamp())).collect();
    let read = std::time::UNIX_EPOCH + Duration::from_millis(1_500);
    assert_eq!(times[0], ("1970-01-01T00:00:01.500Z".to_owned(), Some(read)));
    assert_eq!(times[1], ("1970-01-01T00:00:23:521Z".to_owned(), None));
    assert_eq!(times[2], ("17".to_owned(), None));
    assert_eq!(times[3], (String::new(), None));
}
