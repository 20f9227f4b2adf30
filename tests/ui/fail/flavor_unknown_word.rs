use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(flavor = "multi_threaded")] //~ ERROR did you mean `multi_thread`?
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
