use lambda_extension::NextEvent;

#[lambda_extension::main]
async fn log_extension(event: NextEvent) -> Result<(), u8> { //~ ERROR u8
    println!("{event:?}");
    Err(1)
}
