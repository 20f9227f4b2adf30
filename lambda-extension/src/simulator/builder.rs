//! How a simulator that differs from the usual one is asked for.

use std::io;
use std::time::Duration;

use super::random::Random;
use super::settings::{Disorder, Echo, Freezing, Settings, TelemetryApi};
use super::{Fault, Function, InitializationType, LogFormat, Schema, Simulator};

/// Longer than anybody waits, and short enough to be added to any time.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

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
                init_timeout: None,
                init_type: InitializationType::OnDemand,
                log_format: LogFormat::Text,
                log_level: None,
                schema: None,
                telemetry: TelemetryApi::Real,
                freezing: Freezing::On,
                tracing: true,
                tenant_id: None,
                runtime_version: "provided:al2023.v1".to_owned(),
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
        self.settings.timeout = timeout.min(FOR_EVER);
        self
    }

    /// How long Init may take; otherwise 10 s, or 130 s and at least the function's timeout for an environment that is made
    /// in advance, as in Lambda.
    pub fn init_timeout(mut self, timeout: Duration) -> Self {
        self.settings.init_timeout = Some(timeout.min(FOR_EVER));
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

    /// The tenant this environment belongs to, for a function with tenant isolation.
    pub fn tenant_id(mut self, tenant: impl Into<String>) -> Self {
        self.settings.tenant_id = Some(tenant.into());
        self
    }

    /// The runtime's version as telemetry states it; `provided:al2023.v1` otherwise. That of a durable function has
    /// `DurableFunction` in it.
    pub fn runtime_version(mut self, version: impl Into<String>) -> Self {
        self.settings.runtime_version = version.into();
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
    /// Where [`try_start`](Self::try_start) returns an error.
    pub async fn start(self) -> Simulator {
        self.try_start().await.unwrap_or_else(|error| panic!("the simulator cannot be started: {error}"))
    }

    /// Starts the local Lambda; its APIs can be called when this returns.
    ///
    /// # Errors
    ///
    /// If the [port](Self::port) is taken, the loopback cannot be listened on, or the command of a
    /// [`Function::process`] was given to another simulator already.
    pub async fn try_start(self) -> io::Result<Simulator> {
        Simulator::from_builder(self).await
    }
}
