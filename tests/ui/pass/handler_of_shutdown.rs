use lambda_extension::{Error, ShutdownEvent};

#[lambda_extension::main(flush(periodic_ms = 10_000))]
async fn say_goodbye(_: ShutdownEvent) -> Result<(), Error> {
    Ok(())
}
