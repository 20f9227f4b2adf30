//! What the README and the guide say is kept true: their commands run, their programs compile, their figures are those that were
//! measured, and their links lead somewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use lambda_extension_tests::pages::{compare_block, fences, in_folder, read};
use lambda_extension_tests::programs::{cargo, workspace};
use serde_json::Value;

/// Who sees to it that a command of a page works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The test `every_command_that_is_not_run_elsewhere_works`.
    Us,
    /// A step of `.ci/run` with these words.
    Ci,
    /// This script, which `.ci/run` calls, or this file of tests.
    File(&'static str),
    /// It takes AWS's emulator, which may not have been fetched; otherwise as `Us`.
    Emulator,
    /// It takes what `tests/fetch-servers` fetches; otherwise as `Us`.
    Servers,
    /// A step of `.ci/full` with these words.
    Full(&'static str),
}

const COMMANDS: [(&str, By); 37] = [
    ("cargo run -p lambda_extension --features simulator --example basic", By::Us),
    ("cargo test --workspace --all-features", By::Ci),
    (
        "cargo build -p lambda_extension --example basic --release --target x86_64-unknown-linux-gnu",
        By::File("tests/check-size"),
    ),
    (
        "cargo build -p lambda_extension --example basic --release --target aarch64-unknown-linux-gnu",
        By::File("tests/arm64"),
    ),
    ("cargo build --package log_shipper", By::Us),
    (
        "cargo run --package lambda_extension --features simulator --bin lambda-sim -- --quiet -n 8 --rate 4 -- target/debug/log_shipper end",
        By::Us,
    ),
    ("cargo build -p lambda_extension --example telemetry", By::Us),
    (
        "cargo run -p lambda_extension --features simulator --bin lambda-sim -- --invokes 5 --report target/report.html target/debug/examples/telemetry",
        By::Us,
    ),
    (
        "cargo run -p lambda_extension --features simulator --bin lambda-sim -- --quiet --managed-instances target/debug/examples/telemetry",
        By::Us,
    ),
    (
        "cargo run -p lambda_extension --features simulator --bin lambda-sim -- --quiet --fault malformed-batch --disorder 7 target/debug/examples/telemetry",
        By::Us,
    ),
    ("tests/fetch-emulator", By::Ci),
    ("tests/fetch-servers", By::Ci),
    ("tests/emulate basic", By::Emulator),
    ("cargo fmt --all --check", By::Ci),
    ("cargo clippy --workspace --all-targets --all-features -- -D warnings", By::Ci),
    ("RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace --all-features --no-deps", By::Ci),
    ("tests/each-feature", By::Ci),
    ("tests/fuzz/run", By::Ci),
    ("tests/check-size", By::Ci),
    ("tests/render-report", By::Ci),
    (
        "cargo lambda new --extension --template path/to/this/repository/examples/deploy/template my-extension",
        By::File("tests/cargo-lambda"),
    ),
    (
        "cargo generate --path path/to/this/repository/examples/deploy/template --name my-extension",
        By::Full("tests/cargo-generate"),
    ),
    ("examples/build", By::File("tests/arm64")),
    (
        "cargo lambda build --release --extension --target x86_64-unknown-linux-gnu.2.26",
        By::File("tests/cargo-lambda"),
    ),
    ("cargo lambda build --release --extension --arm64 --output-format zip", By::File("tests/cargo-lambda")),
    ("cargo run -p layer -- target/aarch64-unknown-linux-gnu/release/my-extension", By::File("tests/arm64")),
    (
        "cargo run -p layer -- target/{x86_64,aarch64}-unknown-linux-gnu/release/my-extension",
        By::File("tests/arm64"),
    ),
    ("examples/otlp/try", By::Servers),
    ("examples/s3_logs/try", By::Servers),
    ("examples/secrets_cache/try", By::Servers),
    ("examples/runtime_proxy/try", By::Us),
    (
        "cargo build -p graceful_shutdown && cargo run -p lambda_extension --features simulator --bin lambda-sim -- --function tests/foreign/function.py -- target/debug/graceful_shutdown",
        By::Us,
    ),
    ("examples/build otlp", By::Full("-- examples")),
    ("examples/build s3_logs", By::Full("-- examples")),
    ("examples/build secrets_cache", By::Full("-- examples")),
    ("examples/build runtime_proxy", By::Full("-- examples")),
    ("examples/build graceful_shutdown", By::Full("-- examples")),
];

/// Every page that somebody reads before they write an extension, or before they change the framework.
fn pages() -> Vec<PathBuf> {
    let mut pages =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|page| workspace().join(page)).to_vec();
    pages.extend(in_folder("docs"));
    let examples = std::fs::read_dir(workspace().join("examples")).expect("there are examples");
    let own = examples.map(|example| example.expect("a folder can be listed").path().join("README.md"));
    pages.extend(own.filter(|page| page.exists()));
    pages
}

/// The commands on the pages, each with its page.
fn commands() -> Vec<(PathBuf, String)> {
    let mut commands = Vec::new();
    for page in pages() {
        for fence in fences(&read(&page)).iter().filter(|fence| fence.language == "sh") {
            // A line that ends in a backslash goes on in the next.
            let code = fence.code.replace("\\\n", " ");
            // And what stands behind ` # ` is for the reader.
            let lines = code.lines().map(|line| line.split(" # ").next().unwrap_or_default());
            let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            commands.extend(lines.map(|line| (page.clone(), line)));
        }
    }
    commands
}

fn by(command: &str) -> Option<By> {
    COMMANDS.iter().find(|(known, _)| *known == command).map(|(_, by)| *by)
}

#[test]
fn every_command_on_a_page_is_seen_to_by_somebody() {
    let commands = commands();
    for (page, command) in &commands {
        assert!(
            by(command).is_some(),
            "{}: nobody runs `{command}`; add it to COMMANDS in tests/tests/pages.rs, with who does",
            page.display()
        );
    }
    for (known, by) in COMMANDS {
        assert!(
            commands.iter().any(|(_, command)| command == known),
            "no page has `{known}` any more ({by:?})"
        );
    }
}

#[test]
fn what_ci_is_said_to_run_it_runs() {
    let [ci, full] = [".ci/run", ".ci/full"].map(|script| read(&workspace().join(script)));
    for (command, by) in COMMANDS {
        match by {
            By::Ci => assert!(ci.contains(command), "`{command}` is no step of .ci/run"),
            By::File(file) => {
                let called = ci.contains(file) || file.starts_with("tests/tests/");
                assert!(
                    called && workspace().join(file).exists(),
                    "{file}, which is to do `{command}`, is not there or not run"
                );
            }
            By::Full(step) => {
                assert!(full.contains(step), "`{step}`, which is to do `{command}`, is no step of .ci/full");
            }
            By::Us | By::Emulator | By::Servers => {}
        }
    }
}

#[test]
fn every_command_that_is_not_run_elsewhere_works() {
    let fetched = |what: &str| workspace().join("target").join(what).is_dir();
    for (page, command) in commands() {
        let ours = match by(&command) {
            Some(By::Us) => true,
            Some(By::Emulator) => fetched("emulator"),
            Some(By::Servers) => fetched("servers"),
            _ => false,
        };
        if !ours {
            continue;
        }
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(workspace())
            // As for somebody who types it, and not for a part of this test.
            .env_remove("CARGO_MANIFEST_DIR")
            .output()
            .expect("a shell is there");
        assert!(
            output.status.success(),
            "{}: `{command}` ended with {}:\n{}{}",
            page.display(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn every_program_on_a_page_is_compiled_as_a_doctest() {
    let doctests = read(&workspace().join("lambda-extension/src/lib.rs"));
    for page in pages() {
        let programs = fences(&read(&page)).into_iter().filter(|fence| fence.language.starts_with("rust"));
        let (ignored, compiled): (Vec<_>, Vec<_>) =
            programs.partition(|fence| fence.language.contains("ignore"));
        let name = page.strip_prefix(workspace()).expect("a page is in the workspace").display().to_string();
        if !compiled.is_empty() {
            assert!(
                doctests.contains(&format!("../../{name}\"")),
                "{name} is not among the doctests of lib.rs"
            );
        }
        for program in &compiled {
            // rustdoc would hide it, and nobody else does.
            let hidden = program.code.lines().find(|line| line.trim_start().starts_with("# "));
            assert!(hidden.is_none(), "{name}: whoever copies this gets `{}`", hidden.unwrap_or_default());
        }
        for program in ignored {
            assert!(
                peer_programs().iter().any(|known| known.ends_with(&program.code)),
                "{name}: this program is compiled by nobody:\n{}",
                program.code
            );
        }
    }
}

#[test]
fn the_function_on_the_page_of_secrets_cache_is_the_one_that_is_tried() {
    let example = workspace().join("examples/secrets_cache");
    let page = fences(&read(&example.join("README.md")));
    let function = page.iter().find(|fence| fence.language == "python").expect("a function");
    assert!(read(&example.join("bootstrap")).contains(&function.code), "{}", function.code);
}

/// Programs written with AWS's crate, which are compiled in a package of their own.
fn peer_programs() -> Vec<String> {
    ["peer-counter.rs", "peer-shipper.rs"]
        .map(|file| read(&workspace().join("tests/peer/src/bin").join(file)))
        .to_vec()
}

#[test]
fn every_public_name_of_awss_crate_is_on_the_page_about_coming_from_it() {
    let page = read(&workspace().join("docs/migrating.md"));
    for file in ["error", "events", "extension", "lib", "logs", "requests", "telemetry"] {
        let source = read(&peer_source().join(file).with_extension("rs"));
        for name in source.lines().filter_map(public_name) {
            assert!(page.contains(name), "`{name}`, in {file}.rs of lambda-extension 1.1.1, is not mapped");
        }
    }
}

/// The name that a line of source makes public: of a function, a type or a field.
fn public_name(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let words = ["async ", "fn ", "struct ", "enum ", "type ", "mod "];
    let declared = words.iter().fold(rest, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
    let name = declared.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    // Fields of telemetry have the names of the wire on both sides; `use` is told from the module it names.
    (declared != rest && !name.is_empty()).then_some(name)
}

fn peer_source() -> PathBuf {
    let output = cargo().args(["metadata", "--format-version", "1"]).output().expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let peer =
        packages.iter().find(|package| package["name"] == "lambda-extension").expect("tests/peer has it");
    let manifest = peer["manifest_path"].as_str().expect("a package has a manifest");
    Path::new(manifest).parent().expect("a manifest lies in a folder").join("src")
}

#[test]
fn the_figures_of_the_readme_are_those_that_were_measured() {
    let figures = read(&workspace().join("docs/figures.md"));
    let mut table = String::from(
        "| | this framework | `lambda-extension` 1.1.1 | a bare reqwest loop | a loop in Go | raw socket |\n|---|---|---|---|---|---|\n",
    );
    let life = [
        "ours, `#[main]`",
        "lambda-extension 1.1.1",
        "bare reqwest loop",
        "Go loop on net/http",
        "raw socket",
    ];
    for (column, what) in [
        (1, "process start to first request for an event, ms"),
        (2, "event answered to next one asked for, µs"),
        (4, "SHUTDOWN to process gone, ms"),
        (5, "peak memory, MB"),
    ] {
        let cells = life.map(|subject| cell(&figures, "## A whole life", &[subject], column));
        table.push_str(&format!("| {what} | {} |\n", cells.join(" | ")));
    }
    let telemetry = ["ours, telemetry", "lambda-extension 1.1.1, telemetry", "", "", "raw socket, scan only"];
    for kind in ["text", "JSON"] {
        let batches = format!("{kind}, 1000 a batch, one connection");
        let cells = telemetry.map(|subject| match subject {
            "" => "–".to_owned(),
            subject => format!("{} M", millions(&cell(&figures, "## Telemetry", &[&batches, subject], 2))),
        });
        table.push_str(&format!("| telemetry records a second, {kind} | {} |\n", cells.join(" | ")));
    }
    compare_block(&workspace().join("README.md"), "figures", &table);
}

/// Millions, of thousands.
fn millions(thousands: &str) -> String {
    let thousands: f64 = thousands.parse().unwrap_or_else(|error| panic!("{thousands:?}: {error}"));
    format!("{:.2}", thousands / 1_000.0)
}

/// The median in this column of the first row below the heading that begins with these cells.
fn cell(figures: &str, heading: &str, begin: &[&str], column: usize) -> String {
    let (_, part) =
        figures.split_once(heading).unwrap_or_else(|| panic!("no {heading:?} in docs/figures.md"));
    let rows = part.lines().filter(|line| line.starts_with('|'));
    let mut rows = rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    let row = rows
        .find(|row| row.starts_with(begin))
        .unwrap_or_else(|| panic!("no row {begin:?} below {heading:?} in docs/figures.md"));
    let cell = row[column];
    let (median, rest) = cell.split_once(' ').unwrap_or((cell, ""));
    // What is killed is killed at Lambda's bound, whose fractions say nothing.
    match rest.ends_with("killed") {
        true => format!("{}, killed", median.split('.').next().unwrap_or(median)),
        false => median.to_owned(),
    }
}

#[test]
fn every_link_between_pages_leads_to_a_file() {
    for page in pages() {
        let text = read(&page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            let file = target.split('#').next().expect("there is a first part");
            let path = page.parent().expect("a page lies in a folder").join(file);
            assert!(path.exists(), "{}: nothing at {target}", page.display());
        }
    }
}

/// What Linux and Lambda's own log say, which no source of ours has.
const NOT_OURS: [&str; 5] = [
    "exec format error",
    "version GLIBC_2.34 not found",
    "INIT_REPORT Init Duration: 10000.00 ms Phase: init Status: timeout",
    "address already in use",
    "Task timed out after 3.00 seconds",
];

#[test]
fn the_messages_in_the_headings_of_troubleshooting_are_said_like_that() {
    let source = sources(&workspace().join("lambda-extension/src"));
    let page = read(&workspace().join("docs/troubleshooting.md"));
    let mut messages = 0;
    for heading in page.lines().filter_map(|line| line.strip_prefix("### ")) {
        for message in heading.split('`').skip(1).step_by(2) {
            messages += 1;
            let known = NOT_OURS.contains(&message) || source.contains(message);
            assert!(known, "nothing in the framework or its local Lambda says `{message}`");
        }
    }
    assert!(messages > 15, "the headings are no longer read: {messages}");
}

/// All of the source below this folder, with strings that go on in the next line as one.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).expect("the source is there") {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            all.push_str(&sources(&path));
        } else {
            let text = read(&path);
            let mut parts = text.split("\\\n");
            all.push_str(parts.next().unwrap_or_default());
            parts.for_each(|part| all.push_str(part.trim_start()));
        }
    }
    all
}
