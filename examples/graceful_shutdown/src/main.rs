//! Does nothing, so that the function is told of its end.
//!
//! Lambda sends the function's runtime SIGTERM, and leaves it 300 ms, only where an extension is registered.
//! `README.md` beside this package tells what for, and how to deploy it.

use lambda_extension::{Error, ShutdownEvent};

/// Registers for SHUTDOWN, so that Lambda need not wait for a process that does not know of the end, and for nothing else, so
/// that no invocation waits for it.
#[lambda_extension::main(logging = "none")]
async fn graceful_shutdown(_: ShutdownEvent) -> Result<(), Error> {
    Ok(())
}
