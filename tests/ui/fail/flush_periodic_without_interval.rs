use lambda_extension::{Error, telemetry};

#[lambda_extension::main(flush = "periodic")] //~ ERROR write `flush(periodic_ms = 10_000)`
async fn log_extension(event: telemetry::Batch) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
