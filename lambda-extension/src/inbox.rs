//! What comes from Lambda, also while a hook runs: the answer to the poll, telemetry, and the bound they set.

use std::{future, pin::Pin, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::{
    client::Client,
    clock::Bound,
    error::ExtensionError,
    event::NextEvent,
    flush::Decision,
    handle::Handle,
    hold::{Hold, ShutdownPlan},
    id::ExtensionId,
    telemetry::{
        Batch,
        intake::{Batches, Delivery, Intake},
        sign::Sign,
    },
};

type Poll = Pin<Box<dyn Future<Output = Result<NextEvent, ExtensionError>> + Send>>;

/// What [`Inbox::happening`] waited for.
pub(crate) enum Happening {
    /// The poll was answered: [`Inbox::take_event`].
    Event,
    /// A batch of telemetry has come.
    Batch(Batch),
    /// The end of the present invocation was reported.
    RuntimeDone,
    /// Time is up.
    Bound,
}

pub(crate) struct Inbox {
    client: Client,
    id: ExtensionId,
    handle: Handle,
    /// The poll in flight. Made by [`ask`](Self::ask) and kept until it is answered: Lambda does not notice a
    /// poll that is dropped, and refuses a second one.
    poll: Option<Poll>,
    /// What the poll was answered, until somebody takes it.
    event: Option<Result<NextEvent, ExtensionError>>,
    /// What the event that came last allows; `None` while nothing holds the environment.
    hold: Option<Hold>,
    plan: Option<ShutdownPlan>,
    /// When the function that runs now must have ended, where that is known.
    function_deadline: Option<Instant>,
    pub(crate) intake: Option<Intake>,
    pub(crate) decision: Decision,
    restored_instance: Option<String>,
    max_hold: Duration,
}

impl Inbox {
    pub(crate) fn new(
        client: Client,
        id: ExtensionId,
        handle: Handle,
        decision: Decision,
        max_hold: Duration,
    ) -> Self {
        Self {
            client,
            id,
            handle,
            poll: None,
            event: None,
            hold: None,
            plan: None,
            function_deadline: None,
            intake: None,
            decision,
            restored_instance: None,
            max_hold,
        }
    }

    /// Asks for the next event: from here on the environment may be frozen.
    pub(crate) fn ask(&mut self) {
        debug_assert!(self.poll.is_none(), "one poll at a time");
        self.count_hold();
        self.hold = None;
        self.handle.set_invocation(None);
        let (client, id, handle) = (self.client.clone(), self.id.clone(), self.handle.clone());
        self.poll = Some(Box::pin(async move {
            client.next_known_event(&id, || handle.count(|metrics| metrics.unknown_events += 1)).await
        }));
    }

    /// The answer to the poll, once it is there.
    pub(crate) fn take_event(&mut self) -> Option<Result<NextEvent, ExtensionError>> {
        self.event.take()
    }

    /// How the time for the SHUTDOWN that has come is shared out.
    pub(crate) fn shutdown_plan(&self) -> ShutdownPlan {
        self.plan.unwrap_or_else(|| ShutdownPlan::new(None, Instant::now()))
    }

    /// Nothing holds the environment any more but what the caller bounds itself.
    pub(crate) fn release_hold(&mut self) {
        self.hold = None;
    }

    /// From now on only the extension keeps Lambda waiting, as far as we know.
    pub(crate) fn function_done(&mut self, now: Instant) {
        if let Some(hold) = &mut self.hold {
            hold.function_done(now);
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn max_hold(&self) -> Duration {
        self.max_hold
    }

    /// The bound that [`earliest`](Self::earliest) gives, as hooks are told of it.
    pub(crate) fn bound_of_hook(&self, limit: Option<Instant>) -> Bound {
        Bound::at(self.earliest(limit), self.client.clock())
    }

    /// The earlier of `limit` and of the bound of what holds the environment.
    pub(crate) fn earliest(&self, limit: Option<Instant>) -> Option<Instant> {
        [limit, self.hold_bound()].into_iter().flatten().min()
    }

    /// When the next event must be asked for.
    pub(crate) fn hold_bound(&self) -> Option<Instant> {
        self.hold.and_then(|hold| hold.bound())
    }

    /// What sets the bound of the hook that runs, as errors name it.
    pub(crate) fn bound_name(&self) -> &'static str {
        match self.hold {
            _ if self.plan.is_some() => "its share of the time for SHUTDOWN",
            Some(hold) => hold.bound_name(),
            // Only on Managed Instances is anything else called by then that has a bound.
            None if self.is_parked() => "the time of the next flush",
            None => "`Config::init_timeout`",
        }
    }

    /// Whether Lambda may freeze the environment: the next event is asked for, and has not come.
    pub(crate) fn is_parked(&self) -> bool {
        self.poll.is_some()
    }

    /// Whether an invocation is known to go on, though the next event may have been asked for: its end would be reported.
    pub(crate) fn function_runs(&self) -> bool {
        self.decision.expects_report()
            && self.function_deadline.is_some_and(|deadline| Instant::now() < deadline)
    }

    pub(crate) fn is_past_bound(&self) -> bool {
        self.hold_bound().is_some_and(|bound| bound <= Instant::now())
    }

    /// A batch that is there already, unless time is up.
    pub(crate) fn queued(&mut self) -> Option<Batch> {
        if self.is_past_bound() { None } else { self.intake.as_mut()?.try_batch() }
    }

    /// Drops and counts what is left in the queue, and whatever still comes.
    pub(crate) fn close(&mut self) {
        if let Some(intake) = &mut self.intake {
            intake.close(&self.handle);
        }
    }

    /// Waits for whatever comes first, at most until `limit` and the bound of what holds the environment.
    pub(crate) async fn happening(&mut self, batches: Batches, limit: Option<Instant>) -> Happening {
        loop {
            let bound = self.earliest(limit);
            // A bound that is past goes before a queue that never becomes empty.
            if bound.is_some_and(|bound| bound <= Instant::now()) {
                return Happening::Bound;
            }
            let Self { poll, intake, .. } = self;
            tokio::select! {
                biased;
                event = async { match poll { Some(poll) => poll.await, None => future::pending().await } } => {
                    self.poll = None;
                    self.arrived(event);
                    return Happening::Event;
                }
                delivery = async {
                    match intake { Some(intake) => intake.delivery(batches).await, None => future::pending().await }
                } => match delivery {
                    Delivery::Batch(batch) => return Happening::Batch(batch),
                    Delivery::Sign(sign) => if self.signed(sign) { return Happening::RuntimeDone },
                },
                () = async { match bound { Some(bound) => sleep_until(bound).await, None => future::pending().await } } => {
                    return Happening::Bound;
                }
            }
        }
    }

    fn arrived(&mut self, event: Result<NextEvent, ExtensionError>) {
        let now = Instant::now();
        match &event {
            Ok(NextEvent::Invoke(invoke)) => {
                self.hold = Some(Hold::invocation(invoke.remaining(), self.max_hold, now));
                self.function_deadline = invoke.remaining().map(|remaining| now + remaining);
                self.handle.set_invocation(Some(invoke.request_id.clone()));
                self.decision.invoked(&invoke.request_id, now);
                if self.decision.is_done() {
                    self.function_done(now);
                }
            }
            Ok(NextEvent::Shutdown(shutdown)) => {
                let plan = ShutdownPlan::new(shutdown.remaining(), now);
                self.hold = Some(Hold::shutdown(&plan));
                self.plan = Some(plan);
                self.handle.stop();
            }
            Err(_) => {
                // The process is about to leave; a hook that runs gets what it would get after an invocation.
                let mut hold = Hold::invocation(None, self.max_hold, now);
                hold.function_done(now);
                self.hold = Some(hold);
            }
        }
        self.event = Some(event);
    }

    /// Takes note of what a batch says about the lifecycle. True if the present invocation is over.
    fn signed(&mut self, sign: Sign) -> bool {
        match sign {
            Sign::FunctionDone(request_id) => {
                if self.decision.is_present(&request_id) {
                    self.function_done(Instant::now());
                }
                false
            }
            Sign::RuntimeDone(ended) => {
                let in_time = self.hold.is_some_and(|hold| hold.before_deadline(Instant::now()));
                let over = self.decision.runtime_done(ended, in_time);
                if over {
                    self.function_done(Instant::now());
                }
                over
            }
            Sign::RestoreStart { instance_id } => {
                self.restored_instance = instance_id;
                false
            }
            Sign::LogsDropped(records) => {
                self.handle.count(|metrics| metrics.platform_dropped_records += records);
                false
            }
        }
    }

    /// The log stream of the environment restored from a snapshot, if that was told.
    pub(crate) fn take_restored_instance(&mut self) -> Option<String> {
        self.restored_instance.take()
    }

    fn count_hold(&self) {
        let Some(done) = self.hold.and_then(|hold| hold.done_at()) else { return };
        let held = done.elapsed();
        self.handle.count(|metrics| {
            metrics.held += held;
            metrics.longest_hold = metrics.longest_hold.max(held);
        });
    }

    /// Resolves when a hook that runs meanwhile has met its bound.
    pub(crate) async fn bound(&mut self, limit: Option<Instant>) {
        while !matches!(self.happening(Batches::Leave, limit).await, Happening::Bound) {}
    }
}
