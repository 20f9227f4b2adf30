//! An extension written with AWS's published crate.

use lambda_extension::{Error, LambdaEvent, NextEvent, run, service_fn};

async fn print(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(invoke) => println!("the peer sees {}", invoke.request_id),
        NextEvent::Shutdown(shutdown) => println!("the peer goes: {}", shutdown.shutdown_reason),
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(print)).await
}
