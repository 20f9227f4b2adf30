use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(events(invok))] //~ ERROR unknown `invok`; did you mean `invoke`?
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
