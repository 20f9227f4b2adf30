use lambda_extension::{Error, telemetry};

#[lambda_extension::main(events(shutdown), flush = "end")] //~ ERROR add `invoke` to `events(
async fn log_extension(event: telemetry::Batch) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
