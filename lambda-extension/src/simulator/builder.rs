//! How a simulator that differs from the usual one is asked for.

use std::io;
use std::time::Duration;

use super::random::Random;
use super::settings::{Disorder, Echo, Freezing, Settings, TelemetryApi};
use super::{Fault, Function, InitializationType, LogFormat, Schema, Simulator};

/// Longer than anybody waits, and short enough to be added to any time.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Sets up a [`Simulator`] that differs from the usual one: every method states what holds without it.
///
/// A builder can be cloned, so that several tests share their settings. Setters only note what is said; the errors, if
/// there are any, are those of [`try_start`](Self::try_start).
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
    /// The function's name, which extensions get when they register and read in `AWS_LAMBDA_FUNCTION_NAME`;
    /// `simulated-function` otherwise.
    pub fn function_name(mut self, name: impl Into<String>) -> Self {
        self.settings.function_name = name.into();
        self
    }

    /// The function's version, which extensions get when they register and read in `AWS_LAMBDA_FUNCTION_VERSION`; `$LATEST`
    /// otherwise.
    pub fn function_version(mut self, version: impl Into<String>) -> Self {
        self.settings.function_version = version.into();
        self
    }

    /// The function's handler, which extensions get when they register and the function reads in `_HANDLER`; `bootstrap`
    /// otherwise.
    pub fn handler(mut self, handler: impl Into<String>) -> Self {
        self.settings.handler = handler.into();
        self
    }

    /// The account that the function's ARN names. Extensions that ask for it get it when they register. `123456789012`
    /// otherwise.
    pub fn account_id(mut self, account: impl Into<String>) -> Self {
        self.settings.account_id = account.into();
        self
    }

    /// The region, which the function's ARN names and extensions read in `AWS_REGION`; `us-east-1` otherwise.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.settings.region = region.into();
        self
    }

    /// The function's memory in MB, as variables and telemetry *state* it (128 otherwise). It is not enforced, and may be
    /// outside of Lambda's [128 to 10,240 MB](https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
    pub fn memory(mut self, megabytes: u32) -> Self {
        self.settings.memory_mb = megabytes;
        self
    }

    /// How long one invocation may take, extensions included; 3 s otherwise, [as in Lambda][timeout], whose longest are 900 s.
    /// Here it may be longer, and 0 makes every invocation time out.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::time::Duration;
    /// use lambda_extension::simulator::{Function, Simulator};
    ///
    /// let slow = Function::echo().takes(Duration::from_secs(60));
    /// let simulator =
    ///     Simulator::builder().function(slow).timeout(Duration::from_millis(50)).start().await;
    /// simulator.invoke("{}").await.expect_timeout();
    /// # }
    /// ```
    ///
    /// [timeout]: https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout.min(FOR_EVER);
        self
    }

    /// How long Init may take; otherwise 10 s, or 130 s and at least the function's timeout for an environment that is made
    /// in advance, [as in Lambda](https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html). A first
    /// Init that fails or takes longer is repeated inside the first invocation, where it has the function's timeout.
    pub fn init_timeout(mut self, timeout: Duration) -> Self {
        self.settings.init_timeout = Some(timeout.min(FOR_EVER));
        self
    }

    /// How the environment came to be; on demand otherwise. [`managed_instances`](Self::managed_instances) and
    /// [`snap_start`](Self::snap_start) say the same of these two.
    pub fn initialization_type(mut self, init_type: InitializationType) -> Self {
        self.settings.init_type = init_type;
        if init_type == InitializationType::ManagedInstances {
            self.settings.freezing = Freezing::Off;
            self.settings.log_format = LogFormat::Json;
        }
        self
    }

    /// Lambda Managed Instances: many invocations at once, SHUTDOWN only, never frozen, logs in JSON format.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::Simulator;
    ///
    /// let simulator = Simulator::builder().managed_instances().start().await;
    /// let (one, two) = tokio::join!(simulator.invoke("1"), simulator.invoke("2"));
    /// one.expect_success();
    /// two.expect_success();
    /// # }
    /// ```
    pub fn managed_instances(self) -> Self {
        self.initialization_type(InitializationType::ManagedInstances)
    }

    /// SnapStart: Init, then a snapshot, then a restore before the first invocation, or with [`Simulator::restore`] earlier.
    pub fn snap_start(self) -> Self {
        self.initialization_type(InitializationType::SnapStart)
    }

    /// The function's log format, which extensions read in `AWS_LAMBDA_LOG_FORMAT`; text otherwise, JSON on Managed
    /// Instances.
    pub fn log_format(mut self, format: LogFormat) -> Self {
        self.settings.log_format = format;
        self
    }

    /// What extensions read in `AWS_LAMBDA_LOG_LEVEL`, such as `DEBUG`; not set otherwise. Lines are not filtered by it.
    pub fn log_level(mut self, level: impl Into<String>) -> Self {
        self.settings.log_level = Some(level.into());
        self
    }

    /// Delivers telemetry in this schema, whichever one the subscription names; otherwise in that one. The Logs API has
    /// schemas of its own and is left alone.
    pub fn telemetry_schema(mut self, schema: Schema) -> Self {
        self.settings.schema = Some(schema);
        self
    }

    /// Answers subscriptions with 202 and delivers nothing, as
    /// [AWS's own emulator](https://github.com/aws/aws-lambda-runtime-interface-emulator) does.
    pub fn without_telemetry(mut self) -> Self {
        self.settings.telemetry = TelemetryApi::Stub;
        self
    }

    /// Lets processes run on, and telemetry be delivered, while everybody waits for the next event. Otherwise they are
    /// stopped then, as in Lambda, but for Managed Instances.
    pub fn without_freezing(mut self) -> Self {
        self.settings.freezing = Freezing::Off;
        self
    }

    /// Leaves out the trace header that INVOKE, the function's invocation and telemetry state otherwise.
    pub fn without_tracing(mut self) -> Self {
        self.settings.tracing = false;
        self
    }

    /// The tenant this environment belongs to, for a function with tenant isolation; none otherwise. Telemetry and the
    /// function are told, events are not.
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

    /// A variable the customer configured, for processes. It stands above those Lambda sets; extensions do not see those
    /// that start with `_`. Can be called several times.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.variables.push((name.into(), value.into()));
        self
    }

    /// The function that is invoked; otherwise [`Function::echo`], which answers with what it was invoked with.
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

    /// Something that goes wrong the next time it can, such as a first call that is refused; [`Simulator::inject`] does the
    /// same later. Can be called several times.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Prints what extension and function processes write, each line with its name before it, to this process's standard
    /// error.
    pub fn echo(mut self) -> Self {
        self.settings.echo = Echo::On;
        self
    }

    /// Listens on this port of the loopback; otherwise, and with 0, on any free one, so that tests do not meet.
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

    /// Starts the local Lambda as [`start`](Self::start) does, for a program that can say what is wrong.
    ///
    /// # Errors
    ///
    /// If the [port](Self::port) is taken, the loopback cannot be listened on, or the command of a
    /// [`Function::process`] was given to another simulator already.
    pub async fn try_start(self) -> io::Result<Simulator> {
        Simulator::from_builder(self).await
    }
}
