use lambda_extension::Error;

#[lambda_extension::main]
async fn log_extension(event: String) -> Result<(), Error> { //~ ERROR an extension's function cannot take `String`
    println!("{event}");
    Ok(())
}
