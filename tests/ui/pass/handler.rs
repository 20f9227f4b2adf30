use lambda_extension::{Error, NextEvent};

#[lambda_extension::main]
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    match event {
        NextEvent::Invoke(event) => println!("{event:?}"),
        NextEvent::Shutdown(event) => println!("{event:?}"),
    }
    Ok(())
}
