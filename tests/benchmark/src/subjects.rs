//! What is compared, and how it is built.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// A program, the binary of one of the packages in `subjects/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) package: &'static str,
    pub(crate) binary: &'static str,
    /// How tables name it.
    pub(crate) name: &'static str,
}

pub(crate) const OURS: Subject =
    Subject { package: "subject_ours", binary: "ours_macro", name: "ours, `#[main]`" };
pub(crate) const OURS_TRAIT: Subject =
    Subject { package: "subject_ours", binary: "ours_trait", name: "ours, trait" };
pub(crate) const OURS_TELEMETRY: Subject =
    Subject { package: "subject_ours", binary: "ours_telemetry", name: "ours, telemetry" };
pub(crate) const PEER: Subject =
    Subject { package: "subject_peer", binary: "peer", name: "lambda-extension 1.1.1" };
pub(crate) const PEER_TELEMETRY: Subject =
    Subject { package: "subject_peer", binary: "peer_telemetry", name: "lambda-extension 1.1.1, telemetry" };
pub(crate) const PEER_TELEMETRY_JSON: Subject = Subject { binary: "peer_telemetry_json", ..PEER_TELEMETRY };
pub(crate) const REQWEST: Subject =
    Subject { package: "subject_bare_reqwest", binary: "bare_reqwest", name: "bare reqwest loop" };
pub(crate) const HYPER: Subject =
    Subject { package: "subject_bare_hyper", binary: "bare_hyper", name: "bare hyper loop" };
/// The one that is not written in Rust.
pub(crate) const GO: Subject = Subject { package: "go", binary: "go_loop", name: "Go loop on net/http" };
pub(crate) const FLOOR: Subject = Subject { package: "subject_floor", binary: "floor", name: "raw socket" };
pub(crate) const FLOOR_TELEMETRY: Subject =
    Subject { package: "subject_floor", binary: "floor_telemetry", name: "raw socket, scan only" };

const ALL: [Subject; 11] = [
    OURS,
    OURS_TRAIT,
    OURS_TELEMETRY,
    PEER,
    PEER_TELEMETRY,
    PEER_TELEMETRY_JSON,
    REQWEST,
    HYPER,
    GO,
    FLOOR,
    FLOOR_TELEMETRY,
];

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Subject {
    pub(crate) fn by_binary(binary: &str) -> Result<Self> {
        let known = || ALL.map(|subject| subject.binary).join(", ");
        let subject = ALL.into_iter().find(|subject| subject.binary == binary);
        subject.with_context(|| format!("`{binary}` is none of {}", known()))
    }
}

/// Where the benchmark's own workspace is.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The subjects' binaries.
pub(crate) struct Built {
    folder: PathBuf,
}

impl Built {
    /// Builds every subject: one package at a time, since together they would share the features of their dependencies.
    pub(crate) fn all(profile: &str) -> Result<Self> {
        let built = Self { folder: workspace().join("target").join(profile) };
        let mut packages: Vec<_> = ALL.iter().map(|subject| subject.package).collect();
        packages.dedup();
        for package in packages {
            if package == GO.package {
                build_go(&built.program(GO))?;
            } else {
                build(package, profile, &[], None)?;
            }
        }
        Ok(built)
    }

    /// Builds those of one package.
    pub(crate) fn package(package: &str, profile: &str) -> Result<Self> {
        build(package, profile, &[], None)?;
        Ok(Self { folder: workspace().join("target").join(profile) })
    }

    pub(crate) fn program(&self, subject: Subject) -> PathBuf {
        self.folder.join(subject.binary)
    }

    pub(crate) fn command(&self, subject: Subject) -> Command {
        Command::new(self.program(subject))
    }
}

/// Builds the binaries of a package, with more arguments for cargo, in `target` or the usual folder.
pub(crate) fn build(package: &str, profile: &str, arguments: &[&str], target: Option<&Path>) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--locked", "--bins", "--profile", profile, "-p", package])
        .args(arguments);
    cargo.current_dir(workspace()).env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    if let Some(target) = target {
        fs::create_dir_all(target)?;
        cargo.arg("--target-dir").arg(target);
    }
    let status = cargo.status().context("starting cargo")?;
    ensure!(status.success(), "building {package} failed");
    Ok(())
}

/// Builds the loop in Go, stripped as the others are, by the compiler that `tests/fetch-go` fetches.
fn build_go(program: &Path) -> Result<()> {
    let root = workspace().ancestors().nth(2).context("the benchmark is not in tests/benchmark")?;
    let fetched = Command::new(root.join("tests/fetch-go")).status().context("starting tests/fetch-go")?;
    ensure!(fetched.success(), "there is no Go to build the loop in Go with");
    let status = Command::new(root.join("target/go/go/bin/go"))
        .args(["build", "-trimpath", "-ldflags", "-s -w", "-o"])
        .arg(program)
        .current_dir(workspace().join("go"))
        .env("GOCACHE", root.join("target/go/cache"))
        .envs([("CGO_ENABLED", "0"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", "")])
        .status()
        .context("starting Go's compiler")?;
    ensure!(status.success(), "building the loop in Go failed");
    Ok(())
}
