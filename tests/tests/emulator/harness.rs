//! The harness judged on its own, with an extension that is nothing but a socket.

use std::time::Duration;

use lambda_extension_tests::{Emulator, Extension, programs};

fn bare() -> Extension {
    Extension::program(programs::program("bare-extension"))
}

#[test]
fn a_function_is_invoked_and_its_extension_sees_it() {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator.extension(bare()).start();
    for number in 0..3 {
        let payload = format!("payload {number}");
        let invocation = emulator.invoke(&payload);
        assert_eq!((invocation.status, invocation.body), (200, payload));
        emulator.line(&["bare-extension: ", "\"INVOKE\"", &invocation.request_id]);
    }
    assert_eq!(emulator.extension("bare-extension").status("Threads"), "1");
    let gone = emulator.extension("bare-extension").watch();
    let shutdown = emulator.terminate();
    assert!(gone.end() >= shutdown.asked);
    emulator.line(&["bare-extension: ", "\"SHUTDOWN\""]);
}

#[test]
fn what_a_caller_gets_depends_on_the_payload() {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator.function_timeout(1).start();
    assert!(emulator.invoke("fail").body.contains("Function.Asked"));
    assert!(emulator.invoke("exit").body.contains("Runtime.ExitError"));
    assert!(emulator.invoke("hang").body.contains("timed out"));
    assert_eq!(emulator.invoke("and back to work").body, "and back to work");
}

#[test]
fn a_recorded_extension_is_named_journalled_and_its_exit_code_known() {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator.extension(bare().named("it's").env("BARE_EXIT_CODE", "3").recorded()).start();
    assert_eq!(emulator.invoke("answer").status, 200);
    emulator.terminate();
    assert_eq!(emulator.exit_code("it's"), 3);
    let journal = emulator.journal("it's");
    assert_eq!(journal.routes(), ["register", "event/next", "event/next"]);
    assert_eq!(journal.of("register")[0].json()["events"][0], "INVOKE");
    journal.assert_lawful();
}

#[test]
fn a_rude_extension_is_killed_and_found_unlawful() {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator.extension(bare().env("BARE_RUDE", "1").recorded()).start();
    assert_eq!(emulator.invoke("answer").status, 200);
    let shutdown = emulator.terminate();
    assert!(shutdown.took >= Duration::from_secs(2), "killed before its time: {:?}", shutdown.took);
    emulator.line(&["Deadline: the agent extension-bare-extension-1 did not exit"]);
    let journal = emulator.journal("bare-extension");
    let broken =
        std::panic::catch_unwind(|| journal.assert_lawful()).expect_err("it asked again after SHUTDOWN");
    assert!(broken.downcast::<String>().expect("a message").starts_with("asked for more after SHUTDOWN"));
}

#[test]
fn each_emulator_has_extensions_of_its_own_and_the_machine_none() {
    let Some(first) = Emulator::builder() else { return };
    let Some(second) = Emulator::builder() else { return };
    let before = std::fs::read_dir("/opt/extensions").map(Iterator::count).ok();
    let first = first.extension(bare().named("first")).start();
    let second = second.extension(bare().named("second")).start();
    assert_eq!(first.invoke("answer").status, 200);
    assert_eq!(second.invoke("answer").status, 200);
    assert_eq!(
        (first.lines_with("External agent first").len(), first.lines_with("agent second").len()),
        (1, 0)
    );
    assert_eq!(
        (second.lines_with("External agent second").len(), second.lines_with("agent first").len()),
        (1, 0)
    );
    assert_eq!(std::fs::read_dir("/opt/extensions").map(Iterator::count).ok(), before);
}

#[test]
fn nothing_survives_a_dropped_emulator() {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator.extension(bare()).start();
    assert_eq!(emulator.invoke("answer").status, 200);
    let gone = emulator.extension("bare-extension").watch();
    drop(emulator);
    gone.end();
}
