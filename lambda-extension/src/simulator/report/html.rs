//! The report as one page that needs nothing else: no script, no file beside it, no network.

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::text::function_ms;
use super::{InitReport, InvocationReport, Report, ShutdownReport, Status};
use crate::simulator::time::millis;

/// Only the last invocations are drawn one by one.
const DRAWN: usize = 60;
const WIDTH: f64 = 960.0;
const NAMES: f64 = 150.0;
const ROW: f64 = 22.0;
/// Room for the right half of the last label below a scale.
const LAST_LABEL: f64 = 24.0;

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2430;--dim:#5d6b7e;--line:#dfe5ec;--back:#fff;--card:#f6f8fa;--fn:#3b77c9;--held:#e08a1e;--init:#6f5bb5;--end:#8592a3;--bad:#c2362f;--good:#23774a;--warn:#96590a}
@media (prefers-color-scheme:dark){:root{--ink:#e6ebf2;--dim:#98a5b7;--line:#303a48;--back:#12171e;--card:#1a212b;--fn:#6ea3ee;--held:#f0a84c;--init:#a593e6;--end:#7b8899;--bad:#ef6b64;--good:#56bd87;--warn:#f0a84c}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:1000px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0}p.warn{margin-top:.8rem}.dim{color:var(--dim)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:.75rem;margin:1.25rem 0}.tile{background:var(--card);border-radius:.5rem;padding:.6rem .9rem;line-height:1.3}
.tile b{display:block;font-size:1.35rem;white-space:nowrap}.bad{color:var(--bad)}.good{color:var(--good)}.warn{color:var(--warn)}
.wide{overflow-x:auto}.keys span{white-space:nowrap;margin-right:1.25rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line)}td{white-space:nowrap}td.what{white-space:normal;min-width:14rem}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
svg{width:100%;min-width:860px;height:auto;display:block}text{font:12px system-ui,sans-serif;fill:var(--ink)}text.dim{fill:var(--dim)}text.bad{fill:var(--bad)}text.on{fill:var(--back)}
.fn{fill:var(--fn)}.held{fill:var(--held)}.init{fill:var(--init)}.end{fill:var(--end)}.fail{fill:var(--bad)}.grid{stroke:var(--line)}.mark{stroke:var(--ink);stroke-width:1.5}
.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .35em 0 0;vertical-align:-.05em}
";

impl Report {
    /// The report as a page of HTML that needs nothing beside it, with a timeline to look at.
    pub fn to_html(&self, title: &str) -> String {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (title) }
                    p.dim { "One execution environment of a local Lambda, from its start to its end." }
                    (tiles(self))
                    (problems(self))
                    (life(self))
                    (invocations(self))
                    (extensions(self))
                    (telemetry(self))
                }
            }
        }
        .into_string()
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", millis(duration))
}

fn optional_ms(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "never".to_owned(), ms)
}

fn tiles(report: &Report) -> Markup {
    let totals = report.totals;
    let lost: u64 = report.telemetry.iter().map(|one| one.lost).sum();
    let at_end: u64 = report.telemetry.iter().map(|one| one.lost_at_end).sum();
    let late: u64 = report.telemetry.iter().map(|one| one.late).sum();
    let tile = |value: String, what: &str, bad: bool| {
        html! { div.tile { b.bad[bad] { (value) } span.dim { (what) } } }
    };
    html! {
        div.tiles {
            (tile(totals.invocations.to_string(), "invocations", false))
            (tile(totals.failed.to_string(), "failed", totals.failed > 0))
            (tile(time_label(millis(totals.billed)), "billed", false))
            (tile(time_label(millis(totals.held)), "of it held by extensions", false))
            (tile(late.to_string(), "records late", false))
            (tile(lost.to_string(), "records lost", lost > at_end))
            (tile(report.problems.len().to_string(), "problems", !report.is_clean()))
        }
    }
}

fn problems(report: &Report) -> Markup {
    html! {
        h2 { "Did the extensions behave?" }
        @if report.is_clean() {
            p.good { "Yes: nothing was refused, nobody crashed, nobody had to be killed." }
        } @else {
            p.bad { "No." }
            (table(html! {
                tr { th { "when" } th { "who" } th { "what" } }
                @for problem in &report.problems {
                    tr { td { (ms(problem.at)) } td { (problem.extension) } td.what.bad { (problem.what) @for line in &problem.last_lines { br; code { (line) } } } }
                }
            }))
        }
        @if !report.unused_faults.is_empty() {
            p.warn { "Faults that never happened, so that nothing is known of them: " (report.unused_faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) }
        }
        @for (extension, lines) in &report.error_lines {
            p.warn { (extension) " logged at ERROR, " (lines) "×. Lambda sees nothing of that." }
        }
        @for one in report.telemetry.iter().filter(|one| one.dropped > 0) {
            p.warn { (one.dropped) " records for " (one.extension) " were dropped, because more came than its listener took. It should take a batch before it works on it, ask for larger batches, or subscribe to less." }
        }
        @for one in report.freezes.iter().filter(|one| one.busy > 0) {
            p.warn { (if report.is_clean() { "But look at " } else { "Look at " }) (one.extension) ", too: it was still working at " (one.busy) " of " (one.thawed) " freezes. What it does after it asked for the next event is stuck until the next invocation, or lost; it should ask when it is done." }
        }
    }
}

/// A scale from time to places on the picture.
struct Scale {
    whole: Duration,
}

impl Scale {
    fn x(&self, at: Duration) -> f64 {
        let part = if self.whole.is_zero() { 0.0 } else { at.as_secs_f64() / self.whole.as_secs_f64() };
        NAMES + part.min(1.0) * (WIDTH - NAMES - LAST_LABEL)
    }

    fn width(&self, from: Duration, to: Duration) -> f64 {
        (self.x(to) - self.x(from)).max(1.0)
    }

    /// Lines at round times, with their labels.
    fn grid(&self, height: f64) -> Markup {
        let rough = self.whole.as_secs_f64() * 1_000.0 / 6.0;
        let magnitude = 10f64.powf(rough.max(0.001).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .iter()
            .map(|one| one * magnitude)
            .find(|one| *one >= rough)
            .unwrap_or(rough);
        let count = (self.whole.as_secs_f64() * 1_000.0 / step.max(0.001)).floor() as u32;
        html! {
            @for number in 0..=count.min(12) {
                @let label = f64::from(number) * step;
                @let x = self.x(Duration::from_secs_f64(label / 1_000.0));
                line.grid x1=(x) x2=(x) y1="0" y2=(height - 16.0) {}
                text.dim x=(x) y=(height - 3.0) text-anchor="middle" { (time_label(label)) }
            }
        }
    }
}

/// A time in the unit and with the digits that say something.
fn time_label(milliseconds: f64) -> String {
    let (number, unit) =
        if milliseconds >= 1_000.0 { (milliseconds / 1_000.0, "s") } else { (milliseconds, "ms") };
    let digits = if number < 10.0 { 100.0 } else { 10.0 };
    format!("{} {unit}", (number * digits).round() / digits)
}

fn bar(class: &str, x: f64, y: f64, width: f64, tip: &str) -> Markup {
    html! { rect class=(class) x=(format!("{x:.1}")) y=(y) width=(format!("{width:.1}")) height=(ROW - 8.0) rx="2" { title { (tip) } } }
}

/// A picture that a narrow window scrolls, so that its words stay large enough to read.
fn picture(height: f64, what: &str, inside: Markup) -> Markup {
    html! { div.wide { svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(what) { (inside) } } }
}

fn table(rows: Markup) -> Markup {
    html! { div.wide { table { (rows) } } }
}

/// The whole life on one line each: when the environment was awake, and what for.
fn life(report: &Report) -> Markup {
    let ends = report.inits.iter().map(|one| one.started + one.duration);
    let ends = ends.chain(report.invocations.iter().map(|one| one.started + one.duration));
    let whole =
        ends.chain(report.shutdowns.iter().map(|one| one.started + one.duration)).max().unwrap_or_default();
    let scale = Scale { whole };
    let height = 3.0 * ROW + 22.0;
    let place = |at: Duration, duration: Duration| (scale.x(at), scale.width(at, at + duration));
    let inside = html! {
        (scale.grid(height))
        text x="0" y=(ROW - 8.0) { "Init" }
        text x="0" y=(2.0 * ROW - 8.0) { "Invocations" }
        text x="0" y=(3.0 * ROW - 8.0) { "Shutdown" }
        @for one in &report.inits {
            @let (x, width) = place(one.started, one.duration);
            (bar(if one.status == Status::Success { "init" } else { "fail" }, x, 2.0, width, &format!("Init: {} in {}", one.status, ms(one.duration))))
        }
        @for one in &report.invocations {
            @let (x, width) = place(one.started, one.duration);
            (bar(if one.status == Status::Success { "fn" } else { "fail" }, x, ROW + 2.0, width, &tip(one)))
        }
        @for one in &report.shutdowns {
            @let (x, width) = place(one.started, one.duration);
            (bar("end", x, 2.0 * ROW + 2.0, width, &format!("Shutdown ({}): {}", one.reason, ms(one.duration))))
        }
    };
    html! {
        h2 { "The life of the environment" }
        p.dim { "Where nothing is drawn, everybody waited" @if report.totals.freezes > 0 { " and the environment was frozen" } "." }
        (picture(height, "Init, invocations and shutdown over time", inside))
    }
}

fn tip(one: &InvocationReport) -> String {
    let error = one.error_type.as_deref().map(|error| format!(" ({error})")).unwrap_or_default();
    format!(
        "{}: {}{error} in {}, function {}, held {}",
        one.request_id,
        one.status,
        ms(one.duration),
        function_ms(one),
        ms(one.longest_hold())
    )
}

/// One line for each invocation: the function, then what the extensions held beyond it.
fn invocations(report: &Report) -> Markup {
    let drawn = &report.invocations[report.invocations.len().saturating_sub(DRAWN)..];
    if drawn.is_empty() {
        return html! {};
    }
    let whole = drawn.iter().map(|one| one.duration).max().unwrap_or_default();
    let scale = Scale { whole };
    let height = drawn.len() as f64 * ROW + 20.0;
    let inside = html! {
        (scale.grid(height))
        @for (row, one) in drawn.iter().enumerate() {
            @let y = row as f64 * ROW;
            @let begin = one.repeated_init.unwrap_or_default();
            @let done = one.runtime.map_or(one.duration, |runtime| (begin + runtime).min(one.duration));
            text x="0" y=(y + ROW - 8.0) { (one.request_id.chars().take(8).collect::<String>()) " " tspan.dim { (ms(one.duration)) } }
            @if !begin.is_zero() {
                (bar("init", scale.x(Duration::ZERO), y + 2.0, scale.width(Duration::ZERO, begin), &format!("Init, repeated in {}", ms(begin))))
            }
            (bar(if one.status == Status::Success { "fn" } else { "fail" }, scale.x(begin), y + 2.0, scale.width(begin, done), &tip(one)))
            @let held = one.longest_hold();
            @if !held.is_zero() {
                (bar("held", scale.x(done), y + 2.0, scale.width(done, done + held), &format!("held {} beyond the function", ms(held))))
            }
            @for asking in &one.held {
                @if let Some(asked) = asking.asked {
                    line.mark x1=(scale.x(begin + asked)) x2=(scale.x(begin + asked)) y1=(y) y2=(y + ROW - 4.0) { title { (asking.extension) " asked for the next event after " (ms(asked)) } }
                }
            }
            (failure(one, scale.x(begin), scale.x(done + held), y))
        }
    };
    html! {
        h2 { "Invocations" }
        p.keys {
            @if drawn.iter().any(|one| one.repeated_init.is_some()) { span { i.key style="background:var(--init)" {} "Init, repeated" } }
            span { i.key style="background:var(--fn)" {} "function" }
            span { i.key style="background:var(--held)" {} "held by extensions beyond it, and billed" }
            span { i.key style="background:var(--bad)" {} "failed" }
        }
        p.dim { "A mark shows when an extension asked for the next event." }
        @if drawn.len() < report.invocations.len() { p.dim { "The last " (DRAWN) " of " (report.totals.invocations) "." } }
        (picture(height, "Each invocation's time", inside))
    }
}

/// Why an invocation failed: on its bar where that is long, otherwise behind it.
fn failure(one: &InvocationReport, begin: f64, end: f64, y: f64) -> Markup {
    let Some(error) = one.error_type.as_deref().or((one.status == Status::Timeout).then_some("timeout"))
    else {
        return html! {};
    };
    let (class, x) = if end - begin > WIDTH / 4.0 { ("on", begin + 6.0) } else { ("bad", end + 6.0) };
    html! { text class=(class) x=(format!("{x:.1}")) y=(y + ROW - 8.5) { (error) } }
}

fn extensions(report: &Report) -> Markup {
    html! {
        h2 { "Extensions" }
        (table(html! {
            tr { th { "phase" } th { "extension" } th { "events" } th { "state" } th.n { "registered" } th.n { "first next" } }
            @for init in &report.inits { (init_rows(init)) }
        }))
        @for shutdown in &report.shutdowns { (shutdown_table(shutdown)) }
    }
}

fn init_rows(init: &InitReport) -> Markup {
    let phase = if init.phase == "invoke" { "Init inside an invocation" } else { "Init" };
    html! {
        @for one in &init.extensions {
            tr {
                td { (phase) } td { (one.name) } td { (one.events.join(", ")) } td { (one.state) }
                td.n { (optional_ms(one.registered)) } td.n { (optional_ms(one.ready)) }
            }
        }
        @if init.status != Status::Success {
            tr { td.bad colspan="6" { "Init: " (init.status) " " (init.error_type.as_deref().unwrap_or_default()) } }
        }
    }
}

fn shutdown_table(shutdown: &ShutdownReport) -> Markup {
    html! {
        @if !shutdown.extensions.is_empty() {
            h2 { "Shutdown (" (shutdown.reason) "): " (ms(shutdown.duration)) }
            (table(html! {
                tr { th { "extension" } th { "told" } th { "end" } th.n { "gone after" } }
                @for one in &shutdown.extensions {
                    tr {
                        td { (one.name) } td { (if one.was_told { "yes" } else { "not subscribed" }) }
                        td.bad[one.killed] { (if one.killed { "killed: its time was up" } else { one.ended.as_str() }) }
                        td.n { (ms(one.took)) }
                    }
                }
            }))
        }
    }
}

fn telemetry(report: &Report) -> Markup {
    html! {
        @if !report.telemetry.is_empty() {
            h2 { "Telemetry" }
            p.dim { "Late: delivered only after a freeze. Every platform.report is, and extensions' own lines are; they are not counted as late. Nor is anybody sure to get what was written at the end or by extensions: as long as nothing else is lost, the number is not red." }
            (table(html! {
                tr { th { "extension" } th.n { "batches" } th.n { "records" } th.n { "late" } th.n { "twice" } th.n { "lost" } th.n { "failed attempts" } }
                @for one in &report.telemetry {
                    tr {
                        td { (one.extension) } td.n { (one.batches) } td.n { (one.delivered) } td.n { (one.late) }
                        td.n { (one.duplicates) } td.n.bad[one.lost > one.lost_at_end] { (one.lost) } td.n { (one.failed_attempts) }
                    }
                }
            }))
        }
    }
}
