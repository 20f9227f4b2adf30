use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(name = "")] //~ ERROR the name is empty
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
