//! Telemetry with ours: looks at every record, counts lines and their bytes, and reports once it has seen as many as
//! the driver said it sends.

use std::{env, time::Duration};

use lambda_extension::{
    Config, Error, Extension, FlushStrategy,
    telemetry::{Batch, Buffering, Category, LogLine, Record, Subscription},
};

struct Counter {
    expected: u64,
    lines: u64,
    bytes: u64,
    /// How long the first call takes, to let batches queue up behind it.
    pause: Duration,
}

impl Extension for Counter {
    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        let pause = std::mem::take(&mut self.pause);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        for event in batch.events() {
            match event.record {
                Record::Function(LogLine::Text(text)) => {
                    self.lines += 1;
                    self.bytes += text.raw().len() as u64;
                }
                Record::Function(LogLine::Json(json)) => {
                    self.lines += 1;
                    self.bytes += json.get().len() as u64;
                }
                _ => {}
            }
        }
        if self.lines == self.expected {
            println!("{} {}", self.lines, self.bytes);
        }
        Ok(())
    }
}

fn variable(name: &str) -> u64 {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    #[cfg(feature = "logging")]
    lambda_extension::logging::init();
    let mut subscription = Subscription::new([Category::Function]).buffering(Buffering::new(
        10_000,
        1 << 20,
        Duration::from_millis(25),
    )?);
    if let Ok(port) = u16::try_from(variable("BENCHMARK_PORT")) {
        subscription = subscription.port(port);
    }
    let counter = Counter {
        expected: variable("BENCHMARK_RECORDS"),
        lines: 0,
        bytes: 0,
        pause: Duration::from_millis(variable("BENCHMARK_PAUSE_MS")),
    };
    // `End`, because the driver's invocations are too dense for the default to wait for each one's end.
    let config = Config::from_env()?.telemetry(subscription).flush(FlushStrategy::End);
    Ok(config.run(counter).await?)
}
