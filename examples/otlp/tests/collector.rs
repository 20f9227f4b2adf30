//! Telemetry on its way through rotel, a real collector, out of a local Lambda that freezes the extension.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use flate2::read::GzDecoder;
use lambda_extension::simulator::{Function, FunctionCall, Report, ShutdownReason, Simulator};
use lambda_extension_tests::front::{Fate, Front};
use lambda_extension_tests::http::Message as Http;
use lambda_extension_tests::servers::Server;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use opentelemetry_proto::tonic::common::v1::{any_value::Value, AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// How long an invocation may be held by default, and what Lambda takes to tell of its end and the machine to notice.
const HOLD: Duration = Duration::from_millis(2_000 + 500);

/// A local Lambda with the extension, which sends to this address. Its function logs two lines for each invocation.
async fn simulator(to: SocketAddr) -> Simulator {
    let function = Function::from_fn(async |call: FunctionCall| {
        let payload = String::from_utf8_lossy(&call.payload).into_owned();
        call.log(format!("{payload} begins"));
        call.log(format!("{payload} ends"));
        Ok(call.payload)
    });
    let simulator = Simulator::builder().function(function).timeout(Duration::from_secs(10)).start().await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_otlp"));
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{to}"));
    simulator.spawn(command);
    simulator
}

/// Lets the extension live for this many invocations; none of them may be held for longer than allowed.
async fn live(simulator: &Simulator, invocations: usize) -> Report {
    for number in 0..invocations {
        let held = simulator.invoke(number.to_string()).await.expect_success().longest_hold();
        assert!(held <= HOLD, "invocation {number} was held for {held:?}");
    }
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    report
}

/// What arrived.
#[derive(Debug, Default)]
struct Arrived {
    logs: Vec<LogRecord>,
    spans: Vec<Span>,
    /// Of counters the sum of values, of histograms that of counts.
    metrics: BTreeMap<String, u64>,
    resources: BTreeSet<String>,
}

impl Arrived {
    fn read(requests: &[(Fate, Http)]) -> Self {
        let mut arrived = Self::default();
        for (_, request) in requests.iter().filter(|(fate, _)| *fate == Fate::Pass) {
            arrived.read_one(request);
        }
        arrived
    }

    fn read_one(&mut self, request: &Http) {
        let body = &unpacked(request)[..];
        if request.start_line.starts_with("POST /v1/logs ") {
            for of_one in ExportLogsServiceRequest::decode(body).expect("logs").resource_logs {
                self.resources.insert(text_of(&of_one.resource.expect("a resource").attributes));
                self.logs.extend(of_one.scope_logs.into_iter().flat_map(|scope| scope.log_records));
            }
        } else if request.start_line.starts_with("POST /v1/traces ") {
            for of_one in ExportTraceServiceRequest::decode(body).expect("traces").resource_spans {
                self.resources.insert(text_of(&of_one.resource.expect("a resource").attributes));
                self.spans.extend(of_one.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        } else {
            for of_one in ExportMetricsServiceRequest::decode(body).expect("metrics").resource_metrics {
                self.resources.insert(text_of(&of_one.resource.expect("a resource").attributes));
                for metric in of_one.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                    *self.metrics.entry(metric.name).or_default() += count(&metric.data.expect("data"));
                }
            }
        }
    }

    /// The text of the lines, in order.
    fn lines(&self) -> Vec<&str> {
        let mut lines: Vec<_> = self.logs.iter().map(|log| text(log.body.as_ref())).collect();
        lines.sort_unstable();
        lines
    }

    fn spans_named(&self, name: &str) -> Vec<&Span> {
        self.spans.iter().filter(|span| span.name == name).collect()
    }
}

/// rotel sends everything compressed.
fn unpacked(request: &Http) -> Vec<u8> {
    let mut body = Vec::new();
    match request.header("content-encoding") {
        Some("gzip") => drop(GzDecoder::new(&request.body[..]).read_to_end(&mut body).expect("gzip")),
        _ => body.clone_from(&request.body),
    }
    body
}

fn count(data: &Data) -> u64 {
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsInt;
    match data {
        Data::Sum(sum) => {
            let value = |value: Option<_>| if let Some(AsInt(value)) = value { value as u64 } else { 0 };
            sum.data_points.iter().map(|point| value(point.value)).sum()
        }
        Data::Histogram(histogram) => histogram.data_points.iter().map(|point| point.count).sum(),
        other => panic!("neither a sum nor a histogram: {other:?}"),
    }
}

fn text(value: Option<&AnyValue>) -> &str {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        other => panic!("not text: {other:?}"),
    }
}

fn text_of(attributes: &[KeyValue]) -> String {
    let mut named: Vec<_> = attributes.iter().map(|one| format!("{}={:?}", one.key, one.value)).collect();
    named.sort_unstable();
    named.join("\n")
}

fn attribute<'a>(attributes: &'a [KeyValue], name: &str) -> &'a Value {
    let attribute = attributes.iter().find(|attribute| attribute.key == name);
    attribute.and_then(|one| one.value.as_ref()?.value.as_ref()).expect("the attribute")
}

fn logged(invocations: usize) -> Vec<String> {
    (0..invocations).flat_map(|number| [format!("{number} begins"), format!("{number} ends")]).collect()
}

#[tokio::test]
async fn logs_spans_and_metrics_arrive_through_a_collector_and_belong_together() {
    let behind = Front::answering(200, &[]);
    let Some(rotel) = Server::rotel(behind.address) else { return };
    let simulator = simulator(rotel.address).await;
    let report = live(&simulator, 3).await;
    let requests = behind.wait_for(|requests| {
        let arrived = Arrived::read(requests);
        let reports = arrived.metrics.get("faas.invocations").copied().unwrap_or_default();
        arrived.logs.len() >= 6 && reports >= 3 && arrived.spans_named("extensionOverhead").len() >= 3
    });
    let arrived = Arrived::read(&requests);
    assert_eq!(arrived.lines(), logged(3), "{report}");
    assert_eq!(report.freezes[0].busy, 0, "it was done when it asked for the next event: {report}");

    // Each invocation is a span of X-Ray's trace, and its lines and parts hang on it.
    let invocations = arrived.spans_named("simulated-function");
    assert_eq!(invocations.len(), 3);
    for invocation in &invocations {
        assert_eq!((invocation.trace_id.len(), invocation.parent_span_id.len()), (16, 8));
        let id = attribute(&invocation.attributes, "faas.invocation_id");
        let lines = arrived.logs.iter().filter(|log| attribute(&log.attributes, "faas.invocation_id") == id);
        let places: Vec<_> = lines.map(|log| (&log.trace_id, &log.span_id)).collect();
        assert_eq!(places, [(&invocation.trace_id, &invocation.span_id); 2]);
        let parts = arrived.spans.iter().filter(|span| span.parent_span_id == invocation.span_id);
        let parts: BTreeSet<_> = parts.map(|span| span.name.as_str()).collect();
        assert!(parts.contains("responseLatency") && parts.contains("extensionOverhead"), "{parts:?}");
    }
    let cold = |span: &&&Span| *attribute(&span.attributes, "faas.coldstart") == Value::BoolValue(true);
    let cold = invocations.iter().find(cold).expect("one is a cold start");
    let init = arrived.spans_named("init");
    assert_eq!(init.len(), 1);
    assert_eq!(init[0].parent_span_id, cold.span_id);

    for (name, times) in [
        ("faas.invocations", 3),
        ("faas.coldstarts", 1),
        ("faas.init_duration", 1),
        ("faas.invoke_duration", 3),
        ("faas.mem_usage", 3),
        ("aws.lambda.billed_duration", 3),
        ("aws.lambda.extension_overhead", 3),
    ] {
        assert_eq!(arrived.metrics.get(name), Some(&times), "{name} of {:?}", arrived.metrics);
    }

    // All is said by one and the same environment.
    assert_eq!(arrived.resources.len(), 1, "{:?}", arrived.resources);
    let resource = arrived.resources.first().expect("one");
    for expected in [
        r#"faas.name=Some(AnyValue { value: Some(StringValue("simulated-function")) })"#,
        r#"service.name=Some(AnyValue { value: Some(StringValue("simulated-function")) })"#,
        r#"cloud.platform=Some(AnyValue { value: Some(StringValue("aws_lambda")) })"#,
        r#"cloud.region=Some(AnyValue { value: Some(StringValue("us-east-1")) })"#,
        "faas.instance=",
        "faas.max_memory=Some(AnyValue { value: Some(IntValue(134217728)) })",
    ] {
        assert!(resource.contains(expected), "{expected} is not in {resource}");
    }
}

#[tokio::test]
async fn a_collector_that_is_overloaded_and_hangs_loses_and_doubles_nothing() {
    let mut fates = [Fate::Refuse(503); 9];
    fates[3..].fill(Fate::Swallow);
    let collector = Front::answering(200, &fates);
    let simulator = simulator(collector.address).await;
    let report = live(&simulator, 3).await;
    let arrived = Arrived::read(&collector.requests());
    assert_eq!(arrived.lines(), logged(3), "{report}");
    assert_eq!(arrived.spans_named("simulated-function").len(), 3);
    assert_eq!(arrived.metrics["faas.invoke_duration"], 3);
    assert_eq!(arrived.metrics["faas.invocations"], 3);
}

#[tokio::test]
async fn what_a_collector_refuses_for_good_is_not_sent_again() {
    let collector = Front::answering(200, &[Fate::Refuse(400); 3]);
    let simulator = simulator(collector.address).await;
    let report = live(&simulator, 2).await;
    let arrived = Arrived::read(&collector.requests());
    assert_eq!(arrived.lines(), logged(2)[2..], "the first two were refused: {report}");
}
