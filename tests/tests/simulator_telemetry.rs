//! Telemetry as the local Lambda delivers it: what, when, in which form, and how often.

mod simulator_support;

use std::time::Duration;

use lambda_extension::simulator::{Fault, Function, LogFormat, Schema, ShutdownReason, Simulator, Status};
use serde_json::{Value, json};
use simulator_support::{Listener, RawExtension, types};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

const BOTH: [&str; 2] = ["INVOKE", "SHUTDOWN"];
const ALL: [&str; 3] = ["platform", "function", "extension"];
const NEWEST: &str = "2025-01-29";

fn quick() -> Value {
    json!({ "timeoutMs": 25 })
}

/// An extension that is subscribed, lives on its own, and its listener.
async fn subscribed(simulator: &Simulator, listener: &Listener, schema: &str) {
    let mut extension = RawExtension::register(simulator, "watcher", &BOTH).await;
    let answer = extension.subscribe(listener.port, schema, &ALL, quick()).await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "\"OK\""));
    tokio::spawn(extension.live());
}

fn find<'a>(records: &'a [Value], kind: &str) -> &'a Value {
    &records.iter().find(|record| record["type"] == kind).unwrap_or_else(|| panic!("no {kind}: {records:?}"))
        ["record"]
}

#[tokio::test]
async fn a_cold_start_is_told_from_the_beginning_and_in_order() {
    let function = Function::echo().logs("hello");
    let simulator = Simulator::builder().function(function).start().await;
    let mut listener = Listener::open(&[]).await;
    subscribed(&simulator, &listener, NEWEST).await;
    let invocation = simulator.invoke("[1,2]").await.expect_success();
    let second = simulator.invoke("{}").await.expect_success();
    simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    let mut records = listener.until("platform.report").await;
    records.extend(
        listener.came().iter().flat_map(|message| message.json().as_array().cloned().expect("a batch")),
    );
    assert_eq!(
        types(&records),
        [
            "platform.initStart",
            "platform.telemetrySubscription",
            "platform.initRuntimeDone",
            "platform.extension",
            "platform.initReport",
            "platform.start",
            "function",
            "platform.runtimeDone",
            "platform.report",
            "platform.start",
            "function",
            "platform.runtimeDone",
            "platform.report",
        ]
    );
    assert_eq!(find(&records, "function"), "hello\n");
    let start = find(&records, "platform.initStart");
    assert_eq!((&start["phase"], &start["instanceMaxMemory"]), (&json!("init"), &json!(134_217_728)));
    let extension = find(&records, "platform.extension");
    assert_eq!(extension, &json!({"name": "watcher", "state": "Ready", "events": BOTH}));
    let done = find(&records, "platform.runtimeDone");
    assert_eq!(done["requestId"], invocation.request_id.as_str());
    assert_eq!(done["metrics"]["producedBytes"], 5);
    let spans: Vec<_> =
        done["spans"].as_array().expect("spans").iter().map(|span| span["name"].clone()).collect();
    assert_eq!(spans, ["responseLatency", "responseDuration", "runtimeOverhead"]);
    let report = find(&records, "platform.report");
    assert!(report["metrics"]["initDurationMs"].as_f64().is_some_and(|init| init > 0.0), "{report}");
    let billed = report["metrics"]["billedDurationMs"].as_u64().expect("whole milliseconds");
    let exact = report["metrics"]["durationMs"].as_f64().expect("ms")
        + report["metrics"]["initDurationMs"].as_f64().expect("ms");
    assert_eq!(billed, exact.ceil() as u64);
    assert_eq!(report["spans"][0]["name"], "extensionOverhead");
    let warm = &records.last().expect("a report")["record"];
    assert_eq!(warm["requestId"], second.request_id.as_str());
    assert!(warm["metrics"].get("initDurationMs").is_none());
}

#[tokio::test]
async fn a_report_comes_after_the_freeze_and_nothing_else_is_called_late() {
    let simulator = Simulator::start().await;
    let mut listener = Listener::open(&[]).await;
    let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    extension.subscribe(listener.port, NEWEST, &["platform"], quick()).await;
    extension.ask().await;
    let driving = async {
        extension.event().await;
        // As our framework does: the next event is asked for when this invocation's runtimeDone was seen.
        let records = listener.until("platform.runtimeDone").await;
        assert!(!types(&records).contains(&"platform.report"));
        extension.ask().await;
    };
    let (invocation, ()) = tokio::join!(simulator.invoke("{}"), driving);
    invocation.expect_success();
    assert!(listener.came().is_empty(), "nothing is delivered while the environment is frozen");
    let ending = async {
        assert_eq!(extension.event().await["eventType"], "SHUTDOWN");
        let late = listener.until("platform.report").await;
        drop(extension);
        late
    };
    let (report, late) = tokio::join!(simulator.shutdown(ShutdownReason::Spindown), ending);
    assert_eq!(types(&late), ["platform.report"]);
    assert_eq!((report.telemetry[0].late, report.telemetry[0].lost), (0, 0), "{report}");
}

#[tokio::test]
async fn who_asks_before_its_telemetry_came_gets_it_late() {
    let function = Function::echo().logs("hello");
    let simulator = Simulator::builder().function(function).start().await;
    let mut listener = Listener::open(&[]).await;
    let mut extension = RawExtension::register(&simulator, "hasty", &BOTH).await;
    extension.subscribe(listener.port, NEWEST, &["function"], json!({ "timeoutMs": 1_000 })).await;
    tokio::spawn(extension.live());
    simulator.invoke("{}").await.expect_success();
    simulator.invoke("{}").await.expect_success();
    simulator.shutdown(ShutdownReason::Spindown).await;
    listener.until("function").await;
    let report = simulator.report();
    assert_eq!(report.telemetry[0].late + report.telemetry[0].lost, 2, "{report}");
}

#[tokio::test]
async fn json_lines_are_objects_where_schema_and_format_allow_it() {
    for (schema, object) in [(Schema::V20220701, false), (Schema::V20221213, true), (Schema::V20250129, true)]
    {
        let builder = Simulator::builder().log_format(LogFormat::Json).telemetry_schema(schema);
        let simulator =
            builder.function(Function::echo().logs("{\"level\":\"INFO\"}").logs("plain")).start().await;
        let mut listener = Listener::open(&[]).await;
        subscribed(&simulator, &listener, NEWEST).await;
        simulator.invoke("{}").await.expect_success();
        simulator.shutdown(ShutdownReason::Spindown).await;
        let records = listener.until("platform.runtimeDone").await;
        let lines: Vec<_> = records
            .iter()
            .filter(|record| record["type"] == "function")
            .map(|record| &record["record"])
            .collect();
        let expected = if object { json!({"level": "INFO"}) } else { json!("{\"level\":\"INFO\"}\n") };
        assert_eq!(lines, [&expected, &json!("plain\n")], "{schema}");
        let status = find(&records, "platform.initReport").get("status").is_some();
        assert_eq!(status, schema != Schema::V20220701);
    }
}

#[tokio::test]
async fn a_refusing_listener_gets_the_same_batch_again() {
    let simulator = Simulator::start().await;
    let mut listener = Listener::open(&[500, 404]).await;
    subscribed(&simulator, &listener, NEWEST).await;
    simulator.invoke("{}").await.expect_success();
    simulator.delivered().await;
    let first = listener.message().await;
    assert_eq!(first.body, listener.message().await.body);
    assert_eq!(first.body, listener.message().await.body);
    assert_eq!(simulator.report().telemetry[0].failed_attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_never_accepts_loses_records_and_the_loss_is_counted() {
    let simulator = Simulator::builder().without_freezing().start().await;
    let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound").port();
    extension.subscribe(port, NEWEST, &["function"], quick()).await;
    tokio::spawn(extension.live());
    simulator.invoke("{}").await.expect_success();
    simulator.log("into the void");
    simulator.delivered().await;
    let report = simulator.report();
    assert_eq!((report.telemetry[0].lost, report.telemetry[0].failed_attempts), (1, 8), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_loses_whole_batches_and_is_told() {
    let simulator = Simulator::builder().without_freezing().start().await;
    let mut listener = Listener::open(&[]).await;
    let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    extension.subscribe(listener.port, NEWEST, &["platform", "function"], json!({ "maxItems": 1_000 })).await;
    tokio::spawn(extension.live());
    simulator.invoke("{}").await.expect_success();
    simulator.delivered().await;
    // All of this is generated before anything can be delivered: four batches are kept, the rest is dropped.
    for number in 0..8_000 {
        simulator.log(format!("line {number}"));
    }
    simulator.delivered().await;
    let records: Vec<Value> = listener
        .came()
        .iter()
        .flat_map(|message| message.json().as_array().cloned().expect("a batch"))
        .collect();
    let dropped = find(&records, "platform.logsDropped");
    let delivered = records.iter().filter(|record| record["type"] == "function").count();
    assert_eq!((delivered, &dropped["droppedRecords"]), (4_000, &json!(4_000)));
    assert_eq!(
        dropped["reason"],
        "Some logs were dropped because the downstream consumer is slower than the logs production rate"
    );
    let report = simulator.report();
    assert_eq!((report.telemetry[0].lost, report.telemetry[0].dropped), (4_000, 4_000), "{report}");
    assert!(report.to_string().contains("Watch out: 4000 records for watcher were dropped"), "{report}");
    assert!(report.is_clean(), "a burst that nobody could have taken is no extension's problem: {report}");
}

#[tokio::test]
async fn what_nobody_is_sure_to_get_is_told_from_what_else_is_lost() {
    let simulator = Simulator::builder().managed_instances().start().await;
    let mut extension = RawExtension::register(&simulator, "hasty", &["SHUTDOWN"]).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound").port();
    extension.subscribe(nobody, NEWEST, &["platform"], quick()).await;
    let leaving = async {
        extension.next().await;
        drop(extension);
    };
    let living = async {
        simulator.invoke("{}").await.expect_success();
        simulator.shutdown(ShutdownReason::Spindown).await
    };
    let (report, ()) = tokio::join!(living, leaving);
    // Of all that was lost, `platform.report` alone nobody is sure to get.
    let telemetry = &report.telemetry[0];
    assert!(telemetry.lost > 1 && telemetry.lost_at_end == 1, "{report}");
    assert!(report.to_string().contains(" lost (1 of them written at the end"), "{report}");
    // Nobody waits on Managed Instances until the runtime asks again, and that it did not ask is not told of it.
    let line = report
        .to_string()
        .lines()
        .find(|line| line.contains(" success ") && line.contains('█'))
        .unwrap_or_default()
        .to_owned();
    assert!(line.contains("  -  ") && !line.contains("never"), "{report}");
}

#[tokio::test]
async fn tcp_listeners_get_a_record_a_line() {
    let simulator = Simulator::builder().function(Function::echo().logs("hello")).start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    let body = json!({
        "schemaVersion": NEWEST, "types": ["function"], "buffering": quick(),
        "destination": { "protocol": "TCP", "port": port },
    });
    assert_eq!(extension.call("PUT", "/2022-07-01/telemetry", &body.to_string()).await.status(), 200);
    let (stream, _) = listener.accept().await.expect("Lambda dials while subscribing");
    tokio::spawn(extension.live());
    simulator.invoke("{}").await.expect_success();
    simulator.delivered().await;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.expect("a line");
    let record: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(record["record"], "hello\n");
}

#[tokio::test]
async fn a_tcp_destination_without_a_listener_is_refused() {
    let simulator = Simulator::start().await;
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound").port();
    let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    let body = json!({
        "schemaVersion": NEWEST, "types": ["function"], "destination": { "protocol": "TCP", "port": port },
    });
    let answer = extension.call("PUT", "/2022-07-01/telemetry", &body.to_string()).await;
    assert_eq!((answer.status(), answer.json()["errorType"].as_str()), (400, Some("ValidationError")));
}

#[tokio::test]
async fn the_logs_api_speaks_its_own_dialect() {
    let simulator = Simulator::start().await;
    let mut listener = Listener::open(&[]).await;
    let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    let body = json!({
        "schemaVersion": "2021-03-18", "types": ALL, "buffering": quick(),
        "destination": { "protocol": "HTTP", "URI": format!("http://sandbox:{}/", listener.port), "method": "PUT" },
    });
    assert_eq!(extension.call("PUT", "/2020-08-15/logs", &body.to_string()).await.status(), 200);
    tokio::spawn(extension.live());
    let invocation = simulator.invoke("{}").await.expect_success();
    simulator.delivered().await;
    let message = listener.message().await;
    assert_eq!(message.first_line, "PUT / HTTP/1.1");
    let mut records = message.json().as_array().cloned().expect("a batch");
    records.extend(
        listener.came().iter().flat_map(|message| message.json().as_array().cloned().expect("a batch")),
    );
    assert_eq!(
        types(&records),
        [
            "platform.logsSubscription",
            "platform.extension",
            "platform.start",
            "platform.runtimeDone",
            "platform.end",
            "platform.report"
        ]
    );
    assert_eq!(find(&records, "platform.start"), &json!({"requestId": invocation.request_id}));
}

#[tokio::test]
async fn a_repeated_init_and_a_failure_are_told() {
    let simulator = Simulator::builder().timeout(Duration::from_millis(150)).start().await;
    let mut listener = Listener::open(&[]).await;
    subscribed(&simulator, &listener, NEWEST).await;
    simulator.timeout().await.expect_timeout();
    let records = listener.until("platform.runtimeDone").await;
    assert_eq!(find(&records, "platform.runtimeDone")["status"], "timeout");
}

#[tokio::test]
async fn a_restore_is_told_to_those_who_listen() {
    let simulator = Simulator::builder().snap_start().start().await;
    let mut listener = Listener::open(&[]).await;
    subscribed(&simulator, &listener, NEWEST).await;
    assert_eq!(simulator.init().await, Status::Success);
    assert_eq!(simulator.restore().await, Status::Success);
    simulator.invoke("{}").await.expect_success();
    simulator.delivered().await;
    let records = listener.until("platform.report").await;
    assert!(find(&records, "platform.report")["metrics"]["restoreDurationMs"].is_number());
    let kinds = types(&records);
    let restore: Vec<_> = kinds.iter().filter(|kind| kind.starts_with("platform.restore")).collect();
    assert_eq!(
        restore,
        [&"platform.restoreStart", &"platform.restoreRuntimeDone", &"platform.restoreReport"]
    );
}

#[tokio::test]
async fn managed_instances_tell_no_runtime_done() {
    let simulator = Simulator::builder().managed_instances().start().await;
    let mut listener = Listener::open(&[]).await;
    let mut extension = RawExtension::register(&simulator, "watcher", &["SHUTDOWN"]).await;
    extension.subscribe(listener.port, NEWEST, &["platform"], quick()).await;
    tokio::spawn(extension.live());
    simulator.invoke("{}").await.expect_success();
    let records = listener.until("platform.report").await;
    assert!(!types(&records).contains(&"platform.runtimeDone"));
    let metrics = &find(&records, "platform.report")["metrics"];
    assert!(metrics.get("durationMs").is_some() && metrics.get("billedDurationMs").is_none());
}

#[tokio::test]
async fn a_tenant_is_named_in_every_record_of_an_invocation() {
    let simulator = Simulator::builder().tenant_id("BlueTenant").without_tracing().start().await;
    let mut listener = Listener::open(&[]).await;
    subscribed(&simulator, &listener, NEWEST).await;
    simulator.invoke("{}").await.expect_success();
    simulator.delivered().await;
    let records = listener.until("platform.report").await;
    for kind in ["platform.start", "platform.runtimeDone", "platform.report"] {
        let record = find(&records, kind);
        assert_eq!(record["tenantId"], "BlueTenant", "{kind}");
        assert!(record.get("tracing").is_none(), "{kind}");
    }
}

#[tokio::test]
async fn the_stub_of_aws_emulator_accepts_and_delivers_nothing() {
    let simulator = Simulator::builder().without_telemetry().start().await;
    let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    let answer = extension.subscribe(9, NEWEST, &ALL, quick()).await;
    assert_eq!((answer.status(), answer.json()["errorType"].as_str()), (202, Some("Telemetry.NotSupported")));
}

#[tokio::test]
async fn batches_go_wrong_on_demand() {
    let simulator = Simulator::builder().without_freezing().start().await;
    let mut listener = Listener::open(&[]).await;
    let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    extension.subscribe(listener.port, NEWEST, &["function"], quick()).await;
    tokio::spawn(extension.live());
    simulator.invoke("{}").await.expect_success();
    let mut batch = async |fault: Fault| {
        simulator.inject(fault);
        simulator.log("good");
        simulator.delivered().await;
        listener.came()
    };
    let malformed = batch(Fault::MalformedBatch).await;
    assert!(malformed[0].text().contains("oops") && malformed[0].text().contains("good"));
    let truncated = batch(Fault::TruncatedBatch).await;
    assert!(serde_json::from_slice::<Value>(&truncated[0].body).is_err());
    let oversized = batch(Fault::OversizedBatch(3_000_000)).await;
    assert!((2_999_000..=3_001_000).contains(&oversized[0].body.len()), "{}", oversized[0].body.len());
    let duplicate = batch(Fault::DuplicateBatch).await;
    assert_eq!(duplicate.len(), 2);
    assert_eq!(duplicate[0].body, duplicate[1].body);
    let unknown = batch(Fault::UnknownRecord("platform.lunar".to_owned())).await;
    assert!(types(&unknown[0].json().as_array().cloned().expect("a batch")).contains(&"platform.lunar"));
    let refused = batch(Fault::ListenerRefused).await;
    assert_eq!(refused.len(), 1);
    assert_eq!(simulator.report().telemetry[0].failed_attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn disorder_loses_nothing_and_a_seed_brings_it_back() {
    let mut runs: Vec<Vec<Vec<String>>> = Vec::new();
    for seed in [11, 11, 12] {
        let simulator = Simulator::builder().disorder(seed).without_freezing().start().await;
        let mut listener = Listener::open(&[]).await;
        let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
        extension.subscribe(listener.port, NEWEST, &["function"], quick()).await;
        tokio::spawn(extension.live());
        simulator.invoke("{}").await.expect_success();
        (0..200).for_each(|number| simulator.log(number.to_string()));
        simulator.delivered().await;
        let line = |record: &Value| record["record"].as_str().expect("text").trim().to_owned();
        let batches: Vec<Vec<String>> = listener
            .came()
            .iter()
            .map(|message| message.json().as_array().expect("a batch").iter().map(line).collect())
            .collect();
        let lines: Vec<&String> = batches.iter().flatten().collect();
        let distinct: std::collections::HashSet<_> = lines.iter().collect();
        assert_eq!(distinct.len(), 200);
        assert!(lines.len() > 200, "some batches come twice");
        assert!(!lines.is_sorted_by_key(|line| line.parse::<u32>().expect("a number")));
        runs.push(batches);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}
