//! The expansion must not trip lints that a user's crate is strict about.
#![deny(warnings, missing_docs, unused, future_incompatible, rust_2018_idioms, rust_2024_compatibility, let_underscore)]
#![deny(
    absolute_paths_not_starting_with_crate,
    elided_lifetimes_in_paths,
    keyword_idents,
    missing_debug_implementations,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unreachable_pub,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::cargo)]
#![forbid(unsafe_code)]
#![no_implicit_prelude]

use ::lambda_extension::{Error, NextEvent};
use ::std::{
    println,
    result::Result::{self, Ok},
};

/// Logs every event.
#[::lambda_extension::main(name = "strict", events(invoke), logging = "none", flavor = "multi_thread", worker_threads = 1)]
#[inline]
pub(crate) async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
