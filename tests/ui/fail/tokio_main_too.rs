use lambda_extension::{Error, NextEvent};

#[lambda_extension::main]
#[tokio::main] //~ ERROR remove `#[tokio::main]`
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
