//! One batch with everything that can be wrong in it, delivered as Lambda delivers.

mod scripted;

use lambda_extension::telemetry::{Category, Event, LogLine, Record, Subscription};
use scripted::{Running, head, line};

#[tokio::test]
async fn a_thousand_events_of_which_some_are_broken_come_through_as_they_were_sent() {
    let mut elements: Vec<Vec<u8>> = (0..1_000)
        .map(|number| line(&format!("line {number}: {{\"a\": [1, \"}}]\", <\n")).into_bytes())
        .collect();
    let odd: [&[u8]; 10] = [
        br#"{"record":oops}"#,
        b"42",
        br#"{"time":1785265331805,"type":"function","record":"the time is a number"}"#,
        b"{\"time\":\"2026-07-28T19:02:11.805Z\",\"type\":\"function\",\"record\":\"\xff\xfe\"}",
        br#"{"time":"2026-07-28T19:02:11.805Z","type":"function","record":"half \ud83e a crab"}"#,
        br#"{"time":"2026-07-28T19:02:11.805Z","type":"platform.brandNew","record":{"answer":42}}"#,
        br#"{"time":"2026-03-02T08:00:00.410Z","type":"platform.restoreRuntimeDone","record":{"status":"success"}}"#,
        br#"{"time":"2025-09-19T19:36:50.881Z","type":"platform.report","record":{"requestId":"1","status":"success","metrics":{"durationMs":1.148}}}"#,
        br#"{"time":"2026-07-28T19:02:11.805Z","type":"function","record":"a quote too many""}"#,
        br#"{"time":"2026-07-28T19:02:11.805Z","type":"function","record":"cut sh"#,
    ];
    for (number, element) in odd.iter().enumerate() {
        elements[50 + 97 * number] = element.to_vec();
    }
    let body = [b"[", &elements.join(&b","[..])[..], b"]"].concat();

    let mut running = Running::start(Subscription::new([Category::Platform, Category::Function])).await;
    let mut sender = running.connect().await;
    sender.send(head(body.len()).as_bytes()).await;
    sender.send(&body).await;
    assert_eq!(sender.status().await, Some(200));

    let events = running.batch().await;
    assert_eq!(events.len(), 1_000);
    for (event, element) in events.iter().zip(&elements) {
        assert_eq!(event.raw(), &element[..], "{}", String::from_utf8_lossy(element));
    }
    let record = |number: usize| &events[50 + 97 * number].record;
    let text = |record: &Record<'_>| match record {
        Record::Function(LogLine::Text(text)) => text.to_str().into_owned(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(record(0), Record::Malformed(bytes) if **bytes == *odd[0]));
    assert!(matches!(record(1), Record::Unknown { kind } if kind.is_empty()));
    assert_eq!(text(record(2)), "the time is a number");
    assert!(matches!(record(3), Record::Malformed(bytes) if **bytes == *odd[3]));
    assert_eq!(text(record(4)), "half \u{FFFD} a crab");
    assert!(matches!(record(5), Record::Unknown { kind } if kind == "platform.brandNew"));
    assert!(matches!(record(6), Record::PlatformRestoreRuntimeDone(_)));
    let Record::PlatformReport(report) = record(7) else { panic!("{:?}", record(7)) };
    assert_eq!(report.metrics.and_then(|metrics| metrics.duration_ms), Some(1.148));
    assert!(matches!(record(8), Record::Malformed(_)) && matches!(record(9), Record::Malformed(_)));
    let whole = |event: &&Event<'_>| matches!(&event.record, Record::Function(LogLine::Text(text)) if text.to_str().starts_with("line "));
    assert_eq!(events.iter().filter(whole).count(), 990);
    // What is no JSON is written as a string, so that the whole stays JSON.
    assert_eq!(serde_json::to_string(&events[50]).expect("it is JSON"), r#""{\"record\":oops}""#);

    let metrics = running.handle.metrics();
    assert_eq!((metrics.batches, metrics.records, metrics.dropped_batches), (1, 1_000, 0));
}
