//! The framework's own extensions in the same process as the simulator.

use std::sync::{Arc, Mutex};

use lambda_extension::simulator::{Function, ShutdownReason, Simulator};
use lambda_extension::telemetry::{Batch, Category, Subscription};
use lambda_extension::{Config, Error, Extension, InvokeEvent, ShutdownEvent};

/// Writes down what it is called with.
#[derive(Clone, Default)]
struct Diary {
    seen: Arc<Mutex<Vec<String>>>,
}

impl Diary {
    fn write(&self, what: impl Into<String>) {
        self.seen.lock().expect("nobody panics with it").push(what.into());
    }

    fn read(&self) -> Vec<String> {
        self.seen.lock().expect("nobody panics with it").clone()
    }
}

impl Extension for Diary {
    async fn on_invoke(&mut self, _event: InvokeEvent) -> Result<(), Error> {
        self.write("invoke");
        Ok(())
    }

    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        batch.events().for_each(|event| self.write(event.record.kind()));
        Ok(())
    }

    async fn on_shutdown(&mut self, event: ShutdownEvent) -> Result<(), Error> {
        self.write(format!("shutdown {}", event.shutdown_reason));
        Ok(())
    }
}

fn config(simulator: &Simulator) -> Config {
    Config::new(&simulator.runtime_api()).expect("an address").name("diary")
}

#[tokio::test]
async fn a_life_without_telemetry() {
    let simulator = Simulator::start().await;
    let (diary, config) = (Diary::default(), config(&simulator));
    let written = diary.clone();
    simulator.spawn_fn("diary", move || config.clone().run(diary.clone()));
    for _ in 0..3 {
        simulator.invoke("{}").await.expect_success();
    }
    simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    assert_eq!(written.read(), ["invoke", "invoke", "invoke", "shutdown spindown"]);
}

#[tokio::test]
async fn each_invocations_telemetry_is_handled_before_the_freeze() {
    let function = Function::echo().logs("hello");
    let simulator = Simulator::builder().function(function).start().await;
    let diary = Diary::default();
    let config = config(&simulator).telemetry(Subscription::new([Category::Platform, Category::Function]));
    let written = diary.clone();
    simulator.spawn_fn("diary", move || config.clone().run(diary.clone()));
    for _ in 0..3 {
        simulator.invoke("{}").await.expect_success();
    }
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    assert_eq!((report.telemetry[0].late, report.telemetry[0].lost), (0, 0), "{report}");
    let written = written.read();
    let count = |what: &str| written.iter().filter(|one| *one == what).count();
    assert_eq!(count("platform.runtimeDone"), 3, "{written:?}");
    assert_eq!(count("function"), 3, "{written:?}");
    assert_eq!(count("platform.report"), 3, "{written:?}");
    assert_eq!(written.last().map(String::as_str), Some("shutdown spindown"));
}

#[tokio::test]
async fn an_attached_extension_is_gone_when_it_closed_its_connection() {
    let simulator = Simulator::start().await;
    simulator.attach("diary");
    let running = tokio::spawn(config(&simulator).run(Diary::default()));
    simulator.invoke("{}").await.expect_success();
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    running.await.expect("no panic").expect("it ends well");
    assert!(report.shutdowns[0].duration < std::time::Duration::from_millis(1_500), "{report}");
}

#[tokio::test(start_paused = true)]
async fn paused_time_goes_on_by_itself_for_both() {
    let function = Function::echo().takes(std::time::Duration::from_secs(2));
    let simulator = Simulator::builder().function(function).start().await;
    let (diary, config) = (Diary::default(), config(&simulator));
    simulator.spawn_fn("diary", move || config.clone().run(diary.clone()));
    let began = (std::time::Instant::now(), tokio::time::Instant::now());
    simulator.invoke("{}").await.expect_success();
    assert!(began.1.elapsed() >= std::time::Duration::from_secs(2));
    assert!(began.0.elapsed() < std::time::Duration::from_secs(2));
}
