//! Ships the function's log lines, compressed, to S3 or to Firehose. The [README](../README.md) has the rest.

mod parcel;
mod settings;
mod shipper;
mod sink;

use std::time::Duration;

use lambda_extension::{
    telemetry::{Buffering, Category, Subscription},
    Config, Error, FlushStrategy,
};

use crate::{settings::Settings, shipper::Shipper};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // First, because the local Lambda runs what stands before this twice.
    let config = Config::from_env()?;
    lambda_extension::logging::init();
    // `platform` tells the name of the log stream.
    let subscription = Subscription::new([Category::Platform, Category::Function]).buffering(Buffering::new(
        1_000,
        262_144,
        Duration::from_millis(25),
    )?);
    // What is wrong with the settings is told in the constructor, where it is contained: the function runs without its logs shipped.
    let flush = settings::flush_strategy(|name| std::env::var(name).ok());
    let strategy = flush.as_ref().copied().unwrap_or(FlushStrategy::Adaptive);
    let registered = config.telemetry(subscription).flush(strategy).register().await?;
    registered
        .run_with(async |registration| {
            flush?;
            let settings = Settings::read(|name| std::env::var(name).ok())?;
            Shipper::new(registration.function_name, &settings)
        })
        .await?;
    Ok(())
}
