//! What the examples weigh on both architectures, and how those for this machine start.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    compare::Extent,
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
    let plan = Plan { invocations: 20, idle: Duration::from_millis(5) };
    life::live(|| Command::new(program), plan, extent.starts * extent.turns)
}

fn megabytes(file: &Path) -> Result<String> {
    Ok(format!("{:.2}", size_of(file)? as f64 / f64::from(1 << 20)))
}
