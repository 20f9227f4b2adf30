//! Programs that know nothing of the local Lambda, under `lambda-sim`.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use lambda_extension_tests::programs;
use serde_json::Value;

/// Runs an extension for three invocations; the report, and whether `lambda-sim` was content.
fn live(extension: &Path, options: &[&str]) -> (Value, bool) {
    static LAMBDA_SIM: OnceLock<std::path::PathBuf> = OnceLock::new();
    let lambda_sim = LAMBDA_SIM.get_or_init(|| {
        programs::build(
            &["-p", "lambda_extension", "--features", "simulator", "--bin", "lambda-sim"],
            "lambda-sim",
        )
    });
    let run = Command::new(lambda_sim)
        .args(["--json", "--invokes", "3"])
        .args(options)
        .arg("--")
        .arg(extension)
        .stdin(Stdio::null())
        .output()
        .expect("lambda-sim runs");
    let report = serde_json::from_slice(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&run.stderr)));
    (report, run.status.success())
}

#[test]
fn every_example_behaves() {
    let examples = ["basic", "basic_fn", "custom_events", "stateful", "telemetry", "correlate"];
    let examples = examples.map(|name| (name, programs::example(name)));
    let shipper = programs::build(&["-p", "log_shipper"])["log_shipper"].clone();
    for (name, program) in examples.into_iter().chain([("log_shipper", shipper)]) {
        let (report, content) = live(&program, &[]);
        assert!(content, "{name}: {report:#}");
        assert_eq!(
            (&report["totals"]["invocations"], &report["totals"]["failed"]),
            (&3.into(), &0.into()),
            "{name}"
        );
    }
}

#[test]
fn a_function_written_with_the_published_runtime_runs_beside_an_extension() {
    let function = programs::build(&["-p", "internal_example"], "internal_example");
    let function = function.to_string_lossy();
    let (report, content) = live(&programs::example("basic"), &["--function", &function]);
    assert!(content, "{report:#}");
    assert_eq!(report["totals"]["failed"], 0, "{report:#}");
}

#[test]
fn an_extension_written_with_the_published_crate_runs_and_is_told_what_its_shutdown_costs() {
    let peer = programs::build(&["-p", "peer_extension"], "peer_extension");
    let (report, content) = live(&peer, &[]);
    assert_eq!(report["totals"]["failed"], 0, "{report:#}");
    // It polls once more after SHUTDOWN, so Lambda kills it at its deadline.
    assert!(!content, "{report:#}");
    let problems = report["problems"].to_string();
    assert!(problems.contains("peer_extension") && problems.contains("killed"), "{problems}");
}
