//! The programs under test, built by cargo once a test run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

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
    static EXAMPLES: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    let examples =
        EXAMPLES.get_or_init(|| build(&["-p", "lambda_extension", "--examples", "--profile", "ci"]));
    examples
        .get(name)
        .cloned()
        .unwrap_or_else(|| panic!("no example {name}; there are {:?}", examples.keys()))
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

/// Runs `cargo build` and answers with the path of each executable, by the name of its target.
///
/// # Panics
///
/// When the build fails; cargo has said why by then.
pub fn build(arguments: &[&str]) -> HashMap<String, PathBuf> {
    let mut command = cargo();
    command.args(["build", "--quiet", "--message-format", "json-render-diagnostics"]).args(arguments);
    let output = command.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo build {}: {}", arguments.join(" "), output.status);
    let messages = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    messages
        .lines()
        .filter_map(|line| {
            let message: Value = serde_json::from_str(line).expect("cargo writes a JSON value a line");
            let executable = message["executable"].as_str()?;
            Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(executable)))
        })
        .collect()
}
