//! What a life of the environment cost and lost.

mod html;
mod ledger;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

pub(crate) use self::ledger::Ledger;
use super::Fault;

/// How an Init, an invocation or a restore ended, in Lambda's words. Extensions read it in telemetry as another type,
/// [`telemetry::Status`](crate::telemetry::Status).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// As it should: the function answered, or everybody became ready.
    Success,
    /// The function, its runtime or an extension failed.
    Error,
    /// Lambda itself failed.
    Failure,
    /// It took longer than it may, and was ended for that.
    Timeout,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Failure => "failure",
            Self::Timeout => "timeout",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What the local Lambda saw from its start to its end. All times are counted from the start of the simulator.
///
/// It prints itself as text for a terminal, [`to_html`](Self::to_html) makes a page of it, and as JSON it has the fields
/// below, in camel case, with durations as numbers of milliseconds under names that end in `Ms`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
/// use lambda_extension::simulator::{Function, ShutdownReason, Simulator, Status};
/// use lambda_extension::{Error, InvokeEvent, extension_fn};
///
/// let function = Function::echo().takes(Duration::from_millis(5));
/// let simulator = Simulator::builder().function(function).start().await;
/// let extension = extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) });
/// let running = tokio::spawn(simulator.config("quick").run(extension));
/// simulator.invoke("{}").await.expect_success();
/// let report = simulator.shutdown(ShutdownReason::Spindown).await;
/// running.await.unwrap().unwrap();
///
/// report.expect_clean();
/// assert_eq!(report.inits[0].extensions[0].events, ["INVOKE", "SHUTDOWN"]);
/// assert_eq!((report.totals.invocations, report.totals.failed), (1, 0));
/// let invocation = &report.invocations[0];
/// assert_eq!(invocation.status, Status::Success);
/// // What the extension costs: it was done long before the function.
/// assert_eq!(invocation.held[0].extension, "quick");
/// assert!(invocation.longest_hold() < Duration::from_millis(500));
/// // It was told to shut down, and did so by itself.
/// let end = &report.shutdowns[0].extensions[0];
/// assert!(end.was_told && !end.killed);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Every Init, the repeated ones included; of very many the last two hundred.
    pub inits: Vec<InitReport>,
    /// The invocations; of a long run the last thousand.
    pub invocations: Vec<InvocationReport>,
    /// Sums over all invocations, those that are no longer listed included.
    pub totals: Totals,
    /// Every time extensions were told to shut down: at the end, and before each restart; of very many the last two hundred.
    pub shutdowns: Vec<ShutdownReport>,
    /// What became of the telemetry of each extension that subscribed.
    pub telemetry: Vec<TelemetryReport>,
    /// How extensions took being frozen, where that can be seen.
    pub freezes: Vec<FreezeReport>,
    /// How many lines at ERROR each process logged by the framework's [`logging`](crate::logging), where there are any. What
    /// the framework contains, such as an error of a hook, is no problem to Lambda, and is found there.
    #[serde(rename = "errorLines")]
    pub error_lines: BTreeMap<String, u64>,
    /// What an extension did wrong, or what went wrong with it, each once; of very many the first two hundred.
    pub problems: Vec<Problem>,
    /// The faults that were asked for and have not happened, such as one of telemetry where nobody subscribed: the report
    /// says nothing of how they are taken.
    #[serde(rename = "unusedFaults", serialize_with = "as_texts")]
    pub unused_faults: Vec<Fault>,
    /// The journal of calls, for a failed expectation.
    #[serde(skip)]
    pub(crate) journal: String,
}

impl Report {
    /// Nothing was wrong with any extension. A function that fails is no extension's problem: see [`Totals::failed`]; nor is
    /// a fault that never happened: see [`unused_faults`](Self::unused_faults).
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Fails a test unless nothing was wrong with any extension, and every [`Fault`] that was asked for happened: one that
    /// did not has shown nothing. Returns the report, to go on with; to keep it, give it a name before this is called.
    ///
    /// # Panics
    ///
    /// If there are problems or unused faults; the message shows the report and the journal of calls.
    #[track_caller]
    pub fn expect_clean(&self) -> &Self {
        let but = format!("but:\n{self}\njournal:\n{}", self.journal);
        assert!(self.is_clean(), "expected a life without problems, {but}");
        assert!(self.unused_faults.is_empty(), "expected that every fault happens, {but}");
        self
    }
}

/// One Init: what took its time until everybody asked for the first event. See [`Report::inits`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InitReport {
    /// `init`, or `invoke` where it was repeated inside an invocation.
    pub phase: &'static str,
    /// When it began.
    #[serde(rename = "startedMs", serialize_with = "as_millis")]
    pub started: Duration,
    /// How long it took.
    #[serde(rename = "durationMs", serialize_with = "as_millis")]
    pub duration: Duration,
    /// When, after its begin, the runtime asked for its first invocation.
    #[serde(rename = "runtimeReadyMs", serialize_with = "as_optional_millis")]
    pub runtime_ready: Option<Duration>,
    /// How it ended.
    pub status: Status,
    /// Lambda's error type, if it failed.
    pub error_type: Option<String>,
    /// What each extension did in it.
    pub extensions: Vec<ExtensionInit>,
}

/// One extension's part of Init. See [`InitReport::extensions`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExtensionInit {
    /// The name it registered under.
    pub name: String,
    /// The state at the end of Init, in the words of Lambda's `platform.extension`: `Ready` is good.
    pub state: &'static str,
    /// What it registered for, in Lambda's words; empty if it did not register.
    pub events: Vec<&'static str>,
    /// When, after the begin of Init, it registered.
    #[serde(rename = "registeredMs", serialize_with = "as_optional_millis")]
    pub registered: Option<Duration>,
    /// When, after the begin of Init, it asked for its first event.
    #[serde(rename = "readyMs", serialize_with = "as_optional_millis")]
    pub ready: Option<Duration>,
}

/// One invocation: what it took, and how much of that is the extensions'. See [`Report::invocations`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InvocationReport {
    /// Its request id, which events, telemetry and log lines name too.
    pub request_id: String,
    /// How it ended.
    pub status: Status,
    /// Lambda's error type, if it failed.
    pub error_type: Option<String>,
    /// When it began.
    #[serde(rename = "startedMs", serialize_with = "as_millis")]
    pub started: Duration,
    /// How long it took, extensions included.
    #[serde(rename = "durationMs", serialize_with = "as_millis")]
    pub duration: Duration,
    /// How long the Init took that was repeated at its begin, which is a part of its duration; none usually.
    #[serde(rename = "repeatedInitMs", serialize_with = "as_optional_millis")]
    pub repeated_init: Option<Duration>,
    /// How long the runtime took, if it came to an end.
    #[serde(rename = "runtimeMs", serialize_with = "as_optional_millis")]
    pub runtime: Option<Duration>,
    /// What extensions held beyond the runtime, each.
    pub held: Vec<Held>,
}

impl InvocationReport {
    /// What the slowest extension held beyond the runtime. It is billed.
    pub fn longest_hold(&self) -> Duration {
        self.held.iter().map(|one| one.beyond_runtime).max().unwrap_or_default()
    }
}

/// What one extension did with one invocation. See [`InvocationReport::held`] and
/// [`Invocation::held`](super::Invocation::held).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Held {
    /// The extension's name.
    pub extension: String,
    /// When, after the invocation was given to everybody, it asked for the next event; nothing if it never did.
    #[serde(rename = "askedMs", serialize_with = "as_optional_millis")]
    pub asked: Option<Duration>,
    /// How long after the runtime was done that was; 0 if it asked before.
    #[serde(rename = "beyondRuntimeMs", serialize_with = "as_millis")]
    pub beyond_runtime: Duration,
}

/// Sums over all invocations, which a long run keeps while it forgets the single ones. See [`Report::totals`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Totals {
    /// How many there were, failed ones included.
    pub invocations: u64,
    /// How many did not succeed.
    pub failed: u64,
    /// What Lambda would bill for: invocations with their extensions, and Init. Its own rounding up is not in it.
    #[serde(rename = "billedMs", serialize_with = "as_millis")]
    pub billed: Duration,
    /// The part of it in which the runtime was done and an extension was not.
    #[serde(rename = "heldMs", serialize_with = "as_millis")]
    pub held: Duration,
    /// The longest such part of one invocation.
    #[serde(rename = "longestHoldMs", serialize_with = "as_millis")]
    pub longest_hold: Duration,
    /// How often the environment was frozen.
    pub freezes: u64,
}

/// One shutdown: whom it met, and how each went. See [`Report::shutdowns`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// The reason as it was meant to be sent: [`Fault::UnknownReason`](super::Fault::UnknownReason) sends another.
    pub reason: String,
    /// When it began.
    #[serde(rename = "startedMs", serialize_with = "as_millis")]
    pub started: Duration,
    /// How long it took.
    #[serde(rename = "durationMs", serialize_with = "as_millis")]
    pub duration: Duration,
    /// The extensions that were alive when it began.
    pub extensions: Vec<ExtensionEnd>,
}

/// How one extension ended. See [`ShutdownReport::extensions`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExtensionEnd {
    /// The name it registered under.
    pub name: String,
    /// How long after SHUTDOWN it was gone.
    #[serde(rename = "tookMs", serialize_with = "as_millis")]
    pub took: Duration,
    /// What it ended with, such as `exit code 0`.
    pub ended: String,
    /// It was registered for SHUTDOWN, so it had its time; otherwise it was killed at once, which is no problem of its.
    pub was_told: bool,
    /// It used up its time, [2 s][shutdown] with the runtime's part, and had to be killed.
    ///
    /// [shutdown]: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
    pub killed: bool,
}

/// What became of one extension's telemetry, through all its lives. See [`Report::telemetry`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use lambda_extension::simulator::{Function, ShutdownReason, Simulator};
/// use lambda_extension::telemetry::{Batch, Category, Subscription};
/// use lambda_extension::{Error, extension_fn};
///
/// let function = Function::echo().logs("one line").logs("another");
/// let simulator = Simulator::builder().function(function).start().await;
/// let extension = extension_fn(|_: Batch| async { Ok::<_, Error>(()) });
/// let config = simulator.config("lines").telemetry(Subscription::new([Category::Function]));
/// let running = tokio::spawn(config.run(extension));
/// simulator.invoke("{}").await.expect_success();
/// let report = simulator.shutdown(ShutdownReason::Spindown).await;
/// running.await.unwrap().unwrap();
///
/// let telemetry = &report.telemetry[0];
/// assert_eq!((telemetry.extension.as_str(), telemetry.lost, telemetry.duplicates), ("lines", 0, 0));
/// assert!(telemetry.delivered >= 2, "the function's lines, and what the framework asks for itself");
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TelemetryReport {
    /// The extension's name.
    pub extension: String,
    /// Batches that were accepted.
    pub batches: u64,
    /// Records in those batches, each time they came.
    pub delivered: u64,
    /// Those of them that came a freeze after they were generated. `platform.report` and what extensions write while the
    /// function is done are not counted: they always do.
    pub late: u64,
    /// Records that were delivered a second time.
    pub duplicates: u64,
    /// Records that never were delivered: the listener refused them eight times, was too slow for them, or was gone.
    pub lost: u64,
    /// Those of them that were dropped because more came than the listener took. That is no problem of the extension's: no
    /// listener takes a burst of any size.
    pub dropped: u64,
    /// Those of the lost ones that were still on their way at an end and that nobody is sure to get: lines that extensions wrote,
    /// `platform.report`, and what was generated during the end.
    pub lost_at_end: u64,
    /// Deliveries that failed and were tried again.
    pub failed_attempts: u64,
}

/// How one extension took being frozen. It can be seen of processes on Linux. See [`Report::freezes`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FreezeReport {
    /// The extension's name.
    pub extension: String,
    /// How often it was thawed.
    pub thawed: u64,
    /// How often it then went on with something before it was given anything: work it had left when it asked for the next
    /// event. In Lambda that is stuck until the next invocation, or lost. Some runtimes' housekeeping looks the same.
    pub busy: u64,
}

/// Something that an extension should not do, or that should not happen to it. See [`Report::problems`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use lambda_extension::simulator::{ShutdownReason, Simulator};
///
/// let simulator = Simulator::start().await;
/// simulator.spawn_fn("short", || async { Ok::<_, String>(()) });
/// simulator.invoke("{}").await.expect_error("Extension.Crash");
/// let report = simulator.shutdown(ShutdownReason::Spindown).await;
///
/// assert!(!report.is_clean());
/// let problem = &report.problems[0];
/// assert_eq!(problem.extension, "short");
/// assert!(problem.to_string().starts_with("short: ended before SHUTDOWN (returned)"), "{problem}");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// When it was seen.
    #[serde(rename = "atMs", serialize_with = "as_millis")]
    pub at: Duration,
    /// The extension it is about, or `runtime` where the function could not be started, or was never ready.
    pub extension: String,
    /// What happened, in a sentence that says what should be done instead where that is not plain.
    pub what: String,
    /// Where a process ended as it should not: the last lines that it wrote, which usually say why.
    #[serde(rename = "lastLines", skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.extension, self.what)
    }
}

fn as_millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(super::time::millis(*duration))
}

fn as_texts<S: Serializer>(faults: &[Fault], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(faults.iter().map(Fault::to_string))
}

fn as_optional_millis<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => as_millis(duration, serializer),
        None => serializer.serialize_none(),
    }
}
