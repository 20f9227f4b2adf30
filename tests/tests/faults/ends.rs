//! What nothing can contain: the process ends, or its thread is blocked. The table states what is seen.

use std::path::PathBuf;

use lambda_extension_tests::programs;

use crate::{
    process::{KILL_IN_INIT, KILL_WHEN_IDLE, Misbehaviour, emulated, emulated_with, simulated},
    table::{Flush, Idle, Init, Invoke, Lambda::*, PHASES, Promise, Shutdown, Table},
};

/// In MB. An allocation without end must not take the machine with it.
const MEMORY: &str = "128";

#[test]
fn processes_that_end_and_threads_that_are_blocked() {
    let mut table = Table::new("ends", Promise::Stated, 16);
    for (fault, word) in [
        ("a hook ends the process, code 0", "exit-0"),
        ("a hook ends the process, code 3", "exit-3"),
        ("a hook aborts", "abort"),
        ("the stack overflows", "overflow"),
        ("a hook allocates without end", "allocate"),
        ("SIGTERM", "terminate"),
        ("SIGKILL", "kill"),
        ("a hook blocks its thread", "block"),
    ] {
        table.fault(fault);
        for phase in PHASES {
            let mut misbehaviour = Misbehaviour::new(phase, word).once().env("LIMIT_MEMORY_MB", MEMORY);
            if word != "block" {
                misbehaviour = misbehaviour.ending();
            }
            let again = misbehaviour.clone();
            table.seen(phase, Simulator, move || simulated(&misbehaviour));
            if phase != Idle {
                table.seen(phase, Emulator, move || emulated(&again));
            } else if matches!(word, "terminate" | "kill") {
                table.seen(phase, Emulator, move || {
                    let nothing = Misbehaviour::new(phase, "nothing").once();
                    emulated_with(&nothing, |emulator| {
                        let process = emulator.extension("misbehave");
                        if word == "kill" {
                            process.kill()
                        } else {
                            process.terminate()
                        }
                        emulator.line(&["launcher: misbehave ended"]);
                    })
                });
            }
        }
    }
    table.fault("a hook panics, built with `panic = \"abort\"`");
    for phase in PHASES {
        let aborting = move || Misbehaviour::new(phase, "panic").once().ending().program(built_to_abort());
        table.seen(phase, Simulator, move || simulated(&aborting()));
        if phase != Idle {
            table.seen(phase, Emulator, move || emulated(&aborting()));
        }
    }
    table.fault("SIGKILL of the function");
    for (phase, payload) in
        [(Init, KILL_IN_INIT), (Idle, KILL_WHEN_IDLE), (Invoke, "kill"), (Flush, "kill-after-answer")]
    {
        let killing = move || Misbehaviour::new(phase, "nothing").payload(payload);
        table.seen(phase, Simulator, move || simulated(&killing()));
        if phase != Idle {
            table.seen(phase, Emulator, move || emulated(&killing()));
        }
    }
    table.never(&[Shutdown], "The function's process is gone by then: Lambda ends it first.");
    table.check();
}

/// `misbehave`, built as `cargo lambda build --release` builds whatever says nothing of panics.
fn built_to_abort() -> PathBuf {
    static BUILT: std::sync::LazyLock<PathBuf> = std::sync::LazyLock::new(|| {
        let arguments = ["-p", "lambda_extension_tests", "--profile", "abort", "--bin", "misbehave"];
        programs::build(&arguments, "misbehave")
    });
    BUILT.clone()
}
