//! The event loop: subscribe, construct, initialise, then event after event until SHUTDOWN.

use std::{fmt::Display, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Instrument, Span};

use crate::{
    client::Subscribed,
    config::{Config, ErrorPolicy, Initialization, Kind},
    contain::drop_contained,
    error::{Error, ExtensionError, Hook, HookError, chain},
    event::{EventType, FlushEvent, FlushReason, InvokeEvent, NextEvent, RestoreEvent, ShutdownEvent},
    extension::Extension,
    flush::{self, Decision},
    handle::Handle,
    hook::{Call, Contained},
    id::RequestId,
    inbox::{Happening, Inbox},
    registration::Registration,
    say,
    telemetry::{
        Batch,
        feedback::{Feedback, Verdict},
        intake::Batches,
        listener::Listener,
        stream::Stream,
    },
};

/// In SHUTDOWN, telemetry is taken to be complete when none has come for this long.
const QUIET: Duration = Duration::from_millis(30);
/// How long Lambda may take to accept the report of an error, before the process leaves without.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);
/// A hook that ends so long after its bound did not let the timer fire: more than a slow processor explains.
const BLOCKED: Duration = Duration::from_millis(200);

/// A registered extension, ready to be run.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) events: Vec<EventType>,
    pub(crate) registration: Registration,
    /// Where telemetry comes in, if it is wanted and could be opened; an error where that ends the extension.
    pub(crate) stream: Result<Option<Stream>, ExtensionError>,
}

/// Runs a registered extension to its end, and reports to Lambda if it fails.
pub(crate) async fn run<E: Extension>(parts: Parts, extension: E) -> Result<(), ExtensionError> {
    let (mut life, stream) = Life::begin(parts);
    life.extension = Some(extension);
    let result = async {
        life.subscribe(stream?).await?;
        life.live().await
    };
    let result = result.await;
    life.end(result).await
}

/// Constructs a registered extension, and runs it likewise.
pub(crate) async fn run_with<E, F, Fut, Err>(parts: Parts, construct: F) -> Result<(), ExtensionError>
where
    E: Extension,
    F: FnOnce(Registration) -> Fut + Send,
    Fut: Future<Output = Result<E, Err>> + Send,
    Err: Into<Error>,
{
    let (mut life, stream) = Life::begin(parts);
    let result = async {
        life.subscribe(stream?).await?;
        life.construct(construct).await?;
        life.live().await
    };
    let result = result.await;
    life.end(result).await
}

/// One life of an extension, from its registration to SHUTDOWN.
struct Life<E> {
    config: Config,
    registration: Registration,
    handle: Handle,
    /// `None` before it is constructed, and after it could not be initialised: then nothing is called any more.
    extension: Option<E>,
    inbox: Inbox,
    /// The server for telemetry, once there is a subscription that works.
    listener: Option<Listener>,
    feedback: Feedback,
    /// Whether the first event will follow a SnapStart restore that nobody is told of.
    restore_pending: bool,
    /// Whether the first poll was made, which decides by which route errors are reported.
    asked: bool,
    /// Whether it was said that a hook blocks its thread.
    said_blocking: bool,
}

impl<E: Extension> Life<E> {
    fn begin(parts: Parts) -> (Self, Result<Option<Stream>, ExtensionError>) {
        if cfg!(panic = "abort") {
            say::warn(format_args!(
                "built with panic = \"abort\": a panic in a hook ends the process, and with it the function's invocation. \
                 Set panic = \"unwind\" in the release profile"
            ));
        }
        let Parts { config, events, registration, stream } = parts;
        let handle = registration.handle();
        let life = Self {
            extension: None,
            inbox: Inbox::new(
                config.client.clone(),
                registration.extension_id.clone(),
                handle.clone(),
                Decision::new(config.flush_strategy(&events), Instant::now()),
                config.max_hold,
            ),
            listener: None,
            feedback: Feedback::default(),
            restore_pending: config.initialization == Initialization::SnapStart,
            asked: false,
            said_blocking: false,
            handle,
            registration,
            config,
        };
        (life, stream)
    }

    /// Reports a failure to Lambda, whatever it was, and drops the extension: here and nowhere else.
    async fn end(&mut self, result: Result<(), ExtensionError>) -> Result<(), ExtensionError> {
        if let Err(error) = &result {
            self.report(error).await;
            // Nobody will be handed what has come since.
            if let Some(mut listener) = self.listener.take() {
                listener.close().await;
            }
            self.inbox.close();
        }
        self.drop_extension();
        result
    }

    /// Has telemetry delivered to the stream, if one is open for it.
    async fn subscribe(&mut self, stream: Option<Stream>) -> Result<(), ExtensionError> {
        let Some(mut stream) = stream else { return Ok(()) };
        // An answer that does not come must not cost Init: what is left of the time belongs to `on_init`.
        let started = Instant::now();
        let half = self.init_bound().map(|bound| started + bound.saturating_duration_since(started) / 2);
        let subscribing = stream.subscribe(self.inbox.client(), &self.registration.extension_id);
        let subscribed = match half {
            None => subscribing.await,
            Some(half) => timeout_at(half, subscribing).await.unwrap_or_else(|_| {
                let reason = format!("none within {} ms", started.elapsed().as_millis());
                Err(ExtensionError::Subscribe { source: self.inbox.client().broken(reason) })
            }),
        };
        if subscribed.is_err() {
            // Lambda may have taken it all the same, and have delivered something.
            stream.close(&self.handle).await;
        }
        match subscribed.map(Some).or_else(|error| self.config.without_telemetry(error, &self.handle))? {
            Some(Subscribed::Delivering) => {
                if stream.reports_ends {
                    self.inbox.decision.expect_reports();
                }
                self.inbox.intake = Some(stream.intake);
                self.listener = Some(stream.listener);
            }
            Some(Subscribed::NotSupported) => {
                say::warn(format_args!(
                    "there is no telemetry here: this emulator accepts the subscription and delivers nothing; `lambda-sim` does deliver"
                ));
            }
            None => {}
        }
        Ok(())
    }

    /// Makes the extension. Where that fails and the policy is to go on, there is none.
    async fn construct<F, Fut, Err>(&mut self, construct: F) -> Result<(), ExtensionError>
    where
        F: FnOnce(Registration) -> Fut + Send,
        Fut: Future<Output = Result<E, Err>> + Send,
        Err: Into<Error>,
    {
        let registration = self.registration.clone();
        let constructing = async move { construct(registration).await.map_err(Into::into) };
        let limit = self.init_bound();
        let constructed =
            attend(&mut self.inbox, constructing, limit).instrument(hook_span(Hook::Constructor)).await;
        self.say_if_blocking(Hook::Constructor, self.inbox.earliest(limit), Instant::now());
        self.extension = self.judge(Hook::Constructor, constructed)?;
        Ok(())
    }

    async fn live(&mut self) -> Result<(), ExtensionError> {
        let limit = self.init_bound();
        let initialised = self.call(Call::Init(self.registration.clone()), limit).await?;
        self.say_if_blocking(Hook::OnInit, self.inbox.earliest(limit), Instant::now());
        if initialised.is_none() {
            self.drop_extension();
            say::error(format_args!(
                "the extension could not be initialised and stays as a no-op until SHUTDOWN, so that the function can run; what failed stands above"
            ));
        }
        loop {
            match self.next_event().await? {
                NextEvent::Invoke(event) => {
                    let span = span(|| tracing::info_span!("invocation", request_id = %event.request_id));
                    self.invoke(event).instrument(span).await?;
                }
                NextEvent::Shutdown(event) => return self.shutdown(event).await,
            }
        }
    }

    fn init_bound(&self) -> Option<Instant> {
        self.config.started.checked_add(self.config.init_timeout)
    }

    /// Asks for the next event and waits for it, handing on the telemetry that comes meanwhile.
    async fn next_event(&mut self) -> Result<NextEvent, ExtensionError> {
        self.inbox.ask();
        self.asked = true;
        // A restore that is still to come may lie before any hook.
        let batches = if self.restore_pending { Batches::Leave } else { Batches::Take };
        loop {
            if let Some(event) = self.inbox.take_event() {
                return event;
            }
            let timer = self.config.is_managed().then(|| self.inbox.decision.next_timer()).flatten();
            let handle = self.handle.clone();
            tokio::select! {
                biased;
                happening = self.inbox.happening(batches, timer) => match happening {
                    Happening::Batch(batch) => self.hand_on(batch).await?,
                    Happening::Bound => self.flush_awake(FlushReason::Interval).await?,
                    Happening::Event | Happening::RuntimeDone => {}
                },
                () = handle.flush_requested(), if self.config.is_managed() => {
                    if self.handle.take_flush_request() {
                        self.flush_awake(FlushReason::Requested).await?;
                    }
                }
            }
        }
    }

    /// One invocation: everything that must be over before the next event may be asked for.
    async fn invoke(&mut self, event: InvokeEvent) -> Result<(), ExtensionError> {
        self.handle.count(|metrics| metrics.invocations += 1);
        self.feedback.invoked();
        let request_id = event.request_id.clone();
        self.restore().await?;
        if self.extension.is_none() {
            // A no-op has nothing to wait for, and Lambda bills the waiting.
            return Ok(());
        }
        self.call(Call::Invoke(event), None).await?;
        self.await_function(&request_id).await?;
        while let Some(batch) = self.inbox.queued() {
            self.hand_on(batch).await?;
        }
        let requested = self.handle.take_flush_request();
        match self.inbox.decision.due(requested, Instant::now()) {
            Some(_) if self.inbox.is_past_bound() => {
                self.handle.count(|metrics| metrics.flushes_skipped += 1);
                say::warn(format_args!(
                    "{}no time is left to flush; what was gathered waits for the next invocation or for SHUTDOWN. Faster hooks, \
                     a longer timeout of the function or a longer `max_hold` give it more",
                    unless_in_span(&request_id)
                ));
                if requested {
                    self.handle.request_flush();
                }
                Ok(())
            }
            Some(reason) => self.flush(reason, Some(request_id), None).await,
            None => Ok(()),
        }
    }

    /// Waits until Lambda reports that the function is done, where the flush strategy wants that, and hands on what
    /// comes meanwhile.
    async fn await_function(&mut self, request_id: &RequestId) -> Result<(), ExtensionError> {
        // Where the deadline is unknown, the wait needs a bound of its own.
        let unbounded = self.inbox.hold_bound().is_none();
        let limit = unbounded.then(|| Instant::now().checked_add(self.inbox.max_hold())).flatten();
        let mut last = Hook::OnInvoke;
        while self.inbox.decision.waits() {
            match self.inbox.happening(Batches::Take, limit).await {
                Happening::Batch(batch) => {
                    last = Hook::OnTelemetry;
                    self.hand_on(batch).await?;
                }
                Happening::Bound => {
                    self.handle.count(|metrics| metrics.missed_runtime_done += 1);
                    let bound_ms = self.inbox.client().clock().now_ms();
                    if self.inbox.decision.missed(bound_ms) {
                        say::warn(format_args!(
                            "{}platform.runtimeDone did not come in time; invocations are not held for it until one \
                             does, or the function is known to have run until then",
                            unless_in_span(request_id)
                        ));
                    }
                }
                Happening::Event | Happening::RuntimeDone => {}
            }
        }
        let now = Instant::now();
        self.say_if_blocking(last, self.inbox.hold_bound(), now);
        self.inbox.function_done(now);
        Ok(())
    }

    /// The end. Every step gets its share of the time and runs whatever became of the one before.
    async fn shutdown(&mut self, event: ShutdownEvent) -> Result<(), ExtensionError> {
        let plan = self.inbox.shutdown_plan();
        let mut result = self.restore().await;
        if let Some(mut listener) = self.listener.take() {
            let drained = self.drain(&mut listener, plan.accept).await;
            result = result.and(drained);
        }
        self.inbox.release_hold();
        let flushed = self.flush(FlushReason::Shutdown, None, Some(plan.flush(Instant::now()))).await;
        result = result.and(flushed);
        let ended = self.call(Call::Shutdown(event), Some(plan.end)).await.map(drop);
        result.and(ended)
    }

    fn drop_extension(&mut self) {
        if let Err(panic) = drop_contained(self.extension.take()) {
            say::error(format_args!("the extension failed in its destructor, after its last hook: {panic}"));
        }
    }

    /// Takes in telemetry until it is quiet, or until `accept`; then closes the listener and hands on the rest.
    async fn drain(&mut self, listener: &mut Listener, accept: Instant) -> Result<(), ExtensionError> {
        let mut result = Ok(());
        loop {
            let quiet = Instant::now() + QUIET;
            match self.inbox.happening(Batches::Take, Some(accept.min(quiet))).await {
                Happening::Batch(batch) => {
                    let handed_on = self.hand_on(batch).await;
                    result = result.and(handed_on);
                }
                Happening::Bound if listener.is_receiving() && Instant::now() < accept => {}
                Happening::Bound => break,
                Happening::Event | Happening::RuntimeDone => {}
            }
        }
        listener.close().await;
        while let Some(batch) = self.inbox.queued() {
            let handed_on = self.hand_on(batch).await;
            result = result.and(handed_on);
        }
        self.inbox.close();
        result
    }

    async fn restore(&mut self) -> Result<(), ExtensionError> {
        if !std::mem::take(&mut self.restore_pending) {
            return Ok(());
        }
        let instance_id = self.inbox.take_restored_instance();
        let event = RestoreEvent::within(self.inbox.bound_of_hook(None), instance_id);
        self.call(Call::Restore(event), None).await.map(drop)
    }

    async fn hand_on(&mut self, batch: Batch) -> Result<(), ExtensionError> {
        // Nothing but what the loop subscribes to for itself, or the extension's own lines.
        if batch.is_empty() {
            return Ok(());
        }
        let between_invocations = self.inbox.is_parked() && !self.inbox.function_runs();
        if self.extension.is_none() || (between_invocations && self.is_feedback(&batch)) {
            self.handle.count_dropped(Some(&batch));
            return Ok(());
        }
        self.handle.count(|metrics| {
            metrics.batches += 1;
            metrics.records += batch.len() as u64;
            metrics.bytes += batch.as_bytes().len() as u64;
        });
        let batch = batch.within(self.inbox.bound_of_hook(None));
        self.call(Call::Telemetry(batch), None).await.map(drop)
    }

    /// Whether to leave out a batch that has come while no invocation goes on, because the extension seems to feed itself.
    fn is_feedback(&mut self, batch: &Batch) -> bool {
        if !batch.is_from_extensions_only() {
            return false;
        }
        let verdict = self.feedback.judge(Instant::now());
        if verdict == (Verdict::LeaveOut { first: true }) {
            say::warn(format_args!(
                "lines of extensions keep coming while no invocation goes on: this extension seems to write some for each \
                 batch it gets, without the mark of lambda_extension::logging. From here on one batch a second is handed on"
            ));
        }
        verdict != Verdict::HandOn
    }

    /// A flush in an environment that nothing holds, because it is never frozen. It has until the next one is due.
    async fn flush_awake(&mut self, reason: FlushReason) -> Result<(), ExtensionError> {
        self.flush(reason, None, Some(Instant::now() + flush::INTERVAL)).await
    }

    async fn flush(
        &mut self,
        reason: FlushReason,
        request_id: Option<RequestId>,
        limit: Option<Instant>,
    ) -> Result<(), ExtensionError> {
        let event = FlushEvent::within(self.inbox.bound_of_hook(limit), reason, request_id);
        let started = Instant::now();
        self.inbox.decision.flushed(started);
        if self.extension.is_none() {
            return Ok(());
        }
        let flushed = self.call(Call::Flush(event), limit).await;
        let ended = Instant::now();
        let took = ended - started;
        if took > BLOCKED {
            self.say_if_blocking(Hook::OnFlush, self.inbox.earliest(limit), ended);
        }
        self.handle.count(|metrics| {
            metrics.flushed += u64::from(matches!(flushed, Ok(Some(()))));
            metrics.flushing += took;
            metrics.longest_flush = metrics.longest_flush.max(took);
        });
        flushed.map(drop)
    }

    /// Calls a hook, if there still is an extension. `None` if there is not, or if the hook failed and the policy is to go on.
    async fn call(&mut self, call: Call, limit: Option<Instant>) -> Result<Option<()>, ExtensionError> {
        let hook = call.hook();
        let Some(extension) = &mut self.extension else { return Ok(None) };
        let outcome = attend(&mut self.inbox, call.start(extension), limit).instrument(hook_span(hook)).await;
        if matches!(outcome, Err(HookError::Cancelled { .. })) {
            self.say_if_blocking(hook, self.inbox.earliest(limit), Instant::now());
        }
        self.judge(hook, outcome)
    }

    /// Says, once, that the hook which has ended now should have ended long ago: it was not dropped, because it did not await.
    fn say_if_blocking(&mut self, hook: Hook, bound: Option<Instant>, now: Instant) {
        let Some(bound) = bound.filter(|bound| *bound < now) else { return };
        let late = now - bound;
        if late < BLOCKED || std::mem::replace(&mut self.said_blocking, true) {
            return;
        }
        say_blocking(hook, late, self.inbox.bound_name());
    }

    /// Counts and logs a failure, or makes it the end, as the policy says.
    fn judge<T>(&mut self, hook: Hook, outcome: Result<T, HookError>) -> Result<Option<T>, ExtensionError> {
        let error = match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        self.handle.count(|metrics| match &error {
            HookError::Failed(_) => metrics.errors += 1,
            HookError::Panicked { .. } => metrics.panics += 1,
            HookError::Cancelled { .. } => metrics.cancelled += 1,
        });
        match self.config.policy() {
            ErrorPolicy::Exit => Err(ExtensionError::Hook { hook, source: error }),
            ErrorPolicy::Continue => {
                say::error(format_args!("{hook} failed; the function goes on: {}", chain(&error).join(": ")));
                // It is the user's, and may panic.
                let _ = drop_contained(error);
                Ok(None)
            }
        }
    }

    /// Tells Lambda why the process ends, by the route that is open. Lambda acts on it when the process is gone.
    ///
    /// Not `&self`: held while waiting, a shared reference to the parked poll would keep `run` from being `Send`.
    async fn report(&mut self, error: &ExtensionError) {
        if self.config.kind == Kind::Internal {
            return;
        }
        let client = self.inbox.client();
        let id = &self.registration.extension_id;
        let asked = self.asked;
        let reported = timeout(REPORT_TIMEOUT, async {
            if asked {
                client.exit_error(id, error.error_type(), error).await
            } else {
                client.init_error(id, error.error_type(), error).await
            }
        });
        let unreported: &dyn Display = match &reported.await {
            Ok(Ok(())) => return,
            Ok(Err(refused)) => &chain(refused).join(": "),
            Err(_) => &"no answer",
        };
        say::warn(format_args!(
            "cannot report the error to Lambda, which will call the end of this process a crash: {unreported}"
        ));
    }
}

/// Runs code of the user's until it is done or its bound is met, and meanwhile keeps an eye on what comes from Lambda: an
/// event that arrives, or an invocation that ends, sets another bound.
async fn attend<T, F>(inbox: &mut Inbox, run: F, limit: Option<Instant>) -> Result<T, HookError>
where
    F: Future<Output = Result<T, Error>>,
{
    let started = Instant::now();
    let mut running = Contained::new(run);
    tokio::select! {
        biased;
        outcome = &mut running => outcome,
        () = inbox.bound(limit) => {
            Err(HookError::Cancelled { after: started.elapsed(), bound: inbox.bound_name() })
        }
    }
}

/// A span, where somebody collects spans: a plain `log` logger would print a line for each.
fn span(make: impl FnOnce() -> Span) -> Span {
    if tracing::dispatcher::has_been_set() { make() } else { Span::none() }
}

#[cold]
#[inline(never)]
fn say_blocking(hook: Hook, late: Duration, bound: &str) {
    say::warn(format_args!(
        "{hook} went on for {} ms after its bound, {bound}: it blocked its thread, and only what awaits can be dropped. Use an \
         async client, or tokio::task::spawn_blocking",
        late.as_millis()
    ));
}

/// The invocation that a line is about, where no span around the line names it.
#[cold]
#[inline(never)]
fn unless_in_span(request_id: &RequestId) -> String {
    if Span::current().is_none() { format!("{request_id}: ") } else { String::new() }
}

fn hook_span(hook: Hook) -> Span {
    span(|| tracing::debug_span!("extension", hook = hook.as_str()))
}

#[cfg(test)]
#[cfg(all(feature = "logging", feature = "simulator"))]
mod tests;
