//! What both telemetry programs share: counting, and the report once everything was seen.

use std::{
    env,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

static EXPECTED: LazyLock<u64> = LazyLock::new(|| variable("BENCHMARK_RECORDS"));
static LINES: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Adds what one call of the processor has counted.
pub fn count(lines: u64, bytes: u64) {
    let lines = LINES.fetch_add(lines, Ordering::Relaxed) + lines;
    let bytes = BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes;
    if lines == *EXPECTED {
        println!("{lines} {bytes}");
    }
}

/// The port the driver asks for.
pub fn port() -> u16 {
    variable("BENCHMARK_PORT") as u16
}

fn variable(name: &str) -> u64 {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(0)
}
