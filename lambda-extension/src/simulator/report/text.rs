//! The report for a terminal.

use std::fmt;
use std::time::Duration;

use super::{InitReport, InvocationReport, Report, ShutdownReport, Status, TelemetryReport};
use crate::simulator::time::millis;

/// Only so many invocations are shown one by one: the first, and the last.
const SHOWN: usize = 12;
/// The width of the bars.
const BAR: usize = 28;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for init in &self.inits {
            write_init(f, init)?;
        }
        write_invocations(f, self)?;
        for shutdown in &self.shutdowns {
            write_shutdown(f, shutdown)?;
        }
        for telemetry in &self.telemetry {
            write_telemetry(f, telemetry)?;
        }
        for one in self.telemetry.iter().filter(|one| one.dropped > 0) {
            writeln!(
                f,
                "Watch out: {} records for {} were dropped, because more came than its listener took. It should take a \
                 batch before it works on it, ask for larger batches, or subscribe to less.",
                one.dropped, one.extension
            )?;
        }
        for freeze in self.freezes.iter().filter(|one| one.busy > 0) {
            writeln!(
                f,
                "Watch out: {} was still working at {} of {} freezes. What it does after it asked for the next event \
                 is stuck until the next invocation, or lost; it should ask when it is done.",
                freeze.extension, freeze.busy, freeze.thawed
            )?;
        }
        for (extension, lines) in &self.error_lines {
            writeln!(f, "Watch out: {extension} logged at ERROR, {lines}×. Lambda sees nothing of that.")?;
        }
        write_problems(f, self)
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", millis(duration))
}

/// On Managed Instances nobody waits until the runtime asks again, so there is nothing to tell.
pub(super) fn function_ms(one: &InvocationReport) -> String {
    let otherwise = if one.status == Status::Success { "-" } else { "never" };
    one.runtime.map_or_else(|| otherwise.to_owned(), ms)
}

fn after_ms(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "never".to_owned(), |duration| format!("after {:>10}", ms(duration)))
}

fn write_init(f: &mut fmt::Formatter<'_>, init: &InitReport) -> fmt::Result {
    let again = if init.phase == "invoke" { ", repeated inside an invocation" } else { "" };
    let error = init.error_type.as_deref().map(|error| format!(" ({error})")).unwrap_or_default();
    writeln!(f, "Init{again}: {} in {}{error}", init.status, ms(init.duration))?;
    for one in &init.extensions {
        let events = if one.events.is_empty() { "no events".to_owned() } else { one.events.join("+") };
        writeln!(
            f,
            "  {:<24} registered {}, first next {}, {events}, {}",
            one.name,
            after_ms(one.registered),
            after_ms(one.ready),
            one.state
        )?;
    }
    Ok(())
}

fn write_invocations(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let totals = report.totals;
    if totals.invocations == 0 {
        return Ok(());
    }
    writeln!(
        f,
        "Invocations: {}, of them {} failed; billed {}, of it held by extensions after the function was done: {} \
         (at most {} at once)",
        totals.invocations,
        totals.failed,
        ms(totals.billed),
        ms(totals.held),
        ms(totals.longest_hold)
    )?;
    let again = report.invocations.iter().any(|one| one.repeated_init.is_some());
    let again = if again { "▒ Init, repeated, " } else { "" };
    writeln!(
        f,
        "  {:<10} {:<8} {:>11} {:>11} {:>11}   ({again}█ function, ░ held)",
        "", "status", "whole", "function", "held"
    )?;
    let longest = report.invocations.iter().map(|one| one.duration).max().unwrap_or_default();
    let hidden = report.invocations.len().saturating_sub(SHOWN);
    for (number, one) in report.invocations.iter().enumerate() {
        if hidden > 0 && number == SHOWN / 2 {
            writeln!(f, "  … {hidden} more")?;
        }
        if number < SHOWN / 2 || number >= SHOWN / 2 + hidden {
            write_invocation(f, one, longest)?;
        }
    }
    Ok(())
}

fn write_invocation(f: &mut fmt::Formatter<'_>, one: &InvocationReport, longest: Duration) -> fmt::Result {
    let id: String = one.request_id.chars().take(8).collect();
    let error = one.error_type.as_deref().map(|error| format!("  {error}")).unwrap_or_default();
    writeln!(
        f,
        "  {id:<10} {:<8} {:>11} {:>11} {:>11}   {}{error}",
        one.status.to_string(),
        ms(one.duration),
        function_ms(one),
        ms(one.longest_hold()),
        bar(one, longest)
    )
}

fn bar(one: &InvocationReport, longest: Duration) -> String {
    let cells = |duration: Duration| {
        if longest.is_zero() {
            0
        } else {
            (duration.as_secs_f64() / longest.as_secs_f64() * BAR as f64).round() as usize
        }
    };
    let init = one.repeated_init.unwrap_or_default();
    let runtime = cells(one.runtime.unwrap_or(one.duration.saturating_sub(init))).max(1);
    format!("{}{}{}", "▒".repeat(cells(init)), "█".repeat(runtime), "░".repeat(cells(one.longest_hold())))
}

fn write_shutdown(f: &mut fmt::Formatter<'_>, shutdown: &ShutdownReport) -> fmt::Result {
    writeln!(f, "Shutdown ({}): {}", shutdown.reason, ms(shutdown.duration))?;
    for one in &shutdown.extensions {
        let how = match (one.killed, one.was_told) {
            (true, _) => "killed, its time was up".to_owned(),
            (false, true) => format!("gone after {}: {}", ms(one.took), one.ended),
            (false, false) => format!("not told of SHUTDOWN: {}", one.ended),
        };
        writeln!(f, "  {:<24} {how}", one.name)?;
    }
    Ok(())
}

fn write_telemetry(f: &mut fmt::Formatter<'_>, one: &TelemetryReport) -> fmt::Result {
    let lost = match (one.lost, one.lost_at_end) {
        (lost, 0) => format!("{lost} lost"),
        (lost, end) if lost == end => {
            format!("{lost} lost (written at the end or by extensions: nobody is sure to get that)")
        }
        (lost, end) => format!(
            "{lost} lost ({end} of them written at the end or by extensions: nobody is sure to get that)"
        ),
    };
    writeln!(
        f,
        "Telemetry to {}: {} records in {} batches; {} late (after a freeze), {} twice, {lost}, {} failed attempts",
        one.extension, one.delivered, one.batches, one.late, one.duplicates, one.failed_attempts
    )
}

fn write_problems(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    if !report.unused_faults.is_empty() {
        let faults: Vec<_> = report.unused_faults.iter().map(ToString::to_string).collect();
        writeln!(f, "Faults that never happened, so that nothing is known of them: {}", faults.join(", "))?;
    }
    if report.problems.is_empty() {
        return match report.totals.failed {
            0 => writeln!(f, "No problems."),
            failed => writeln!(
                f,
                "No problems of extensions, but of {} invocations {failed} failed.",
                report.totals.invocations
            ),
        };
    }
    writeln!(f, "Problems:")?;
    for problem in &report.problems {
        writeln!(f, "  {:>10}  {problem}", ms(problem.at))?;
        for line in &problem.last_lines {
            writeln!(f, "  {:>10}  | {line}", "")?;
        }
    }
    Ok(())
}
