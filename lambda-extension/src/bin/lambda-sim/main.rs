//! `lambda-sim`: runs any extension, in any language, under the local Lambda and reports on its life.

mod options;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use lambda_extension::simulator::{InitReport, Invocation, Report};
use options::Options;

/// It could not be tried at all; the same code as for wrong options.
const NOT_TRIED: u8 = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(report) => ExitCode::from(verdict(&report)),
        Err(error) => {
            eprintln!("lambda-sim: {error}");
            ExitCode::from(NOT_TRIED)
        }
    }
}

/// The exit code for what was seen.
fn verdict(report: &Report) -> u8 {
    if !report.inits.is_empty() && report.inits.iter().all(could_not_start) {
        return NOT_TRIED;
    }
    match report.is_clean() && report.totals.failed == 0 {
        true if report.unused_faults.is_empty() => 0,
        true => NOT_TRIED,
        false => 1,
    }
}

/// A program could not be started, or the function's never became ready.
fn could_not_start(init: &InitReport) -> bool {
    let function = match init.error_type.as_deref() {
        Some("Runtime.InvalidEntrypoint") => true,
        Some("Runtime.ExitError") => init.runtime_ready.is_none(),
        _ => false,
    };
    function || init.extensions.iter().any(|one| one.state == "LaunchError")
}

async fn run(options: &Options) -> Result<Report, String> {
    let (extensions, session) = (options.extensions()?, options.session()?);
    let simulator = options.builder()?.try_start().await.map_err(|error| {
        format!("the port cannot be listened on: {error}; leave out --port, or name another")
    })?;
    for (name, command) in extensions {
        simulator.spawn_as(name, command);
    }
    if let Some(option) = options.misplaced() {
        eprintln!(
            "lambda-sim: `{option}` stands behind the program, so it is the program's argument and no option here; \
             write `--` before the program if that is meant"
        );
    }
    let mut progress = Progress::new(options);
    let report = session.run(simulator, |number, invocation| progress.tell(number, invocation)).await;
    write(options, &report)?;
    Ok(report)
}

/// Says how far a run is: each invocation of a short one, a line now and then of a long one.
struct Progress {
    each: bool,
    now_and_then: bool,
    answers: bool,
    invokes: u64,
    began: Instant,
    said: Instant,
}

impl Progress {
    /// More invocations than this are not told one by one.
    const SHORT: u64 = 50;
    const PAUSE: Duration = Duration::from_secs(2);

    fn new(options: &Options) -> Self {
        let (now, long) = (Instant::now(), options.invokes > Self::SHORT);
        Self {
            each: !long && !options.quiet,
            now_and_then: long && (!options.quiet || std::io::stderr().is_terminal()),
            answers: options.has_answers(),
            invokes: options.invokes,
            began: now,
            said: now,
        }
    }

    fn tell(&mut self, number: u64, invocation: &Invocation) {
        if self.each {
            let answer = match &invocation.response {
                Some(answer) if self.answers => format!(", answered {}", shortened(answer)),
                _ => String::new(),
            };
            eprintln!("-- invocation {number} of {}: {invocation}{answer}", self.invokes);
        } else if self.now_and_then && self.said.elapsed() >= Self::PAUSE {
            self.said = Instant::now();
            let left = self.began.elapsed().as_secs_f64() / number as f64 * (self.invokes - number) as f64;
            eprintln!("-- {number} of {} invocations, about {left:.0} s left", self.invokes);
        }
    }
}

/// The begin of an answer, on one line.
fn shortened(answer: &[u8]) -> String {
    const SHOWN: usize = 60;
    // No character takes more than four bytes.
    let begin = String::from_utf8_lossy(&answer[..answer.len().min(4 * (SHOWN + 1))]);
    let mut line: String = begin.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if let Some((end, _)) = line.char_indices().nth(SHOWN) {
        line.replace_range(end.., "…");
    }
    line
}

fn write(options: &Options, report: &Report) -> Result<(), String> {
    let text = if options.json {
        serde_json::to_string_pretty(report)
            .map_err(|error| format!("the report cannot be written as JSON: {error}"))?
            + "\n"
    } else {
        format!("\n{report}")
    };
    // A reader that is gone, as `lambda-sim … | head` leaves us with, is no reason to fail.
    drop(std::io::stdout().write_all(text.as_bytes()));
    let Some(file) = &options.report else { return Ok(()) };
    std::fs::write(file, report.to_html(&format!("{} under a local Lambda", options.extension_name())))
        .map_err(|error| {
            format!("the report cannot be written to `{}`: {error}; name another file", file.display())
        })
}
