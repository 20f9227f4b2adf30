//! The smallest extension with ours: it logs every event. The same program as `examples/basic.rs`.

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
