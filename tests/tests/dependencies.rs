//! What the framework brings into the program of somebody who depends on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use lambda_extension_tests::programs;
use serde_json::Value;

/// The framework's dependencies of these kinds, with all its features and on every platform.
fn everything(edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    tree(&["--edges", edges, "--all-features", "--target", "all"])
}

/// The packages in the framework's dependency tree, with the features switched on in each.
fn tree(arguments: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let mut command = programs::cargo();
    command
        .args(["tree", "-p", "lambda_extension", "--prefix", "none", "--format", "{p}|{f}"])
        .args(arguments);
    let text = output(&mut command);
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        let (package, features) = line.split_once('|').unwrap_or_else(|| panic!("no | in {line:?}"));
        // The name and the version; behind them may stand a path, `(proc-macro)` or `(*)`.
        let package = package.split(' ').take(2).collect::<Vec<_>>().join(" ");
        // ` (*)` says that the rest of the tree was shown before.
        let features = features.trim_end_matches(" (*)").split(',').filter(|feature| !feature.is_empty());
        packages.entry(package).or_default().extend(features.map(ToOwned::to_owned));
    }
    assert!(packages.keys().any(|package| package.starts_with("tokio v")), "cargo tree printed {text}");
    packages
}

/// Of `tokio v1.2.3`, `tokio`.
fn name(package: &str) -> &str {
    package.split(' ').next().unwrap_or_default()
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

fn metadata() -> Value {
    let text = output(programs::cargo().args(["metadata", "--format-version", "1"]));
    serde_json::from_str(&text).expect("cargo prints JSON")
}

#[test]
fn dev_dependencies_switch_on_no_feature_of_what_examples_run_on() {
    let on_lambda = ["--target", "x86_64-unknown-linux-gnu", "--edges"];
    let [alone, with_dev] = ["normal", "normal,dev"].map(|edges| tree(&[&on_lambda[..], &[edges]].concat()));
    let linked =
        ["tokio", "hyper", "http", "http-body", "http-body-util", "bytes", "mio", "tracing", "tracing-core"];
    for (package, features) in alone.iter().filter(|(package, _)| linked.contains(&name(package))) {
        assert_eq!(
            with_dev.get(package),
            Some(features),
            "{package} is built differently for tests and examples"
        );
    }
}

#[test]
fn no_tls_library_and_no_http2_is_built_in() {
    let tls =
        ["rustls", "native-tls", "openssl", "openssl-sys", "boring-sys", "ring", "aws-lc-rs", "aws-lc-sys"];
    let rest = ["schannel", "security-framework", "h2", "hyper-rustls", "hyper-tls", "quinn"];
    for package in everything("normal").keys() {
        assert!(!tls.contains(&name(package)) && !rest.contains(&name(package)), "{package}");
    }
}

#[test]
fn basic_links_only_what_every_rust_program_links() {
    let basic = programs::example("basic");
    let text = output(Command::new("ldd").arg(&basic));
    let of_the_platform =
        ["linux-vdso", "libgcc_s.so", "libc.so", "libm.so", "libpthread.so", "libdl.so", "ld-linux"];
    for line in text.lines() {
        let library = line.split_whitespace().next().unwrap_or_default();
        let file = Path::new(library).file_name().unwrap_or_default().to_string_lossy();
        assert!(of_the_platform.iter().any(|known| file.starts_with(known)), "{line}");
    }
    assert!(text.contains("libc.so"), "{text}");
}

#[test]
fn no_dependency_asks_for_a_newer_rust_than_we_do() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("cargo lists packages");
    let rust_versions: BTreeMap<String, &str> = packages
        .iter()
        .filter_map(|package| {
            let name = format!("{} v{}", package["name"].as_str()?, package["version"].as_str()?);
            Some((name, package["rust_version"].as_str()?))
        })
        .collect();
    let version =
        |text: &str| text.split('.').map(|part| part.parse().expect("a number")).collect::<Vec<u32>>();
    let ours = rust_versions
        .iter()
        .find_map(|(package, rust)| package.starts_with("lambda_extension v").then_some(*rust))
        .expect("our package says which Rust it needs");
    for package in everything("normal,build").keys() {
        if let Some(theirs) = rust_versions.get(package) {
            assert!(version(theirs) <= version(ours), "{package} needs Rust {theirs}, we promise {ours}");
        }
    }
}
