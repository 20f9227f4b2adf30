use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(events())] //~ ERROR write it as in `events(invoke, shutdown)`
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
