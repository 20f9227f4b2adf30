//! A local Lambda: run, freeze and inspect an extension in any language, without an account and without containers.
//!
//! It behaves as Lambda does where extensions can tell:
//!
//! - the Extensions, Telemetry, Logs and Runtime API over HTTP, with Lambda's states, gates and refusals, word by word;
//! - Init, invocations, timeouts, crashes and the restart that follows, SHUTDOWN with its budgets and signals,
//!   SnapStart, Managed Instances;
//! - telemetry of every kind in every schema, in batches, again after a failure, and only while the environment is awake;
//! - processes that are stopped as soon as everybody waits for the next event, and go on with it;
//! - and whatever can go wrong, on demand: see [`Fault`].
//!
//! It states memory and does not limit it, shares this machine's processor and network, and has no permissions,
//! layers, X-Ray or response streaming.
//!
//! In a test, an extension in the same process shares the runtime, so that tokio's paused time works for both. By hand, the
//! program `lambda-sim` runs any binary in it, and a program built with the feature `simulator` runs itself, where it finds
//! no Lambda around: see [`door`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use lambda_extension::simulator::{Function, ShutdownReason, Simulator};
//!
//! let function = Function::echo().logs("hello");
//! let simulator = Simulator::builder().function(function).start().await;
//! // An extension would be started here: `spawn`, `spawn_fn`, or `attach` for one that the test drives itself.
//! let invocation = simulator.invoke(r#"{"order":7}"#).await.expect_success();
//! assert_eq!(invocation.response.as_deref(), Some(&br#"{"order":7}"#[..]));
//! let report = simulator.shutdown(ShutdownReason::Spindown).await;
//! assert!(report.is_clean());
//! # }
//! ```

#[cfg(not(unix))]
compile_error!("the simulator stops and kills processes by signals, which only Unix systems have");

mod answer;
mod builder;
mod calls;
mod command;
mod core;
mod door;
mod environment;
mod fault;
mod freezing;
mod function;
mod guest;
mod journal;
mod lifecycle;
mod output;
mod random;
mod report;
mod request;
mod route;
mod server;
mod session;
mod settings;
mod telemetry;
mod time;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::command::{base_name, prepare};
use self::core::{Core, Phase};
use self::guest::{Guest, Life, Recipe, Role};
use self::lifecycle::Fate;
use self::telemetry::LineCategory;
use crate::config::{Config, Initialization};

pub use self::builder::Builder;
pub use self::door::door;
pub use self::fault::Fault;
pub use self::function::{Function, FunctionCall, FunctionError};
pub use self::journal::Call;
pub use self::lifecycle::Invocation;
pub use self::report::{
    ExtensionEnd, ExtensionInit, FreezeReport, Held, InitReport, InvocationReport, Problem, Report,
    ShutdownReport, Status, TelemetryReport, Totals,
};
pub use self::route::Route;
pub use self::session::Session;
pub use self::settings::{InitializationType, LogFormat, Schema, ShutdownReason};

/// How long a test waits for a call before it fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// One execution environment of a local Lambda.
///
/// Extensions come first ([`spawn`](Self::spawn), [`spawn_fn`](Self::spawn_fn), [`attach`](Self::attach)), then
/// invocations, then [`shutdown`](Self::shutdown). Every method waits for what the extensions do with it, so tests
/// need no sleeping. Where extension and simulator share one current-thread runtime, tokio's paused time works.
///
/// Dropping it kills what it started and stays silent.
pub struct Simulator {
    core: Arc<Core>,
    server: AbortHandle,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("runtime_api", &self.runtime_api()).finish_non_exhaustive()
    }
}

impl Simulator {
    /// Starts a local Lambda as most tests want it. See [`Simulator::builder`] for the others.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::Simulator;
    ///
    /// let simulator = Simulator::start().await;
    /// simulator.invoke("{}").await.expect_success();
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If the loopback cannot be listened on, and outside of a tokio runtime with I/O and time.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A local Lambda with settings of its own, where those of [`start`](Self::start) will not do.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{Function, Simulator};
    ///
    /// let simulator = Simulator::builder().function(Function::echo().logs("hello")).memory(512).start().await;
    /// simulator.invoke("{}").await.expect_success();
    /// # }
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    async fn from_builder(builder: Builder) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, builder.settings.port)).await?;
        let core = Core::new(builder.settings, listener.local_addr()?);
        builder.faults.into_iter().for_each(|fault| core.faults.add(fault));
        let recipe = builder.function.recipe(&core)?;
        core.lock().guests.push(Guest::new("runtime", Role::Runtime, recipe));
        let server = tokio::spawn(server::serve(listener, Arc::clone(&core))).abort_handle();
        Ok(Self { core, server })
    }

    /// The address of the APIs, `host:port`, as Lambda puts it into `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::Simulator;
    ///
    /// use lambda_extension::client::Client;
    /// use lambda_extension::EventType;
    ///
    /// let simulator = Simulator::start().await;
    /// simulator.attach("by-hand");
    /// let client = Client::new(&simulator.runtime_api()).unwrap();
    /// let registration = client.register("by-hand", &[EventType::Invoke]).await.unwrap();
    /// assert_eq!(registration.function_name, "simulated-function");
    /// # }
    /// ```
    pub fn runtime_api(&self) -> String {
        self.core.address.to_string()
    }

    /// What an external extension in this process is run with, under this name: it is expected from now on, reads its
    /// deadlines by the simulator's clock, and knows what kind of environment this is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{ShutdownReason, Simulator};
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// let extension = extension_fn(|event: InvokeEvent| async move {
    ///     println!("{event}");
    ///     Ok::<_, Error>(())
    /// });
    /// let running = tokio::spawn(simulator.config("printer").run(extension));
    /// simulator.invoke("{}").await.expect_success();
    /// simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    /// running.await.unwrap().unwrap();
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After the first invocation.
    #[track_caller]
    pub fn config(&self, name: impl Into<String>) -> Config {
        let name = name.into();
        self.attach(name.clone());
        self.unattached_config().name(name)
    }

    /// As [`config`](Self::config), for an [internal](Config::internal) extension, which Lambda knows nothing of before it
    /// registers.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{Route, Simulator};
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// let extension = extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) });
    /// tokio::spawn(simulator.internal_config("inside").run(extension));
    /// // Lambda does not wait for an internal extension to register, so the test does.
    /// simulator.call(|call| call.route == Some(Route::Register)).await;
    /// let invocation = simulator.invoke("{}").await.expect_success();
    /// assert_eq!(invocation.held[0].extension, "inside");
    /// # }
    /// ```
    pub fn internal_config(&self, name: impl Into<String>) -> Config {
        self.unattached_config().name(name).internal()
    }

    /// As [`config`](Self::config), for an extension that [`spawn_fn`](Self::spawn_fn) makes, which is expected already:
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{ShutdownReason, Simulator};
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// let config = simulator.unattached_config().name("reborn");
    /// simulator.spawn_fn("reborn", move || {
    ///     config.clone().run(extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) }))
    /// });
    /// simulator.crash().await.expect_error("Runtime.ExitError");
    /// // Lambda has started everything again.
    /// simulator.invoke("{}").await.expect_success();
    /// simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    /// # }
    /// ```
    pub fn unattached_config(&self) -> Config {
        let initialization = match self.core.settings.init_type {
            InitializationType::SnapStart => Initialization::SnapStart,
            InitializationType::ManagedInstances => Initialization::ManagedInstances,
            _ => Initialization::Ordinary,
        };
        let config = Config::new(&self.runtime_api()).expect("the address of a listening socket is one");
        config.simulated(self.core.time.clock(), initialization)
    }

    // Extensions.

    /// Starts an extension as a process, as Lambda starts the files of `/opt/extensions`.
    ///
    /// Its name is the file name of the program. It gets a process group of its own, no standard input, the
    /// variables Lambda would set and those set on the command itself; nothing else of this process's environment.
    /// What it writes becomes telemetry of category `extension`. A program that cannot be started fails Init.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::process::Command;
    /// use lambda_extension::simulator::Simulator;
    ///
    /// // Where a test tries the extension of its own package, that is `env!("CARGO_BIN_EXE_my-extension")`.
    /// let mut extension = Command::new("/bin/false");
    /// extension.env("RUST_LOG", "debug");
    /// let simulator = Simulator::start().await;
    /// simulator.spawn(extension);
    /// // This one exits before it has registered, and so there is no function.
    /// simulator.invoke("{}").await.expect_error("Extension.Crash");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After the first invocation, and if there is an extension of that name already.
    #[track_caller]
    pub fn spawn(&self, command: Command) {
        let name = base_name(command.get_program());
        self.spawn_as(name, command);
    }

    /// As [`spawn`](Self::spawn), under a name of its own: that of the launcher script, where there is one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::process::Command;
    /// use lambda_extension::simulator::{Simulator, Status};
    ///
    /// let mut script = Command::new("sh");
    /// script.args(["-c", "echo started by hand; exit 3"]);
    /// let simulator = Simulator::start().await;
    /// simulator.spawn_as("launcher", script);
    /// assert_eq!(simulator.init().await, Status::Error);
    /// let report = simulator.report();
    /// assert_eq!(report.inits[0].extensions[0].name, "launcher");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_as(&self, name: impl Into<String>, command: Command) {
        let command = prepare(command, Role::Extension, &self.core.settings, &self.runtime_api());
        self.core.add_extension(&name.into(), Recipe::Process(command));
    }

    /// Starts an extension as a task of this process. When its future ends, the extension has exited; when Lambda
    /// would kill the process, the task is aborted. It is made anew for every restart.
    ///
    /// It cannot be frozen; but telemetry is delivered to it only while the environment is awake.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::Simulator;
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// let config = simulator.unattached_config().name("task");
    /// simulator.spawn_fn("task", move || config.clone().run(extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) })));
    /// simulator.timeout().await.expect_timeout();
    /// // The environment has ended with it. The next invocation makes another one, and the task anew.
    /// simulator.invoke("{}").await.expect_success();
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After the first invocation, and if there is an extension of that name already.
    #[track_caller]
    pub fn spawn_fn<F, Fut, E>(&self, name: impl Into<String>, mut extension: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let make = move || -> Life {
            let life = extension();
            Box::pin(async move { life.await.map_err(|error| error.to_string()) })
        };
        self.core.add_extension(&name.into(), Recipe::Future(Box::new(make)));
    }

    /// Expects an external extension of this name that somebody else runs: the test itself, or a task of its own.
    ///
    /// It counts as gone when the connection over which it was told to shut down is closed, or when it has reported
    /// an error. A name that is attached already is left as it is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{ShutdownReason, Simulator};
    /// use lambda_extension::client::Client;
    /// use lambda_extension::{EventType, NextEvent};
    ///
    /// let simulator = Simulator::start().await;
    /// simulator.attach("by-hand");
    /// let client = Client::new(&simulator.runtime_api()).unwrap();
    /// let id = client.register("by-hand", &[EventType::Shutdown]).await.unwrap().extension_id;
    /// let polling = tokio::spawn(async move { client.next_event(&id).await });
    /// simulator.init().await;
    /// // The client is dropped with its event, which closes the connection.
    /// simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    /// assert!(matches!(polling.await.unwrap(), Ok(NextEvent::Shutdown(_))));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After the first invocation.
    #[track_caller]
    pub fn attach(&self, name: impl Into<String>) {
        let name = name.into();
        let known = self.core.lock().extension(&name).is_some_and(|guest| guest.is_attached());
        if !known {
            self.core.add_extension(&name, Recipe::Attached);
        }
    }

    // The life of the environment.

    /// Goes through Init, and freezes the environment until somebody invokes. Without it, the first invocation does.
    ///
    /// Returns how Init went, at once where it is over already; `Error` also where the environment has ended since, and the
    /// next invocation, if there may be one, starts it again.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{Simulator, Status};
    ///
    /// let simulator = Simulator::start().await;
    /// assert_eq!(simulator.init().await, Status::Success);
    /// assert!(simulator.invoke("{}").await.init.is_none(), "it does not wait for Init any more");
    /// # }
    /// ```
    pub async fn init(&self) -> Status {
        self.core.init().await
    }

    /// Invokes the function and waits until it and every extension that was given the invocation asked for the next.
    ///
    /// On Managed Instances several can be under way at once, and only the function is waited for.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::Simulator;
    ///
    /// let simulator = Simulator::start().await;
    /// let invocation = simulator.invoke(r#"{"order":7}"#).await.expect_success();
    /// assert_eq!(invocation.response.as_deref(), Some(&br#"{"order":7}"#[..]));
    /// println!("held {:?} by extensions", invocation.longest_hold());
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After [`shutdown`](Self::shutdown).
    pub async fn invoke(&self, payload: impl Into<Vec<u8>>) -> Invocation {
        self.core.invoke(Bytes::from(payload.into()), Fate::Normal).await
    }

    /// An invocation whose function never answers: it takes the function's timeout, which ends the environment.
    /// The next invocation starts it again. On Managed Instances a timeout is reported, and nothing else happens.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::time::Duration;
    /// use lambda_extension::simulator::Simulator;
    ///
    /// let simulator = Simulator::builder().timeout(Duration::from_millis(100)).start().await;
    /// let invocation = simulator.timeout().await.expect_timeout();
    /// assert!(invocation.duration >= Duration::from_millis(100));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After [`shutdown`](Self::shutdown).
    pub async fn timeout(&self) -> Invocation {
        self.core.invoke(Bytes::from_static(b"{}"), Fate::Hang).await
    }

    /// An invocation in which the function's process ends. The next invocation starts everything again.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::Simulator;
    ///
    /// let simulator = Simulator::start().await;
    /// simulator.crash().await.expect_error("Runtime.ExitError");
    /// assert!(simulator.invoke("{}").await.expect_success().init.is_some(), "everything starts again");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After [`shutdown`](Self::shutdown).
    pub async fn crash(&self) -> Invocation {
        self.core.invoke(Bytes::from_static(b"{}"), Fate::Crash).await
    }

    /// With SnapStart: Init if there was none, the snapshot, and the restore, as far as extensions see them.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{Simulator, Status};
    ///
    /// let simulator = Simulator::builder().snap_start().start().await;
    /// assert_eq!(simulator.restore().await, Status::Success);
    /// simulator.invoke("{}").await.expect_success();
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Without [`Builder::snap_start`].
    pub async fn restore(&self) -> Status {
        assert!(
            self.core.settings.init_type == InitializationType::SnapStart,
            "only an environment built with `snap_start` has a snapshot to restore"
        );
        let status = self.init().await;
        if status != Status::Success {
            return status;
        }
        let turn = self.core.turn.lock().await;
        let restored = self.core.restore_now().await;
        drop(turn);
        restored.map_or_else(|failure| failure.status, |_| Status::Success)
    }

    /// Ends the environment as Lambda does, and tells what was seen of its life.
    ///
    /// An Init that is under way is finished first.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{ShutdownReason, Simulator};
    ///
    /// let simulator = Simulator::start().await;
    /// simulator.invoke("{}").await.expect_success();
    /// let report = simulator.shutdown(ShutdownReason::Spindown).await;
    /// report.expect_clean();
    /// assert_eq!(report.totals.invocations, 1);
    /// # }
    /// ```
    pub async fn shutdown(&self, reason: impl Into<ShutdownReason>) -> Report {
        let reason = reason.into();
        if matches!(self.core.lock().phase, Phase::Init) {
            self.init().await;
        }
        let turn = self.core.turn.lock().await;
        self.core.shut_down(&reason.to_string()).await;
        drop(turn);
        self.report()
    }

    // Looking and disturbing.

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

    /// Writes a line of JSON as the function would; it is delivered as an object with [`LogFormat::Json`].
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

    /// Lets something go wrong the next time it can; [`Builder::fault`] does the same from the start. If it never can,
    /// [`Report::expect_clean`] fails.
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
    /// [`Builder::without_freezing`] and on Managed Instances it does nothing.
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

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
        let mut inner = self.core.lock();
        inner.phase = Phase::Over;
        inner.hub.reset();
        inner.hang_up();
        // What they hold holds the core in turn: emptied, everything goes.
        let guests = std::mem::take(&mut inner.guests);
        drop(inner);
        drop(guests);
    }
}
