//! What hooks and background tasks can ask of the event loop while it runs.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, watch};

use crate::{id::RequestId, telemetry::Batch};

/// A connection to the event loop, to keep and to clone; from [`Registration::handle`](crate::Registration::handle).
///
/// Hooks need none of it; a task that runs beside them, such as a server for the function to call, does. Its methods wait for nothing and
/// can be called from any thread. One made by `default` is connected to no loop, and is of use in tests.
///
/// ```
/// use lambda_extension::{Error, Extension, Handle, Registration};
///
/// #[derive(Default)]
/// struct Agent {
///     handle: Handle,
/// }
///
/// impl Extension for Agent {
///     async fn on_init(&mut self, registration: &Registration) -> Result<(), Error> {
///         self.handle = registration.handle();
///         let handle = registration.handle();
///         tokio::spawn(async move {
///             // … something that should not wait for the strategy has come:
///             handle.request_flush();
///         });
///         Ok(())
///     }
/// }
/// # assert_eq!(Agent::default().handle.metrics().invocations, 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    metrics: Mutex<Metrics>,
    invocation: Mutex<Option<RequestId>>,
    flush_requested: AtomicBool,
    flush_request: Notify,
    stopping: watch::Sender<bool>,
}

/// What the event loop has counted since the process started, so that nobody needs a log line for it; from [`Handle::metrics`].
///
/// A healthy extension has zero in `errors`, `panics`, `cancelled`, `flushes_skipped` and everything that is dropped. `held` is what it
/// costs the function's owner. Every record that the telemetry listener accepted is in exactly one of [`records`](Self::records),
/// [`filtered_records`](Self::filtered_records) and [`dropped_records`](Self::dropped_records), or still in the queue. Times are
/// counted when what they measure is over.
///
/// ```
/// use lambda_extension::Metrics;
///
/// fn is_healthy(metrics: &Metrics) -> bool {
///     metrics.errors + metrics.panics + metrics.cancelled + metrics.dropped_batches == 0
/// }
/// assert!(is_healthy(&Metrics::default()));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// INVOKE events received.
    pub invocations: u64,
    /// Events of a type that this version does not know, which were passed over.
    pub unknown_events: u64,

    /// Telemetry batches handed to `on_telemetry`.
    pub batches: u64,
    /// Telemetry records handed to `on_telemetry`.
    pub records: u64,
    /// The size of those batches as they were delivered, in bytes, with what is filtered out of them.
    pub bytes: u64,
    /// Telemetry records that are not for the extension: its own log lines, and platform events that only the loop wanted.
    pub filtered_records: u64,
    /// Telemetry batches that were not handed on: the queue was full, the extension had failed, time was up, or
    /// they could not be received whole. Lambda delivers those last ones again, and each time counts.
    pub dropped_batches: u64,
    /// The records in those batches, as far as they could be counted: of a batch that was not received whole, none.
    pub dropped_records: u64,
    /// Records that Lambda says it dropped itself (`platform.logsDropped`).
    pub platform_dropped_records: u64,
    /// The most that ever waited for `on_telemetry`, in bytes. At 4 MiB the next batch waits for a second, and is dropped.
    pub longest_queue: u64,
    /// Subscriptions that did not come about, because there was no listener or because Lambda refused. The extension goes on
    /// without telemetry.
    pub failed_subscriptions: u64,

    /// Calls to `on_flush` that succeeded.
    pub flushed: u64,
    /// Flushes that were due but were left out, because the time for them was up before they could start.
    pub flushes_skipped: u64,
    /// How long `on_flush` took, in all, whether or not it succeeded.
    pub flushing: Duration,
    /// The longest such time.
    pub longest_flush: Duration,

    /// Hooks, and constructors, that returned an error.
    pub errors: u64,
    /// Hooks, and constructors, that panicked.
    pub panics: u64,
    /// Hooks, and constructors, that were still running at their bound, and were dropped.
    pub cancelled: u64,

    /// Invocations that met their bound without having seen their `platform.runtimeDone`.
    pub missed_runtime_done: u64,
    /// How long, in all, the next event was held back after the function was done, as far as the loop knows when that was.
    /// Lambda bills that time.
    pub held: Duration,
    /// The longest such time.
    pub longest_hold: Duration,
}

impl Handle {
    /// What was counted so far: a copy, which does not change any more. Costs the locking of a mutex that nobody holds for long.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        *self.shared.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The invocation that goes on now. `None` between two invocations, and always on Lambda Managed Instances, where
    /// several go on at once and an extension is told of none.
    #[must_use]
    pub fn current_invocation(&self) -> Option<RequestId> {
        self.shared.invocation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for a flush, whatever the [`FlushStrategy`](crate::FlushStrategy). It comes before the loop asks for
    /// the next event: at the end of this invocation, or of the next one when none goes on. On Lambda Managed Instances, where
    /// nothing is frozen, it comes at once.
    pub fn request_flush(&self) {
        self.shared.flush_requested.store(true, Ordering::Relaxed);
        self.shared.flush_request.notify_one();
    }

    /// Resolves once SHUTDOWN has come, or has already come: the sign for background tasks to finish.
    ///
    /// ```
    /// # async fn example(registration: lambda_extension::Registration) {
    /// let stopping = registration.handle().stopping();
    /// tokio::spawn(async move {
    ///     stopping.await;
    ///     // Close what the task holds.
    /// });
    /// # }
    /// ```
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopping = self.shared.stopping.subscribe();
        // Held, so that the channel stays open for as long as somebody waits on it.
        let shared = Arc::clone(&self.shared);
        async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
            drop(shared);
        }
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Metrics)) {
        change(&mut self.shared.metrics.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A batch was not handed on; `None` if it was not received whole.
    pub(crate) fn count_dropped(&self, batch: Option<&Batch>) {
        let records = batch.map_or(0, Batch::len);
        self.count(|metrics| {
            metrics.dropped_batches += 1;
            metrics.dropped_records += records as u64;
        });
    }

    pub(crate) fn set_invocation(&self, invocation: Option<RequestId>) {
        *self.shared.invocation.lock().unwrap_or_else(PoisonError::into_inner) = invocation;
    }

    pub(crate) fn take_flush_request(&self) -> bool {
        self.shared.flush_requested.swap(false, Ordering::Relaxed)
    }

    /// Resolves when a flush is asked for.
    pub(crate) async fn flush_requested(&self) {
        self.shared.flush_request.notified().await;
    }

    pub(crate) fn stop(&self) {
        self.shared.stopping.send_replace(true);
    }
}
