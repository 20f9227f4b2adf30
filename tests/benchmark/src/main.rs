//! Measures extensions from outside, as Lambda sees them: ours, AWS's crate, and the same loop written by hand.
//!
//! The driver plays Lambda on plain sockets. It builds every subject with the same release profile, starts it as a
//! process, answers its calls and notes when they come. See `docs/figures.md` for what it found.

mod batch;
mod build_cost;
mod chart;
mod compare;
mod delivery;
mod examples;
mod growth;
mod http;
mod instructions;
mod lambda;
mod life;
mod process;
mod report;
mod stats;
mod subjects;
mod targets;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::{
    build_cost::BuildCost,
    compare::{Extent, Half},
    instructions::{BESIDE, Count, OURS_ALL},
    subjects::{Built, OURS, Subject},
    targets::Target,
};

#[derive(Parser)]
#[command(about = "Measures lambda_extension and its peers from outside, as Lambda sees them")]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// See that everything works, in a minute, and take no figures.
    #[arg(long, global = true)]
    quick: bool,
    /// How often each subject lives; ratios are taken round by round.
    #[arg(long, default_value_t = 15, global = true)]
    rounds: usize,
    /// How often each build from nothing is timed.
    #[arg(long, default_value_t = 3, global = true)]
    builds: usize,
}

#[derive(Subcommand)]
enum Part {
    /// Everything (also without a subcommand).
    All {
        /// Write docs/figures.md and docs/figures.svg.
        #[arg(long)]
        write: bool,
    },
    /// Everybody side by side, against the targets.
    Compare {
        /// Only one half of it.
        #[arg(long)]
        only: Option<Half>,
    },
    /// How cost grows.
    Growth,
    /// Clean build times and features.
    Build,
    /// Instructions by callgrind. Fails when the committed figures are exceeded.
    Instructions {
        /// Commit to what is counted now.
        #[arg(long, conflicts_with = "beside")]
        write: bool,
        /// Count the other subjects too, and check nothing.
        #[arg(long)]
        beside: bool,
    },
    /// Builds the examples for both architectures, and shows what they weigh and how they start.
    Examples {
        /// Those that are shown; all of them otherwise.
        names: Vec<String>,
        /// Write the table into docs/deploying.md.
        #[arg(long)]
        write: bool,
    },
    /// Write a callgrind profile of one subject, with symbols.
    Profile {
        /// Its binary, such as `ours_macro`.
        binary: String,
        #[arg(long, default_value_t = 100)]
        invocations: u64,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let builds = if arguments.quick { 0 } else { arguments.builds };
    let extent = if arguments.quick { Extent::quick() } else { Extent::full(arguments.rounds) };
    match arguments.part {
        Some(Part::Profile { binary, invocations }) => {
            let subject = Subject::by_binary(&binary)?;
            let built = Built::package(subject.package, "profiling")?;
            println!("{}", instructions::profile(&built, subject, invocations)?.display());
            return Ok(());
        }
        Some(Part::Examples { names, write }) => {
            let table = examples::table(&names, extent)?;
            println!("{table}");
            return if write { examples::write(&docs()?.join("deploying.md"), &table) } else { Ok(()) };
        }
        // Every change is checked by this, so it builds no more than it needs.
        Some(Part::Instructions { write, beside: false }) => {
            let built = Built::package(OURS.package, "release")?;
            return if write { instructions::write(&built) } else { instructions::check(&built) };
        }
        _ => {}
    }
    eprintln!("building the subjects");
    let built = Built::all("release")?;
    match arguments.part.unwrap_or(Part::All { write: false }) {
        Part::All { write } => all(&built, extent, builds, write),
        Part::Compare { only } => {
            let (text, _, _) = compare(&built, Extent { only, ..extent }, BuildCost::of(&built)?)?;
            println!("{text}");
            Ok(())
        }
        Part::Growth => {
            println!("{}", report::growth(&growth::grow(&built, arguments.quick)?));
            Ok(())
        }
        Part::Build => {
            println!("{}", report::build_cost(&full_build_cost(&built, builds)?));
            Ok(())
        }
        Part::Instructions { .. } => {
            println!("{}", report::instructions(&count_instructions(&built)?));
            Ok(())
        }
        Part::Examples { .. } | Part::Profile { .. } => unreachable!("they were taken care of above"),
    }
}

fn all(built: &Built, extent: Extent, builds: usize, write: bool) -> Result<()> {
    let cost = full_build_cost(built, builds)?;
    let (compared, chart, cost) = compare(built, extent, cost)?;
    let grown = growth::grow(built, extent.is_quick())?;
    let instructions = if extent.is_quick() { Vec::new() } else { count_instructions(built)? };
    let text = format!(
        "{HEAD}\n{}\n{compared}\n## How cost grows\n\n{}\n## What building costs\n\n{}\n## Instructions\n\nCounted by callgrind, in user space.\n\n{}",
        report::conditions(extent.rounds),
        report::growth(&grown),
        report::build_cost(&cost),
        report::instructions(&instructions),
    );
    println!("{text}");
    if write {
        let docs = docs()?;
        fs::write(docs.join("figures.md"), text)?;
        fs::write(docs.join("figures.svg"), chart)?;
        eprintln!("written to {}", docs.display());
    }
    Ok(())
}

/// The comparison as text and as a chart.
fn compare(built: &Built, extent: Extent, cost: BuildCost) -> Result<(String, String, BuildCost)> {
    let figures = compare::compare(built, extent)?;
    let targets = targets::targets(&figures, &cost);
    let promised: Vec<bool> = targets.iter().filter_map(Target::is_met).collect();
    let text = format!(
        "## Targets\n\n{}\n{} of {} promised figures are met.\n\n## A whole life\n\n{}\nThe same as ratios, pair by pair:\n\n{}\n## Telemetry\n\n{}",
        report::targets(&targets),
        promised.iter().filter(|met| **met).count(),
        promised.len(),
        report::lives(&figures),
        report::ratios(&figures),
        report::telemetry(&figures),
    );
    Ok((text, chart::draw(&figures, &cost), cost))
}

fn full_build_cost(built: &Built, builds: usize) -> Result<BuildCost> {
    let mut cost = BuildCost::of(built)?;
    if builds > 0 {
        cost.measure_features()?;
        cost.time_builds(builds)?;
    }
    Ok(cost)
}

fn count_instructions(built: &Built) -> Result<Vec<(Subject, Count)>> {
    let subjects = OURS_ALL.into_iter().chain(BESIDE);
    subjects.map(|subject| Ok((subject, instructions::count(built, subject)?))).collect()
}

/// The folder for documents, at the root of the repository.
fn docs() -> Result<PathBuf> {
    let root = subjects::workspace().ancestors().nth(2).context("the benchmark is not in tests/benchmark")?;
    let docs = root.join("docs");
    fs::create_dir_all(&docs)?;
    Ok(docs)
}

const HEAD: &str = "\
# Figures

What an extension costs, measured from outside by `tests/benchmark`: a driver plays Lambda on plain sockets, starts each
program as a process, answers its calls and notes when they come. All programs are built with the same release profile
(`opt-level = \"s\"`, fat LTO, one codegen unit, stripped, unwinding), each package by itself. Each logs every event in its
own way, to `/dev/null`. In every round each subject has three lives, and each load of telemetry once, in an order that
changes; a ratio is taken between the medians of a round, and what is shown is the median of the rounds with the
quartiles. A target is met when the worse quartile is. Megabytes are of 1,000,000 bytes.

- *ours*: this framework; the attribute macro with one function, the trait, and the trait with telemetry.
- *lambda-extension 1.1.1*: AWS's published crate doing the same. It asks for another event after SHUTDOWN, and is killed
  after the 2 s that Lambda gives.
- *bare reqwest loop*, *bare hyper loop*: what one would write by hand with these, without any of the rules of a life.
- *Go loop on net/http*: the same in Go, by its standard library, `-ldflags \"-s -w\"`.
- *raw socket*: a blocking socket and string formatting, the floor. For telemetry it scans each body as JSON and builds
  nothing.

Take them again with `cargo run --profile driver --manifest-path tests/benchmark/Cargo.toml -- all --write` (some minutes;
needs valgrind), on a machine that does nothing else.

![The figures as bars](figures.svg)
";
