use lambda_extension::{Error, NextEvent};

#[lambda_extension::main]
const async fn log_extension(_: NextEvent) -> Result<(), Error> { //~ ERROR remove `const`
    Ok(())
}
