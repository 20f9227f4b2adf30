use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(telemetry(function))] //~ ERROR this handler takes no telemetry
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
