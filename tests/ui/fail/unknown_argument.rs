use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(nmae = "my-extension")] //~ ERROR unknown argument `nmae`; did you mean `name`?
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
