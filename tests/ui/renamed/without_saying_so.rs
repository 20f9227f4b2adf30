use extensions::{Error, NextEvent};

#[extensions::main] //~ ERROR lambda_extension
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event}");
    Ok(())
}
