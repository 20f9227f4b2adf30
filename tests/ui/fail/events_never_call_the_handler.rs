use lambda_extension::{Error, InvokeEvent};

#[lambda_extension::main(events(shutdown))] //~ ERROR a handler of `InvokeEvent` would never be called
async fn log_extension(event: InvokeEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
