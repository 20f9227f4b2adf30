use lambda_extension::{Error, telemetry::Batch};

#[lambda_extension::main(buffering(max_items = 1_000))] //~ ERROR add for example `telemetry(platform, function)`
async fn keep(batch: Batch) -> Result<(), Error> {
    println!("{batch:?}");
    Ok(())
}
