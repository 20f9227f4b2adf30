use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(logging = "json")] //~ ERROR unknown `json`; write `none`
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
