//! What the framework itself has to say in the log.
//!
//! Whoever writes the log is the user's choice, and may panic: many do where standard output or error is closed or full. That is
//! no reason to end, and there is nowhere to say it.
//!
//! One place for each level: every use of a `tracing` macro is more than a kilobyte of code, with its `log` feature, and every
//! extension carries them all.

use std::fmt::Arguments;

use crate::contain::contain;

/// Something did not work, and the extension goes on with less.
#[inline(never)]
pub(crate) fn error(message: Arguments<'_>) {
    let _ = contain(|| tracing::error!(target: "lambda_extension", "{message}"));
}

/// Something is not as it should be.
#[inline(never)]
pub(crate) fn warn(message: Arguments<'_>) {
    let _ = contain(|| tracing::warn!(target: "lambda_extension", "{message}"));
}
