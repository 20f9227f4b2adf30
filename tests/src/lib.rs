//! What the integration tests share: AWS's own emulator with an `/opt/extensions` of its own, and a look over
//! an extension's shoulder.
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

pub mod emulator;
mod extension;
pub mod front;
pub mod http;
mod log;
mod namespace;
pub mod process;
pub mod programs;
pub mod recorder;
pub mod servers;

pub use emulator::Emulator;
pub use extension::Extension;

/// How long anything may take before a test gives up. Nothing waits this long when all is well.
const BOUND: std::time::Duration = std::time::Duration::from_secs(60);
