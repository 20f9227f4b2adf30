//! A program that opens the door by hand and then is an extension: what the framework's entry points do.

use std::process::ExitCode;

use lambda_extension::{Config, Error, InvokeEvent, extension_fn, simulator::door};

fn main() -> ExitCode {
    if let Some(code) = door() {
        return ExitCode::from(code);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let called = extension_fn(async |event: InvokeEvent| {
        println!("invoked with {}", event.request_id);
        Ok::<_, Error>(())
    });
    match runtime.block_on(async { Config::from_env()?.run(called).await }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
