use lambda_extension::Error;

#[lambda_extension::main]
async fn log_extension<E>(event: E) -> Result<(), Error> { //~ ERROR remove the generic parameters
    drop(event);
    Ok(())
}
