//! `extension_fn` takes a function of every event, with any error that `?` could turn into ours.
use std::{fmt, io};

use lambda_extension::{
    Error, Extension, InvokeEvent, NextEvent, ShutdownEvent, extension_fn, telemetry::Batch,
};

#[derive(Debug)]
struct OwnError;

impl fmt::Display for OwnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error of our own")
    }
}

impl std::error::Error for OwnError {}

async fn next(event: NextEvent) -> Result<(), Error> {
    match event {
        NextEvent::Invoke(event) => println!("{event}"),
        NextEvent::Shutdown(event) => println!("{event}"),
    }
    Err("text is an error too")?
}

async fn invoke(_: InvokeEvent) -> io::Result<()> {
    Ok(())
}

async fn shutdown(_: ShutdownEvent) -> Result<(), OwnError> {
    Err(OwnError)
}

async fn telemetry(batch: Batch) -> Result<(), &'static str> {
    if batch.is_empty() { Err("nothing came") } else { Ok(()) }
}

fn is_extension(_: &impl Extension) {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    is_extension(&extension_fn(next));
    is_extension(&extension_fn(invoke));
    is_extension(&extension_fn(shutdown));
    is_extension(&extension_fn(telemetry));
    lambda_extension::run(extension_fn(|event: NextEvent| next(event))).await
}
