//! What the attribute's constructor form stands for, with the configuration that its arguments make.
use std::time::Duration;

use lambda_extension::{
    Config, Error, ErrorPolicy, EventType, Extension, FlushStrategy, Registration,
    telemetry::{Buffering, Category, Subscription},
};

struct Shipper {
    function: String,
}

impl Extension for Shipper {}

async fn construct(registration: Registration) -> Result<impl Extension, Error> {
    let shipper = Shipper { function: registration.function_name };
    println!("{}", shipper.function);
    Ok(shipper)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let buffering = Buffering::new(1_000, 262_144, Duration::from_millis(25))?;
    let registered = Config::from_env()?
        .name("my-extension")
        .events([EventType::Invoke, EventType::Shutdown])
        .telemetry(Subscription::new([Category::Platform, Category::Function]).buffering(buffering))
        .flush(FlushStrategy::Periodic(Duration::from_secs(10)))
        .on_error(ErrorPolicy::Exit)
        .register()
        .await?;
    registered.run_with(construct).await?;
    Ok(())
}
