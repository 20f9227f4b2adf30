//! Examples that matter to the function, beside a real one in Python.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use lambda_extension_tests::{Emulator, Extension, programs};

/// It answers with the text of its event turned around, and says so when it is asked to leave.
fn function() -> PathBuf {
    programs::workspace().join("tests/foreign/function.py")
}

const ASKED_TO_LEAVE: &str = "the runtime was asked to leave";

#[test]
fn a_function_is_asked_to_leave_only_beside_an_extension() {
    let Some(emulator) = Emulator::builder() else { return };
    let alone = emulator.function(function()).start();
    assert_eq!(alone.invoke(r#"{"text":"abc"}"#).body, r#""cba""#);
    alone.terminate();
    assert_eq!(alone.lines_with(ASKED_TO_LEAVE), [""; 0]);

    let Some(emulator) = Emulator::builder() else { return };
    let extension = programs::build(&["-p", "graceful_shutdown"], "graceful_shutdown");
    let extension = Extension::program(extension).recorded();
    let emulator = emulator.function(function()).extension(extension).start();
    for _ in 0..3 {
        assert_eq!(emulator.invoke(r#"{"text":"abc"}"#).body, r#""cba""#);
    }
    emulator.terminate();
    emulator.line(&[ASKED_TO_LEAVE]);
    assert_eq!(emulator.exit_code("graceful_shutdown"), 0);
    let journal = emulator.journal("graceful_shutdown");
    assert_eq!(journal.routes(), ["register", "event/next"], "it takes no part in invocations");
}

#[test]
fn two_runtime_proxies_stand_between_a_function_and_its_lambda() {
    let Some(emulator) = Emulator::builder() else { return };
    let program = programs::build(&["-p", "runtime_proxy"], "runtime_proxy");
    let files = tempfile::tempdir().expect("a directory for wrappers and addresses");
    let wrapper = programs::workspace().join("examples/runtime_proxy/wrapper");
    let [outer, inner] = ["outer", "inner"].map(|name| {
        let path = files.path().join(name);
        fs::copy(&wrapper, &path).expect("a copy of the wrapper");
        path
    });
    // As a bootstrap of one's own would: those of AWS's runtimes obey AWS_LAMBDA_EXEC_WRAPPER.
    let bootstrap = files.path().join("bootstrap");
    let words = [&outer, &inner, &function()].map(|path| format!("'{}'", path.display()));
    fs::write(&bootstrap, format!("#!/bin/sh\nexec {}\n", words.join(" "))).expect("our own directory");
    fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).expect("our own file");

    let proxy = |name: &str, fields: &str| {
        let extension = Extension::program(program.clone()).named(name);
        extension.env("RUNTIME_PROXY_REDACT", fields)
    };
    let emulator = emulator
        .env("RUNTIME_PROXY_DIR", &files.path().to_string_lossy())
        .function(bootstrap)
        .extension(proxy("outer", "text"))
        .extension(proxy("inner", "other"))
        .start();
    for _ in 0..3 {
        assert_eq!(emulator.invoke(r#"{"text":"secret"}"#).body, r#""]detcader[""#);
    }
    assert!(emulator.invoke(r#"{"fail":true}"#).body.contains("Function.Asked"));
    emulator.terminate();
    emulator.line(&[ASKED_TO_LEAVE]);
    for name in ["outer", "inner"] {
        assert_eq!(emulator.exit_code(name), 0);
        let upstream = fs::read_to_string(files.path().join(format!("{name}.upstream")));
        assert!(upstream.expect("the wrapper has run").starts_with("127.0.0.1:"));
    }
}
