use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(name = "a", name = "b")] //~ ERROR `name` is given twice; keep one
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
