//! The fault matrix of `docs/faults.md`: whatever goes wrong, in whatever phase of an extension's life, is done here, and what it
//! is seen to come to is compared with what the table says.
//!
//! `UPDATE_FAULTS=1 cargo test -p lambda_extension_tests --test faults` writes the table anew.
#![cfg(target_os = "linux")]
#![allow(unreachable_pub, reason = "nobody reaches into a test")]

mod api;
mod ends;
mod hooks;
mod life;
mod limits;
mod listener;
mod oddities;
mod outcome;
mod process;
#[path = "../scripted/mod.rs"]
mod scripted;
mod sinks;
mod table;
