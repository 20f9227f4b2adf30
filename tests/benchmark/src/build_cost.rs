//! What building costs: crates in the tree, the time of a clean build, and what each feature adds to the binary.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    process::size_of,
    subjects::{
        self, Built, FLOOR, GO, HYPER, OURS, OURS_TELEMETRY, OURS_TRAIT, PEER, PEER_TELEMETRY, REQWEST,
        Subject,
    },
};

/// One program each.
const PROGRAMS: [Subject; 9] =
    [OURS, OURS_TRAIT, OURS_TELEMETRY, PEER, PEER_TELEMETRY, REQWEST, HYPER, GO, FLOOR];
/// One of each package.
const PACKAGES: [Subject; 5] = [OURS, PEER, REQWEST, HYPER, FLOOR];
/// Those whose clean build is timed.
const TIMED: [Subject; 3] = [OURS, PEER, REQWEST];

#[derive(Debug, Default)]
pub(crate) struct BuildCost {
    sizes: BTreeMap<Subject, u64>,
    crates: BTreeMap<Subject, BTreeSet<String>>,
    pub(crate) times: Vec<(Subject, Vec<Duration>)>,
    /// The size of the smallest program, feature by feature.
    pub(crate) features: Vec<(&'static str, u64)>,
}

impl BuildCost {
    /// What can be told of what is built already.
    pub(crate) fn of(built: &Built) -> Result<Self> {
        let mut cost = Self::default();
        for subject in PROGRAMS {
            cost.sizes.insert(subject, size_of(&built.program(subject))?);
        }
        for subject in PACKAGES {
            cost.crates.insert(subject, crates(subject.package)?);
        }
        Ok(cost)
    }

    pub(crate) fn programs(&self) -> impl Iterator<Item = (Subject, u64)> {
        PROGRAMS.iter().map(|subject| (*subject, self.sizes[subject]))
    }

    /// Of the binary, in bytes.
    pub(crate) fn size(&self, subject: Subject) -> u64 {
        self.sizes[&subject]
    }

    /// How many crates an extension brings in, its own package not counted.
    pub(crate) fn crates(&self, subject: Subject) -> usize {
        self.crates.get(&subject).map_or(0, BTreeSet::len)
    }

    /// What one tree has that the other has not.
    pub(crate) fn extra_crates(&self, of: Subject, over: Subject) -> Vec<&str> {
        self.crates[&of].difference(&self.crates[&over]).map(String::as_str).collect()
    }

    /// Builds from nothing, `times` times each, in turn.
    pub(crate) fn time_builds(&mut self, times: usize) -> Result<()> {
        let target = subjects::workspace().join("target/clean");
        let mut taken = vec![Vec::new(); TIMED.len()];
        for _ in 0..times {
            for (subject, taken) in TIMED.iter().zip(&mut taken) {
                if target.exists() {
                    fs::remove_dir_all(&target)?;
                }
                eprintln!("building {subject} from nothing");
                let started = Instant::now();
                subjects::build(subject.package, "release", &["--bin", subject.binary], Some(&target))?;
                taken.push(started.elapsed());
            }
        }
        fs::remove_dir_all(&target)?;
        self.times = TIMED.into_iter().zip(taken).collect();
        Ok(())
    }

    /// Builds the smallest program with one feature after the other.
    pub(crate) fn measure_features(&mut self) -> Result<()> {
        let target = subjects::workspace().join("target/features");
        for features in ["", "logging", "logging,simulator"] {
            eprintln!("building with features `{features}`");
            let arguments = ["--bin", OURS.binary, "--no-default-features", "--features", features];
            subjects::build(OURS.package, "release", &arguments, Some(&target))?;
            self.features.push((features, size_of(&target.join("release").join(OURS.binary))?));
        }
        Ok(())
    }
}

/// The distinct crates and versions that are linked or run to build a package, itself not counted.
fn crates(package: &str) -> Result<BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "-e",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "-p",
            package,
        ])
        .current_dir(subjects::workspace())
        .output()
        .context("starting cargo")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    // A crate that is shown again is marked `(*)`, a procedural macro `(proc-macro)`, a local one by its path.
    let name = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    Ok(text.lines().skip(1).map(name).filter(|name| !name.is_empty()).collect())
}
