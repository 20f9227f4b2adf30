//! A handler may use what the program declares around it, names that the expansion uses included.
use std::sync::atomic::{AtomicU64, Ordering};

use lambda_extension::{Error, NextEvent};

static INVOCATIONS: AtomicU64 = AtomicU64::new(0);

#[allow(dead_code)]
struct Options;
#[allow(dead_code)]
struct Default;
#[allow(dead_code, non_snake_case)]
fn Some() {}

#[lambda_extension::main(name = "counter", events(invoke), on_error = "exit")]
async fn construct(event: NextEvent) -> Result<(), Error> {
    if let NextEvent::Invoke(_) = event {
        INVOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
