//! The smallest extension with AWS's crate: it logs every event, in that crate's own way.

use lambda_extension::{Error, LambdaEvent, NextEvent, service_fn, tracing};

async fn log_extension(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Shutdown(event) => tracing::info!("{event:?}"),
        NextEvent::Invoke(event) => tracing::info!("{event:?}"),
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    lambda_extension::run(service_fn(log_extension)).await
}
