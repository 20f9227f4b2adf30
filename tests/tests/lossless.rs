//! Telemetry without loss: what was flushed when the next event is asked for, and how long that is held back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_extension::simulator::{Function, FunctionCall, ShutdownReason, Simulator};
use lambda_extension::telemetry::{Batch, Category, Record, Subscription};
use lambda_extension::{
    Config, Error, Extension, FlushEvent, FlushReason, FlushStrategy, Handle, Registration,
};

/// Keeps the function's lines, and at a flush moves them to where the test looks.
#[derive(Clone, Default)]
struct Keeper {
    kept: Vec<String>,
    flushed: Arc<Mutex<Vec<String>>>,
    handle: Arc<Mutex<Option<Handle>>>,
}

impl Keeper {
    fn flushed(&self) -> Vec<String> {
        self.flushed.lock().unwrap().clone()
    }

    fn metrics(&self) -> lambda_extension::Metrics {
        self.handle.lock().unwrap().as_ref().expect("it was initialised").metrics()
    }
}

impl Extension for Keeper {
    async fn on_init(&mut self, registration: &Registration) -> Result<(), Error> {
        *self.handle.lock().unwrap() = Some(registration.handle());
        Ok(())
    }

    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        for event in batch.events() {
            if let Record::Function(lambda_extension::telemetry::LogLine::Text(text)) = &event.record {
                self.kept.push(text.to_str().trim_end().to_owned());
            }
        }
        Ok(())
    }

    async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
        self.flushed.lock().unwrap().append(&mut self.kept);
        Ok(())
    }
}

/// A function that logs its payload, in two lines.
fn logging_function() -> Function {
    Function::from_fn(async |call: FunctionCall| {
        let number = String::from_utf8_lossy(&call.payload).into_owned();
        call.log(format!("{number} begins"));
        call.log(format!("{number} ends"));
        Ok(call.payload)
    })
}

fn logs(config: Config) -> Config {
    config.telemetry(Subscription::new([Category::Function]))
}

#[tokio::test(start_paused = true)]
async fn with_end_every_line_is_flushed_before_the_next_event_is_asked_for() {
    let simulator = Simulator::builder().function(logging_function()).start().await;
    let keeper = Keeper::default();
    let config = logs(simulator.config("keeper")).flush(FlushStrategy::End);
    let running = tokio::spawn(config.run(keeper.clone()));
    let mut sent = Vec::new();
    for number in 0..2_000 {
        sent.extend([format!("{number} begins"), format!("{number} ends")]);
        // It returns when the extension has asked for its next event.
        simulator.invoke(number.to_string()).await.expect_success();
        let flushed = keeper.flushed();
        assert_eq!(flushed.len(), sent.len(), "after invocation {number}: {:?}", flushed.last());
    }
    simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    running.await.unwrap().unwrap();
    assert_eq!(keeper.flushed(), sent);
    let metrics = keeper.metrics();
    assert_eq!((metrics.records, metrics.dropped_batches, metrics.missed_runtime_done), (4_000, 0, 0));
    assert_eq!(metrics.flushed, 2_001);
}

/// A sink that never answers.
struct Hanging(Keeper);

impl Extension for Hanging {
    async fn on_init(&mut self, registration: &Registration) -> Result<(), Error> {
        self.0.on_init(registration).await
    }

    async fn on_flush(&mut self, event: FlushEvent) -> Result<(), Error> {
        assert_ne!(event.remaining(), None, "a flush that holds somebody has a bound");
        if event.reason == FlushReason::Shutdown {
            self.0.flushed.lock().unwrap().push("shutdown".to_owned());
        }
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_holds_no_invocation_longer_than_max_hold() {
    let max_hold = Duration::from_secs(2);
    let simulator =
        Simulator::builder().function(logging_function()).timeout(Duration::from_secs(60)).start().await;
    let keeper = Keeper::default();
    let config = logs(simulator.config("hanging")).flush(FlushStrategy::End).max_hold(max_hold);
    let running = tokio::spawn(config.run(Hanging(keeper.clone())));
    for number in 0..11 {
        let invocation = simulator.invoke(number.to_string()).await.expect_success();
        let held = invocation.longest_hold();
        // Lambda tells of the function's end up to 25 ms later, and the hold is counted from then.
        assert!(held <= max_hold + Duration::from_millis(50), "invocation {number} was held for {held:?}");
    }
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    running.await.unwrap().unwrap();
    assert_eq!(keeper.flushed(), ["shutdown"]);
    assert_eq!(keeper.metrics().cancelled, 12);
    assert!(report.shutdowns[0].duration < Duration::from_secs(2), "{report}");
}
