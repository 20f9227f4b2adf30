use lambda_extension::Extension;

struct Shipper;

impl Extension for Shipper {}

#[lambda_extension::main]
async fn main() -> impl Extension { //~ ERROR write `Result<impl Extension, Error>`
    Shipper
}
