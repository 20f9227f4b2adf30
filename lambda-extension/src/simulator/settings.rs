//! What kind of Lambda is simulated, and the words for it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::environment::Rules;

/// How the environment came to be; extensions read it in [`AWS_LAMBDA_INITIALIZATION_TYPE`][variables], in the words that
/// it is written with.
///
/// ```
/// use lambda_extension::simulator::InitializationType;
///
/// assert_eq!(InitializationType::ManagedInstances.to_string(), "lambda-managed-instances");
/// ```
///
/// [variables]: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitializationType {
    /// An environment made because somebody invoked the function. Init has 10 s.
    #[default]
    OnDemand,
    /// An environment made in advance, whose Init has 130 s, or the function's timeout where that is longer.
    ProvisionedConcurrency,
    /// An environment restored from a snapshot that was taken after Init. Init has as long as with
    /// [`ProvisionedConcurrency`](Self::ProvisionedConcurrency), the restore 10 s.
    SnapStart,
    /// An instance of the customer's that runs many invocations at once and is never frozen. Extensions cannot register
    /// for INVOKE, telemetry has one schema, `2025-01-29`, and logs are JSON.
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

/// Why an environment ends, as SHUTDOWN tells extensions.
///
/// The extension reads it as another type, [`lambda_extension::ShutdownReason`](crate::ShutdownReason), which is taken
/// wherever this one is asked for.
///
/// ```
/// use lambda_extension::simulator::ShutdownReason;
///
/// assert_eq!(ShutdownReason::Spindown.to_string(), "spindown");
/// assert_eq!(ShutdownReason::Other("MOON_PHASE".to_owned()).to_string(), "MOON_PHASE");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShutdownReason {
    /// It was idle for long, or ran for long: the usual end.
    #[default]
    Spindown,
    /// An invocation took longer than the function's timeout. The next invocation finds everything started anew.
    Timeout,
    /// The function's process or an extension's ended, or Init failed. The next invocation finds everything started anew.
    Failure,
    /// Any other word, which no Lambda has sent yet.
    Other(String),
}

impl fmt::Display for ShutdownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
            Self::Other(word) => word,
        })
    }
}

impl From<crate::ShutdownReason> for ShutdownReason {
    fn from(reason: crate::ShutdownReason) -> Self {
        match reason {
            crate::ShutdownReason::Spindown => Self::Spindown,
            crate::ShutdownReason::Timeout => Self::Timeout,
            crate::ShutdownReason::Failure => Self::Failure,
            other => Self::Other(other.to_string()),
        }
    }
}

/// The log format of the function: what becomes of a line that is a JSON object. See [`Builder::log_format`].
///
/// [`Builder::log_format`]: super::Builder::log_format
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

/// A version of the Telemetry API's [schema][], for [`Builder::telemetry_schema`]. It is read and written as a date.
///
/// ```
/// use lambda_extension::simulator::Schema;
///
/// assert_eq!("2025-01-29".parse(), Ok(Schema::V20250129));
/// assert!("2025-01-30".parse::<Schema>().is_err());
/// ```
///
/// [schema]: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
/// [`Builder::telemetry_schema`]: super::Builder::telemetry_schema
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
    pub(crate) init_timeout: Option<Duration>,
    pub(crate) init_type: InitializationType,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: Option<String>,
    pub(crate) schema: Option<Schema>,
    pub(crate) telemetry: TelemetryApi,
    pub(crate) freezing: Freezing,
    pub(crate) tracing: bool,
    pub(crate) tenant_id: Option<String>,
    pub(crate) runtime_version: String,
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

    /// Environments that are made in advance have more time, as in Lambda.
    pub(crate) fn init_timeout(&self) -> Duration {
        self.init_timeout.unwrap_or(match self.init_type {
            InitializationType::OnDemand => Duration::from_secs(10),
            _ => self.timeout.max(Duration::from_secs(130)),
        })
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{}:function:{}", self.region, self.account_id, self.function_name)
    }
}
