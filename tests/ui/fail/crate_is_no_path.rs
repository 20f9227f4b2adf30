use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(crate = "my extension")] //~ ERROR takes the path of the framework
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
