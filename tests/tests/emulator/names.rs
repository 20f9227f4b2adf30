//! Under which name an extension registers: that of the file Lambda started, whatever is behind it.

use std::path::Path;

use lambda_extension_tests::{Emulator, Extension, programs};

fn quoted(program: &Path) -> String {
    format!("'{}'", program.display())
}

/// One life of an extension that must register as `name`.
fn registers_as(name: &str, extension: Extension) {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator.extension(extension).start();
    assert_eq!(emulator.invoke("answer").status, 200);
    emulator.line(&[&format!("External agent {name} "), "registered, subscribed to [INVOKE SHUTDOWN]"]);
    emulator.terminate();
    emulator.line(&[&format!("[{name}] "), "SHUTDOWN shutdownReason="]);
}

#[test]
fn a_renamed_copy_registers_under_its_new_name() {
    registers_as("other-name", Extension::program(programs::example("basic")).named("other-name"));
}

#[test]
fn a_symbolic_link_registers_under_its_own_name() {
    registers_as("link", Extension::link("link", programs::example("basic")));
}

#[test]
fn a_launcher_script_hands_its_name_on_with_exec_a() {
    let text = format!("#!/bin/bash\nexec -a \"$0\" {}\n", quoted(&programs::example("basic")));
    registers_as("launcher.sh", Extension::script("launcher.sh", &text));
}

#[test]
fn a_launcher_script_can_name_the_extension_by_a_variable() {
    let program = quoted(&programs::example("basic"));
    let text = format!("#!/bin/sh\nLAMBDA_EXTENSION_NAME=launcher.sh exec {program}\n");
    registers_as("launcher.sh", Extension::script("launcher.sh", &text));
}

#[test]
fn a_launcher_script_that_loses_the_name_is_told_how_to_keep_it() {
    let Some(emulator) = Emulator::builder() else { return };
    let text = format!("#!/bin/sh\nexec {}\n", quoted(&programs::example("basic")));
    let emulator = emulator.extension(Extension::script("launcher.sh", &text)).start();
    assert_eq!(emulator.invoke("answer").status, 502);
    emulator.line(&["cannot register the extension `basic`", "exec -a \"$0\"", "LAMBDA_EXTENSION_NAME"]);
    emulator.line(&["answered 403 Extension.InvalidEventType"]);
}
