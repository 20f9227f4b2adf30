use lambda_extension::{Error, NextEvent};

#[lambda_extension::main]
async fn log_extension(event: NextEvent) -> Result<(), Error>
where //~ ERROR remove the `where` clause
    NextEvent: Send,
{
    println!("{event:?}");
    Ok(())
}
