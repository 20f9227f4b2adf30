use lambda_extension::Error;

#[lambda_extension::main]
async fn main() -> Result<(), Error> { //~ ERROR take an event to be a handler
    Ok(())
}
