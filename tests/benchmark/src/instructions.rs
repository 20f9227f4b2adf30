//! Instructions instead of time: what callgrind counts hardly varies, so a few per cent more is a change in the code.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    lambda::{self, Lambda, Route},
    process::Process,
    subjects::{self, Built, FLOOR, HYPER, OURS, OURS_TRAIT, PEER, REQWEST, Subject},
};

/// Those whose figures are committed and checked.
pub(crate) const OURS_ALL: [Subject; 2] = [OURS, OURS_TRAIT];
/// Those worth a look beside them.
pub(crate) const BESIDE: [Subject; 4] = [PEER, REQWEST, HYPER, FLOOR];

/// How much more than the committed figure is too much, for a start and for an invocation. A start hardly varies. An invocation
/// does by 4 %, with the turns of the event loop that an answer takes to arrive.
const TOLERANCE: [f64; 2] = [0.03, 0.08];
/// Has the C library choose the code that runs on every processor, so that all count alike.
const BASELINE: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-ERMS,-FSRM,-BMI2,-MOVBE,-RTM",
);
const FEW: u64 = 10;
const MANY: u64 = 110;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Count {
    /// From the first instruction to the first poll, and from SHUTDOWN to the end.
    pub(crate) start_and_end: u64,
    pub(crate) invocation: u64,
}

/// Counts one subject: the least of five, since a busy machine adds turns of the event loop and takes none away.
pub(crate) fn count(built: &Built, subject: Subject) -> Result<Count> {
    let least = |invocations| -> Result<u64> {
        let counts: Result<Vec<u64>> = (0..5).map(|_| run(built, subject, invocations)).collect();
        Ok(counts?.into_iter().min().unwrap_or_default())
    };
    let (none, few, many) = (least(0)?, least(FEW)?, least(MANY)?);
    Ok(Count { start_and_end: none, invocation: many.saturating_sub(few) / (MANY - FEW) })
}

/// Leaves callgrind's profile of one life behind, for `callgrind_annotate`.
pub(crate) fn profile(built: &Built, subject: Subject, invocations: u64) -> Result<PathBuf> {
    let path = subjects::workspace().join("target").join(format!("callgrind.out.{}", subject.binary));
    live(built, subject, invocations, &path)?;
    Ok(path)
}

fn run(built: &Built, subject: Subject, invocations: u64) -> Result<u64> {
    live(built, subject, invocations, Path::new("/dev/null"))
}

fn live(built: &Built, subject: Subject, invocations: u64, profile: &Path) -> Result<u64> {
    let lambda = Lambda::open()?;
    let report = subjects::workspace().join("target").join(format!("callgrind.{}", subject.binary));
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", profile.display()));
    command.arg(format!("--log-file={}", report.display())).arg(built.program(subject));
    command.env(BASELINE.0, BASELINE.1);
    let process =
        Process::start(&mut command, lambda.address(), Stdio::null()).context("is valgrind installed?")?;
    let (_, mut poll) = lambda.init()?;
    for number in 0..invocations {
        poll.answer(&lambda::invoke(number))?;
        poll = lambda.call(Route::Next)?;
    }
    poll.answer(&lambda::shutdown())?;
    if subject == PEER {
        // It would not end. What it does after SHUTDOWN is little: it asks again.
        lambda.call(Route::Next)?;
        process.terminate()?;
    } else {
        process.wait(Duration::from_secs(30))?;
    }
    let report = fs::read_to_string(report)?;
    let collected =
        report.lines().find_map(|line| line.split_once("Collected :")).context("no count by callgrind")?;
    Ok(collected.1.trim().parse()?)
}

fn committed() -> PathBuf {
    subjects::workspace().join("instructions.txt")
}

/// Compares with the committed figures. An error if one has grown too much.
pub(crate) fn check(built: &Built) -> Result<()> {
    let text = fs::read_to_string(committed()).context("reading the committed figures")?;
    let before = read(&text)?;
    let mut grown = Vec::new();
    for subject in OURS_ALL {
        let before =
            before.get(subject.binary).with_context(|| format!("no figure for {}", subject.binary))?;
        let now = count(built, subject)?;
        for (figure, tolerance, before, now) in [
            ("start and end", TOLERANCE[0], before.start_and_end, now.start_and_end),
            ("one invocation", TOLERANCE[1], before.invocation, now.invocation),
        ] {
            let change = now as f64 / before as f64 - 1.0;
            println!("{}, {figure}: {now} instructions, {:+.1} %", subject.binary, change * 100.0);
            if change > tolerance {
                grown.push(format!("{}, {figure}", subject.binary));
            }
        }
    }
    if !grown.is_empty() {
        bail!(
            "more instructions than {} allows: {}. If that is worth it, commit the new figures (`instructions --write`) and say why",
            committed().display(),
            grown.join("; ")
        );
    }
    Ok(())
}

/// Writes the figures that are to be committed.
pub(crate) fn write(built: &Built) -> Result<()> {
    let mut text = String::from(HEAD);
    for subject in OURS_ALL {
        let count = count(built, subject)?;
        text += &format!("{} {} {}\n", subject.binary, count.start_and_end, count.invocation);
    }
    print!("{text}");
    fs::write(committed(), text)?;
    Ok(())
}

const HEAD: &str = "\
# Instructions by callgrind, user space only: of a life without invocations, and of one invocation.
# Written by the benchmark's `instructions --write`; `instructions` fails when the first is 3 % more, or the second 8 %.
";

fn read(text: &str) -> Result<BTreeMap<&str, Count>> {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        ensure!(fields.len() == 3, "a line of the committed figures that is none: {row}");
        Ok((fields[0], Count { start_and_end: fields[1].parse()?, invocation: fields[2].parse()? }))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_figures_are_read() {
        let figures = read("# a comment\nours_macro 100 7\n").expect("they have three fields");
        assert_eq!(figures["ours_macro"], Count { start_and_end: 100, invocation: 7 });
        assert!(read("ours_macro 100").is_err());
    }
}
