//! Write AWS Lambda extensions in Rust.

mod clock;
#[cfg(feature = "simulator")]
pub mod simulator;
