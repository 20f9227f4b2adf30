//! What the framework itself has to say in the log.
//!
//! One place for each level: every use of a `tracing` macro is more than a kilobyte of code, with its `log` feature, and every
//! extension carries them all.

use std::fmt::Arguments;

/// Something did not work, and the extension goes on with less.
#[inline(never)]
pub(crate) fn error(message: Arguments<'_>) {
    tracing::error!(target: "lambda_extension", "{message}");
}

/// Something is not as it should be.
#[inline(never)]
pub(crate) fn warn(message: Arguments<'_>) {
    tracing::warn!(target: "lambda_extension", "{message}");
}
