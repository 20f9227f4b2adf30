use lambda_extension::{Error, telemetry};

#[lambda_extension::main(buffering(max_items = 100))] //~ ERROR `max_items` must be from 1,000 to 10,000 events
async fn log_extension(event: telemetry::Batch) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
