//! Compiled with `panic = "abort"` too, where it must be warned about, and not fail for it.
#![deny(warnings)]

use lambda_extension::{Error, NextEvent};

#[lambda_extension::main]
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event}");
    Ok(())
}
