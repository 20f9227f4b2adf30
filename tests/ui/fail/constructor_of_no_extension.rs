use lambda_extension::Error;

struct Shipper;

#[lambda_extension::main]
async fn main() -> Result<Shipper, Error> { //~ ERROR `Shipper` is not a Lambda extension
    Ok(Shipper)
}
