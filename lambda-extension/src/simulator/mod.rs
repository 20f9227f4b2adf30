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
mod extensions;
mod fault;
mod freezing;
mod function;
mod guest;
mod inspect;
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
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use self::core::{Core, Phase};
use self::guest::{Guest, Role};
use self::lifecycle::Fate;

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

/// One execution environment of a local Lambda.
///
/// Extensions come first ([`spawn`](Self::spawn), [`spawn_fn`](Self::spawn_fn), [`attach`](Self::attach)), then
/// invocations, then [`shutdown`](Self::shutdown). Every method waits for what the extensions do with it, so tests
/// need no sleeping. Where extension and simulator share one current-thread runtime, tokio's paused time works.
///
/// Dropping it kills what it started and stays silent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use lambda_extension::simulator::{ShutdownReason, Simulator};
/// use lambda_extension::{Error, Extension, InvokeEvent};
///
/// struct Printer;
///
/// impl Extension for Printer {
///     async fn on_invoke(&mut self, event: InvokeEvent) -> Result<(), Error> {
///         println!("{event}");
///         Ok(())
///     }
/// }
///
/// let simulator = Simulator::start().await;
/// let running = tokio::spawn(simulator.config("printer").run(Printer));
/// simulator.invoke("{}").await.expect_success();
/// simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
/// running.await.unwrap().unwrap();
/// # }
/// ```
pub struct Simulator {
    core: Arc<Core>,
    server: AbortHandle,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("runtime_api", &self.runtime_api()).finish_non_exhaustive()
    }
}

/// Start, life and end.
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
    /// use lambda_extension::EventType;
    /// use lambda_extension::client::Client;
    /// use lambda_extension::simulator::Simulator;
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
