//! What users write: the [`Extension`] trait, or one async function.

use std::{fmt, marker::PhantomData};

use crate::{
    error::Error,
    event::{EventType, FlushEvent, InvokeEvent, NextEvent, RestoreEvent, ShutdownEvent},
    registration::Registration,
    telemetry::{Batch, Category, Subscription},
};

/// An AWS Lambda extension: hooks that the event loop calls, one at a time, in the order of the extension's life.
///
/// Every hook has a default that does nothing, so that you write only those you need, as plain `async fn`. Because one
/// hook runs at a time, each has `&mut self`, and no lock is needed.
///
/// | hook | when | may do I/O |
/// |---|---|---|
/// | [`on_init`](Self::on_init) | once, after registering, before the first invocation | yes |
/// | [`on_invoke`](Self::on_invoke) | an invocation begins; the function runs at the same time | yes |
/// | [`on_telemetry`](Self::on_telemetry) | a batch of logs and platform events has come | **no**: keep it |
/// | [`on_flush`](Self::on_flush) | now is the time to send what was kept | yes |
/// | [`on_restore`](Self::on_restore) | once, after a SnapStart restore, before all else | yes |
/// | [`on_shutdown`](Self::on_shutdown) | the end | yes |
///
/// # Freezing
///
/// When everybody waits for the next event, Lambda may freeze the environment in the middle of anything, for
/// hours. The loop calls `on_telemetry` then, which is why that hook should only keep what it is given; I/O belongs in
/// `on_flush`, which is called only while an invocation or SHUTDOWN holds the environment.
///
/// # Failure
///
/// A hook that returns an error or panics is logged and counted, and the function is not harmed, unless
/// [`ErrorPolicy::Exit`](crate::ErrorPolicy::Exit) is set. Only after a failed `on_init` no other hook is called: the
/// process stays, as a no-op, until SHUTDOWN.
///
/// # Cancellation
///
/// Every hook has a bound. A hook that still runs then is dropped at its `.await`, and what it had moved out of `self`
/// by then is lost. So look, send, then remove:
///
/// ```
/// # use lambda_extension::{Error, Extension, FlushEvent};
/// # #[derive(Default)] struct Shipper { lines: Vec<String> }
/// # async fn send(_: &[String]) -> Result<(), Error> { Ok(()) }
/// impl Extension for Shipper {
///     async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
///         send(&self.lines).await?; // dropped here, or failed: the lines are still there
///         self.lines.clear();
///         Ok(())
///     }
/// }
/// ```
///
/// A hook that blocks its thread instead of awaiting cannot be dropped, and holds the invocation until the function
/// times out; one that returns too late is named in the log, once. Use `tokio::task::spawn_blocking` for such work.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Lambda extension",
    label = "this has no `impl lambda_extension::Extension`",
    note = "write `impl lambda_extension::Extension for {Self} {{ … }}` with the hooks you need, or wrap an async function: `lambda_extension::extension_fn(my_function)`"
)]
pub trait Extension: Send {
    /// What an extension of this type registers for and subscribes to where [`Config`](crate::Config) does not say.
    ///
    /// INVOKE and SHUTDOWN, and no telemetry, unless the type says otherwise. A function of the type and not of a value, because
    /// an extension that is made by a constructor does not exist yet when it is registered.
    ///
    /// ```
    /// use lambda_extension::telemetry::{Category, Subscription};
    /// use lambda_extension::{Defaults, Extension};
    ///
    /// struct Shipper;
    ///
    /// impl Extension for Shipper {
    ///     fn defaults() -> Defaults {
    ///         Defaults::default().telemetry(Subscription::new([Category::Function]))
    ///     }
    /// }
    /// ```
    #[must_use]
    fn defaults() -> Defaults
    where
        Self: Sized,
    {
        Defaults::default()
    }

    /// Called once, after the extension was registered and subscribed and before it asks for its first event. Lambda starts the
    /// function's runtime meanwhile, so this is the place for slow preparations: they cost what they take beyond the
    /// function's own start. Init is not over before this returns.
    ///
    /// Bounded by [`Config::init_timeout`](crate::Config::init_timeout), together with the constructor. If it fails, no other hook is
    /// called; under [`ErrorPolicy::Exit`](crate::ErrorPolicy::Exit) Init fails.
    ///
    /// ```
    /// # use lambda_extension::{Error, Extension, Handle, Registration};
    /// #[derive(Default)]
    /// struct Agent {
    ///     function: String,
    ///     handle: Handle,
    /// }
    ///
    /// impl Extension for Agent {
    ///     async fn on_init(&mut self, registration: &Registration) -> Result<(), Error> {
    ///         self.function = registration.function_name.clone();
    ///         self.handle = registration.handle();
    ///         Ok(())
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let mut agent = Agent::default();
    /// // In a test:
    /// agent.on_init(&Registration::new("orders")).await.unwrap();
    /// assert_eq!(agent.function, "orders");
    /// # }
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropped at its bound like every hook, see [above](#cancellation).
    fn on_init(&mut self, registration: &Registration) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = registration;
        async { Ok(()) }
    }

    /// Called when an invocation begins. The function runs at the same time, so this is not the place to wait for
    /// what the function does: its logs and its end come through `on_telemetry`, and the loop waits for them. No other hook runs
    /// meanwhile, and the next event is not asked for before this returns; so it costs what it takes beyond the function. Never
    /// called on Managed Instances, and only if INVOKE is registered.
    ///
    /// ```
    /// # use lambda_extension::{Error, Extension, InvokeEvent};
    /// struct Printer;
    ///
    /// impl Extension for Printer {
    ///     async fn on_invoke(&mut self, event: InvokeEvent) -> Result<(), Error> {
    ///         println!("{}, {:?} left", event.request_id, event.remaining());
    ///         Ok(())
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // In a test:
    /// Printer.on_invoke(InvokeEvent::new("8f60e725")).await.unwrap();
    /// # }
    /// ```
    ///
    /// Bounded by the function's deadline less a margin of a tenth of what remains, at least 50 ms and at most 500 ms; and
    /// by [`Config::max_hold`](crate::Config::max_hold) from the function's end, where that is known.
    ///
    /// # Cancellation
    ///
    /// Dropped at its bound like every hook, see [above](#cancellation).
    fn on_invoke(&mut self, event: InvokeEvent) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = event;
        async { Ok(()) }
    }

    /// Called with each batch of telemetry, at any time between `on_init` and `on_shutdown`, also while Lambda may freeze
    /// the environment. Keep what you need and return; send it in `on_flush`. Batches queue up while
    /// this runs, and the queue has an end: a hook that is slower than the function writes loses telemetry, here
    /// ([`Metrics::dropped_batches`](crate::Metrics::dropped_batches)) or in Lambda
    /// ([`Metrics::platform_dropped_records`](crate::Metrics::platform_dropped_records)).
    ///
    /// The batch has what the extension subscribed to, without the lines it logged itself by [`logging`](crate::logging). One that Lambda
    /// delivers again after a lost answer comes again.
    ///
    /// ```
    /// # use lambda_extension::{Error, Extension};
    /// use lambda_extension::telemetry::{Batch, Record};
    ///
    /// #[derive(Default)]
    /// struct Counter {
    ///     lines: usize,
    /// }
    ///
    /// impl Extension for Counter {
    ///     async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
    ///         self.lines += batch.events().filter(|event| matches!(event.record, Record::Function(_))).count();
    ///         Ok(())
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let mut counter = Counter::default();
    /// // In a test:
    /// let batch = Batch::from_json(r#"[{"time":"","type":"function","record":"hello\n"}]"#);
    /// counter.on_telemetry(batch).await.unwrap();
    /// assert_eq!(counter.lines, 1);
    /// # }
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropped at the bound of the invocation it runs in, see [above](#cancellation): a hook that only keeps
    /// things never is.
    fn on_telemetry(&mut self, batch: Batch) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = batch;
        async { Ok(()) }
    }

    /// Called when the [`FlushStrategy`](crate::FlushStrategy) says that what was gathered should be sent now. The
    /// environment is held, and billed, until this returns.
    ///
    /// With [`FlushStrategy::End`](crate::FlushStrategy::End) everything the function logged in this invocation has been handed to
    /// `on_telemetry` before. It is called even if there is nothing to send. If it fails, or is dropped, the next one comes as usual:
    /// nothing is called again for it.
    ///
    /// Bounded by [`Config::max_hold`](crate::Config::max_hold) from the function's end; in SHUTDOWN by two thirds of what
    /// is left of its deadline. [`FlushEvent::remaining`] says what that leaves, for a client with a timeout of its own.
    ///
    /// # Cancellation
    ///
    /// Dropped at its bound like every hook, see [above](#cancellation).
    fn on_flush(&mut self, event: FlushEvent) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = event;
        async { Ok(()) }
    }

    /// Called once in an environment that was restored from a SnapStart snapshot, before the hook for its first
    /// event. What was made before the snapshot is stale: connections, credentials, caches, unique ids, random seeds.
    ///
    /// Lambda does not tell extensions of a restore. With `AWS_LAMBDA_INITIALIZATION_TYPE=snap-start` the snapshot is
    /// taken while everybody waits for the first event, so the first event follows a restore. No telemetry is handed on before this
    /// has returned.
    ///
    /// # Cancellation
    ///
    /// Dropped at the bound of the invocation it runs in, see [above](#cancellation).
    fn on_restore(&mut self, event: RestoreEvent) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = event;
        async { Ok(()) }
    }

    /// Called last, after the last telemetry was handed on and flushed; also when those failed. The process ends when it returns, and
    /// what is left of the two seconds is not billed. Not called if SHUTDOWN is not registered, for an internal extension, or
    /// if Lambda has no time to ask: what must not be lost is flushed before.
    ///
    /// Bounded by SHUTDOWN's deadline less a margin of a tenth of what remains, at least 50 ms and at most 500 ms; Lambda gives
    /// external extensions 2 s in all.
    ///
    /// # Cancellation
    ///
    /// Dropped at its bound like every hook, see [above](#cancellation).
    fn on_shutdown(&mut self, event: ShutdownEvent) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = event;
        async { Ok(()) }
    }
}

/// What a type of extension registers for and subscribes to, where nobody says otherwise: the answer of [`Extension::defaults`].
///
/// How an extension flushes, and what it may hold an invocation for, is for whoever runs it to say: [`Config::flush`](crate::Config::flush), or
/// `flush` of the attribute [`main`](macro@crate::main).
///
/// ```
/// use lambda_extension::telemetry::{Category, Subscription};
/// use lambda_extension::{Defaults, EventType};
///
/// let quiet = Defaults::default().events([EventType::Shutdown]);
/// let logs = Defaults::default().telemetry(Subscription::new([Category::Function]));
/// # let _ = (quiet, logs);
/// ```
#[derive(Clone, Debug)]
pub struct Defaults {
    pub(crate) events: Vec<EventType>,
    pub(crate) telemetry: Option<Subscription>,
}

impl Default for Defaults {
    /// INVOKE and SHUTDOWN (without SHUTDOWN Lambda kills the extension unannounced), and no telemetry.
    fn default() -> Self {
        Self { events: vec![EventType::Invoke, EventType::Shutdown], telemetry: None }
    }
}

impl Defaults {
    /// The same defaults with these events. Without INVOKE Lambda waits for the extension in no invocation, and may freeze it at any
    /// time; without SHUTDOWN it is killed at the end.
    #[must_use]
    pub fn events(mut self, events: impl IntoIterator<Item = EventType>) -> Self {
        self.events = events.into_iter().collect();
        self
    }

    /// The same defaults with this subscription. [`Config::telemetry`](crate::Config::telemetry) replaces it.
    #[must_use]
    pub fn telemetry(mut self, subscription: Subscription) -> Self {
        self.telemetry = Some(subscription);
        self
    }
}

/// An extension made of one async function.
///
/// What the function takes decides what it is called with, and what is registered and subscribed:
///
/// | argument | called for | registers | subscribes to |
/// |---|---|---|---|
/// | [`NextEvent`] | both events | INVOKE, SHUTDOWN | |
/// | [`InvokeEvent`] | INVOKE | INVOKE, SHUTDOWN | |
/// | [`ShutdownEvent`] | SHUTDOWN | SHUTDOWN | |
/// | [`Batch`] | telemetry | INVOKE, SHUTDOWN | `platform`, `function` |
///
/// A closure says what its errors are in its last line:
///
/// ```
/// use lambda_extension::{Error, InvokeEvent, extension_fn};
///
/// let mut invocations = 0;
/// let extension = extension_fn(move |event: InvokeEvent| {
///     invocations += 1;
///     let line = format!("invocation {invocations}: {event}");
///     async move {
///         println!("{line}");
///         Ok::<_, Error>(())
///     }
/// });
/// # let _ = lambda_extension::run(extension);
/// ```
// Of a type that names `F`, a future that holds it has to show again that `Err` is fit, which the compiler then asks for every lifetime
// (rust-lang/rust#64552): it would refuse `spawn(async { config.run(extension_fn(|event| …)).await })`.
pub fn extension_fn<F, E, Fut, Err>(function: F) -> impl Extension + fmt::Debug
where
    F: FnMut(E) -> Fut + Send,
    E: HandlerEvent,
    Fut: Future<Output = Result<(), Err>> + Send,
    Err: Into<Error>,
{
    ExtensionFn { function, event: PhantomData }
}

struct ExtensionFn<F, E> {
    function: F,
    event: PhantomData<fn(E)>,
}

impl<F, E> fmt::Debug for ExtensionFn<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtensionFn").finish_non_exhaustive()
    }
}

impl<F, E, Fut, Err> ExtensionFn<F, E>
where
    F: FnMut(E) -> Fut + Send,
    Fut: Future<Output = Result<(), Err>> + Send,
    Err: Into<Error>,
{
    async fn call(&mut self, event: Option<E>) -> Result<(), Error> {
        match event {
            Some(event) => (self.function)(event).await.map_err(Into::into),
            None => Ok(()),
        }
    }
}

impl<F, E, Fut, Err> Extension for ExtensionFn<F, E>
where
    F: FnMut(E) -> Fut + Send,
    E: HandlerEvent,
    Fut: Future<Output = Result<(), Err>> + Send,
    Err: Into<Error>,
{
    fn defaults() -> Defaults {
        E::defaults()
    }

    fn on_invoke(&mut self, event: InvokeEvent) -> impl Future<Output = Result<(), Error>> + Send {
        self.call(E::from_invoke(event))
    }

    fn on_telemetry(&mut self, batch: Batch) -> impl Future<Output = Result<(), Error>> + Send {
        self.call(E::from_batch(batch))
    }

    fn on_shutdown(&mut self, event: ShutdownEvent) -> impl Future<Output = Result<(), Error>> + Send {
        self.call(E::from_shutdown(event))
    }
}

/// What the one function of [`extension_fn`] and of [`#[main]`](crate::main) can take.
#[diagnostic::on_unimplemented(
    message = "an extension's function cannot take `{Self}`",
    label = "not an event",
    note = "it takes one of `NextEvent`, `InvokeEvent`, `ShutdownEvent` and `telemetry::Batch`"
)]
pub trait HandlerEvent: sealed::Sealed + Send + Sized {
    #[doc(hidden)]
    fn defaults() -> Defaults {
        Defaults::default()
    }
    #[doc(hidden)]
    fn from_invoke(event: InvokeEvent) -> Option<Self> {
        let _ = event;
        None
    }
    #[doc(hidden)]
    fn from_shutdown(event: ShutdownEvent) -> Option<Self> {
        let _ = event;
        None
    }
    #[doc(hidden)]
    fn from_batch(batch: Batch) -> Option<Self> {
        let _ = batch;
        None
    }
}

impl HandlerEvent for NextEvent {
    fn from_invoke(event: InvokeEvent) -> Option<Self> {
        Some(Self::Invoke(event))
    }
    fn from_shutdown(event: ShutdownEvent) -> Option<Self> {
        Some(Self::Shutdown(event))
    }
}

impl HandlerEvent for InvokeEvent {
    fn from_invoke(event: InvokeEvent) -> Option<Self> {
        Some(event)
    }
}

impl HandlerEvent for ShutdownEvent {
    fn defaults() -> Defaults {
        Defaults::default().events([EventType::Shutdown])
    }
    fn from_shutdown(event: ShutdownEvent) -> Option<Self> {
        Some(event)
    }
}

impl HandlerEvent for Batch {
    fn defaults() -> Defaults {
        Defaults::default().telemetry(Subscription::new([Category::Platform, Category::Function]))
    }
    fn from_batch(batch: Batch) -> Option<Self> {
        Some(batch)
    }
}

mod sealed {
    use super::{Batch, InvokeEvent, NextEvent, ShutdownEvent};

    pub trait Sealed {}
    impl Sealed for NextEvent {}
    impl Sealed for InvokeEvent {}
    impl Sealed for ShutdownEvent {}
    impl Sealed for Batch {}
}
