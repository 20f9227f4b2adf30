use lambda_extension::{Error, NextEvent};

#[tokio::main(flavor = "current_thread")]
#[lambda_extension::main]
async fn log_extension(event: NextEvent) -> Result<(), Error> { //~ ERROR remove `#[tokio::main]`
    println!("{event:?}");
    Ok(())
}
