//! `lambda-sim` as its users meet it, and the door through which a program falls into it.
#![cfg(unix)]

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

/// The folder the programs are built into, once for all tests.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let build = |arguments: &[&str]| {
        let status = Command::new(env!("CARGO")).args(["build", "--quiet"]).args(arguments).status();
        assert!(status.is_ok_and(|status| status.success()), "cargo build {arguments:?} failed");
    };
    build(&["--package=lambda_extension", "--features=simulator", "--bin=lambda-sim"]);
    build(&["--package=lambda_extension_tests", "--example=door"]);
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../debug")
});

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(name)
}

fn lambda_sim(arguments: &[&str]) -> Output {
    Command::new(BUILT.join("lambda-sim"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("lambda-sim was built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("skipped: {program} is not installed");
    }
    there
}

#[test]
fn an_extension_that_behaves_gives_exit_code_0_and_a_report_in_three_forms() {
    if !has("curl") {
        return;
    }
    let extension = script("extension.sh").to_string_lossy().into_owned();
    let page = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{}.html", std::process::id()));
    let page_name = page.to_string_lossy().into_owned();
    let run = lambda_sim(&["-n", "2", "--json", "--report", &page_name, "--", &extension]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let report: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    assert_eq!(report["totals"]["invocations"], 2);
    assert_eq!(report["inits"][0]["extensions"][0]["name"], "extension.sh");
    assert!(text(&run.stderr).contains("[extension.sh] extension.sh saw an event"), "{}", text(&run.stderr));
    let html = std::fs::read_to_string(&page).expect("the page was written");
    drop(std::fs::remove_file(page));
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<svg") && html.contains("extension.sh"));
    assert!(!html.contains("<script") && !html.contains("src="), "the page needs nothing beside it");
    let plain = lambda_sim(&["-n", "1", "--quiet", "--", &extension]);
    assert!(text(&plain.stdout).contains("No problems."), "{}", text(&plain.stdout));
    assert_eq!(text(&plain.stderr), "");
}

#[test]
fn an_invocation_that_started_everything_again_shows_what_of_it_that_took() {
    if !has("curl") {
        return;
    }
    let extension = script("extension.sh").to_string_lossy().into_owned();
    let run =
        lambda_sim(&["--json", "-n", "2", "--timeout", "5", "--fault", "register=500", "--", &extension]);
    let report: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    let first = &report["invocations"][0];
    let (init, whole) = (first["repeatedInitMs"].as_f64(), first["durationMs"].as_f64());
    assert!(init > Some(0.0) && init < whole, "{report:#}");
    assert_eq!(report["invocations"][1]["repeatedInitMs"], Value::Null, "{report:#}");
}

#[test]
fn the_extension_stands_behind_the_options_with_dashes_between_or_without() {
    for arguments in [
        &["--quiet", "-n", "1", "/bin/false", "--name", "x"][..],
        &["--quiet", "-n", "1", "--", "/bin/false", "--name", "x"],
    ] {
        let run = lambda_sim(arguments);
        assert_eq!(run.status.code(), Some(1), "{arguments:?}: {}", text(&run.stderr));
        assert!(text(&run.stdout).contains("false: ended before SHUTDOWN"), "{}", text(&run.stdout));
    }
    let slip = lambda_sim(&["--quite", "/bin/false"]);
    assert_eq!(slip.status.code(), Some(2));
    assert!(text(&slip.stderr).contains("'--quiet'"), "{}", text(&slip.stderr));
}

#[test]
fn an_extension_that_misbehaves_gives_exit_code_1_and_the_reason() {
    let run = lambda_sim(&["--quiet", "--", "/bin/false"]);
    assert_eq!(run.status.code(), Some(1));
    let said = text(&run.stdout);
    assert!(
        said.contains("false: ended before SHUTDOWN (exit status 1); Lambda calls that a crash"),
        "{said}"
    );
    assert!(said.contains("Extension.Crash"), "{said}");
}

#[test]
fn the_last_lines_of_a_program_that_ended_stand_below_the_problem() {
    let run = lambda_sim(&["--quiet", "--", "/bin/ls", "/no/such/folder"]);
    let said = text(&run.stdout);
    let problem = said.split_once("ls: ended before SHUTDOWN").expect("it is a problem").1;
    assert!(problem.contains("| ") && problem.contains("/no/such/folder"), "{said}");
}

#[test]
fn a_fault_that_never_happened_is_listed_and_the_run_is_no_success() {
    if !has("curl") {
        return;
    }
    let extension = script("extension.sh").to_string_lossy().into_owned();
    let faults = [
        "--quiet",
        "-n",
        "1",
        "--fault",
        "clock-jump=5",
        "--fault",
        "malformed-batch",
        "--fault",
        "telemetry=500",
    ];
    let run = lambda_sim(&[&faults[..], &["--", &extension]].concat());
    let said = text(&run.stdout);
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(
        said.contains("Faults that never happened") && said.contains(": malformed-batch, telemetry=500\n"),
        "{said}"
    );
    let run = lambda_sim(&[&faults[..], &["--json", "--", &extension]].concat());
    let report: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    assert_eq!(report["unusedFaults"], serde_json::json!(["malformed-batch", "telemetry=500"]));
    let all_happened = lambda_sim(&[&faults[..5], &["--", &extension]].concat());
    assert_eq!(all_happened.status.code(), Some(0), "{}", text(&all_happened.stdout));
    // What misbehaves, and so ends too early for the fault, misbehaves first of all.
    assert_eq!(lambda_sim(&[&faults[..], &["--", "/bin/false"]].concat()).status.code(), Some(1));
}

#[test]
fn a_function_that_never_asks_for_an_invocation_is_a_problem_of_its_own() {
    if !has("curl") {
        return;
    }
    let extension = script("extension.sh").to_string_lossy().into_owned();
    let run = lambda_sim(&["--quiet", "--function", "/bin/true", "--", &extension]);
    let said = text(&run.stdout);
    assert!(
        said.contains(
            "runtime: the function's program ended before it asked for an invocation (exit code 0)"
        ),
        "{said}"
    );
    assert_eq!(run.status.code(), Some(2), "{said}");
}

#[test]
fn what_the_function_answers_is_shown_shortened_where_it_is_worth_looking_at() {
    if !has("curl") || !has("python3") {
        return;
    }
    let extension = script("extension.sh").to_string_lossy().into_owned();
    let function = script("function.py").to_string_lossy().into_owned();
    let payload = serde_json::json!({ "text": format!("{}cba", "x".repeat(100)) }).to_string();
    let run = lambda_sim(&["-n", "1", "--function", &function, "--payload", &payload, "--", &extension]);
    let shown = format!(", answered \"abc{}…\n", "x".repeat(56));
    assert!(text(&run.stderr).contains(&shown), "{}", text(&run.stderr));
    // The built-in function answers with its payload, on one line.
    let run = lambda_sim(&["-n", "1", "--payload", "[1,\n2]", "--", &extension]);
    assert!(text(&run.stderr).contains(", answered [1, 2]\n"), "{}", text(&run.stderr));
    let run = lambda_sim(&["-n", "1", "--", &extension]);
    assert!(!text(&run.stderr).contains("answered"), "{}", text(&run.stderr));
    // It failed, and the report does not stop at having no problem with the extension.
    let run =
        lambda_sim(&["-n", "1", "--function", &function, "--payload", r#"{"fail":true}"#, "--", &extension]);
    assert!(text(&run.stderr).contains(r#", answered {"errorMessage": "as asked""#), "{}", text(&run.stderr));
    assert!(text(&run.stdout).contains("No problems of extensions, but of 1 invocations 1 failed."));
    assert_eq!(run.status.code(), Some(1));
}

#[test]
fn an_extension_is_told_the_name_it_is_given() {
    let door = BUILT.join("examples/door").to_string_lossy().into_owned();
    let run = lambda_sim(&["--quiet", "-n", "1", "--name", "other", &door]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stdout));
    assert!(text(&run.stdout).contains("other  "), "{}", text(&run.stdout));
}

#[test]
fn options_that_stand_behind_the_program_are_pointed_out() {
    let pointed_out =
        |arguments: &[&str]| text(&lambda_sim(arguments).stderr).contains("`--invokes` stands behind");
    assert!(pointed_out(&["--quiet", "/bin/false", "--invokes", "5"]));
    assert!(!pointed_out(&["--quiet", "--", "/bin/false", "--invokes", "5"]));
    assert!(!pointed_out(&["--quiet", "--invokes", "1", "/bin/false", "--else"]));
}

#[test]
fn what_cannot_be_tried_gives_exit_code_2_and_a_sentence_that_helps() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let cases: [(&[&str], &str); 15] = [
        (&["--", "./no-such-extension"], "build it first, or correct the path"),
        (&["--", manifest], "chmod +x"),
        (&[], "<EXTENSION>"),
        (&["--fault", "next=often", "--", "ls"], "there is no fault `next=often`; write ROUTE=drop"),
        (&["--telemetry-schema", "2021-01-01", "--", "ls"], "use 2022-07-01, 2022-12-13 or 2025-01-29"),
        (&["--payload", "{", "--", "ls"], "the payload is no JSON"),
        (&["--env", "NAME", "--", "ls"], "should be NAME=VALUE"),
        (&["--env", "AWS_LAMBDA_RUNTIME_API=x", "--", "ls"], "Lambda sets `AWS_LAMBDA_RUNTIME_API` itself"),
        (&["-n", "-1", "--", "ls"], "`-1` should be a whole number of invocations"),
        (&["--log-level", "loud", "--", "ls"], "possible values: TRACE, DEBUG"),
        (&["--rate", "1e-300", "--", "ls"], "with `1e-300` the second would never come"),
        (&["--timeout", "1e300", "--", "ls"], "Lambda's longest timeout is 900 seconds"),
        (&["--memory", "0", "--", "ls"], "128..=10240"),
        (&["--fault", "list", "--", "ls"], "runtime-done=missing or clock-jump=MS"),
        (&["--also", "/bin/ls", "--", "ls"], "two extensions named `ls`"),
    ];
    for (arguments, sentence) in cases {
        let run = lambda_sim(arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(text(&run.stderr).contains(sentence), "{arguments:?} said: {}", text(&run.stderr));
    }
}

#[test]
fn a_program_that_the_system_cannot_start_is_explained() {
    let extension = script("extension.sh").to_string_lossy().into_owned();
    for (name, meaning) in [
        ("no_interpreter", "built for another machine, or a script without `#!`"),
        ("unknown_interpreter", "the interpreter or loader that it names"),
    ] {
        let odd = script(name).to_string_lossy().into_owned();
        let alone = lambda_sim(&["--quiet", &odd]);
        let function = lambda_sim(&["--quiet", "--function", &odd, &extension]);
        for (who, run) in [(name, alone), ("runtime: the function", function)] {
            let said = text(&run.stdout);
            assert!(said.contains(who) && said.contains(meaning), "{said}");
            assert_eq!(run.status.code(), Some(2), "{said}");
        }
    }
}

#[test]
fn a_report_that_cannot_be_kept_is_printed_all_the_same() {
    let run = lambda_sim(&[
        "--quiet",
        "--name",
        "runtime",
        "--report",
        "/no/such/folder/r.html",
        "--",
        "/bin/false",
    ]);
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stdout).contains("runtime: ended before SHUTDOWN"), "{}", text(&run.stdout));
    assert!(text(&run.stderr).contains("name another file"), "{}", text(&run.stderr));
}

#[test]
fn a_run_that_is_interrupted_shuts_down_in_order() {
    if !has("curl") {
        return;
    }
    let extension = script("extension.sh");
    let mut run = Command::new(BUILT.join("lambda-sim"))
        .args(["-n", "1000", "--rate", "20", "--json", "--"])
        .arg(extension)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("lambda-sim was built");
    // The first line of the extension tells that the run is under way.
    let mut first = [0; 1];
    std::io::Read::read_exact(run.stderr.as_mut().expect("piped"), &mut first).expect("a line");
    let pid = run.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().is_ok_and(|status| status.success()));
    let ended = run.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&ended.stdout).expect("the report comes all the same");
    assert!(report["totals"]["invocations"].as_u64().is_some_and(|number| number < 1_000));
    assert_eq!(report["shutdowns"][0]["extensions"][0]["ended"], "exit code 0", "{report}");
}

#[test]
fn a_program_that_finds_no_lambda_lives_a_whole_life_in_a_local_one() {
    let run = Command::new(BUILT.join("examples/door"))
        .env_remove("AWS_LAMBDA_RUNTIME_API")
        .env_remove("AWS_LAMBDA_FUNCTION_NAME")
        .env_remove("LAMBDA_TASK_ROOT")
        .env_remove("LAMBDA_EXTENSION_GUEST")
        // A name that was meant for another program is not taken for this one's.
        .env("LAMBDA_EXTENSION_NAME", "stray")
        // What is no text is no reason to fail.
        .env("ODD", std::ffi::OsStr::from_bytes(b"\xff"))
        .stdin(Stdio::null())
        .output()
        .expect("the program was built");
    let (said, report) = (text(&run.stderr), text(&run.stdout));
    assert_eq!(run.status.code(), Some(0), "{said}{report}");
    assert!(said.starts_with("There is no Lambda here (AWS_LAMBDA_RUNTIME_API is not set)"), "{said}");
    assert_eq!(said.matches("[door] invoked with").count(), 3, "{said}");
    assert!(report.contains("No problems."), "{report}");
}

#[test]
fn the_door_stays_shut_for_a_guest_and_where_lambda_is() {
    for (name, value) in
        [("LAMBDA_EXTENSION_GUEST", "1"), ("AWS_LAMBDA_FUNCTION_NAME", "f"), ("LAMBDA_TASK_ROOT", "/")]
    {
        let run = Command::new(BUILT.join("examples/door"))
            .env_clear()
            .env(name, value)
            .output()
            .expect("the program was built");
        assert_eq!(run.status.code(), Some(1), "{name}");
        assert!(text(&run.stderr).contains("AWS_LAMBDA_RUNTIME_API is not set"), "{}", text(&run.stderr));
    }
}
