//! What the examples weigh on both architectures, and how those for this machine start.

use std::{
    env, fs,
    io::{BufReader, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    compare::Extent,
    http,
    life::{self, Life, Plan},
    process::size_of,
    report::{self, Table},
    subjects::workspace,
};

/// One example, as `examples/build` leaves it.
struct Example {
    name: String,
    x86_64: PathBuf,
    arm64: PathBuf,
    layer: PathBuf,
}

/// Between them stands the table in the document.
const BEGIN: &str = "<!-- The table is written by `tests/measure-examples`. -->\n";
const END: &str = "<!-- End of the table. -->\n";

/// Builds these examples, or all, and measures them; as Markdown.
pub(crate) fn table(names: &[String], extent: Extent) -> Result<String> {
    let mut table = Table::new([
        "example",
        "x86_64, MB",
        "arm64, MB",
        "layer for both, packed, MB",
        "start to first next, ms",
        "peak memory, MB",
        "threads",
    ]);
    for example in build(names)? {
        let [x86_64, arm64, layer] =
            [&example.x86_64, &example.arm64, &example.layer].map(|file| megabytes(file));
        let (start, memory, threads) = match measure(&example, extent) {
            Ok(life) => (
                format!("{:.2}", life.start / 1e3),
                format!("{:.2}", life.footprint.peak_kib as f64 / 1024.0),
                life.footprint.threads.to_string(),
            ),
            Err(error) => {
                eprintln!("{}: {error:#}", example.name);
                ("–".to_owned(), "–".to_owned(), "–".to_owned())
            }
        };
        table.row([&format!("`{}`", example.name), &x86_64?, &arm64?, &layer?, &start, &memory, &threads]);
    }
    Ok(format!("{}\n{table}", report::conditions(extent.starts * extent.turns)))
}

/// Puts the table into the document, in place of the one that is there.
pub(crate) fn write(document: &Path, table: &str) -> Result<()> {
    let text = fs::read_to_string(document).with_context(|| document.display().to_string())?;
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("no {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no {END}"))?;
    fs::write(document, format!("{before}{BEGIN}\n{table}\n{END}{after}"))?;
    Ok(())
}

fn build(names: &[String]) -> Result<Vec<Example>> {
    let root = workspace().ancestors().nth(2).context("the benchmark is not in tests/benchmark")?;
    let output = Command::new(root.join("examples/build"))
        .args(names)
        .env_remove("CARGO_TARGET_DIR")
        .stderr(Stdio::inherit())
        .output()
        .context("starting examples/build")?;
    ensure!(output.status.success(), "examples/build: {}", output.status);
    // It says `PATH: what it is` of each file, the two binaries of an example and then its layer; some also need something.
    let said = String::from_utf8(output.stdout)?;
    let described = said.lines().filter_map(|line| line.split_once(": "));
    let files: Vec<PathBuf> =
        described.filter(|(_, what)| !what.starts_with("needs ")).map(|(path, _)| root.join(path)).collect();
    files
        .chunk_by(|file, _| file.extension().is_none())
        .map(|files| match files {
            [x86_64, arm64, layer] => Ok(Example {
                name: layer.file_stem().context("a layer has a name")?.to_string_lossy().into_owned(),
                x86_64: x86_64.clone(),
                arm64: arm64.clone(),
                layer: layer.clone(),
            }),
            other => anyhow::bail!("not two binaries and a layer: {other:?}"),
        })
        .collect()
}

/// Only the binary for this machine: under an emulation of the other, time and memory would be the emulation's.
fn measure(example: &Example, extent: Extent) -> Result<Life> {
    let program = if env::consts::ARCH == "aarch64" { &example.arm64 } else { &example.x86_64 };
    let outside = outside()?.to_string();
    let command = || {
        let mut command = Command::new(program);
        command
            // What functions have anyway.
            .env("AWS_ACCESS_KEY_ID", "any")
            .env("AWS_SECRET_ACCESS_KEY", "any")
            .env("AWS_SESSION_TOKEN", "any")
            // What the examples that send or listen want to be told.
            .env("AWS_ENDPOINT_URL", format!("http://{outside}"))
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{outside}"))
            .env("LOGS_BUCKET", "logs")
            .env("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", "0")
            .env("RUNTIME_PROXY_DIR", workspace().join("target"));
        command
    };
    let plan = Plan { invocations: 20, idle: Duration::from_millis(5), line: true };
    life::live(command, plan, extent.starts * extent.turns)
}

/// Everything outside Lambda that an example sends to: it takes what comes.
fn outside() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                while let Ok(Some(_)) = http::read(&mut stream) {
                    if stream.get_mut().write_all(&http::answer("", "")).is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}

fn megabytes(file: &Path) -> Result<String> {
    Ok(format!("{:.2}", size_of(file)? as f64 / f64::from(1 << 20)))
}
