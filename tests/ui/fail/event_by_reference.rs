use lambda_extension::{Error, NextEvent};

#[lambda_extension::main]
async fn log_extension(event: &NextEvent) -> Result<(), Error> { //~ ERROR remove the `&`
    println!("{event:?}");
    Ok(())
}
