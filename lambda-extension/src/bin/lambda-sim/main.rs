//! `lambda-sim`: runs any extension, in any language, under the local Lambda and reports on its life.

mod options;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use lambda_extension::simulator::{Invocation, Report};
use options::Options;

/// It could not be tried at all; the same code as for wrong options.
const NOT_TRIED: u8 = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(report) if report.is_clean() && report.totals.failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lambda-sim: {error}");
            ExitCode::from(NOT_TRIED)
        }
    }
}

async fn run(options: &Options) -> Result<Report, String> {
    let (extensions, session) = (options.extensions()?, options.session()?);
    let simulator = options.builder()?.try_start().await.map_err(|error| {
        format!("the port cannot be listened on: {error}; leave out --port, or name another")
    })?;
    for (name, command) in extensions {
        simulator.spawn_as(name, command);
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
            invokes: options.invokes,
            began: now,
            said: now,
        }
    }

    fn tell(&mut self, number: u64, invocation: &Invocation) {
        if self.each {
            eprintln!("-- invocation {number} of {}: {invocation}", self.invokes);
        } else if self.now_and_then && self.said.elapsed() >= Self::PAUSE {
            self.said = Instant::now();
            let left = self.began.elapsed().as_secs_f64() / number as f64 * (self.invokes - number) as f64;
            eprintln!("-- {number} of {} invocations, about {left:.0} s left", self.invokes);
        }
    }
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
