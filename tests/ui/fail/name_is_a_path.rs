use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(name = "/opt/extensions/my-extension")] //~ ERROR the name is a file name
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
