//! The example of an internal extension: one process, the published `lambda_runtime` beside our loop.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use lambda_extension_tests::{Emulator, programs};

fn bootstrap() -> PathBuf {
    programs::build(&["-p", "internal_example"], "internal_example")
}

#[test]
fn an_internal_extension_lives_beside_the_runtime() {
    let Some(emulator) = Emulator::builder() else { return };
    let directory = tempfile::tempdir().expect("a directory for the file");
    let file = directory.path().join("audit");
    let emulator = emulator.function(bootstrap()).env("AUDIT_FILE", &file.to_string_lossy()).start();
    let mut seen = String::new();
    for _ in 0..3 {
        let invocation = emulator.invoke("{\"a\":1}");
        assert_eq!((invocation.status, invocation.body.as_str()), (200, "{\"a\":1}"));
        seen.push_str(&invocation.request_id);
        seen.push('\n');
    }
    assert_eq!(fs::read_to_string(&file).expect("the extension wrote it"), seen);
    emulator.line(&["Internal agent audit", "registered, subscribed to [INVOKE]"]);
    // Lambda does not tell it of the shutdown, and must not wait the two seconds it gives external extensions.
    let shutdown = emulator.terminate();
    assert!(shutdown.took < Duration::from_secs(1), "{:?}", shutdown.took);
}

#[test]
fn an_internal_extension_that_cannot_start_does_not_hold_up_the_function() {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator
        .function(bootstrap())
        .function_timeout(5)
        .env("AUDIT_FILE", "/no such directory/audit")
        .start();
    for _ in 0..3 {
        let invocation = emulator.invoke("{\"a\":1}");
        assert_eq!((invocation.status, invocation.body.as_str()), (200, "{\"a\":1}"));
        assert!(invocation.took < Duration::from_secs(4), "held to its deadline: {:?}", invocation.took);
    }
    emulator.line(&["on_init failed", "opening /no such directory/audit"]);
}

#[test]
fn an_internal_extension_whose_hook_fails_does_not_hold_up_the_function() {
    let Some(emulator) = Emulator::builder() else { return };
    // A device on which every write fails for want of space.
    let emulator = emulator.function(bootstrap()).function_timeout(5).env("AUDIT_FILE", "/dev/full").start();
    for _ in 0..3 {
        let invocation = emulator.invoke("{\"a\":1}");
        assert_eq!((invocation.status, invocation.body.as_str()), (200, "{\"a\":1}"));
        assert!(invocation.took < Duration::from_secs(4), "held to its deadline: {:?}", invocation.took);
        emulator.line(&[&invocation.request_id, "on_invoke failed", "No space left"]);
    }
}
