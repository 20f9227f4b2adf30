use lambda_extension::{Error, InvokeEvent, ShutdownEvent};

#[lambda_extension::main]
async fn log_extension(event: InvokeEvent, last: ShutdownEvent) -> Result<(), Error> { //~ ERROR a handler takes one argument
    println!("{event:?} {last:?}");
    Ok(())
}
