//! Whole lives of arm64 binaries and of layers for both architectures. `tests/arm64` gets what that takes.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use lambda_extension_tests::{Emulator, Extension, asked_for, programs};
use serde_json::{Value, json};
use zip::ZipArchive;

/// What `examples/build` says, once it has built and packed; the binaries lie where it puts them.
static BUILT: LazyLock<String> = LazyLock::new(|| {
    let mut build = Command::new(programs::workspace().join("examples/build"));
    build.args(["--profile", "ci", "--arm64", "basic", "telemetry"]).env_remove("CARGO_TARGET_DIR");
    let output = build.stderr(Stdio::inherit()).output().expect("the script runs");
    assert!(output.status.success(), "examples/build: {}", output.status);
    String::from_utf8(output.stdout).expect("it prints UTF-8")
});

static LAMBDA_SIM: LazyLock<PathBuf> = LazyLock::new(|| {
    let arguments = ["-p", "lambda_extension", "--features", "simulator", "--bin", "lambda-sim"];
    programs::build(&arguments, "lambda-sim")
});

static LAYER: LazyLock<PathBuf> = LazyLock::new(|| programs::build(&["-p", "layer"], "layer"));

fn arm64(example: &str) -> PathBuf {
    LazyLock::force(&BUILT);
    programs::workspace().join("target/aarch64-unknown-linux-gnu/ci/examples").join(example)
}

/// A life of three invocations under the local Lambda.
fn lambda_sim() -> Command {
    let mut lambda_sim = Command::new(&*LAMBDA_SIM);
    // A program under QEMU takes its time.
    lambda_sim.args(["--json", "--invokes", "3", "--timeout", "10"]).stdin(Stdio::null());
    lambda_sim
}

/// Such a life, with these programs first in the path; its report.
fn live(extension: &Path, path: Option<&Path>) -> Value {
    let mut lambda_sim = lambda_sim();
    if let Some(path) = path {
        lambda_sim.env("PATH", format!("{}:{}", path.display(), std::env::var("PATH").expect("a path")));
    }
    report(lambda_sim.arg("--").arg(extension))
}

fn report(lambda_sim: &mut Command) -> Value {
    let run = lambda_sim.output().expect("lambda-sim runs");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stdout));
    serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn unpack(layer: &Path, folder: &Path) {
    let archive = File::open(layer).unwrap_or_else(|error| panic!("{}: {error}", layer.display()));
    ZipArchive::new(archive).expect("an archive").extract(folder).expect("it is unpacked");
}

#[test]
fn an_arm64_extension_lives_a_whole_life_under_the_local_lambda() {
    if !asked_for("REQUIRE_ARM64", "tests/arm64") {
        return;
    }
    for name in ["basic", "telemetry"] {
        let report = live(&arm64(name), None);
        assert_eq!(report["totals"]["failed"], 0, "{report:#}");
        assert_eq!(report["inits"][0]["extensions"][0]["name"], name, "{report:#}");
        assert_eq!(report["shutdowns"][0]["extensions"][0]["ended"], "exit code 0", "{report:#}");
        assert_eq!(report["freezes"][0]["extension"], name, "it is frozen as any other: {report:#}");
        let delivered = report["telemetry"][0]["delivered"].as_u64().unwrap_or_default();
        assert!((name == "telemetry") == (delivered > 0), "{report:#}");
    }
}

/// As they are deployed: built by the release profile. What they send finds nobody, which is no reason to fail.
#[test]
fn every_example_lives_a_whole_life_on_arm64() {
    if !asked_for("REQUIRE_EVERY_EXAMPLE", "tests/arm64 --all") {
        return;
    }
    let mut build = Command::new(programs::workspace().join("examples/build"));
    build.arg("--arm64").env_remove("CARGO_TARGET_DIR").stderr(Stdio::inherit());
    let output = build.output().expect("the script runs");
    assert!(output.status.success(), "examples/build: {}", output.status);
    let said = String::from_utf8(output.stdout).expect("it prints UTF-8");
    let programs = said.lines().filter_map(|line| line.split_once(": arm64, "));
    let programs: Vec<_> = programs.map(|(path, _)| programs::workspace().join(path)).collect();
    assert!(programs.len() > 10, "{said}");
    let folder = tempfile::tempdir().expect("a folder");
    for program in programs {
        let report = report(
            lambda_sim()
                .args(["--env", "AWS_ENDPOINT_URL=http://127.0.0.1:9", "--env", "LOGS_BUCKET=logs"])
                .args(["--env", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9"])
                .args(["--env", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT=0", "--env"])
                .arg(format!("RUNTIME_PROXY_DIR={}", folder.path().display()))
                .arg("--")
                .arg(&program),
        );
        assert_eq!(report["totals"]["failed"], 0, "{report:#}");
        let name = program.file_name().and_then(|name| name.to_str());
        assert_eq!(report["inits"][0]["extensions"][0]["name"].as_str(), name, "{report:#}");
        assert_eq!(report["shutdowns"][0]["extensions"][0]["ended"], "exit code 0", "{report:#}");
    }
}

#[test]
fn an_arm64_extension_lives_a_whole_life_under_the_emulator_for_arm64() {
    if !asked_for("REQUIRE_ARM64", "tests/arm64") {
        return;
    }
    for name in ["basic", "telemetry"] {
        let Some(emulator) = Emulator::builder() else { return };
        let emulator = emulator.arm64().extension(Extension::program(arm64(name)).recorded()).start();
        for _ in 0..3 {
            let invocation = emulator.invoke("answer");
            assert_eq!((invocation.status, invocation.body.as_str()), (200, "answer"));
        }
        emulator.terminate();
        assert_eq!(emulator.exit_code(name), 0);
        let journal = emulator.journal(name);
        journal.assert_lawful();
        assert_eq!(journal.of("event/next").len(), 4, "{:?}", journal.routes());
    }
}

#[test]
fn a_layer_for_arm64_holds_what_was_built_and_says_which_glibc_that_needs() {
    if !asked_for("REQUIRE_ARM64", "tests/arm64") {
        return;
    }
    assert!(BUILT.contains("basic: arm64, ") && BUILT.contains("Amazon Linux 2023 has 2.34"), "{}", *BUILT);
    let folder = tempfile::tempdir().expect("a folder");
    unpack(&programs::workspace().join("target/layers/basic-arm64.zip"), folder.path());
    let unpacked = folder.path().join("extensions/basic");
    assert_eq!(fs::metadata(&unpacked).expect("the extension").permissions().mode() & 0o777, 0o755);
    assert!(fs::read(unpacked).expect("the extension") == fs::read(arm64("basic")).expect("the binary"));
    assert_eq!(fs::read_dir(folder.path().join("extensions")).expect("the folder").count(), 1);
}

/// The program for this machine is `basic` and the one for the other is `telemetry`, so what is registered and what is
/// delivered tells which of them was started. Where `uname` says `aarch64`, the second must.
#[test]
fn one_layer_starts_the_program_for_the_processor_it_finds() {
    if !asked_for("REQUIRE_ARM64", "tests/arm64") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let programs = [("x86_64", programs::example("basic")), ("arm64", arm64("telemetry"))];
    let programs = programs.map(|(architecture, program)| {
        let copy = folder.path().join(architecture).join("watcher");
        fs::create_dir(copy.parent().expect("a folder")).expect("a folder");
        fs::copy(program, &copy).expect("a copy");
        copy
    });
    let status = Command::new(&*LAYER).arg("--out").arg(folder.path()).args(&programs).status();
    assert!(status.expect("it runs").success());
    let layer = folder.path().join("opt");
    unpack(&folder.path().join("watcher.zip"), &layer);
    let launcher = layer.join("extensions/watcher");

    let uname = folder.path().join("bin/uname");
    fs::create_dir(uname.parent().expect("a folder")).expect("a folder");
    for (machine, subscribed) in [("x86_64", false), ("aarch64", true)] {
        fs::write(&uname, format!("#!/bin/sh\necho {machine}\n")).expect("a script");
        fs::set_permissions(&uname, fs::Permissions::from_mode(0o755)).expect("our own file");
        let report = live(&launcher, uname.parent());
        assert_eq!(report["inits"][0]["extensions"][0]["name"], "watcher", "{report:#}");
        assert_eq!(report["totals"]["failed"], 0, "{report:#}");
        assert_eq!(
            report["telemetry"].as_array().is_some_and(|list| !list.is_empty()),
            subscribed,
            "{report:#}"
        );
        assert_eq!(report["problems"], json!([]), "{report:#}");
    }
}
