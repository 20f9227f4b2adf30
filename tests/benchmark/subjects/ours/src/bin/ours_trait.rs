//! An extension with a state, by the trait: it logs every event too.

use lambda_extension::{Error, Extension, InvokeEvent, ShutdownEvent};
use tracing::info;

#[derive(Default)]
struct Counter {
    invocations: u64,
}

impl Extension for Counter {
    async fn on_invoke(&mut self, event: InvokeEvent) -> Result<(), Error> {
        self.invocations += 1;
        info!("{}: {event}", self.invocations);
        Ok(())
    }

    async fn on_shutdown(&mut self, event: ShutdownEvent) -> Result<(), Error> {
        info!("{}: {event}", self.invocations);
        Ok(())
    }
}

#[lambda_extension::main]
async fn main() -> Result<Counter, Error> {
    Ok(Counter::default())
}
