//! The lives that the guide's chapter on the life cycle shows.

use std::time::Duration;

use lambda_extension::simulator::{Builder, Function, ShutdownReason, Simulator};
use lambda_extension::telemetry::{Buffering, Category, Subscription};
use lambda_extension::{Config, FlushStrategy};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::diary::Diary;
use crate::life::{Life, Stretch};
use crate::picture::Kind;

const NAME: &str = "extension";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// To everything but extensions, as promptly as Lambda delivers.
fn subscription() -> Subscription {
    let buffering = Buffering::new(1_000, 262_144, ms(25)).expect("within AWS's ranges");
    Subscription::new([Category::Platform, Category::Function]).buffering(buffering)
}

/// A local Lambda with the diary in it.
struct Stage {
    simulator: Simulator,
    diary: Diary,
    running: JoinHandle<()>,
    frozen: Vec<Stretch>,
}

impl Stage {
    async fn set(builder: Builder, configure: impl FnOnce(Config) -> Config) -> Self {
        let diary = Diary::new();
        let function = Function::echo().logs("hello").takes(ms(60));
        let simulator = builder.function(function).start().await;
        let config = simulator.config(NAME).telemetry(subscription()).flush(FlushStrategy::End);
        let (config, extension) = (configure(config), diary.clone());
        let running = tokio::spawn(async move { config.run(extension).await.expect("it lives to its end") });
        Self { simulator, diary, running, frozen: Vec::new() }
    }

    /// Lets time pass in which nobody does anything.
    async fn frozen(&mut self, name: &'static str, time: Duration) {
        let from = self.diary.now();
        sleep(time).await;
        self.frozen.push(Stretch { name, kind: Kind::Frozen, from, to: self.diary.now() });
    }

    async fn invoke(&self) {
        self.simulator.invoke("{}").await.expect_success();
    }

    fn now(&self) -> Duration {
        self.diary.now()
    }

    async fn end(self, title: &'static str, from: Duration, to: Option<Duration>) -> Life {
        let report = self.simulator.shutdown(ShutdownReason::Spindown).await;
        report.expect_clean();
        self.running.await.expect("it does not panic");
        Life {
            title,
            from,
            to: to.unwrap_or_else(|| self.diary.now()),
            calls: self.simulator.calls().into_iter().filter(|call| call.who == NAME).collect(),
            report,
            diary: self.diary,
            stretches: self.frozen,
        }
    }
}

pub(crate) async fn cold_start() -> Life {
    let mut stage = Stage::set(Simulator::builder(), |config| config).await;
    stage.simulator.init().await;
    stage.invoke().await;
    stage.frozen("frozen", ms(40)).await;
    let to = stage.now();
    stage.end("A cold start, with FlushStrategy::End", Duration::ZERO, Some(to)).await
}

pub(crate) async fn warm_invocation() -> Life {
    let mut stage = Stage::set(Simulator::builder(), |config| config).await;
    stage.invoke().await;
    let from = stage.now();
    stage.frozen("frozen", ms(30)).await;
    stage.invoke().await;
    stage.frozen("frozen", ms(30)).await;
    let to = stage.now();
    stage.end("A warm invocation, with FlushStrategy::End", from, Some(to)).await
}

pub(crate) async fn timeout() -> Life {
    let mut stage = Stage::set(Simulator::builder().timeout(ms(1_000)), |config| config).await;
    stage.invoke().await;
    let from = stage.now();
    stage.frozen("frozen", ms(80)).await;
    stage.simulator.timeout().await;
    // Room for the name of the shutdown.
    let to = stage.now() + ms(120);
    stage.end("A function that times out after 1 s", from, Some(to)).await
}

pub(crate) async fn shutdown() -> Life {
    let mut stage = Stage::set(Simulator::builder(), |config| config).await;
    stage.invoke().await;
    let from = stage.now();
    stage.frozen("frozen, for minutes", ms(120)).await;
    stage.end("SHUTDOWN", from, None).await
}

pub(crate) async fn snap_start() -> Life {
    let mut stage = Stage::set(Simulator::builder().snap_start(), |config| config).await;
    stage.simulator.init().await;
    stage.frozen("snapshot", ms(90)).await;
    stage.simulator.restore().await;
    stage.invoke().await;
    stage.frozen("frozen", ms(30)).await;
    let to = stage.now();
    stage
        .end(
            "SnapStart: Init, the snapshot, and the first invocation of a restored environment",
            Duration::ZERO,
            Some(to),
        )
        .await
}

pub(crate) async fn managed_instances() -> Life {
    let builder = Simulator::builder().managed_instances();
    let stage = Stage::set(builder, |config| config.flush(FlushStrategy::Periodic(ms(100)))).await;
    stage.simulator.init().await;
    let second = async {
        sleep(ms(20)).await;
        stage.invoke().await;
    };
    let third = async {
        sleep(ms(70)).await;
        stage.invoke().await;
    };
    tokio::join!(stage.invoke(), second, third);
    sleep(ms(100)).await;
    stage
        .end("Managed Instances: several invocations at once, and a flush every 100 ms", Duration::ZERO, None)
        .await
}
