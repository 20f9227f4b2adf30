//! What each flush strategy costs for the same ten invocations.

use std::path::Path;
use std::time::Duration;

use lambda_extension::simulator::{Function, Report, ShutdownReason, Simulator};
use lambda_extension::telemetry::{Category, Subscription};
use lambda_extension::{FlushStrategy, Hook};
use tokio::time::sleep;

use crate::diary::Diary;
use crate::picture::{line, open};

const INVOCATIONS: usize = 12;

/// The same invocations with one strategy.
pub(crate) struct Flushed {
    name: &'static str,
    report: Report,
    diary: Diary,
}

pub(crate) async fn all() -> Vec<Flushed> {
    let ten_seconds = Duration::from_secs(10);
    vec![
        flushed("End", FlushStrategy::End).await,
        flushed("Adaptive", FlushStrategy::Adaptive).await,
        flushed("Periodic(10 s)", FlushStrategy::Periodic(ten_seconds)).await,
        flushed("Shutdown", FlushStrategy::Shutdown).await,
    ]
}

async fn flushed(name: &'static str, strategy: FlushStrategy) -> Flushed {
    let diary = Diary::new();
    let function = Function::echo().logs("hello").takes(Duration::from_millis(60));
    let simulator = Simulator::builder().function(function).start().await;
    let config = simulator
        .config("extension")
        .telemetry(Subscription::new([Category::Platform, Category::Function]))
        .flush(strategy);
    let running = tokio::spawn(config.run(diary.clone()));
    for _ in 0..INVOCATIONS {
        simulator.invoke("{}").await.expect_success();
        sleep(Duration::from_secs(2)).await;
    }
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    running.await.expect("it does not panic").expect("it lives to its end");
    Flushed { name, report, diary }
}

impl Flushed {
    /// How many flushes began within this invocation.
    fn flushes(&self, from: Duration, to: Duration) -> usize {
        let entries = self.diary.entries();
        entries
            .iter()
            .filter(|entry| entry.hook == Hook::OnFlush && (from..=to).contains(&entry.from))
            .count()
    }

    fn all_flushes(&self) -> usize {
        self.diary.entries().iter().filter(|entry| entry.hook == Hook::OnFlush).count()
    }
}

const PANEL: f64 = 208.0;
const ROW: f64 = 16.0;
const TOP: f64 = 62.0;

/// A panel for each strategy, and in it a line for each invocation: the function, and what was held beyond it.
pub(crate) fn draw(lives: &[Flushed]) -> String {
    let height = TOP + ROW * INVOCATIONS as f64 + 34.0;
    let title = "Twelve invocations of 60 ms, two seconds apart; a flush takes 20 ms";
    let mut svg = open(title, 860.0, height);
    for (number, life) in lives.iter().enumerate() {
        let left = 20.0 + PANEL * number as f64;
        line(
            &mut svg,
            format_args!("<text x=\"{left}\" y=\"{}\" class=\"title\">{}</text>", TOP - 10.0, life.name),
        );
        for (row, one) in life.report.invocations.iter().enumerate() {
            let y = TOP + ROW * row as f64;
            let runtime = one.runtime.unwrap_or_default();
            let (function, held) = (pixels(runtime), pixels(one.duration.saturating_sub(runtime)));
            line(
                &mut svg,
                format_args!(
                    "<rect x=\"{left}\" y=\"{y}\" width=\"{function:.1}\" height=\"12\" class=\"function\"/>"
                ),
            );
            if held > 0.0 {
                let x = left + function;
                line(
                    &mut svg,
                    format_args!(
                        "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{held:.1}\" height=\"12\" class=\"held\"/>"
                    ),
                );
            }
            if life.flushes(one.started, one.started + one.duration) > 0 {
                let x = left + function + held + 8.0;
                line(
                    &mut svg,
                    format_args!("<circle cx=\"{x:.1}\" cy=\"{}\" r=\"3.5\" class=\"hook\"/>", y + 6.0),
                );
            }
        }
    }
    let y = height - 12.0;
    for (x, class, text) in [
        (20.0, "function", "the function"),
        (130.0, "held", "held by the extension, and billed"),
        (370.0, "hook", "a flush"),
    ] {
        line(
            &mut svg,
            format_args!("<rect x=\"{x}\" y=\"{}\" width=\"10\" height=\"10\" class=\"{class}\"/>", y - 9.0),
        );
        line(&mut svg, format_args!("<text x=\"{}\" y=\"{y}\" class=\"dim\">{text}</text>", x + 15.0));
    }
    svg.push_str("</svg>\n");
    svg
}

fn pixels(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0 * 1.45
}

/// Compares the table between the marks on the page with these lives, or replaces it.
pub(crate) fn compare_table(page: &Path, lives: &[Flushed]) {
    let mut table = String::from(
        "| strategy | held in 12 invocations | longest | flushes | records that came a freeze later |\n|---|---|---|---|---|\n",
    );
    for life in lives {
        let totals = life.report.totals;
        let late: u64 = life.report.telemetry.iter().map(|one| one.late).sum();
        line(
            &mut table,
            format_args!(
                "| `{}` | {} ms | {} ms | {} | {late} |",
                life.name,
                totals.held.as_millis(),
                totals.longest_hold.as_millis(),
                life.all_flushes(),
            ),
        );
    }
    lambda_extension_tests::pages::compare_block(page, "flush strategies", &table);
}
