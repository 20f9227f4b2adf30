//! What it costs to read the answer to a poll.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use lambda_extension::NextEvent;

const INVOKE: &str = r#"{"eventType":"INVOKE","deadlineMs":1775516174092,"requestId":"29b2a6dc-7b47-4f5e-9a16-3f1f0f4f6e59","invokedFunctionArn":"arn:aws:lambda:eu-central-1:123456789012:function:measured","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"}}"#;
const SHUTDOWN: &str = r#"{"eventType":"SHUTDOWN","deadlineMs":1753729342123,"shutdownReason":"spindown"}"#;

fn read(criterion: &mut Criterion) {
    for (name, body) in [("INVOKE", INVOKE), ("SHUTDOWN", SHUTDOWN)] {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| serde_json::from_str::<NextEvent>(black_box(body)).expect("it is an event"));
        });
    }
}

criterion_group!(benches, read);
criterion_main!(benches);
