//! Sends the function's logs, and traces and metrics of its invocations, to an OpenTelemetry collector. The
//! [README](../README.md) has the rest.

mod backlog;
mod export;
mod invocations;
mod logs;
mod metrics;
mod observer;
mod resource;
mod settings;
mod xray;

use std::time::Duration;

use lambda_extension::{
    telemetry::{Buffering, Category, Subscription},
    Config, Error,
};

use crate::{observer::Observer, xray::Sampler};

// One thread: the SDK's own processors, each with a thread and a timer, are not used. They would send while Lambda has
// frozen the environment, or rather begin to, and go on hours later.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // First, because the local Lambda runs what stands before this twice.
    let config = Config::from_env()?;
    lambda_extension::logging::init();
    let subscription = Subscription::new([Category::Platform, Category::Function]).buffering(Buffering::new(
        1_000,
        262_144,
        Duration::from_millis(25),
    )?);
    let registered = config.telemetry(subscription).register().await?;
    registered
        .run_with(async |registration| {
            let sampler = Sampler::from_word(std::env::var("OTEL_TRACES_SAMPLER").ok().as_deref())?;
            Observer::new(&registration, sampler)
        })
        .await?;
    Ok(())
}
