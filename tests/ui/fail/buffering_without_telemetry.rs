use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(buffering(max_items = 1_000))] //~ ERROR there is nothing to buffer
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
