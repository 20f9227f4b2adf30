//! An extension with a state: it counts the invocations and reports them at the end of each and of its life.
//!
//! The trait has a hook for each part of an extension's life; they are called one at a time, so the state needs no lock.

use lambda_extension::{Error, Extension, FlushEvent, InvokeEvent, Registration, ShutdownEvent};
use tracing::info;

#[derive(Debug)]
struct Counter {
    function: String,
    invocations: u64,
    reported: u64,
}

impl Extension for Counter {
    async fn on_invoke(&mut self, _: InvokeEvent) -> Result<(), Error> {
        self.invocations += 1;
        Ok(())
    }

    /// Called while the environment is held: the place to send things.
    async fn on_flush(&mut self, event: FlushEvent) -> Result<(), Error> {
        info!("{}: {} new invocations ({})", self.function, self.invocations - self.reported, event.reason);
        self.reported = self.invocations;
        Ok(())
    }

    async fn on_shutdown(&mut self, event: ShutdownEvent) -> Result<(), Error> {
        info!(
            "{}: {} invocations in this environment, until {}",
            self.function, self.invocations, event.shutdown_reason
        );
        Ok(())
    }
}

/// Runs once the extension is registered, while Lambda starts the function: the place for slow preparations.
#[lambda_extension::main]
async fn main(registration: Registration) -> Result<Counter, Error> {
    Ok(Counter { function: registration.function_name, invocations: 0, reported: 0 })
}
