//! How the extension is to be run: plain values, read from the environment or set one by one.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::Path,
    time::Duration,
};

use tokio::time::Instant;

#[cfg(feature = "simulator")]
use crate::clock::Clock;
use crate::{
    client::Client,
    error::{ApiError, ExtensionError, chain},
    event::EventType,
    extension::Extension,
    flush::FlushStrategy,
    handle::Handle,
    say,
    telemetry::Subscription,
    variables::{INITIALIZATION_TYPE, NAME, RUNTIME_API, SPEAK_OF_LAMBDA},
};

/// Where Lambda's own API listens, in the network that extensions share with it.
const RUNTIME_API_PORT: u16 = 9001;

/// What to do when a hook fails: returns an error, panics, or is dropped at its bound.
///
/// ```
/// use lambda_extension::{Config, ErrorPolicy};
///
/// # fn main() -> Result<(), lambda_extension::ExtensionError> {
/// // The function must not run unless this extension could be initialised.
/// let strict = Config::new("127.0.0.1:9001")?.on_error(ErrorPolicy::Exit);
/// # let _ = strict;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorPolicy {
    /// Log and count it, and go on: the customer's function comes first. After a failed `on_init` or constructor no
    /// hook is called any more.
    #[default]
    Continue,
    /// Report it to Lambda and end the process. Lambda then fails the invocation and restarts the environment. An
    /// [internal](Config::internal) extension, whose end would be the function's, stays as a no-op instead.
    Exit,
}

/// Where the extension's process comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Started by Lambda from `/opt/extensions`.
    External,
    /// Part of the function's own process.
    Internal,
}

/// What kind of environment Lambda initialises, `AWS_LAMBDA_INITIALIZATION_TYPE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Initialization {
    /// On demand, provisioned concurrency, or a kind this version does not know.
    #[default]
    Ordinary,
    SnapStart,
    ManagedInstances,
}

/// How the extension is to be run.
///
/// Most extensions need only [`run`](crate::run), which reads everything from the environment. The setters take and give
/// the configuration by value, so an `if` works:
///
/// ```
/// use std::time::Duration;
///
/// use lambda_extension::telemetry::{Category, Subscription};
/// use lambda_extension::{Config, ErrorPolicy, FlushStrategy};
///
/// # fn main() -> Result<(), lambda_extension::ExtensionError> {
/// let mut config = Config::new("127.0.0.1:9001")?
///     .name("my-extension")
///     .telemetry(Subscription::new([Category::Function]))
///     .flush(FlushStrategy::Periodic(Duration::from_secs(10)))
///     .max_hold(Duration::from_millis(500))
///     .init_timeout(Duration::from_secs(5));
/// if cfg!(debug_assertions) {
///     config = config.on_error(ErrorPolicy::Exit);
/// }
/// assert_eq!(config.extension_name(), "my-extension");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a configuration does nothing until it is run"]
pub struct Config {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) events: Option<Vec<EventType>>,
    pub(crate) telemetry: Option<Subscription>,
    pub(crate) flush: Option<FlushStrategy>,
    pub(crate) max_hold: Duration,
    pub(crate) init_timeout: Duration,
    pub(crate) on_error: ErrorPolicy,
    pub(crate) kind: Kind,
    pub(crate) initialization: Initialization,
    /// When the process started, as nearly as we know.
    pub(crate) started: Instant,
    /// Whether telemetry is delivered from this machine only.
    pub(crate) loopback: bool,
}

impl Config {
    /// A configuration from the process's environment:
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `AWS_LAMBDA_RUNTIME_API` | where Lambda's API is; set by Lambda |
    /// | `AWS_LAMBDA_INITIALIZATION_TYPE` | `snap-start` and `lambda-managed-instances` change what is registered and called; set by Lambda |
    /// | `LAMBDA_EXTENSION_NAME` | the extension's name, where it is not the file name of `argv[0]` |
    ///
    /// # Errors
    ///
    /// [`ExtensionError::Config`] when `AWS_LAMBDA_RUNTIME_API` is missing or no address, or there is no name to be had.
    ///
    /// With the feature `simulator` this does not return where none of `AWS_LAMBDA_RUNTIME_API`, `AWS_LAMBDA_FUNCTION_NAME`,
    /// `LAMBDA_TASK_ROOT` and `LAMBDA_EXTENSION_GUEST` is set: it runs the program under a local Lambda instead
    #[cfg_attr(feature = "simulator", doc = "([`door`](crate::simulator::door))")]
    #[cfg_attr(not(feature = "simulator"), doc = "(`simulator::door`)")]
    /// and ends the process. So call it first thing in `main`.
    ///
    /// ```no_run
    /// use lambda_extension::{Config, Error, ErrorPolicy, InvokeEvent, extension_fn};
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() -> Result<(), Error> {
    ///     let config = Config::from_env()?.on_error(ErrorPolicy::Exit);
    ///     lambda_extension::logging::init();
    ///     let extension = extension_fn(|event: InvokeEvent| async move {
    ///         println!("{event}");
    ///         Ok::<_, Error>(())
    ///     });
    ///     Ok(config.run(extension).await?)
    /// }
    /// ```
    pub fn from_env() -> Result<Self, ExtensionError> {
        #[cfg(feature = "simulator")]
        if let Some(code) = crate::simulator::door() {
            std::process::exit(code.into());
        }
        Self::from_variables(|name| env::var_os(name), env::args_os().next())
    }

    pub(crate) fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        program: Option<OsString>,
    ) -> Result<Self, ExtensionError> {
        let text = |name: &str| match variable(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value).filter(|value| !value.is_empty())),
            Some(Err(_)) => Err(ExtensionError::config(format!(
                "the value of {name} is not UTF-8; set it to plain text, or leave it out"
            ))),
        };
        let runtime_api = text(RUNTIME_API)?.ok_or_else(|| not_in_lambda(&variable))?;
        let mut config = Self::new(&runtime_api)?;
        config.name = match text(NAME)? {
            Some(name) => name,
            None => file_name(program.as_deref())?,
        };
        config.initialization = match text(INITIALIZATION_TYPE)?.as_deref() {
            Some("snap-start") => Initialization::SnapStart,
            Some("lambda-managed-instances") => Initialization::ManagedInstances,
            _ => Initialization::Ordinary,
        };
        Ok(config)
    }

    /// A configuration that reads nothing from the environment but the extension's name, which is that of the program.
    ///
    /// `runtime_api` is `host:port`, or a URL whose path stands before every route.
    ///
    /// # Errors
    ///
    /// [`ExtensionError::Config`] when that is no address.
    pub fn new(runtime_api: &str) -> Result<Self, ExtensionError> {
        Ok(Self {
            client: Client::new(runtime_api)?,
            name: file_name(env::args_os().next().as_deref()).unwrap_or_default(),
            events: None,
            telemetry: None,
            flush: None,
            max_hold: Duration::from_secs(2),
            init_timeout: Duration::from_secs(8),
            on_error: ErrorPolicy::default(),
            kind: Kind::External,
            initialization: Initialization::default(),
            started: Instant::now(),
            loopback: false,
        })
    }

    /// The name to register under. For an external extension it must be that of its file in `/opt/extensions`, or
    /// Lambda takes it for an internal one; for an internal extension it is free.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The name the extension registers under, for what is to be found by it: a file for the function, a field of a log.
    ///
    /// ```
    /// use lambda_extension::Config;
    ///
    /// # fn main() -> Result<(), lambda_extension::ExtensionError> {
    /// let config = Config::new("127.0.0.1:9001")?.name("my-extension");
    /// assert_eq!(config.extension_name(), "my-extension");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn extension_name(&self) -> &str {
        &self.name
    }

    /// The events to register for, instead of what the type of extension asks for. None at all is legal: such an
    /// extension lives until Lambda kills it.
    pub fn events(mut self, events: impl IntoIterator<Item = EventType>) -> Self {
        self.events = Some(events.into_iter().collect());
        self
    }

    /// The telemetry to subscribe to, instead of what the type of extension asks for.
    pub fn telemetry(mut self, subscription: Subscription) -> Self {
        self.telemetry = Some(subscription);
        self
    }

    /// When to flush. Otherwise [`FlushStrategy::Adaptive`] with telemetry, [`FlushStrategy::End`] without, and
    /// [`FlushStrategy::Shutdown`] when INVOKE is not registered, since nothing else holds the environment then.
    pub fn flush(mut self, strategy: FlushStrategy) -> Self {
        self.flush = Some(strategy);
        self
    }

    /// How long the next event may be held back once the function is done; 2 s unless set. What still runs then is
    /// dropped, and counted in [`Metrics::cancelled`](crate::Metrics::cancelled). Lambda bills this time, and on
    /// most functions it delays the next invocation.
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.max_hold = max_hold;
        self
    }

    /// How long constructor and `on_init` may take, counted from when this configuration was made, which is the start of
    /// the process for a program that begins with it; 8 s unless set. Lambda gives all of Init 10 s, and shares
    /// them among the function and every extension.
    pub fn init_timeout(mut self, init_timeout: Duration) -> Self {
        self.init_timeout = init_timeout;
        self
    }

    /// What to do when a hook fails; [`ErrorPolicy::Continue`] unless set.
    pub fn on_error(mut self, policy: ErrorPolicy) -> Self {
        self.on_error = policy;
        self
    }

    /// Runs as an internal extension, a part of the function's own process.
    ///
    /// It is registered for INVOKE only, because Lambda gives internal extensions no SHUTDOWN, and for nothing at all on
    /// Managed Instances. It must be registered before the runtime asks for its first invocation, and it must go on asking
    /// for events, or it holds every invocation to its timeout: after a failure it stays as a no-op under either
    /// policy.
    ///
    /// ```no_run
    /// use lambda_extension::{Config, Error, InvokeEvent, extension_fn};
    ///
    /// # async fn serve_the_function() -> Result<(), Error> { Ok(()) }
    /// # async fn example() -> Result<(), Error> {
    /// let registered = Config::from_env()?.name("inside").internal().register().await?;
    /// tokio::spawn(registered.run(extension_fn(async |event: InvokeEvent| {
    ///     println!("{event}");
    ///     Ok::<_, Error>(())
    /// })));
    /// // Only now the function's runtime, in the same process.
    /// serve_the_function().await
    /// # }
    /// ```
    pub fn internal(mut self) -> Self {
        self.kind = Kind::Internal;
        self
    }

    /// The same configuration under a simulator in this process.
    #[cfg(feature = "simulator")]
    pub(crate) fn simulated(mut self, clock: Clock, initialization: Initialization) -> Self {
        self.client = self.client.with_clock(clock);
        self.initialization = initialization;
        self.loopback = true;
        self
    }

    /// This configuration, with what the type asks for where nothing was set.
    pub(crate) fn with_defaults<E: Extension>(mut self) -> Self {
        let defaults = E::defaults();
        self.events.get_or_insert(defaults.events);
        self.telemetry = self.telemetry.or(defaults.telemetry);
        self
    }

    /// Says what cannot work, before anything is asked of Lambda.
    pub(crate) fn validate(&self) -> Result<(), ExtensionError> {
        let fits_into_a_header = self.name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if self.name.trim().is_empty() {
            return Err(ExtensionError::config(
                "the extension's name is empty: it is that of a file in /opt/extensions; set `Config::name` or \
                 LAMBDA_EXTENSION_NAME to it",
            ));
        }
        if self.name.contains('/') || !fits_into_a_header {
            return Err(ExtensionError::config(format!(
                "{:?} is no name for an extension: it is that of a file in /opt/extensions, without the folder and in printable \
                 ASCII; rename the file, or set `Config::name` or LAMBDA_EXTENSION_NAME",
                self.name
            )));
        }
        let no_invoke = self.events.as_ref().is_some_and(|events| !events.contains(&EventType::Invoke));
        if no_invoke && matches!(self.flush, Some(FlushStrategy::End | FlushStrategy::Adaptive)) {
            return Err(ExtensionError::config(
                "FlushStrategy::End and Adaptive flush at the end of invocations, and the extension does not register for INVOKE; \
                 register for it, or choose Periodic or Shutdown",
            ));
        }
        if matches!(self.flush, Some(FlushStrategy::Periodic(interval)) if interval < Duration::from_millis(1))
        {
            return Err(ExtensionError::config(
                "the interval of FlushStrategy::Periodic must be at least 1 millisecond; to flush at the end of every \
                 invocation, choose End",
            ));
        }
        Ok(())
    }

    /// When to flush, for an extension that was registered for these events.
    pub(crate) fn flush_strategy(&self, registered: &[EventType]) -> FlushStrategy {
        self.flush.unwrap_or(match &self.telemetry {
            _ if self.is_managed() => FlushStrategy::Adaptive,
            _ if !registered.contains(&EventType::Invoke) => FlushStrategy::Shutdown,
            Some(_) => FlushStrategy::Adaptive,
            None => FlushStrategy::End,
        })
    }

    /// Goes on without telemetry because of this error, if the policy is to go on.
    pub(crate) fn without_telemetry<T>(
        &self,
        error: ExtensionError,
        handle: &Handle,
    ) -> Result<Option<T>, ExtensionError> {
        handle.count(|metrics| metrics.failed_subscriptions += 1);
        match self.policy() {
            ErrorPolicy::Exit => Err(error),
            ErrorPolicy::Continue => {
                say::error(format_args!("going on without telemetry: {}", chain(&error).join(": ")));
                Ok(None)
            }
        }
    }

    /// The process of an internal extension is the function's, and not ours to end.
    pub(crate) fn policy(&self) -> ErrorPolicy {
        if self.kind == Kind::Internal { ErrorPolicy::Continue } else { self.on_error }
    }

    /// On Managed Instances the environment is never frozen, and several invocations go on at once.
    pub(crate) fn is_managed(&self) -> bool {
        self.initialization == Initialization::ManagedInstances
    }

    /// Whether a refused registration may be tried again without INVOKE. Managed Instances that do not say what they are
    /// refuse that, and the refusal leaves the extension unregistered, so that it can ask for less.
    pub(crate) fn may_ask_for_less(&self, events: &[EventType], refusal: &ApiError) -> bool {
        refusal.is("Extension.InvalidEventType")
            && events.contains(&EventType::Invoke)
            // That one is for an external extension under a wrong name, which no other events would help.
            && !refusal.says("ShutdownEventNotSupported")
    }

    /// What to register for, by the rules of the kind of extension and of environment.
    pub(crate) fn registered_events(&self) -> Vec<EventType> {
        let allowed = |event: &EventType| match event {
            EventType::Invoke => !self.is_managed(),
            EventType::Shutdown => self.kind == Kind::External,
        };
        let wanted = self.events.as_deref().unwrap_or(&[EventType::Invoke, EventType::Shutdown]);
        wanted.iter().copied().filter(allowed).collect()
    }
}

fn not_in_lambda(variable: impl Fn(&str) -> Option<OsString>) -> ExtensionError {
    let speaking: Vec<_> = SPEAK_OF_LAMBDA.into_iter().filter(|name| variable(name).is_some()).collect();
    let first = match speaking.join(" and ") {
        names if names.is_empty() => names,
        names => format!("unset {names}, which even when empty would stand for Lambda, and "),
    };
    ExtensionError::config(format!(
        "AWS_LAMBDA_RUNTIME_API is not set, so this process was not started by Lambda, which runs extensions from \
         /opt/extensions. To try one here, {first}use `cargo run --features lambda_extension/simulator`; or run it \
         under `lambda-sim`"
    ))
}

/// Says what is wrong with a subscription, before a listener is opened for it.
pub(crate) fn validate_subscription(subscription: &Subscription) -> Result<(), ExtensionError> {
    let wrong = if subscription.categories().next().is_none() {
        "the subscription to telemetry is empty, and nothing would come; name at least one `Category`, or leave the \
         subscription out"
    } else if subscription.port == Some(RUNTIME_API_PORT) {
        "telemetry cannot be delivered to port 9001, which is Lambda's own; leave `Subscription::port` out to get a \
         free one, or choose another"
    } else {
        return Ok(());
    };
    Err(ExtensionError::config(wrong))
}

/// The name an extension has if nobody says otherwise, for those who need it before there is a configuration.
#[cfg(feature = "logging")]
pub(crate) fn name_from_env() -> Option<String> {
    let set = env::var(NAME).ok().filter(|name| !name.is_empty());
    set.or_else(|| file_name(env::args_os().next().as_deref()).ok())
}

/// The name Lambda knows an extension by: that of the file it started. Not of the executable that `argv[0]` leads
/// to, since a symbolic link is an extension of its own.
fn file_name(program: Option<&OsStr>) -> Result<String, ExtensionError> {
    program
        .and_then(|program| Path::new(program).file_name())
        .and_then(OsStr::to_str)
        .map(ToOwned::to_owned)
        .ok_or_else(|| {
            ExtensionError::config(
                "argv[0] is no file name to register under; set LAMBDA_EXTENSION_NAME to the name of the file in /opt/extensions",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Category;

    fn config(variables: &[(&str, &str)], program: &str) -> Result<Config, ExtensionError> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        Config::from_variables(variable, Some(OsString::from(program)))
    }

    #[test]
    fn the_name_is_the_file_name_of_the_program() {
        let api = (RUNTIME_API, "127.0.0.1:9001");
        assert_eq!(config(&[api], "/opt/extensions/my-ext.sh").unwrap().name, "my-ext.sh");
        assert_eq!(config(&[api, (NAME, "other")], "/opt/extensions/my-ext").unwrap().name, "other");
        assert_eq!(config(&[api, (NAME, "")], "/opt/extensions/my-ext").unwrap().name, "my-ext");
        let error = config(&[api], "..").unwrap_err().to_string();
        assert!(error.contains("LAMBDA_EXTENSION_NAME"), "{error}");
    }

    /// It goes into a header, which the call for the registration would otherwise fail to make, and say nothing of the name.
    #[test]
    fn a_name_that_cannot_be_registered_is_refused_as_such() {
        let config = Config::new("127.0.0.1:9001").unwrap();
        for name in ["/opt/extensions/my-ext", "my-\next", "café"] {
            let error = config.clone().name(name).validate().unwrap_err().to_string();
            assert!(error.contains(&format!("{name:?} is no name")), "{error}");
        }
        assert!(config.name("my ext.sh").validate().is_ok());
    }

    #[test]
    fn a_name_that_is_empty_is_said_to_be_empty() {
        let error = Config::new("127.0.0.1:9001").unwrap().name(" ").validate().unwrap_err().to_string();
        assert!(error.contains("the extension's name is empty"), "{error}");
    }

    #[test]
    fn what_the_attribute_refuses_is_refused_here_too() {
        let config = Config::new("127.0.0.1:9001").unwrap().name("my-ext");
        for (interval, works) in
            [(Duration::ZERO, false), (Duration::from_micros(999), false), (Duration::from_millis(1), true)]
        {
            let validated = config.clone().flush(FlushStrategy::Periodic(interval)).validate();
            let refused = validated.map_err(|error| error.to_string()).err();
            assert_eq!(refused.is_none(), works, "{interval:?}: {refused:?}");
            assert!(refused.is_none_or(|refused| refused.contains("at least 1 millisecond")));
        }
    }

    #[tokio::test]
    async fn a_subscription_that_cannot_work_is_refused_before_anything_is_asked() {
        let config = Config::new("127.0.0.1:9").unwrap().name("my-ext");
        for (subscription, said) in [
            (Subscription::new([]), "name at least one `Category`"),
            (Subscription::new([Category::Function]).port(9001), "port 9001, which is Lambda's own"),
        ] {
            let error = config.clone().telemetry(subscription).register().await.unwrap_err();
            assert!(matches!(&error, ExtensionError::Config(reason) if reason.contains(said)), "{error}");
        }
    }

    #[test]
    fn a_process_that_lambda_did_not_start_is_told_so() {
        let error = config(&[], "/bin/ext").unwrap_err().to_string();
        assert!(error.contains("AWS_LAMBDA_RUNTIME_API is not set"), "{error}");
        assert!(error.contains("`cargo run --features lambda_extension/simulator`"), "{error}");
        assert!(!error.contains("unset"), "{error}");
    }

    /// With them no local Lambda is started, so what to do without them is no help.
    #[test]
    fn variables_that_speak_of_lambda_are_named() {
        for name in SPEAK_OF_LAMBDA {
            let error = config(&[(name, "")], "/bin/ext").unwrap_err().to_string();
            assert!(error.contains(&format!("unset {name},")), "{error}");
        }
        let both = [("LAMBDA_TASK_ROOT", "/var/task"), ("AWS_LAMBDA_FUNCTION_NAME", "orders")];
        let error = config(&both, "/bin/ext").unwrap_err().to_string();
        assert!(error.contains("unset AWS_LAMBDA_FUNCTION_NAME and LAMBDA_TASK_ROOT,"), "{error}");
    }

    #[test]
    fn the_api_address_may_have_scheme_and_path() {
        for address in ["127.0.0.1:9001", "http://127.0.0.1:9000/.rt/function", "localhost:80", "[::1]:9001"]
        {
            assert!(Config::new(address).is_ok(), "{address}");
        }
        let error = Config::new(" ").unwrap_err().to_string();
        assert!(error.contains("the address of Lambda's API is empty"), "{error}");
        for address in ["https://127.0.0.1", "http://", "127.0.0.1:port", "ftp://x"] {
            let error = Config::new(address).unwrap_err().to_string();
            assert!(error.contains(&format!("`{address}`")), "{address}: {error}");
        }
    }

    /// It would go into the `host` header of every call, and into the text of every error.
    #[test]
    fn an_address_with_a_password_is_refused_and_the_password_not_told() {
        for address in [
            "http://user:long-password@127.0.0.1:9001/path",
            "user:long-password@127.0.0.1:9001",
            "user@127.0.0.1:9001",
            "https://user:long-password@127.0.0.1",
            "user:long-password@127.0.0.1:port",
            "http://user:long-password with a@blank@127.0.0.1:9001",
        ] {
            let error = format!("{:?}", Config::new(address).unwrap_err());
            assert!(error.contains("@127.0.0.1"), "{address}: {error}");
            assert!(!error.contains("password@") && !error.contains("long-password"), "{address}: {error}");
        }
    }

    #[test]
    fn what_is_registered_follows_kind_and_environment() {
        let config = Config::new("127.0.0.1:9001").unwrap();
        assert_eq!(config.registered_events(), [EventType::Invoke, EventType::Shutdown]);
        assert_eq!(config.clone().internal().registered_events(), [EventType::Invoke]);
        let managed = Config { initialization: Initialization::ManagedInstances, ..config };
        assert_eq!(managed.registered_events(), [EventType::Shutdown]);
        assert_eq!(managed.internal().registered_events(), []);
    }
}
