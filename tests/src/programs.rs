//! The programs under test, built by cargo once a test run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the workspace")
}

/// A command that runs cargo in the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// An example of the framework, built with the features and the profile of a deployed extension.
///
/// `cargo test` builds the examples too, but with whatever features the rest of the workspace asks for.
///
/// # Panics
///
/// When it does not build, or there is no such example.
pub fn example(name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    // Held while cargo runs: a second cargo would only wait for the first.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let arguments = ["-p", "lambda_extension", "--profile", "ci", "--example", name];
    built.entry(name.to_owned()).or_insert_with(|| build(&arguments, name)).clone()
}

/// A program of this package, which cargo has built beside the test.
///
/// # Panics
///
/// When it is not there.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let beside =
        test.ancestors().skip(1).take(2).map(|directory| directory.join(name)).find(|path| path.is_file());
    beside
        .unwrap_or_else(|| panic!("no program {name} near {}; `cargo build --bins` makes it", test.display()))
}

/// Runs `cargo build` and answers with the path of the executable of this target.
///
/// # Panics
///
/// When the build fails, and cargo has said why by then, or makes no such executable.
pub fn build(arguments: &[&str], target: &str) -> PathBuf {
    let mut command = cargo();
    command.args(["build", "--quiet", "--message-format", "json-render-diagnostics"]).args(arguments);
    let output = command.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo build {}: {}", arguments.join(" "), output.status);
    let messages = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).expect("cargo writes a JSON value a line");
        let of_target = message["target"]["name"] == target;
        of_target.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    });
    executable.unwrap_or_else(|| panic!("cargo build {} made no {target}", arguments.join(" ")))
}
