use lambda_extension::{Error, NextEvent};

#[lambda_extension::main]
async extern "C" fn log_extension(_: NextEvent) -> Result<(), Error> { //~ ERROR remove `extern`
    Ok(())
}
