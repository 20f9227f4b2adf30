//! The shipper of `docs/migrating.md`, so that a test can run it beside the one it comes from.

use std::time::Duration;

use lambda_extension::telemetry::{Batch, Buffering, Category, Record, Subscription};
use lambda_extension::{Config, Error, Extension, FlushEvent, FlushStrategy};

#[derive(Default)]
struct Shipper {
    lines: Vec<String>,
}

impl Extension for Shipper {
    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        for event in batch.events() {
            if let Record::Function(line) = &event.record {
                self.lines.push(format!("{} {}", event.time, line.to_str().trim_end()));
            }
        }
        Ok(())
    }

    async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
        self.lines.iter().for_each(|line| println!("{line}"));
        self.lines.clear();
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let buffering = Buffering::new(1_000, 262_144, Duration::from_millis(100))?;
    Config::from_env()?
        .telemetry(Subscription::new([Category::Function]).buffering(buffering))
        .flush(FlushStrategy::End)
        .run(Shipper::default())
        .await?;
    Ok(())
}
