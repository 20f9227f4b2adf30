use lambda_extension::Error;

#[lambda_extension::main]
async fn log_extension() -> Result<(), Error> { //~ ERROR write for example `event: NextEvent`
    Ok(())
}
