use lambda_extension::{Error, Extension};

struct Shipper;

impl Extension for Shipper {}

#[tokio::main(flavor = "current_thread")]
#[lambda_extension::main]
async fn main() -> Result<impl Extension, Error> { //~ ERROR remove `#[tokio::main]`
    Ok(Shipper)
}
