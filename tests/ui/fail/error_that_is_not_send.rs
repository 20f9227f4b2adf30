use lambda_extension::NextEvent;

#[lambda_extension::main]
async fn log_extension(event: NextEvent) -> Result<(), Box<dyn std::error::Error>> { //~ ERROR write `lambda_extension::Error`
    println!("{event:?}");
    Ok(())
}
