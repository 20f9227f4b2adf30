//! An extension that registers for SHUTDOWN only: Lambda never waits for it in an invocation.
//!
//! What the function takes decides that: a `ShutdownEvent` is only sent to those who register for it.
//! `#[lambda_extension::main(events(shutdown))]` and `Config::events` say the same aloud.

use lambda_extension::{Error, ShutdownEvent};
use tracing::info;

#[lambda_extension::main]
async fn say_goodbye(event: ShutdownEvent) -> Result<(), Error> {
    info!("the environment goes because of {}; left: {:?}", event.shutdown_reason, event.remaining());
    Ok(())
}
