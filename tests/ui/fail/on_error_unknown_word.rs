use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(on_error = "abort")] //~ ERROR unknown `abort`; write one of `continue`, `exit`
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
