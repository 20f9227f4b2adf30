use lambda_extension::{Error, Extension, InvokeEvent};

#[derive(Default)]
struct Counter {
    invocations: u64,
}

impl Extension for Counter {
    async fn on_invoke(&mut self, event: InvokeEvent) -> Result<(), Error> {
        self.invocations += 1;
        println!("{}: {event:?}", self.invocations);
        Ok(())
    }
}

#[lambda_extension::main(telemetry(function), buffering(timeout_ms = 100), on_error = "continue")]
async fn main() -> Result<impl Extension, Error> {
    Ok(Counter::default())
}
