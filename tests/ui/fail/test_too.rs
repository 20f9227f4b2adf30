use lambda_extension::{Error, NextEvent};

#[lambda_extension::main]
#[test] //~ ERROR remove `#[test]`
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
