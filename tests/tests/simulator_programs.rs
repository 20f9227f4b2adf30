//! Programs that know nothing of the local Lambda, under `lambda-sim`.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use lambda_extension_tests::http::Message;
use lambda_extension_tests::programs;
use serde_json::Value;

/// Runs an extension for three invocations under `lambda-sim`, which reports as JSON.
fn run(extension: &Path, options: &[&str]) -> Output {
    static LAMBDA_SIM: OnceLock<PathBuf> = OnceLock::new();
    let lambda_sim = LAMBDA_SIM.get_or_init(|| {
        programs::build(
            &["-p", "lambda_extension", "--features", "simulator", "--bin", "lambda-sim"],
            "lambda-sim",
        )
    });
    Command::new(lambda_sim)
        .args(["--json", "--invokes", "3"])
        .args(options)
        .arg("--")
        .arg(extension)
        .stdin(Stdio::null())
        .output()
        .expect("lambda-sim runs")
}

/// The report of such a run, and whether `lambda-sim` was content.
fn live(extension: &Path, options: &[&str]) -> (Value, bool) {
    let run = run(extension, options);
    let report = serde_json::from_slice(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&run.stderr)));
    (report, run.status.success())
}

fn log_shipper() -> PathBuf {
    programs::build(&["-p", "log_shipper"], "log_shipper")
}

#[test]
fn every_example_behaves() {
    let examples = ["basic", "basic_fn", "custom_events", "stateful", "telemetry", "correlate"];
    let examples = examples.map(|name| (name, programs::example(name)));
    let shipper = log_shipper();
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
fn beside_graceful_shutdown_a_function_is_asked_to_leave_and_is_not_held_up() {
    let extension = programs::build(&["-p", "graceful_shutdown"], "graceful_shutdown");
    let function = programs::workspace().join("tests/foreign/function.py");
    let run = run(&extension, &["--function", &function.to_string_lossy()]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && said.contains("the runtime was asked to leave"), "{said}");
    let report: Value = serde_json::from_slice(&run.stdout).expect("a report in JSON");
    assert_eq!(report["totals"]["failed"], 0, "{report:#}");
    assert_eq!(report["shutdowns"][0]["extensions"][0]["ended"], "exit code 0", "{report:#}");
}

#[test]
fn what_comes_back_through_the_runtime_proxy_shows_what_the_function_saw() {
    let shown = Command::new(programs::workspace().join("examples/runtime_proxy/try"))
        .stdin(Stdio::null())
        .output()
        .expect("the script runs");
    let said = String::from_utf8_lossy(&shown.stderr);
    assert!(shown.status.success() && said.contains(r#", answered "]detcader[""#), "{said}");
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

/// An HTTP server that never answers its first request, and keeps the lines of the others, one parcel a key.
fn hanging_once() -> (String, Arc<Mutex<BTreeMap<String, String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let parcels = Arc::new(Mutex::new(BTreeMap::new()));
    let kept = Arc::clone(&parcels);
    thread::spawn(move || {
        let mut hung = Vec::new();
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let request = Message::read_request(&mut BufReader::new(&connection)).unwrap().unwrap();
            let key = request.header("idempotency-key").unwrap().to_owned();
            kept.lock().unwrap().insert(key, request.text());
            if hung.is_empty() {
                // It has the parcel, and says nothing.
                hung.push(connection);
            } else {
                connection
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .unwrap();
            }
        }
    });
    (url, parcels)
}

#[test]
fn what_the_framework_contains_is_counted_by_its_lines_at_error() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (report, content) = live(&log_shipper(), &["--env", &format!("LOG_SINK=http://{nobody}/")]);
    // Lambda sees an extension that behaves.
    assert!(content, "{report:#}");
    assert!(report["errorLines"]["log_shipper"].as_u64() > Some(0), "{report:#}");
}

#[test]
fn the_log_shipper_loses_and_doubles_nothing_when_its_sink_hangs_once() {
    let (url, parcels) = hanging_once();
    let sink = format!("LOG_SINK={url}");
    let (report, content) = live(&log_shipper(), &["--env", &sink, "--timeout", "10"]);
    assert!(content, "{report:#}");
    let shipped: Vec<Value> = parcels
        .lock()
        .unwrap()
        .values()
        .flat_map(|parcel| parcel.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect();
    let mut requests: Vec<_> =
        shipped.iter().map(|line| line["request_id"].as_str().unwrap().to_owned()).collect();
    requests.sort_unstable();
    requests.dedup();
    assert_eq!((shipped.len(), requests.len()), (3, 3), "{shipped:?}");
}
