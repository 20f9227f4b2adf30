use lambda_extension::{Error, NextEvent};

#[lambda_extension::main]
async unsafe fn log_extension(_: NextEvent) -> Result<(), Error> { //~ ERROR remove `unsafe`
    Ok(())
}
