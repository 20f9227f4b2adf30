//! What the loop says in the log.

use std::{
    io,
    sync::{Arc, Mutex},
    thread,
};

use tracing::level_filters::LevelFilter;

use super::*;
use crate::simulator::{ShutdownReason, Simulator};

/// A hook that blocks its thread; `None` for none.
struct Blocks(Option<Hook>);

impl Blocks {
    fn here(&self, hook: Hook) -> Result<(), Error> {
        if self.0 == Some(hook) {
            // This is what is tested: nothing runs meanwhile.
            thread::sleep(BLOCKED * 5 / 2);
        }
        Ok(())
    }
}

impl Extension for Blocks {
    async fn on_init(&mut self, _: &Registration) -> Result<(), Error> {
        self.here(Hook::OnInit)
    }
    async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
        self.here(Hook::OnFlush)
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written, from this level on, in a life of two invocations; and the identifier of the first.
async fn log_of(
    extension: Blocks,
    level: LevelFilter,
    configure: impl FnOnce(Config) -> Config,
) -> (String, String) {
    let written = Written::default();
    let writer = written.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(level).with_writer(move || writer.clone()).finish();
    let _here = tracing::subscriber::set_default(subscriber);
    let simulator = Simulator::start().await;
    let running = tokio::spawn(configure(simulator.config("blocks")).run(extension));
    let first = simulator.invoke("{}").await.expect_success();
    simulator.invoke("{}").await.expect_success();
    simulator.shutdown(ShutdownReason::Spindown).await;
    running.await.unwrap().unwrap();
    let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    (written, first.request_id.to_string())
}

#[tokio::test]
async fn a_hook_that_blocks_its_thread_past_its_bound_is_named_once() {
    let bound = BLOCKED;
    for (hook, knob) in [(Hook::OnInit, "`Config::init_timeout`"), (Hook::OnFlush, "`Config::max_hold`")] {
        let bounded = |config: Config| match hook {
            Hook::OnInit => config.init_timeout(bound),
            _ => config.max_hold(bound),
        };
        let (log, _) = log_of(Blocks(Some(hook)), LevelFilter::INFO, bounded).await;
        assert_eq!(log.matches("it blocked its thread").count(), 1, "{log}");
        assert!(
            log.contains(&format!("{hook} went on for "))
                && log.contains(&format!("after its bound, {knob}: ")),
            "{log}"
        );
    }
    let (log, _) = log_of(Blocks(None), LevelFilter::INFO, |config| config).await;
    assert_eq!(log, "");
}

#[tokio::test]
async fn a_line_about_an_invocation_names_it_once_whether_or_not_its_span_is_shown() {
    for level in [LevelFilter::INFO, LevelFilter::WARN] {
        let (log, request_id) = log_of(Blocks(None), level, |config| config.max_hold(Duration::ZERO)).await;
        let line = log.lines().next().unwrap_or_default();
        assert!(line.contains("no time is left to flush"), "{log}");
        assert_eq!(line.matches(&request_id).count(), 1, "{line}");
    }
}
