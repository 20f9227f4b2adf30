use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(name = my_extension)] //~ ERROR write it as in `name = "my-extension"`
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
