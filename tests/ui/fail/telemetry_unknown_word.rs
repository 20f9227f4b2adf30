use lambda_extension::{Error, telemetry};

#[lambda_extension::main(telemetry(functions))] //~ ERROR unknown `functions`; did you mean `function`?
async fn log_extension(event: telemetry::Batch) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
