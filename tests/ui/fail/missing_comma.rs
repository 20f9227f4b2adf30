use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(name = "a" events(invoke))] //~ ERROR expected `,` before this
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
