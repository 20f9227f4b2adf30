//! cargo-lambda with our template and our examples. `tests/cargo-lambda` gets what that takes.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lambda_extension_tests::{Emulator, Extension, asked_for, programs};

/// `cargo lambda build --extension` for an extension that nobody measures, so it is built quickly.
fn build(folder: &Path, target: &Path, out: &Path, arguments: &[&str]) -> Output {
    let mut build = programs::cargo();
    build.current_dir(folder).args(["lambda", "build", "--extension"]).args(arguments);
    build.arg("--lambda-dir").arg(out).env("CARGO_TARGET_DIR", target);
    if let Some(rustc) = std::env::var_os("ZIG_RUSTC").filter(|_| arguments.contains(&"--target")) {
        build.env("RUSTC", rustc);
    }
    for (setting, value) in [("OPT_LEVEL", "0"), ("LTO", "off"), ("CODEGEN_UNITS", "16")] {
        build.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    let output = build.stdin(Stdio::null()).output().expect("cargo runs");
    assert!(output.status.success(), "{build:?}: {}", said(&output));
    output
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Replaces what must be there.
fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("the template brings it");
    assert!(text.contains(from), "{} has no {from:?}", file.display());
    fs::write(file, text.replace(from, to)).expect("our own file");
}

/// A project made from the template, with the framework from here instead of from its repository.
fn project(folder: &Path) -> PathBuf {
    let template = programs::workspace().join("examples/deploy/template");
    let mut new = programs::cargo();
    new.current_dir(folder).args(["lambda", "new", "--extension", "--no-interactive", "--template"]);
    let output = new.arg(template).arg("my-extension").stdin(Stdio::null()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", said(&output));

    let project = folder.join("my-extension");
    let manifest = project.join("Cargo.toml");
    assert!(fs::read_to_string(&manifest).expect("a manifest").contains("name = \"my-extension\""));
    let framework = programs::workspace().join("lambda-extension");
    let repository = "git = \"https://github.com/lambda-extension/lambda-extension\"";
    edit(&manifest, repository, &format!("path = {:?}", framework.display().to_string()));
    // The versions that everything else here is tested with.
    fs::copy(programs::workspace().join("Cargo.lock"), project.join("Cargo.lock")).expect("a lock file");
    project
}

/// What the framework says where a panic would kill the process.
const WARNING: &str = "with `panic = \"abort\"` a panic in this extension kills its process";

#[test]
fn a_project_made_from_the_template_passes_its_test_and_contains_a_panic() {
    if !asked_for("REQUIRE_CARGO_LAMBDA", "tests/cargo-lambda") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let project = project(folder.path());
    // Kept, so that a second run has little to compile.
    let target = programs::workspace().join("target/template");
    let mut test = programs::cargo();
    test.current_dir(&project).arg("test").env("CARGO_TARGET_DIR", &target);
    let tested = test.output().expect("cargo runs");
    assert!(tested.status.success(), "{}", said(&tested));
    assert!(said(&tested).contains("it_lives_through_two_invocations ... ok"), "{}", said(&tested));
    assert!(!said(&tested).contains("warning"), "{}", said(&tested));

    edit(
        &project.join("src/main.rs"),
        "        info!(\"invocation",
        "        assert!(self.invocations > 9, \"on purpose\");\n        info!(\"invocation",
    );
    let release = ["--release", "--compiler", "cargo"];
    let built = build(&project, &target, folder.path(), &release);
    assert!(!said(&built).contains("warning"), "{}", said(&built));
    let extension = Extension::program(folder.path().join("extensions/my-extension"));
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator.extension(extension.recorded()).start();
    for _ in 0..2 {
        let invocation = emulator.invoke("answer");
        assert_eq!((invocation.status, invocation.body.as_str()), (200, "answer"));
    }
    emulator.line(&["[my-extension]", "on purpose"]);
    emulator.terminate();
    assert_eq!(emulator.exit_code("my-extension"), 0);

    edit(&project.join("Cargo.toml"), "[profile.release]", "[profile.unused]\ninherits = \"release\"");
    let warned = build(&project, &target, folder.path(), &release);
    assert!(said(&warned).contains(WARNING), "{}", said(&warned));
}

#[test]
fn cargo_lambda_packs_an_example_into_a_layer() {
    if !asked_for("REQUIRE_CARGO_LAMBDA", "tests/cargo-lambda") {
        return;
    }
    let (workspace, folder) = (programs::workspace(), tempfile::tempdir().expect("a folder"));
    let example = ["-p", "lambda_extension", "--example", "basic", "--output-format", "zip"];
    let how = ["--release", "--compiler", "cargo"];
    build(workspace, &workspace.join("target/template"), folder.path(), &[&how[..], &example].concat());
    let archive = fs::File::open(folder.path().join("extensions/basic.zip")).expect("a layer");
    let mut archive = zip::ZipArchive::new(archive).expect("an archive");
    let names: Vec<String> = archive.file_names().map(|name| name.expect("a name").into_owned()).collect();
    assert_eq!(names, ["extensions/", "extensions/basic"]);
    let mode = archive.by_name("extensions/basic").expect("the extension").unix_mode();
    assert_eq!(mode.map(|mode| mode & 0o777), Some(0o755));
}

/// Amazon Linux 2 has an older glibc than the machines on which extensions are built; zig links against the one asked for.
#[test]
fn with_zig_a_layer_is_fit_for_amazon_linux_2_on_both_architectures() {
    if !asked_for("REQUIRE_ZIG", "tests/cargo-lambda --zig") {
        return;
    }
    let (workspace, folder) = (programs::workspace(), tempfile::tempdir().expect("a folder"));
    let layer = programs::build(&["-p", "layer"], "layer");
    let pack = |binaries: &[PathBuf]| {
        let options = ["--amazon-linux", "2", "--out"];
        Command::new(&layer).args(options).arg(folder.path()).args(binaries).output().expect("layer runs")
    };
    let linked_here = pack(&[programs::example("basic")]);
    assert!(!linked_here.status.success(), "{}", said(&linked_here));
    assert!(
        said(&linked_here).contains("and Amazon Linux 2 has 2.26, so it would not start there"),
        "{}",
        said(&linked_here)
    );

    let binaries = ["x86_64", "aarch64"].map(|architecture| {
        let target = format!("{architecture}-unknown-linux-gnu.2.26");
        let example = ["-p", "lambda_extension", "--example", "basic"];
        // cargo-lambda would let rustup fetch a target that rustup does not know of.
        let how = ["--release", "--skip-target-check", "--target", &target];
        let out = folder.path().join(architecture);
        build(workspace, &workspace.join("target/template"), &out, &[&how[..], &example].concat());
        out.join("extensions/basic")
    });
    let packed = pack(&binaries);
    assert!(packed.status.success(), "{}", said(&packed));
    assert!(said(&packed).contains("basic.zip: a layer for x86_64 and arm64, "), "{}", said(&packed));
}
