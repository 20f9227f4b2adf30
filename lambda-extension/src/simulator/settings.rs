//! What kind of Lambda is simulated: the builder and its words.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use super::environment::Rules;
use super::random::Random;
use super::{Fault, Function, Simulator};

/// How the environment came to be; extensions read it in `AWS_LAMBDA_INITIALIZATION_TYPE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitializationType {
    /// An environment made because somebody invoked the function.
    #[default]
    OnDemand,
    /// An environment made in advance.
    ProvisionedConcurrency,
    /// An environment restored from a snapshot that was taken after Init.
    SnapStart,
    /// An instance of the customer's that runs many invocations at once and is never frozen.
    ManagedInstances,
}

impl fmt::Display for InitializationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnDemand => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
            Self::SnapStart => "snap-start",
            Self::ManagedInstances => "lambda-managed-instances",
        })
    }
}

/// The log format of the function: what becomes of a line that is a JSON object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// Every line is delivered as a JSON string.
    #[default]
    Text,
    /// A line that is a JSON object is delivered as that object, from schema `2022-12-13` on.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "Text",
            Self::Json => "JSON",
        })
    }
}

/// A version of the Telemetry API's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schema {
    /// `2022-07-01`: log records are always strings.
    V20220701,
    /// `2022-12-13`: log records can be JSON objects.
    V20221213,
    /// `2025-01-29`: knows Managed Instances too.
    V20250129,
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V20220701 => "2022-07-01",
            Self::V20221213 => "2022-12-13",
            Self::V20250129 => "2025-01-29",
        })
    }
}

impl FromStr for Schema {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::V20220701, Self::V20221213, Self::V20250129]
            .into_iter()
            .find(|schema| schema.to_string() == text)
            .ok_or_else(|| format!("there is no schema `{text}`; use 2022-07-01, 2022-12-13 or 2025-01-29"))
    }
}

/// Whether Lambda's Telemetry API is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TelemetryApi {
    Real,
    /// As in AWS's emulator: 202, and nothing is ever delivered.
    Stub,
}

/// Whether processes are stopped while everybody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freezing {
    On,
    Off,
}

/// Whether telemetry is disturbed within what Lambda may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disorder {
    Off,
    On,
}

/// Where the lines that processes write go besides telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    Off,
    On,
}

/// Everything the builder sets.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) function_name: String,
    pub(crate) function_version: String,
    pub(crate) handler: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    pub(crate) memory_mb: u32,
    pub(crate) timeout: Duration,
    pub(crate) init_timeout: Duration,
    pub(crate) init_type: InitializationType,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: Option<String>,
    pub(crate) schema: Option<Schema>,
    pub(crate) telemetry: TelemetryApi,
    pub(crate) freezing: Freezing,
    pub(crate) tracing: bool,
    pub(crate) disorder: Disorder,
    pub(crate) echo: Echo,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) seed: u64,
    pub(crate) port: u16,
}

impl Settings {
    pub(crate) fn rules(&self) -> Rules {
        match self.init_type {
            InitializationType::ManagedInstances => Rules::ManagedInstances,
            _ => Rules::Default,
        }
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{}:function:{}", self.region, self.account_id, self.function_name)
    }
}

/// Sets up a [`Simulator`] that differs from the usual one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
/// use lambda_extension::simulator::Simulator;
///
/// let simulator = Simulator::builder().timeout(Duration::from_secs(1)).memory(512).start().await;
/// let invocation = simulator.invoke("{}").await;
/// assert_eq!(invocation.response.as_deref(), Some(&b"{}"[..]));
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is simulated before `start` is called"]
pub struct Builder {
    pub(crate) settings: Settings,
    pub(crate) function: Function,
    pub(crate) faults: Vec<Fault>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            settings: Settings {
                function_name: "simulated-function".to_owned(),
                function_version: "$LATEST".to_owned(),
                handler: "bootstrap".to_owned(),
                account_id: "123456789012".to_owned(),
                region: "us-east-1".to_owned(),
                memory_mb: 128,
                timeout: Duration::from_secs(3),
                init_timeout: Duration::from_secs(10),
                init_type: InitializationType::OnDemand,
                log_format: LogFormat::Text,
                log_level: None,
                schema: None,
                telemetry: TelemetryApi::Real,
                freezing: Freezing::On,
                tracing: true,
                disorder: Disorder::Off,
                echo: Echo::Off,
                variables: Vec::new(),
                seed: Random::fresh_seed(),
                port: 0,
            },
            function: Function::echo(),
            faults: Vec::new(),
        }
    }
}

impl Builder {
    /// The function's name; `simulated-function` otherwise.
    pub fn function_name(mut self, name: impl Into<String>) -> Self {
        self.settings.function_name = name.into();
        self
    }

    /// The function's version; `$LATEST` otherwise.
    pub fn function_version(mut self, version: impl Into<String>) -> Self {
        self.settings.function_version = version.into();
        self
    }

    /// The function's handler; `bootstrap` otherwise.
    pub fn handler(mut self, handler: impl Into<String>) -> Self {
        self.settings.handler = handler.into();
        self
    }

    /// The account, told to extensions that ask for it; `123456789012` otherwise.
    pub fn account_id(mut self, account: impl Into<String>) -> Self {
        self.settings.account_id = account.into();
        self
    }

    /// The region; `us-east-1` otherwise.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.settings.region = region.into();
        self
    }

    /// The function's memory in MB, as it is *stated* (128 otherwise). It is not enforced.
    pub fn memory(mut self, megabytes: u32) -> Self {
        self.settings.memory_mb = megabytes;
        self
    }

    /// How long one invocation may take, extensions included; 3 s otherwise, as in Lambda.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// How long Init may take; 10 s otherwise, as for on-demand functions.
    pub fn init_timeout(mut self, timeout: Duration) -> Self {
        self.settings.init_timeout = timeout;
        self
    }

    /// How the environment came to be; on demand otherwise.
    pub fn initialization_type(mut self, init_type: InitializationType) -> Self {
        self.settings.init_type = init_type;
        if init_type == InitializationType::ManagedInstances {
            self.settings.freezing = Freezing::Off;
            self.settings.log_format = LogFormat::Json;
        }
        self
    }

    /// Lambda Managed Instances: many invocations at once, SHUTDOWN only, never frozen, logs in JSON format.
    pub fn managed_instances(self) -> Self {
        self.initialization_type(InitializationType::ManagedInstances)
    }

    /// SnapStart: Init, then a snapshot, then [`Simulator::restore`] before the first invocation.
    pub fn snap_start(self) -> Self {
        self.initialization_type(InitializationType::SnapStart)
    }

    /// The function's log format; text otherwise.
    pub fn log_format(mut self, format: LogFormat) -> Self {
        self.settings.log_format = format;
        self
    }

    /// What extensions read in `AWS_LAMBDA_LOG_LEVEL`; not set otherwise.
    pub fn log_level(mut self, level: impl Into<String>) -> Self {
        self.settings.log_level = Some(level.into());
        self
    }

    /// Delivers telemetry in this schema, whichever one the subscription names.
    pub fn telemetry_schema(mut self, schema: Schema) -> Self {
        self.settings.schema = Some(schema);
        self
    }

    /// Answers subscriptions with 202 and delivers nothing, as AWS's own emulator does.
    pub fn without_telemetry(mut self) -> Self {
        self.settings.telemetry = TelemetryApi::Stub;
        self
    }

    /// Lets processes run on, and telemetry be delivered, while everybody waits for the next event.
    pub fn without_freezing(mut self) -> Self {
        self.settings.freezing = Freezing::Off;
        self
    }

    /// Leaves out `tracing`, as where active tracing does not reach the function.
    pub fn without_tracing(mut self) -> Self {
        self.settings.tracing = false;
        self
    }

    /// A variable the customer configured. Extensions do not see those that start with `_`.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.variables.push((name.into(), value.into()));
        self
    }

    /// The function; otherwise [`Function::echo`].
    pub fn function(mut self, function: Function) -> Self {
        self.function = function;
        self
    }

    /// Disturbs telemetry within what Lambda may do: records of the same millisecond change places, lines come
    /// after their `platform.runtimeDone`, batches are cut anywhere, and some come twice. The seed repeats it.
    pub fn disorder(mut self, seed: u64) -> Self {
        self.settings.disorder = Disorder::On;
        self.settings.seed = seed;
        self
    }

    /// Something that goes wrong the next time it can; see also [`Simulator::inject`].
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Prints what extension and function processes write to standard error, each line with its name.
    pub fn echo(mut self) -> Self {
        self.settings.echo = Echo::On;
        self
    }

    /// Listens on this port of the loopback; otherwise on any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.settings.port = port;
        self
    }

    /// Starts the local Lambda; its APIs can be called when this returns.
    ///
    /// # Panics
    ///
    /// If the loopback cannot be listened on, which [`Builder::try_start`] returns as an error.
    pub async fn start(self) -> Simulator {
        self.try_start().await.expect("the simulator listens on a port of the loopback")
    }

    /// Starts the local Lambda; its APIs can be called when this returns.
    ///
    /// # Errors
    ///
    /// If the port is taken, or the loopback cannot be listened on.
    pub async fn try_start(self) -> io::Result<Simulator> {
        Simulator::from_builder(self).await
    }
}
