#[lambda_extension::main]
pub struct Logger; //~ ERROR belongs on an `async fn`
