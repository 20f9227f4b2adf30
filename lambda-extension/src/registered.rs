//! An extension that Lambda has registered and that does not run yet.

use crate::{
    config::{Config, Initialization, validate_subscription},
    error::{Error, ExtensionError},
    event::EventType,
    extension::Extension,
    flush::FlushStrategy,
    handle::Handle,
    registration::Registration,
    runtime::{self, Parts},
    say,
    telemetry::stream::{Stream, Terms},
};

/// An extension that Lambda has registered, and that must now be run: Lambda waits for it to ask for its first event.
///
/// ```no_run
/// # struct MyExtension { table: String }
/// # impl lambda_extension::Extension for MyExtension {}
/// # async fn example() -> Result<(), lambda_extension::Error> {
/// use lambda_extension::{Config, Error};
///
/// let registered = Config::from_env()?.register().await?;
/// println!("beside {}", registered.registration().function_name);
/// // The function's runtime starts now, so this is the time for slow preparations.
/// registered.run_with(async |registration| Ok::<_, Error>(MyExtension { table: registration.function_name })).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an extension that does not ask for events holds every invocation to its timeout: run it"]
pub struct Registered {
    /// `None` once it runs.
    parts: Option<Parts>,
    registration: Registration,
}

impl Config {
    /// Registers the extension.
    ///
    /// For those who need something between registering and running: the [`Registration`](crate::Registration), or a
    /// runtime to start beside an internal extension.
    ///
    /// What the extension's type asks for ([`Extension::defaults`]) is not known yet. It registers for the events of this configuration,
    /// which are both unless it says otherwise; telemetry that only the type asks for is subscribed to in [`Registered::run`].
    ///
    /// # Errors
    ///
    /// [`ExtensionError`], saying which step failed. The process should exit then: Lambda fails Init either way.
    pub async fn register(self) -> Result<Registered, ExtensionError> {
        Registered::register(self).await
    }

    /// Registers and runs this extension until SHUTDOWN.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register) and [`Registered::run`].
    pub async fn run<E: Extension>(self, extension: E) -> Result<(), ExtensionError> {
        self.with_defaults::<E>().register().await?.run(extension).await
    }
}

impl Registered {
    pub(crate) async fn register(mut config: Config) -> Result<Self, ExtensionError> {
        config.validate()?;
        let mut events = config.registered_events();
        let handle = Handle::default();
        // Before registering: Lambda may start the function at once, and everybody's time is short from then on.
        let stream = open_stream(&config, &events, &handle).await?;
        let registration = match config.client.register(&config.name, &events).await {
            Err(ExtensionError::Register { source, .. }) if config.may_ask_for_less(&events, &source) => {
                say::warn(format_args!("Lambda refuses INVOKE, as Managed Instances do ({source}); registering without it, so `on_invoke` is not called"));
                config.initialization = Initialization::ManagedInstances;
                events = config.registered_events();
                config.client.register(&config.name, &events).await?
            }
            other => other?,
        }
        .with_handle(handle);
        Ok(Self {
            registration: registration.clone(),
            parts: Some(Parts { config, events, registration, stream: Ok(stream) }),
        })
    }

    /// What Lambda answered.
    #[must_use]
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// Runs the extension until SHUTDOWN, and returns when its last hook has: the process should end then, since Lambda
    /// bills the time until it does. Run as an [internal](Config::internal) extension this does not return, because
    /// Lambda tells those of no SHUTDOWN.
    ///
    /// # Errors
    ///
    /// [`ExtensionError::NextEvent`] when the poll breaks, and under [`ErrorPolicy::Exit`](crate::ErrorPolicy::Exit) whatever failed. It has been
    /// reported to Lambda already; the process should exit with another code than 0.
    pub async fn run<E: Extension>(self, extension: E) -> Result<(), ExtensionError> {
        runtime::run(self.parts::<E>().await, extension).await
    }

    /// Makes the extension and [runs](Self::run) it. `construct` may take its time: the function's runtime starts meanwhile. It
    /// is bounded by [`Config::init_timeout`]; its failure is an init error.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_with<E, F, Fut, Err>(self, construct: F) -> Result<(), ExtensionError>
    where
        E: Extension,
        F: FnOnce(Registration) -> Fut + Send,
        Fut: Future<Output = Result<E, Err>> + Send,
        Err: Into<Error>,
    {
        runtime::run_with(self.parts::<E>().await, construct).await
    }

    /// What there is to run an extension of this type with.
    async fn parts<E: Extension>(mut self) -> Parts {
        let mut parts = self.parts.take().expect("only this takes the parts, and it takes `self` too");
        let undecided = parts.config.telemetry.is_none();
        parts.config = parts.config.with_defaults::<E>();
        if undecided {
            parts.stream = open_stream(&parts.config, &parts.events, &parts.registration.handle()).await;
        }
        parts
    }
}

/// Opens the stream of telemetry, if it is wanted. Where that fails, the extension goes without, unless failures are to end it.
async fn open_stream(
    config: &Config,
    events: &[EventType],
    handle: &Handle,
) -> Result<Option<Stream>, ExtensionError> {
    let Some(subscription) = &config.telemetry else { return Ok(None) };
    validate_subscription(subscription)?;
    let at_end = matches!(config.flush_strategy(events), FlushStrategy::End | FlushStrategy::Adaptive);
    let terms = Terms {
        name: &config.name,
        gated: at_end && !config.is_managed() && events.contains(&EventType::Invoke),
        managed: config.is_managed(),
        loopback: config.loopback,
    };
    match (subscription.open)(subscription, terms, handle.clone()).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => config.without_telemetry(error, handle),
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if self.parts.is_some() {
            say::error(format_args!(
                "a registered extension was dropped without being run: it will never ask for an event, and Lambda holds \
                 every invocation to its timeout. Call `run` on what `register` returns"
            ));
        }
    }
}
