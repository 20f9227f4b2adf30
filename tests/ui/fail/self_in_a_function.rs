use lambda_extension::{Error, NextEvent};

#[lambda_extension::main]
async fn log(&self, event: NextEvent) -> Result<(), Error> { //~ ERROR self
    println!("{event:?}");
    Ok(())
}
