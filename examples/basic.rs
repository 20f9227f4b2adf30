//! The smallest extension: it logs every event.
//!
//! Build it with `cargo build -p lambda_extension --example basic --release`.

use lambda_extension::{Error, NextEvent};
use tracing::info;

#[lambda_extension::main]
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    match event {
        NextEvent::Shutdown(event) => info!("{event}"),
        NextEvent::Invoke(event) => info!("{event}"),
    }
    Ok(())
}
