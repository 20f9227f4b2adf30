//! What happens to an extension when nothing goes wrong, or nothing of its own.

use std::time::Duration;

use lambda_extension_tests::{Emulator, Extension, programs};

fn example(name: &str) -> Extension {
    Extension::program(programs::example(name))
}

/// Ten invocations and a shutdown, of which the extension `name` logs every event, and then exits with 0.
fn logs_its_whole_life(name: &str, extension: Extension) {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator.extension(extension.recorded()).start();
    for _ in 0..10 {
        let invocation = emulator.invoke("answer");
        assert_eq!((invocation.status, invocation.body.as_str()), (200, "answer"));
        let logged = emulator.lines_with(&format!("INVOKE requestId={}", invocation.request_id));
        assert_eq!(
            logged.len(),
            1,
            "the extension is done with an event before the caller is answered: {logged:?}"
        );
    }
    emulator.terminate();
    assert_eq!(emulator.lines_with("SHUTDOWN shutdownReason=SandboxTerminated").len(), 1);
    assert_eq!(emulator.exit_code(name), 0);
    let journal = emulator.journal(name);
    journal.assert_lawful();
    assert_eq!(journal.of("event/next").len(), 11);
    assert_eq!(journal.0.len(), 12, "register and polls are all it takes: {:?}", journal.routes());
}

#[test]
fn basic_logs_every_event() {
    logs_its_whole_life("basic", example("basic"));
}

#[test]
fn the_program_of_the_readme_logs_every_event() {
    logs_its_whole_life("basic_fn", example("basic_fn"));
}

#[test]
fn basic_works_behind_proxy_variables_that_lead_nowhere() {
    // Nothing listens on port 1; an extension that asked a proxy for Lambda's API would never register.
    let nowhere = "http://127.0.0.1:1";
    let variables = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    logs_its_whole_life(
        "basic",
        variables.iter().fold(example("basic"), |extension, variable| extension.env(variable, nowhere)),
    );
}

#[test]
fn basic_is_one_thread_and_gone_at_once_after_sigterm() {
    let mut best = Duration::MAX;
    // The quickest of three, so that a busy machine fails nothing; an extension that waits for anything does.
    for _ in 0..3 {
        let Some(emulator) = Emulator::builder() else { return };
        let emulator = emulator.extension(example("basic")).start();
        emulator.invoke("answer");
        let extension = emulator.extension("basic");
        assert_eq!(extension.status("Threads"), "1");
        let watch = extension.watch();
        let shutdown = emulator.terminate();
        best = best.min(watch.end() - shutdown.asked);
    }
    assert!(best <= Duration::from_millis(50), "gone {best:?} after SIGTERM");
}

#[test]
fn two_extensions_run_side_by_side() {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator =
        emulator.extension(example("basic").recorded()).extension(example("stateful").recorded()).start();
    for _ in 0..3 {
        assert_eq!(emulator.invoke("answer").status, 200);
    }
    emulator.terminate();
    for name in ["basic", "stateful"] {
        let journal = emulator.journal(name);
        journal.assert_lawful();
        assert_eq!((journal.of("event/next").len(), emulator.exit_code(name)), (4, 0), "{name}");
    }
    emulator.line(&["test_function: 1 new invocations (end of the invocation)"]);
    emulator.line(&["test_function: 3 invocations in this environment, until SandboxTerminated"]);
}

#[test]
fn an_extension_for_shutdown_only_is_told_of_nothing_else() {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator.extension(example("custom_events").recorded()).start();
    for _ in 0..3 {
        assert_eq!(emulator.invoke("answer").status, 200);
    }
    emulator.terminate();
    let journal = emulator.journal("custom_events");
    assert_eq!(journal.routes(), ["register", "event/next"]);
    assert_eq!(journal.of("register")[0].json()["events"], serde_json::json!(["SHUTDOWN"]));
    emulator.line(&["the environment goes because of SandboxTerminated"]);
    assert_eq!(emulator.exit_code("custom_events"), 0);
}

#[test]
fn where_there_is_no_telemetry_nobody_waits_for_it() {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator.extension(example("telemetry").recorded()).start();
    // Were an invocation held for its `platform.runtimeDone`, the answer would come at the end of `max_hold` at best.
    for _ in 0..3 {
        let invocation = emulator.invoke("answer");
        assert_eq!(invocation.status, 200);
        assert!(invocation.took < Duration::from_secs(2), "held back: {:?}", invocation.took);
    }
    emulator.line(&["[telemetry]", "WARN", "no telemetry here"]);
    emulator.terminate();
    let journal = emulator.journal("telemetry");
    journal.assert_lawful();
    assert_eq!(journal.routes()[..3], ["register", "/2022-07-01/telemetry", "event/next"]);
    assert_eq!((journal.of("/2022-07-01/telemetry")[0].status(), emulator.exit_code("telemetry")), (202, 0));
}

#[test]
fn a_function_that_fails_is_its_own_affair() {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator.extension(example("basic").recorded()).start();
    assert!(emulator.invoke("fail").body.contains("Function.Asked"));
    assert_eq!(emulator.invoke("answer").status, 200);
    emulator.terminate();
    let journal = emulator.journal("basic");
    assert_eq!((journal.lives().len(), journal.of("event/next").len()), (1, 3));
}

/// The environment is reset: this life of the extension ends with SHUTDOWN, the next invocation begins another.
fn a_reset_begins_a_new_life(payload: &str, answer: &str, reason: &str) {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator.function_timeout(1).extension(example("basic").recorded()).start();
    let invocation = emulator.invoke(payload);
    assert!(invocation.body.contains(answer), "{invocation:?}");
    assert_eq!(emulator.invoke("answer").body, "answer");
    emulator.terminate();
    emulator.line(&["SHUTDOWN shutdownReason=", reason]);
    assert_eq!(emulator.lines_with("launcher: basic ended with 0").len(), 2);
    let journal = emulator.journal("basic");
    journal.assert_lawful();
    assert_eq!(journal.lives().len(), 2, "{:?}", journal.routes());
}

#[test]
fn a_function_that_times_out_begins_a_new_life_of_the_extension() {
    a_reset_begins_a_new_life("hang", "timed out after 1.00 seconds", "timeout");
}

#[test]
fn a_function_that_exits_begins_a_new_life_of_the_extension() {
    a_reset_begins_a_new_life("exit", "Runtime.ExitError", "ReleaseFail");
}
