//! A few of the figures as bars, in an SVG that needs nothing but itself.

use std::fmt::Write;

use crate::{
    batch::Format,
    build_cost::BuildCost,
    compare::Comparison,
    delivery,
    report::charted,
    stats::quantile,
    subjects::{FLOOR, GO, HYPER, OURS, PEER, REQWEST, Subject},
};

/// Pixels.
const WIDTH: u32 = 400;
const LABEL: u32 = 150;
const BAR: u32 = 18;
const TITLE: u32 = 40;
const GAP: u32 = 20;

/// One group of bars, each with its own name and value; the shorter the better, or the longer.
struct Panel {
    title: String,
    bars: Vec<(Subject, f64)>,
    decimals: usize,
}

impl Panel {
    fn height(&self) -> u32 {
        TITLE + self.bars.len() as u32 * (BAR + 6) + GAP
    }

    fn draw(&self, svg: &mut String, left: u32, top: u32) {
        let longest = self.bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        let room = f64::from(WIDTH - LABEL - 60);
        let _ = writeln!(svg, r#"<text x="{left}" y="{}" class="title">{}</text>"#, top + 24, self.title);
        for (number, (subject, value)) in self.bars.iter().enumerate() {
            let y = top + TITLE + number as u32 * (BAR + 6);
            let class = if subject.package == OURS.package { "ours" } else { "theirs" };
            let length = (value / longest * room).max(1.0);
            let name = subject.name.replace('`', "").replace(", telemetry", "");
            let text = y + BAR - 5;
            let _ = writeln!(svg, r#"<text x="{}" y="{text}" class="name">{name}</text>"#, left + LABEL - 6);
            let _ = writeln!(
                svg,
                r#"<rect x="{}" y="{y}" width="{length:.1}" height="{BAR}" class="{class}"/>"#,
                left + LABEL
            );
            let end = f64::from(left + LABEL) + length + 5.0;
            let _ = writeln!(svg, r#"<text x="{end:.1}" y="{text}">{value:.*}</text>"#, self.decimals);
        }
    }
}

pub(crate) fn draw(figures: &Comparison, cost: &BuildCost) -> String {
    let panels = panels(figures, cost);
    let rows: Vec<u32> =
        panels.chunks(2).map(|row| row.iter().map(Panel::height).max().unwrap_or(0)).collect();
    let (width, height) = (2 * WIDTH + 3 * GAP, rows.iter().sum::<u32>() + GAP);
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="What an extension costs, ours and others">
<style>
svg {{ --card: #fff; --text: #24292f; --ours: #d9480f; --theirs: #8c959f }}
@media (prefers-color-scheme: dark) {{ svg {{ --card: #161b22; --text: #e6edf3; --ours: #f0883e; --theirs: #6e7681 }} }}
text {{ font: 12px system-ui, sans-serif; fill: var(--text) }}
.title {{ font-weight: 600 }}
.name {{ text-anchor: end }}
.ours {{ fill: var(--ours) }}
.theirs {{ fill: var(--theirs) }}
</style>
<rect width="100%" height="100%" rx="6" style="fill:var(--card)"/>
"#
    );
    let mut top = 0;
    for (row, height) in panels.chunks(2).zip(rows) {
        for (column, panel) in row.iter().enumerate() {
            panel.draw(&mut svg, GAP + column as u32 * (WIDTH + GAP), top);
        }
        top += height;
    }
    svg.push_str("</svg>\n");
    svg
}

fn panels(figures: &Comparison, cost: &BuildCost) -> Vec<Panel> {
    const SUBJECTS: [Subject; 6] = [OURS, PEER, REQWEST, HYPER, GO, FLOOR];
    let median = |values: Vec<f64>| quantile(&values, 0.5);
    let of = |title: &str, decimals, figure: &dyn Fn(Subject) -> f64| Panel {
        title: title.into(),
        bars: SUBJECTS.iter().map(|subject| (*subject, figure(*subject))).collect(),
        decimals,
    };
    let mut panels = vec![
        of("Process start to first next, ms", 1, &|subject| {
            quantile(&figures.life(subject, |life| life.start), 0.5) / 1e3
        }),
        of("Event answered to next asked, µs (p50)", 0, &|subject| {
            median(figures.life(subject, |life| life.event_to_next_p50))
        }),
        of("Peak memory, MB", 1, &|subject| {
            median(figures.life(subject, |life| life.footprint.peak_kib as f64 * 1024.0 / 1e6))
        }),
        of("Binary, MB", 1, &|subject| cost.size(subject) as f64 / 1e6),
    ];
    for load in figures.loads().into_iter().filter(charted) {
        let format = match load.format {
            Format::Text => "text",
            Format::Json => "JSON",
        };
        let rate =
            |subject| median(figures.delivery(load, subject, |received| received.records_per_second / 1e6));
        panels.push(Panel {
            title: format!("Telemetry, million {format} records a second (more is better)"),
            bars: delivery::subjects(load.format).map(|subject| (subject, rate(subject))).to_vec(),
            decimals: 2,
        });
    }
    panels.push(of("SHUTDOWN to process gone, ms", 1, &|subject| {
        median(figures.life(subject, |life| life.shutdown / 1e3))
    }));
    panels
}
