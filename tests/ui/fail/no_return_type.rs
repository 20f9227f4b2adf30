use lambda_extension::NextEvent;

#[lambda_extension::main]
async fn log_extension(event: NextEvent) { //~ ERROR add `-> Result<(), Error>`
    println!("{event:?}");
    Ok(())
}
