//! A Lambda extension. `cargo test` tests it, `cargo run --features simulator` shows its life under a local Lambda.

use lambda_extension::{Error, Extension, InvokeEvent, ShutdownEvent};
use tracing::info;

/// What the extension keeps from one invocation to the next.
#[derive(Default)]
struct Counter {
    invocations: u64,
}

impl Extension for Counter {
    // Runs while the function does. Lambda bills until this has returned.
    async fn on_invoke(&mut self, event: InvokeEvent) -> Result<(), Error> {
        self.invocations += 1;
        info!("invocation {} has the id {}", self.invocations, event.request_id);
        Ok(())
    }

    // The last that is called: there are about two seconds.
    async fn on_shutdown(&mut self, event: ShutdownEvent) -> Result<(), Error> {
        info!("{} invocations until {}", self.invocations, event.shutdown_reason);
        Ok(())
    }
}

// Runs once the extension is registered, while Lambda starts the function: the place for slow preparations.
#[lambda_extension::main]
async fn main() -> Result<Counter, Error> {
    Ok(Counter::default())
}

#[cfg(test)]
mod tests {
    use lambda_extension::simulator::{ShutdownReason, Simulator};

    use super::*;

    #[tokio::test]
    async fn it_lives_through_two_invocations() {
        let simulator = Simulator::start().await;
        let running = tokio::spawn(simulator.config("counter").run(Counter::default()));
        simulator.invoke("{}").await.expect_success();
        simulator.invoke("{}").await.expect_success();
        simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
        running.await.unwrap().unwrap();
    }
}
