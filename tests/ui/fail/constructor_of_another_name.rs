use lambda_extension::{Error, Extension};

struct Shipper;

impl Extension for Shipper {}

#[lambda_extension::main]
async fn make_shipper() -> Result<impl Extension, Error> { //~ ERROR rename this function
    Ok(Shipper)
}
