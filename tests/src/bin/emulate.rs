//! Shows the whole life of examples under AWS's emulator; `tests/emulate` fetches and builds what it needs.

use std::process::ExitCode;

use lambda_extension_tests::{Emulator, Extension, programs};

const INVOCATIONS: usize = 3;

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() || names.iter().any(|name| name.starts_with('-')) {
        eprintln!("usage: tests/emulate EXAMPLE...   (a program of the folder examples/, such as basic)");
        return ExitCode::from(2);
    }
    let Some(mut builder) = Emulator::builder() else { return ExitCode::FAILURE };
    for name in &names {
        builder = builder.extension(Extension::program(programs::example(name)).recorded());
    }
    let emulator = builder.start();
    let mut all_answered = true;
    for number in 1..=INVOCATIONS {
        let invocation = emulator.invoke(&format!("invocation {number} of {INVOCATIONS}"));
        all_answered &= invocation.status == 200;
    }
    let shutdown = emulator.terminate();
    for line in emulator.lines().iter().filter(|line| !line.contains("[DEBUG] (rapid)")) {
        println!("{line}");
    }
    let exit_codes: Vec<i32> = names.iter().map(|name| emulator.exit_code(name)).collect();
    println!(
        "{names:?} ended with {exit_codes:?}, all of it {:.1} ms after SIGTERM",
        shutdown.took.as_secs_f64() * 1e3
    );
    if all_answered && exit_codes.iter().all(|code| *code == 0) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
