//! The figures as Markdown, for the terminal and for `docs/figures.md`.

use std::{
    fmt::{Display, Write},
    fs,
    process::Command,
};

use crate::{
    build_cost::BuildCost,
    compare::{Comparison, FORMATS, LIVES},
    delivery::{self, Connection, Load},
    growth::Growth,
    instructions::Count,
    life::Life,
    stats::Spread,
    subjects::{OURS, PEER, REQWEST, Subject},
    targets::{ENOUGH, Limit, Target},
};

/// A table whose columns line up in the source too, so that it can be read in a terminal.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(ToOwned::to_owned).to_vec()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [&dyn Display; N]) {
        self.rows.push(cells.map(ToString::to_string).to_vec());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows[0].len();
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            f.write_char('|')?;
            for (cell, width) in row.iter().zip(&widths) {
                write!(f, " {cell:width$} |")?;
            }
            f.write_char('\n')?;
            if number == 0 {
                f.write_char('|')?;
                for width in &widths {
                    write!(f, "{}|", "-".repeat(width + 2))?;
                }
                f.write_char('\n')?;
            }
        }
        Ok(())
    }
}

/// A median, and the quartiles if they differ from it.
fn spread(spread: Spread, decimals: usize) -> String {
    let Spread { lower, median, upper, count } = spread;
    if count == 1 {
        return format!("{median:.decimals$}");
    }
    format!("{median:.decimals$} ({lower:.decimals$}–{upper:.decimals$})")
}

fn mb(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / 1e6)
}

/// Where, when and of what the figures were taken.
pub(crate) fn conditions(rounds: usize) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown").to_owned();
    format!(
        "Taken on {}, on {cores} cores of {}, Linux {}, {}, in {rounds} rounds; load average at the end {load}.\n",
        output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        model.unwrap_or("an unknown processor"),
        output("uname", &["-r"]),
        output("rustc", &["--version"]),
    )
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output
        .map_or_else(|_| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(crate) fn targets(targets: &[Target]) -> String {
    let mut table = Table::new(["figure", "against", "median (quartiles)", "wanted", "met"]);
    for target in targets {
        let wanted = match target.limit {
            Limit::AtMost(limit) => format!("≤ {limit}"),
            Limit::AtLeast(limit) => format!("≥ {limit}"),
            Limit::Towards(limit) => format!("towards {limit}"),
        };
        let met = match target.is_met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        table.row([&target.figure, &target.against, &spread(target.spread, 2), &wanted, &met]);
    }
    let mut text = table.to_string();
    for target in targets {
        if target.is_met() == Some(false) && !target.reason.is_empty() {
            let _ =
                write!(text, "\nNot met, {} against {}: {}.\n", target.figure, target.against, target.reason);
        }
    }
    if targets.iter().any(|target| target.spread.count > 1 && target.spread.count < ENOUGH) {
        let _ = write!(text, "\nFewer than {ENOUGH} rounds: these ratios say nothing yet.\n");
    }
    text
}

pub(crate) fn lives(figures: &Comparison) -> String {
    let mut table = Table::new([
        "subject",
        "start to first next, ms",
        "event to next p50, µs",
        "p99, µs",
        "SHUTDOWN to gone, ms",
        "peak memory, MB",
        "CPU of a life, ms",
        "threads",
    ]);
    for subject in LIVES {
        let of =
            |figure: fn(&Life) -> f64, decimals| spread(Spread::of(&figures.life(subject, figure)), decimals);
        let starts = figures.life(subject, |life| life.start / 1e3);
        let mut gone = of(|life| life.shutdown / 1e3, 2);
        if figures.was_killed(subject) {
            gone += ", killed";
        }
        table.row([
            &subject,
            &spread(Spread::of(&starts), 2),
            &of(|life| life.event_to_next_p50, 0),
            &of(|life| life.event_to_next_p99, 0),
            &gone,
            &of(|life| life.footprint.peak_kib as f64 * 1024.0 / 1e6, 2),
            &of(|life| life.cpu / 1e3, 1),
            &Spread::of(&figures.life(subject, |life| life.footprint.threads as f64)).median,
        ]);
    }
    table.to_string()
}

pub(crate) fn ratios(figures: &Comparison) -> String {
    let mut table = Table::new([
        "ours, `#[main]`, against",
        "start to first next",
        "event to next p50",
        "peak memory",
        "CPU",
    ]);
    for theirs in LIVES.into_iter().filter(|subject| *subject != OURS) {
        let of = |figure: fn(&Life) -> f64| spread(figures.life_ratio(OURS, theirs, figure), 2);
        table.row([
            &theirs,
            &spread(figures.life_ratio(OURS, theirs, |life| life.start), 2),
            &of(|life| life.event_to_next_p50),
            &of(|life| life.footprint.peak_kib as f64),
            &of(|life| life.cpu),
        ]);
    }
    table.to_string()
}

pub(crate) fn telemetry(figures: &Comparison) -> String {
    let mut text = String::new();
    for format in FORMATS {
        let mut table = Table::new([
            "batches",
            "subject",
            "1,000 records/s",
            "ours is times as fast",
            "answer p50, µs",
            "p99, µs",
            "CPU a record, ns",
            "peak memory, MB",
        ]);
        for load in figures.loads().into_iter().filter(|load| load.format == format) {
            let [ours, ..] = delivery::subjects(format);
            for subject in delivery::subjects(format) {
                telemetry_row(&mut table, figures, load, ours, subject);
            }
        }
        let _ = writeln!(text, "{table}");
    }
    text
}

fn telemetry_row(table: &mut Table, figures: &Comparison, load: Load, ours: Subject, subject: Subject) {
    let of = |figure: fn(&delivery::Received) -> f64, decimals| {
        spread(Spread::of(&figures.delivery(load, subject, figure)), decimals)
    };
    let cpu = Spread::of(&figures.delivery(load, subject, |received| received.cpu));
    let records = (load.records * load.batches) as f64;
    let ratio = match subject == ours {
        true => String::new(),
        false => spread(figures.delivery_ratio(load, ours, subject), 2),
    };
    table.row([
        &load,
        &subject,
        &of(|received| received.records_per_second / 1e3, 0),
        &ratio,
        &of(|received| received.answer_p50, 0),
        &of(|received| received.answer_p99, 0),
        &format_args!("{:.0}", cpu.median * 1e3 / records),
        &of(|received| received.footprint.peak_kib as f64 * 1024.0 / 1e6, 1),
    ]);
}

/// The batch sizes for which a chart shows how fast telemetry is taken.
pub(crate) fn charted(load: &Load) -> bool {
    load.records == 1_000 && load.connection == Connection::Kept
}

pub(crate) fn growth(growth: &Growth) -> String {
    let mut text = String::from("With the number of invocations, without idle time between them:\n\n");
    let mut table = Table::new(["invocations", "resident memory, MB", "event to next p50, µs"]);
    for (count, kib, turn) in &growth.invocations {
        table.row([count, &mb(kib * 1024), &format_args!("{turn:.0}")]);
    }
    let _ = write!(text, "{table}\nWith the size of batches, text on one connection:\n\n");
    let mut table = Table::new(["records a batch", "µs a record", "CPU µs a record, start included"]);
    for (records, wall, cpu) in &growth.batch {
        table.row([records, &format_args!("{wall:.2}"), &format_args!("{cpu:.2}")]);
    }
    let _ = write!(text, "{table}\nWith the number of extensions started at once:\n\n");
    let mut table = Table::new([
        "extensions",
        "start until all asked for their first event, ms",
        "peak memory of all, MB",
    ]);
    for (count, ms, kib) in &growth.extensions {
        table.row([count, &format_args!("{ms:.1}"), &mb(kib * 1024)]);
    }
    let _ = write!(
        text,
        "{table}\nWith the batches that wait behind a hook that sleeps; the queue holds 4 MiB:\n\n"
    );
    let mut table = Table::new(["batches of 1,000 records", "sent, MB", "peak memory, MB"]);
    for (batches, sent, kib) in &growth.queue {
        table.row([batches, &mb(sent * 1024), &mb(kib * 1024)]);
    }
    let _ = write!(text, "{table}");
    text
}

pub(crate) fn build_cost(cost: &BuildCost) -> String {
    let mut text = String::new();
    let mut table = Table::new(["program", "binary, MB", "crates in its tree"]);
    for (subject, size) in cost.programs() {
        let crates = match cost.crates(subject) {
            0 => String::new(),
            crates => crates.to_string(),
        };
        table.row([&subject, &mb(size), &crates]);
    }
    let _ = writeln!(text, "{table}");
    for over in [REQWEST, PEER] {
        let extra = cost.extra_crates(OURS, over);
        let _ =
            write!(text, "Ours has {} crates that {over} has not: {}.\n\n", extra.len(), extra.join(", "));
    }
    if !cost.times.is_empty() {
        let mut table = Table::new(["clean release build", "seconds"]);
        for (subject, times) in &cost.times {
            let times: Vec<f64> = times.iter().map(|time| time.as_secs_f64()).collect();
            table.row([subject, &spread(Spread::of(&times), 0)]);
        }
        let _ = writeln!(text, "{table}");
    }
    if !cost.features.is_empty() {
        let mut table = Table::new(["features of ours", "binary, MB"]);
        for (features, size) in &cost.features {
            let name = if features.is_empty() { "none" } else { features };
            table.row([&name, &mb(*size)]);
        }
        let _ = writeln!(text, "{table}");
    }
    text
}

pub(crate) fn instructions(counts: &[(Subject, Count)]) -> String {
    let mut table = Table::new(["subject", "start and end", "one invocation"]);
    for (subject, count) in counts {
        table.row([subject, &count.start_and_end, &count.invocation]);
    }
    table.to_string()
}
