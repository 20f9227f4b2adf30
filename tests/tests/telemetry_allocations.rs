//! Reading a batch of log lines must not cost an allocation a line: the extension runs on the customer's memory and time.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use lambda_extension::telemetry::{Batch, LogLine, Record};

/// Counts what the thread that asks has allocated.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // Not there any more while a thread ends.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: each call goes to the system's allocator as it is; counting neither allocates nor panics.
#[allow(unsafe_code, reason = "there is no other way to see allocations than to be the allocator")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

fn batch(record: &str) -> Vec<u8> {
    let event = format!(r#"{{"time":"2026-07-28T19:02:11.805Z","type":"function","record":{record}}}"#);
    format!("[{}]", vec![event; 1_000].join(",")).into_bytes()
}

const TEXT: &str = r#""GET \u003cpath\u003e took 12 ms\n""#;
const JSON: &str = r#"{"level":"INFO","requestId":"79b4f56e","http":{"headers":{"host":["a","b"]},"status":200},"message":"GET \u003cpath\u003e\n"}"#;

/// Everything between the bytes of a body and its last event: both passes over it, and what is asked for on the way.
fn read(body: Vec<u8>) {
    let batch = Batch::from_json(body);
    assert_eq!(batch.len(), 1_000);
    let mut bytes = 0;
    for event in batch.events() {
        let Record::Function(line) = &event.record else { panic!("it is a line") };
        bytes += line.raw().len() + event.time.len();
        if let LogLine::Json(json) = line {
            bytes += json.get().len();
        }
    }
    assert!(bytes > 1_000 * TEXT.len());
}

#[test]
fn a_thousand_lines_of_text_cost_no_allocation_each() {
    let body = batch(TEXT);
    let allocations = allocations(|| read(body));
    assert!(allocations <= 16, "{allocations}");
}

#[test]
fn a_thousand_lines_of_nested_json_cost_no_allocation_each() {
    let body = batch(JSON);
    let allocations = allocations(|| read(body));
    assert!(allocations <= 16, "{allocations}");
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    let body = batch(TEXT);
    let batch = Batch::from_json(body);
    let unescaped = allocations(|| {
        for event in batch.events() {
            let Record::Function(LogLine::Text(text)) = &event.record else { panic!("it is text") };
            assert!(text.to_str().ends_with('\n'));
        }
    });
    assert!(unescaped >= 1_000, "to unescape a line is to allocate it");
}
