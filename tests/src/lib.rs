//! What the integration tests share: AWS's own emulator with an `/opt/extensions` of its own, a look over an extension's
//! shoulder, and the pages that people read.
//!
//! ```no_run
//! use lambda_extension_tests::{Emulator, Extension, programs};
//!
//! let Some(emulator) = Emulator::builder() else { return };
//! let emulator = emulator.extension(Extension::program(programs::example("basic"))).start();
//! assert_eq!(emulator.invoke("answer").status, 200);
//! emulator.terminate();
//! ```
//!
//! Nothing here uses the framework, but for the program `misbehave`: what judges it must not share its mistakes.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod emulator;
mod extension;
pub mod front;
pub mod http;
mod log;
mod namespace;
pub mod pages;
pub mod process;
pub mod programs;
pub mod recorder;
pub mod servers;

pub use emulator::Emulator;
pub use extension::Extension;

/// Whether a test that takes more than Rust was asked for, by a variable that says 1. If not, that is said, with the script
/// that brings what it takes.
pub fn asked_for(variable: &str, script: &str) -> bool {
    let asked_for = std::env::var_os(variable).is_some_and(|value| value == "1");
    if !asked_for {
        skipped(&format!("run {script}"));
    }
    asked_for
}

/// Says that this test skips because something is not there.
///
/// # Panics
///
/// When the variable `required` says 1: then it may not skip.
pub fn missing(what: &str, required: &str) {
    assert!(std::env::var_os(required).is_none_or(|value| value != "1"), "{required}=1, and {what}");
    skipped(what);
}

/// Says that this test skips, and why. Not by `eprintln`, which the test harness keeps to itself while a test passes.
pub fn skipped(why: &str) {
    let test = std::thread::current();
    let _ = writeln!(io::stderr(), "SKIPPED {}: {why}", test.name().unwrap_or_default());
}

/// Two addresses that nobody uses and that nobody else in this process was given. Another process may be quicker to take them.
pub(crate) fn free_addresses() -> [SocketAddr; 2] {
    static GIVEN: Mutex<Vec<SocketAddr>> = Mutex::new(Vec::new());
    let mut given = lock(&GIVEN);
    let mut free = || {
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = listener.local_addr().expect("a bound socket has an address");
            if !given.contains(&address) {
                given.push(address);
                return address;
            }
        }
    };
    [free(), free()]
}

/// What a thread that panicked left in it is as good as any for a test.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long anything may take before a test gives up. Nothing waits this long when all is well.
const BOUND: std::time::Duration = std::time::Duration::from_secs(60);
