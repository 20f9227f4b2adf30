//! Rows of bars over time as an SVG that can be read on light and on dark pages.

use std::fmt::Write;
use std::time::Duration;

const WIDTH: f64 = 860.0;
/// Where the bars begin; left of it are the names of the rows.
const LEFT: f64 = 176.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const ROW: f64 = 26.0;

/// What a bar stands for, which decides its colour.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Init,
    Invoke,
    Frozen,
    Shutdown,
    Failed,
    Function,
    Poll,
    Hook,
}

impl Kind {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
            Self::Frozen => "frozen",
            Self::Shutdown => "shutdown",
            Self::Failed => "failed",
            Self::Function => "function",
            Self::Poll => "poll",
            Self::Hook => "hook",
        }
    }
}

pub(crate) struct Bar {
    pub(crate) kind: Kind,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    /// Written into it.
    pub(crate) text: &'static str,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) bars: Vec<Bar>,
}

pub(crate) struct Picture {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
    pub(crate) whole: Duration,
}

/// The frame of every picture: a card of its own, since a page may be dark where the reader's system is light.
pub(crate) const STYLE: &str = "<style>
svg { --card: #fff; --text: #24292f; --dim: #6e7781; --line: #d0d7de; --init: #8250df; --invoke: #0969da; --frozen: #eaeef2; \
--shutdown: #bf3989; --failed: #cf222e; --function: #54aeff; --held: #fb8f44; --poll: #d0d7de; --hook: #bc4c00 }
@media (prefers-color-scheme: dark) { svg { --card: #161b22; --text: #e6edf3; --dim: #8d96a0; --line: #30363d; --init: #a371f7; \
--invoke: #388bfd; --frozen: #21262d; --shutdown: #db61a2; --failed: #f85149; --function: #1f6feb; --held: #db6d28; \
--poll: #3d444d; --hook: #f0883e } }
text { font: 12px system-ui, sans-serif; fill: var(--text) }
.title { font-weight: 600 }
.dim { fill: var(--dim) }
.name { text-anchor: end }
.in { fill: #fff }
.frozen + .in { fill: var(--dim) }
.grid { stroke: var(--line) }
.init { fill: var(--init) } .invoke { fill: var(--invoke) } .frozen { fill: var(--frozen) } .shutdown { fill: var(--shutdown) }
.failed { fill: var(--failed) } .function { fill: var(--function) } .held { fill: var(--held) } .poll { fill: var(--poll) }
.hook { fill: var(--hook) }
</style>
";

pub(crate) fn open(title: &str, width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{title}\">\n{STYLE}\
         <rect width=\"{width}\" height=\"{height}\" rx=\"6\" style=\"fill:var(--card);stroke:var(--line)\"/>\n\
         <text x=\"16\" y=\"24\" class=\"title\">{title}</text>\n"
    )
}

impl Picture {
    pub(crate) fn draw(&self) -> String {
        let bottom = TOP + ROW * self.rows.len() as f64;
        let mut svg = open(self.title, WIDTH, bottom + 26.0);
        self.draw_grid(&mut svg, bottom);
        for (number, row) in self.rows.iter().enumerate() {
            let y = TOP + ROW * number as f64;
            line(
                &mut svg,
                format_args!(
                    "<text x=\"{}\" y=\"{}\" class=\"name\">{}</text>",
                    LEFT - 10.0,
                    y + 17.0,
                    row.name
                ),
            );
            row.bars.iter().for_each(|bar| self.draw_bar(&mut svg, y, bar));
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn x(&self, at: Duration) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * at.as_secs_f64() / self.whole.as_secs_f64()
    }

    fn draw_bar(&self, svg: &mut String, y: f64, bar: &Bar) {
        let (from, to) = (self.x(bar.from), self.x(bar.to));
        // What took no time must be seen too.
        let width = (to - from).max(3.0);
        let class = bar.kind.class();
        line(
            svg,
            format_args!(
                "<rect x=\"{from:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{}\" rx=\"2\" class=\"{class}\"><title>{}</title></rect>",
                y + 4.0,
                ROW - 8.0,
                tip(bar),
            ),
        );
        if !bar.text.is_empty() {
            // Beside it, where it is too narrow for its text.
            let fits = width > 7.5 * bar.text.len() as f64;
            let (x, class) = if fits { (from + 6.0, "in") } else { (from + width + 6.0, "beside") };
            line(
                svg,
                format_args!("<text x=\"{x:.1}\" y=\"{}\" class=\"{class}\">{}</text>", y + 17.0, bar.text),
            );
        }
    }

    fn draw_grid(&self, svg: &mut String, bottom: f64) {
        let whole = self.whole.as_millis() as u64;
        let step = [10, 20, 50, 100, 200, 500, 1_000, 2_000]
            .into_iter()
            .find(|step| whole / step <= 10)
            .unwrap_or(5_000);
        for ms in (0..=whole).step_by(step as usize) {
            let x = self.x(Duration::from_millis(ms));
            line(
                svg,
                format_args!(
                    "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" class=\"grid\"/>"
                ),
            );
            line(
                svg,
                format_args!(
                    "<text x=\"{x:.1}\" y=\"{}\" class=\"dim\" text-anchor=\"middle\">{ms}</text>",
                    bottom + 16.0
                ),
            );
        }
        line(
            svg,
            format_args!("<text x=\"{}\" y=\"{}\" class=\"dim name\">ms</text>", LEFT - 10.0, bottom + 16.0),
        );
    }
}

fn tip(bar: &Bar) -> String {
    let (from, to) = (bar.from.as_millis(), bar.to.as_millis());
    if from == to { format!("{from} ms") } else { format!("{from} to {to} ms") }
}

pub(crate) fn line(svg: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(svg, "{text}").expect("a string can be written to");
}
