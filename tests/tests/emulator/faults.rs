//! Hooks that fail, panic and hang: when they are dropped, what is logged, and under `ErrorPolicy::Exit` what Lambda is told. What
//! each of them comes to under `Continue` is in the fault matrix, `tests/tests/faults/hooks.rs`.
//!
//! The hooks are those of `tests/src/bin/misbehave.rs`.

use std::time::Duration;

use lambda_extension_tests::{Emulator, Extension, programs, recorder::Journal};

/// What `misbehave` says when it fails or panics.
const MESSAGE: &str = "first line\nsecond line: żółw 🐢, \"quoted\"";

/// One timeout for all: the margin below it is a tenth, 0.2 s.
const FUNCTION_TIMEOUT: u32 = 2;

/// What is seen from outside of an extension whose `hook` has this fault: two invocations, then a shutdown.
struct Outcome {
    hook: &'static str,
    statuses: [u16; 2],
    took: [Duration; 2],
    shutdown_took: Duration,
    exit_code: i32,
    journal: Journal,
    log: String,
}

fn misbehave(hook: &'static str, fault: &str, policy: &str) -> Option<Outcome> {
    let extension = Extension::program(programs::program("misbehave"))
        .env("MISBEHAVE", &format!("{hook}={fault}"))
        .env("ON_ERROR", policy)
        .env("INIT_TIMEOUT_MS", "300")
        .recorded();
    let emulator = Emulator::builder()?.function_timeout(FUNCTION_TIMEOUT).extension(extension).start();
    let invocations = [emulator.invoke("answer"), emulator.invoke("answer")];
    let shutdown_took = emulator.terminate().took;
    let journal = emulator.journal("misbehave");
    journal.assert_lawful();
    let exit_code = emulator.exit_code("misbehave");
    Some(Outcome {
        hook,
        statuses: invocations.each_ref().map(|invocation| invocation.status),
        took: invocations.each_ref().map(|invocation| invocation.took),
        shutdown_took,
        exit_code,
        journal,
        log: emulator.lines().join("\n"),
    })
}

impl Outcome {
    /// The function never noticed, and the extension lived to its SHUTDOWN.
    fn assert_harmless(&self) {
        let hook = self.hook;
        assert_eq!((self.statuses, self.exit_code), ([200, 200], 0), "{hook}");
        assert_eq!(self.journal.routes(), ["register", "event/next", "event/next", "event/next"], "{hook}");
        assert!(self.log.contains(&format!("{hook} failed")), "{hook}: {}", self.log);
    }

    /// Lambda was told once a life, by this route and with this type, and the process left.
    fn assert_reported(&self, route: &str, error_type: &str) {
        let hook = self.hook;
        assert_eq!(self.exit_code, 1, "{hook}");
        for life in self.journal.lives() {
            let report = life.last().expect("a life begins with a call");
            assert_eq!(report.route(), route, "{hook}: {:?}", self.journal.routes());
            assert_eq!(
                report.request.header("lambda-extension-function-error-type"),
                Some(error_type),
                "{hook}"
            );
        }
    }

    /// The whole text is on stderr, whatever stands before each of its lines.
    fn assert_whole_text_logged(&self) {
        for line in MESSAGE.lines() {
            assert!(self.log.contains(line), "{}: {}", self.hook, self.log);
        }
    }

    /// The whole text is in the body of each report, and on stderr.
    fn assert_whole_text_told(&self) {
        for life in self.journal.lives() {
            let body = life.last().expect("a life begins with a call").json();
            let message = body["errorMessage"].as_str().expect("a message");
            assert!(message.contains(MESSAGE), "{}: {message}", self.hook);
        }
        self.assert_whole_text_logged();
    }
}

#[test]
fn an_extension_that_could_not_be_initialised_says_why_and_calls_no_hook_any_more() {
    for (hook, fault) in [("constructor", "fail"), ("constructor", "panic"), ("on_init", "fail")] {
        let Some(outcome) = misbehave(hook, fault, "continue") else { return };
        outcome.assert_harmless();
        outcome.assert_whole_text_logged();
        assert!(outcome.log.contains("stays as a no-op until SHUTDOWN"), "{}", outcome.log);
        assert!(!outcome.log.contains("on_invoke is called"), "{}", outcome.log);
    }
}

#[test]
fn a_hanging_initialisation_ends_at_its_timeout() {
    for hook in ["constructor", "on_init"] {
        let Some(outcome) = misbehave(hook, "hang", "continue") else { return };
        outcome.assert_harmless();
        assert!(
            outcome.took[0] >= Duration::from_millis(290),
            "{hook}: dropped too early, {:?}",
            outcome.took
        );
        let Some(outcome) = misbehave(hook, "hang", "exit") else { return };
        outcome.assert_reported("init/error", "Extension.HookCancelled");
    }
}

#[test]
fn a_hanging_on_invoke_or_on_flush_is_dropped_before_the_function_times_out() {
    for hook in ["on_invoke", "on_flush"] {
        let Some(outcome) = misbehave(hook, "hang", "continue") else { return };
        outcome.assert_harmless();
        for took in outcome.took {
            assert!(took >= Duration::from_millis(1_700), "{hook}: dropped too early, {took:?}");
        }
    }
}

#[test]
fn a_hanging_on_invoke_is_an_exit_error_under_exit() {
    let Some(outcome) = misbehave("on_invoke", "hang", "exit") else { return };
    outcome.assert_reported("exit/error", "Extension.HookCancelled");
}

#[test]
fn a_hanging_on_shutdown_is_dropped_before_lambda_kills_the_process() {
    let Some(outcome) = misbehave("on_shutdown", "hang", "continue") else { return };
    outcome.assert_harmless();
    assert!(outcome.shutdown_took >= Duration::from_millis(1_700), "too early: {:?}", outcome.shutdown_took);
    assert!(!outcome.log.contains("did not exit after deadline"), "{}", outcome.log);
}

#[test]
fn under_exit_a_broken_initialisation_is_an_init_error() {
    for hook in ["constructor", "on_init"] {
        for (fault, error_type) in [("fail", "Extension.HookFailed"), ("panic", "Extension.HookPanicked")] {
            let Some(outcome) = misbehave(hook, fault, "exit") else { return };
            assert_eq!(outcome.statuses, [502, 502], "{hook}");
            outcome.assert_reported("init/error", error_type);
            outcome.assert_whole_text_told();
            assert_eq!(outcome.journal.lives().len(), 2, "Lambda tries again with the next invocation");
        }
    }
}

#[test]
fn under_exit_a_broken_hook_is_an_exit_error() {
    for hook in ["on_invoke", "on_flush"] {
        for (fault, error_type) in [("fail", "Extension.HookFailed"), ("panic", "Extension.HookPanicked")] {
            let Some(outcome) = misbehave(hook, fault, "exit") else { return };
            assert_eq!(outcome.statuses, [502, 502], "{hook}");
            outcome.assert_reported("exit/error", error_type);
            outcome.assert_whole_text_told();
            assert_eq!(outcome.journal.lives().len(), 2, "each invocation ended a life");
        }
    }
}

#[test]
fn under_exit_a_broken_on_shutdown_is_an_exit_error_of_which_the_callers_see_nothing() {
    for (fault, error_type) in [("fail", "Extension.HookFailed"), ("panic", "Extension.HookPanicked")] {
        let Some(outcome) = misbehave("on_shutdown", fault, "exit") else { return };
        assert_eq!(outcome.statuses, [200, 200]);
        outcome.assert_reported("exit/error", error_type);
        outcome.assert_whole_text_told();
    }
}
