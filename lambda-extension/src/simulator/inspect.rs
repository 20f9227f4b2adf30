//! What a test sees of a local Lambda while it runs, and how it disturbs it.

use std::time::Duration;

use tokio::time::Instant;

use super::telemetry::LineCategory;
use super::{Call, Fault, Report, Simulator};

/// How long a test waits for a call before it fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is seen of it while it runs, and how it is disturbed.
impl Simulator {
    /// Writes a line as the function would, outside of any invocation's own output.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::Simulator;
    /// use lambda_extension::telemetry::{Batch, Category, Subscription};
    /// use lambda_extension::{Error, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// let reader = extension_fn(|batch: Batch| async move {
    ///     batch.events().for_each(|event| println!("{:?}", event.record));
    ///     Ok::<_, Error>(())
    /// });
    /// let config = simulator.config("reader").telemetry(Subscription::new([Category::Function]));
    /// tokio::spawn(config.run(reader));
    /// simulator.init().await;
    /// simulator.log("the function has nothing to do");
    /// // Deliveries and the extension are awake with the next invocation.
    /// simulator.invoke("{}").await.expect_success();
    /// simulator.delivered().await;
    /// // Its line, and the platform's events that the framework asks for.
    /// assert!(simulator.report().telemetry[0].delivered > 1);
    /// # }
    /// ```
    pub fn log(&self, line: impl AsRef<str>) {
        self.core.lock().line(&self.core, LineCategory::Function, line.as_ref());
    }

    /// Writes a line of JSON as the function would; with [`LogFormat::Json`](super::LogFormat::Json) it is delivered as an
    /// object.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{LogFormat, Simulator};
    /// use lambda_extension::telemetry::{Batch, Category, LogLine, Record, Subscription};
    /// use lambda_extension::{Error, extension_fn};
    ///
    /// let simulator = Simulator::builder().log_format(LogFormat::Json).start().await;
    /// let reader = extension_fn(|batch: Batch| async move {
    ///     for event in batch.events() {
    ///         assert!(matches!(event.record, Record::Function(LogLine::Json(_))));
    ///     }
    ///     Ok::<_, Error>(())
    /// });
    /// let config = simulator.config("reader").telemetry(Subscription::new([Category::Function]));
    /// tokio::spawn(config.run(reader));
    /// simulator.log_json(&serde_json::json!({"level": "INFO", "message": "paid"})).unwrap();
    /// simulator.invoke("{}").await.expect_success();
    /// simulator.delivered().await;
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the value cannot be written as JSON; no line is written then.
    pub fn log_json(&self, value: &impl serde::Serialize) -> serde_json::Result<()> {
        let line = serde_json::to_string(value)?;
        self.log(line);
        Ok(())
    }

    /// The port an extension has its telemetry delivered to, for a test that has something of its own to deliver; nothing
    /// where it has not subscribed, or not by HTTP.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::Simulator;
    /// use lambda_extension::telemetry::{Batch, Category, Subscription};
    /// use lambda_extension::{Error, extension_fn};
    /// use tokio::net::TcpStream;
    ///
    /// let simulator = Simulator::start().await;
    /// let reader = extension_fn(|batch: Batch| async move {
    ///     batch.events().for_each(|event| println!("{:?}", event.record));
    ///     Ok::<_, Error>(())
    /// });
    /// let config = simulator.config("reader").telemetry(Subscription::new([Category::Function]));
    /// tokio::spawn(config.run(reader));
    /// simulator.init().await;
    /// let port = simulator.telemetry_port("reader").expect("it has subscribed");
    /// assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    /// # }
    /// ```
    pub fn telemetry_port(&self, extension: &str) -> Option<u16> {
        self.core.lock().hub.http_port(extension)
    }

    /// Lets something go wrong the next time it can; [`Builder::fault`](super::Builder::fault) does the same from the start. If
    /// it never can, [`Report::expect_clean`] fails.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{Fault, ShutdownReason, Simulator};
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// tokio::spawn(simulator.config("sturdy").run(extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) })));
    /// simulator.invoke("{}").await.expect_success();
    /// simulator.inject(Fault::UnknownEvent("TEATIME".to_owned()));
    /// simulator.invoke("{}").await.expect_success();
    /// simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    /// # }
    /// ```
    pub fn inject(&self, fault: Fault) {
        self.core.faults.add(fault);
    }

    /// Stops every process and all deliveries, as if everybody waited. Usually the simulator does it by itself; with
    /// [`Builder::without_freezing`](super::Builder::without_freezing) and on Managed Instances it does nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{Function, Simulator};
    /// use lambda_extension::telemetry::{Batch, Category, Subscription};
    /// use lambda_extension::{Error, extension_fn};
    ///
    /// let simulator = Simulator::builder().function(Function::echo().logs("hello")).start().await;
    /// let reader = extension_fn(|batch: Batch| async move {
    ///     batch.events().for_each(|event| println!("{:?}", event.record));
    ///     Ok::<_, Error>(())
    /// });
    /// let config = simulator.config("reader").telemetry(Subscription::new([Category::Function]));
    /// tokio::spawn(config.run(reader));
    /// simulator.invoke("{}").await.expect_success();
    /// simulator.delivered().await;
    /// simulator.freeze();
    /// let delivered = simulator.report().telemetry[0].delivered;
    /// simulator.log("written while everybody is frozen");
    /// simulator.thaw();
    /// simulator.delivered().await;
    /// assert_eq!(simulator.report().telemetry[0].delivered, delivered + 1);
    /// # }
    /// ```
    pub fn freeze(&self) {
        self.core.freeze();
    }

    /// Lets processes and deliveries go on.
    pub fn thaw(&self) {
        self.core.thaw();
    }

    /// Waits until every telemetry record that was generated so far has been delivered or given up. It would wait
    /// for ever in a frozen environment, so that is thawed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{Function, Simulator};
    /// use lambda_extension::telemetry::{Batch, Category, Subscription};
    /// use lambda_extension::{Error, extension_fn};
    ///
    /// let simulator = Simulator::builder().function(Function::echo().logs("hello")).start().await;
    /// let reader = extension_fn(|batch: Batch| async move {
    ///     batch.events().for_each(|event| println!("{:?}", event.record));
    ///     Ok::<_, Error>(())
    /// });
    /// let config = simulator.config("reader").telemetry(Subscription::new([Category::Function]));
    /// tokio::spawn(config.run(reader));
    /// simulator.invoke("{}").await.expect_success();
    /// simulator.delivered().await;
    /// // Its line, and the platform's events that the framework asks for.
    /// assert!(simulator.report().telemetry[0].delivered > 1);
    /// # }
    /// ```
    pub async fn delivered(&self) {
        self.core.thaw();
        self.core.lock().hub.flush();
        self.core.until(|inner| inner.hub.is_idle().then_some(())).await;
    }

    /// Waits until a call is in the journal that `wanted` accepts, and returns it. Earlier calls count, too; a poll comes
    /// into it when it is answered.
    ///
    /// `wanted` looks at calls only: it is asked while the simulator holds its lock, and must not call the simulator.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{Route, Simulator};
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// tokio::spawn(simulator.config("caller").run(extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) })));
    /// let call = simulator.call(|call| call.route == Some(Route::Register)).await;
    /// assert_eq!(call.who, "caller");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If none comes within ten seconds; the message shows the journal.
    pub async fn call(&self, mut wanted: impl FnMut(&Call) -> bool) -> Call {
        let found = self.core.until_or(Instant::now() + PATIENCE, |inner| {
            inner.journal.calls().find(|call| wanted(call)).cloned()
        });
        match found.await {
            Some(call) => call,
            None => panic!(
                "expected a call that did not come within {} s; those that came:\n{}",
                PATIENCE.as_secs(),
                self.journal()
            ),
        }
    }

    /// The state Lambda's books have an extension in, such as `Ready` while a poll is parked; nothing for one they do
    /// not know.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::Simulator;
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// assert_eq!(simulator.state("waiting"), None);
    /// tokio::spawn(simulator.config("waiting").run(extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) })));
    /// simulator.init().await;
    /// assert_eq!(simulator.state("waiting"), Some("Ready"));
    /// # }
    /// ```
    pub fn state(&self, extension: &str) -> Option<&'static str> {
        let inner = self.core.lock();
        inner.env.agents().iter().find(|agent| agent.name == extension).map(|agent| agent.state.name())
    }

    /// The calls so far, of a long run the last ones.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{Route, Simulator};
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// tokio::spawn(simulator.config("caller").run(extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) })));
    /// simulator.invoke("{}").await.expect_success();
    /// let polls = simulator.calls().iter().filter(|call| call.route == Some(Route::Next)).count();
    /// assert_eq!(polls, 1, "the one that waits for the next event is not answered yet");
    /// # }
    /// ```
    pub fn calls(&self) -> Vec<Call> {
        self.core.lock().journal.calls().cloned().collect()
    }

    /// The journal of calls and of what Lambda did, as text, a line each.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::Simulator;
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// tokio::spawn(simulator.config("caller").run(extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) })));
    /// simulator.init().await;
    /// assert!(simulator.journal().contains("POST /2020-01-01/extension/register -> 200"));
    /// # }
    /// ```
    pub fn journal(&self) -> String {
        self.core.lock().journal.to_string()
    }

    /// What was seen so far; [`shutdown`](Self::shutdown) returns it too.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::Simulator;
    ///
    /// let simulator = Simulator::start().await;
    /// simulator.invoke("{}").await.expect_success();
    /// let report = simulator.report();
    /// assert_eq!(report.totals.invocations, 1);
    /// println!("{report}");
    /// # }
    /// ```
    pub fn report(&self) -> Report {
        let inner = self.core.lock();
        inner.ledger.report(self.core.faults.left(), &inner.journal)
    }
}
