//! What a batch costs between its arrival and the end of a hook that looks at every record.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lambda_extension::telemetry::{Batch, LogLine, Record};

#[path = "../src/batch.rs"]
mod batch;
use batch::{Format, batch};

const FORMATS: [Format; 2] = [Format::Text, Format::Json];
const RECORDS: [u64; 3] = [10, 1_000, 10_000];

/// Cutting the body into events, which happens before Lambda gets its answer.
fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for format in FORMATS {
        for records in RECORDS {
            let body = batch(format, records).into_bytes();
            group.throughput(Throughput::Elements(records));
            group.bench_function(format!("{format:?}/{records}"), |bencher| {
                bencher.iter_batched(|| body.clone(), Batch::from_json, BatchSize::LargeInput);
            });
        }
    }
    group.finish();
}

/// Iterating over the events and looking at each record.
fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("events");
    for format in FORMATS {
        for records in RECORDS {
            let batch = Batch::from_json(batch(format, records));
            group.throughput(Throughput::Elements(records));
            group.bench_function(format!("{format:?}/{records}"), |bencher| {
                bencher.iter(|| black_box(&batch).events().map(|event| length(&event.record)).sum::<usize>());
            });
        }
    }
    group.finish();
}

/// Unescaping every line, which most hooks that send text on will do.
fn unescape(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unescape");
    let batch = Batch::from_json(batch(Format::Text, 1_000));
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("Text/1000", |bencher| {
        bencher.iter(|| {
            let text = |record: &Record<'_>| match record {
                Record::Function(LogLine::Text(text)) => text.to_str().len(),
                _ => 0,
            };
            black_box(&batch).events().map(|event| text(&event.record)).sum::<usize>()
        });
    });
    group.finish();
}

fn length(record: &Record<'_>) -> usize {
    match record {
        Record::Function(line) => line.raw().len(),
        _ => 0,
    }
}

criterion_group!(benches, decode, events, unescape);
criterion_main!(benches);
