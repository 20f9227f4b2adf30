//! Counts invocations, written with AWS's crate. `docs/migrating.md` shows it beside the same with the framework.

use std::sync::atomic::{AtomicU64, Ordering};

use lambda_extension::{Error, Extension, LambdaEvent, NextEvent, service_fn};

static INVOCATIONS: AtomicU64 = AtomicU64::new(0);

async fn on_event(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(invoke) => {
            let number = INVOCATIONS.fetch_add(1, Ordering::Relaxed) + 1;
            println!("invocation {number}: {}", invoke.request_id);
        }
        NextEvent::Shutdown(shutdown) => {
            println!(
                "{} invocations, until {}",
                INVOCATIONS.load(Ordering::Relaxed),
                shutdown.shutdown_reason
            );
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    Extension::new()
        .with_events(&["INVOKE", "SHUTDOWN"])
        .with_events_processor(service_fn(on_event))
        .run()
        .await
}
