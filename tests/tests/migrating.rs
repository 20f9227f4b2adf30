//! The two shippers of `docs/migrating.md`, the one with AWS's crate and the one with ours, ship the same.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use lambda_extension_tests::{pages, programs};

/// What an extension writes of a function that logs this line, without the times.
fn shipped(extension: &Path, line: &str) -> BTreeSet<String> {
    let sim = ["-p", "lambda_extension", "--features", "simulator", "--bin", "lambda-sim"];
    let run = Command::new(programs::build(&sim, "lambda-sim"))
        // The peer ships with the next invocation.
        .args(["--invokes", "3", "--function-log", line, "--"])
        .arg(extension)
        .stdin(Stdio::null())
        .output()
        .expect("lambda-sim runs");
    let said = String::from_utf8(run.stderr).expect("it is text");
    let name = extension.file_name().expect("a program has a name").to_string_lossy();
    let lines = said.lines().filter_map(|line| line.strip_prefix(&format!("[{name}] ")));
    // Times are written in two ways.
    let shipped = lines.filter_map(|line| Some(line[line.find("say")?..].to_owned())).collect();
    assert_ne!(shipped, BTreeSet::new(), "{said}");
    shipped
}

#[test]
fn the_migrated_shipper_ships_what_the_peer_ships() {
    let peer = programs::build(&["-p", "peer_extension", "--bin", "peer-shipper"], "peer-shipper");
    let line = "say \"hi\" to C:\\temp";
    let ours = shipped(&programs::program("migrated-shipper"), line);
    assert_eq!(ours, BTreeSet::from([line.to_owned()]));
    assert_eq!(ours, shipped(&peer, line));
}

#[test]
fn the_migrated_shipper_is_the_one_on_the_page() {
    let workspace = programs::workspace();
    let program = pages::read(&workspace.join("tests/src/bin/migrated-shipper.rs"));
    let page = pages::fences(&pages::read(&workspace.join("docs/migrating.md")));
    assert!(page.iter().any(|fence| program.ends_with(&fence.code)), "they differ");
}
