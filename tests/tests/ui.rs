//! Compiles the programs in `ui/`: those in `fail` must give the messages written beside their lines, the
//! others none.
//!
//! A line of a fixture says what the compiler must say about it:
//!
//! ```text
//! #[lambda_extension::main(nam = "x")] //~ ERROR did you mean `name`?
//! ```
//!
//! Only that fragment has to be in the message, in a label or in a note of it, so that a compiler with other
//! words passes too. The number of messages counts as well: one mistake gives one message. Of errors that are
//! the compiler's own (they have a code such as E0277) there may be more, as long as they are about the same
//! line.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

/// A directory of fixtures, and the package they are programs of.
struct Fixtures {
    directory: &'static str,
    edition: &'static str,
    dependencies: &'static str,
}

/// What a program without the attribute needs; and those in `fail`, which use both.
const WITH_TOKIO: &str = "lambda_extension = { path = PATH }\n\
                          tokio = { version = \"1\", features = [\"macros\", \"rt\"] }";

/// Nothing in `pass` may use tokio: a user of the attribute need not depend on it.
const FIXTURES: [Fixtures; 4] = [
    Fixtures { directory: "fail", edition: "2024", dependencies: WITH_TOKIO },
    Fixtures { directory: "pass", edition: "2024", dependencies: "lambda_extension = { path = PATH }" },
    Fixtures {
        directory: "renamed",
        edition: "2021",
        dependencies: "extensions = { package = \"lambda_extension\", path = PATH }",
    },
    Fixtures { directory: "handwritten", edition: "2024", dependencies: WITH_TOKIO },
];

#[test]
fn every_mistake_gives_one_message_at_its_line() {
    let failures = unexpected_in("fail");
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_documented_shape_compiles_without_a_warning() {
    let failures = unexpected_in("pass");
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn a_renamed_framework_compiles_in_the_2021_edition() {
    let failures = unexpected_in("renamed");
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn programs_without_the_attribute_compile() {
    let failures = unexpected_in("handwritten");
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn a_build_that_aborts_on_panic_is_warned_and_does_not_fail() {
    let program = ["--profile=check", "-p=ui_pass", "--bin=pass_panic_abort", "--", "-Cpanic=abort"];
    let messages = compile("rustc", &program);
    let [warning] = &messages["pass_panic_abort"][..] else { panic!("one warning was expected") };
    assert_eq!(warning.line, 6, "the attribute's line: {}", warning.rendered);
    for words in ["panic = \"unwind\"", "[profile.release]", "fails the customer's invocation"] {
        assert!(warning.text.contains(words), "{}", warning.rendered);
    }
    assert!(warning.rendered.starts_with("warning"), "{}", warning.rendered);
}

/// What the fixtures of a directory and the compiler disagree about, for a person to read; empty if they
/// agree.
fn unexpected_in(directory: &str) -> String {
    let compiled = compile_all();
    let mut report = String::new();
    for path in sources(directory) {
        let name = path.file_stem().expect("a file has a name").to_string_lossy();
        let expected = Expectation::read(&path);
        assert!(directory != "fail" || !expected.is_empty(), "{} states what it expects", path.display());
        match compiled.get(&format!("{directory}_{name}")) {
            Some(messages) => disagreements(&path, expected, messages, &mut report),
            None => {
                writeln!(report, "{}: was not compiled\n", path.display()).expect("strings take everything")
            }
        }
    }
    report
}

/// A fragment of a message, and the line it must be about.
#[derive(Debug)]
struct Expectation {
    line: u64,
    fragment: String,
}

impl Expectation {
    fn read(source: &Path) -> Vec<Self> {
        let text = fs::read_to_string(source).expect("the fixture can be read");
        let lines = (1..).zip(text.lines());
        lines
            .flat_map(|(line, text)| {
                let fragments = text.split("//~ ERROR ").skip(1);
                fragments.map(move |fragment| Self { line, fragment: fragment.trim().to_owned() })
            })
            .collect()
    }

    fn fits(&self, message: &Message) -> bool {
        message.line == self.line && message.text.contains(&self.fragment)
    }
}

/// An error or warning of the compiler.
struct Message {
    /// 0 if it is about the whole program.
    line: u64,
    /// Its own words, its labels and its notes, without any source code.
    text: String,
    /// Whether it is an error of the compiler's own: what a macro says has no code.
    is_own_error: bool,
    rendered: String,
}

impl Message {
    fn read(message: &Value) -> Option<Self> {
        let spans = message["spans"].as_array()?;
        let mut text = message["message"].as_str()?.to_owned();
        let line = match spans.iter().find(|span| span["is_primary"] == true) {
            Some(place) => place["line_start"].as_u64()?,
            // The compiler's last words count what it said, and are about no line.
            None if text.starts_with("aborting due to") || text.ends_with("emitted") => return None,
            None if message["level"] == "failure-note" => return None,
            None => 0,
        };
        let notes = message["children"].as_array()?.iter().map(|child| &child["message"]);
        for more in spans.iter().map(|span| &span["label"]).chain(notes).filter_map(Value::as_str) {
            text.push('\n');
            text.push_str(more);
        }
        Some(Self {
            line,
            text,
            is_own_error: message["level"] == "error" && !message["code"].is_null(),
            rendered: message["rendered"].as_str()?.to_owned(),
        })
    }
}

/// Adds what was expected and not said, and what was said and not expected.
fn disagreements(path: &Path, mut missing: Vec<Expectation>, messages: &[Message], report: &mut String) {
    let lines: Vec<u64> = missing.iter().map(|expectation| expectation.line).collect();
    for message in messages {
        if let Some(index) = missing.iter().position(|expectation| expectation.fits(message)) {
            missing.remove(index);
        } else if !(message.is_own_error && lines.contains(&message.line)) {
            writeln!(report, "{}: not expected:\n{}", path.display(), message.rendered)
                .expect("strings take everything");
        }
    }
    for Expectation { line, fragment } in missing {
        writeln!(report, "{}:{line}: nothing said `{fragment}`\n", path.display())
            .expect("strings take everything");
        for message in messages {
            report.push_str(&message.rendered);
        }
    }
}

/// The messages about each fixture, by `directory_name`. One run of cargo compiles them all.
fn compile_all() -> &'static BTreeMap<String, Vec<Message>> {
    static COMPILED: LazyLock<BTreeMap<String, Vec<Message>>> =
        LazyLock::new(|| compile("check", &["--workspace", "--bins", "--keep-going"]));
    &COMPILED
}

/// Runs cargo, and gathers what the compiler says about each fixture that it compiles.
fn compile(command: &str, arguments: &[&str]) -> BTreeMap<String, Vec<Message>> {
    static WORKSPACE: LazyLock<PathBuf> = LazyLock::new(write_workspace);
    let output = Command::new(env!("CARGO"))
        .args([command, "--offline", "--message-format=json", "--target-dir=target"])
        .args(arguments)
        .current_dir(&*WORKSPACE)
        .output()
        .expect("cargo starts");
    let mut compiled: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")) {
        let report: Value = serde_json::from_slice(line).expect("cargo writes JSON");
        // An artifact means that a fixture was compiled, though nothing may have been said about it.
        if report["target"]["kind"][0] == "bin" {
            let fixture = report["target"]["name"].as_str().expect("a target has a name");
            compiled.entry(fixture.to_owned()).or_default().extend(Message::read(&report["message"]));
        }
    }
    assert!(!compiled.is_empty(), "nothing compiled:\n{}", String::from_utf8_lossy(&output.stderr));
    compiled
}

/// Writes a workspace whose packages have the fixtures as programs, with the versions of our own lock file.
fn write_workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = tests.parent().expect("the tests are a directory of the workspace");
    let workspace = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    let framework = format!("{:?}", root.join("lambda-extension"));
    for fixtures in &FIXTURES {
        let mut manifest = format!(
            "[package]\nname = \"ui_{}\"\nedition = \"{}\"\nautobins = false\n\n[dependencies]\n{}\n",
            fixtures.directory,
            fixtures.edition,
            fixtures.dependencies.replace("PATH", &framework)
        );
        for source in sources(fixtures.directory) {
            let name = source.file_stem().expect("a file has a name").to_string_lossy();
            write!(manifest, "\n[[bin]]\nname = \"{}_{name}\"\npath = {source:?}\n", fixtures.directory)
                .expect("strings take everything");
        }
        let package = workspace.join(fixtures.directory);
        fs::create_dir_all(&package).expect("a directory can be made");
        fs::write(package.join("Cargo.toml"), manifest).expect("a manifest can be written");
    }
    let members = FIXTURES.map(|fixtures| fixtures.directory);
    let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n");
    fs::write(workspace.join("Cargo.toml"), manifest).expect("a manifest can be written");
    fs::copy(root.join("Cargo.lock"), workspace.join("Cargo.lock")).expect("the lock file can be copied");
    workspace
}

/// The fixtures of a directory, by name.
fn sources(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui").join(directory);
    let entries = fs::read_dir(&directory).expect("there are fixtures");
    let mut sources: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    sources.sort();
    sources
}
