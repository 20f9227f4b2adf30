//! A nested `main` must not trip strict lints either.
#![deny(warnings, missing_docs, unused, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic)]

use lambda_extension::{Error, Extension};

/// Does nothing.
#[derive(Debug)]
pub struct Shipper;

impl Extension for Shipper {}

/// Makes the extension.
///
/// # Errors
///
/// None.
#[lambda_extension::main]
pub async fn main() -> Result<impl Extension, Error> {
    Ok(Shipper)
}
