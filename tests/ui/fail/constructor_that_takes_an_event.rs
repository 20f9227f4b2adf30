use lambda_extension::{Error, Extension, NextEvent};

struct Shipper;

impl Extension for Shipper {}

#[lambda_extension::main]
async fn main(event: NextEvent) -> Result<impl Extension, Error> { //~ ERROR Registration
    println!("{event:?}");
    Ok(Shipper)
}
