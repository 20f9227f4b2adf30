use extensions::{Error, Extension};

struct Shipper;

impl Extension for Shipper {}

#[extensions::main(crate = "::extensions", telemetry(platform))]
async fn main() -> Result<impl Extension, Error> {
    Ok(Shipper)
}
