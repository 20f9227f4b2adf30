//! Telemetry: what happened becomes events, events become batches, batches are delivered while Lambda is awake.

mod batcher;
mod delivery;
mod event;
mod sender;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::batcher::{Batch, Batcher, Dropped, Element, Nature};
pub(crate) use self::delivery::deliver;
pub(crate) use self::event::{Content, LineCategory, TelemetryEvent};
pub(crate) use self::sender::{Sender, dial};
use super::environment::{Destination, Subscription};
use super::random::Random;
use super::settings::{Disorder, LogFormat};

/// Init events kept for those who subscribe later; a talkative Init loses its oldest lines.
const REPLAYED: usize = 10_000;

const SLOW_CONSUMER: &str =
    "Some logs were dropped because the downstream consumer is slower than the logs production rate";

/// Gives every event to everybody who subscribed to its category.
#[derive(Debug)]
pub(crate) struct Hub {
    subscribers: Vec<Arc<Subscriber>>,
    deliveries: Vec<AbortHandle>,
    replay: VecDeque<TelemetryEvent>,
    replay_open: bool,
    /// Counts the stretches between two freezes. What is delivered in a later one than it was generated in is late.
    pub(crate) window: u64,
    /// The environment ends: what is generated now may miss those who leave at once.
    pub(crate) ending: bool,
    format: LogFormat,
}

/// Records that were never delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) records: u64,
    /// Those of them that a careful extension would have got.
    pub(crate) avoidable: u64,
    /// Those of them that were dropped, because the listener was slow.
    pub(crate) dropped: u64,
}

impl Lost {
    fn of<'a>(elements: impl IntoIterator<Item = &'a Element>) -> Self {
        elements.into_iter().fold(Self::default(), |lost, element| Self {
            records: lost.records + 1,
            avoidable: lost.avoidable + u64::from(!element.comes_late),
            ..lost
        })
    }
}

impl Hub {
    pub(crate) fn new(format: LogFormat) -> Self {
        Self {
            subscribers: Vec::new(),
            deliveries: Vec::new(),
            replay: VecDeque::new(),
            replay_open: true,
            window: 0,
            ending: false,
            format,
        }
    }

    pub(crate) fn emit(&mut self, event: TelemetryEvent) {
        for subscriber in &self.subscribers {
            subscriber.offer(&event, self.format, self.window, self.ending);
        }
        if self.replay_open {
            if self.replay.len() == REPLAYED {
                self.replay.pop_front();
            }
            self.replay.push_back(event);
        }
    }

    /// Enters a subscriber, who first gets everything since the environment was started.
    pub(crate) fn subscribe(&mut self, subscriber: Arc<Subscriber>, delivery: AbortHandle) {
        for event in &self.replay {
            subscriber.offer(event, self.format, self.window, self.ending);
        }
        self.subscribers.push(subscriber);
        self.deliveries.push(delivery);
    }

    pub(crate) fn http_port(&self, name: &str) -> Option<u16> {
        let subscriber = self.subscribers.iter().find(|subscriber| subscriber.name == name)?;
        match subscriber.subscription.destination {
            Destination::Http { port, .. } => Some(port),
            Destination::Tcp { .. } => None,
        }
    }

    /// Init is over: nobody can subscribe any more, and what there is leaves at once.
    pub(crate) fn close_replay(&mut self) {
        self.replay_open = false;
        self.replay = VecDeque::new();
        self.flush();
    }

    /// An input stream ended: buffers are delivered without waiting for their time.
    pub(crate) fn flush(&self) {
        for subscriber in &self.subscribers {
            subscriber.flush();
        }
    }

    /// Everything that was offered has been delivered, or given up.
    pub(crate) fn is_idle(&self) -> bool {
        self.subscribers.iter().all(|subscriber| subscriber.is_idle())
    }

    /// The environment starts anew; what had not left is lost, by subscriber.
    pub(crate) fn reset(&mut self) -> Vec<(String, Lost)> {
        self.deliveries.drain(..).for_each(|delivery| delivery.abort());
        self.replay = VecDeque::new();
        self.replay_open = true;
        self.ending = false;
        self.subscribers
            .drain(..)
            .map(|subscriber| (subscriber.name.clone(), subscriber.lost()))
            .filter(|(_, lost)| lost.records > 0)
            .collect()
    }
}

/// One subscription and what waits to be delivered to it.
#[derive(Debug)]
pub(crate) struct Subscriber {
    /// The extension's name.
    pub(crate) name: String,
    pub(crate) subscription: Subscription,
    /// The version in use, which the simulator's owner may have chosen.
    schema: String,
    buffer: Mutex<Buffer>,
    wake: Notify,
}

#[derive(Debug)]
struct Buffer {
    batcher: Batcher,
    /// The batch that is on its way, which counts as lost until it was accepted.
    on_the_way: Option<Lost>,
    disorder: Option<Random>,
    held_back: Vec<Element>,
}

impl Subscriber {
    pub(crate) fn new(
        name: &str,
        subscription: Subscription,
        schema: String,
        disorder: Disorder,
        random: Random,
    ) -> Self {
        let batcher = Batcher::new(subscription.max_items, subscription.max_bytes, subscription.timeout);
        Self {
            name: name.to_owned(),
            subscription,
            schema,
            buffer: Mutex::new(Buffer {
                batcher,
                on_the_way: None,
                disorder: (disorder == Disorder::On).then_some(random),
                held_back: Vec::new(),
            }),
            wake: Notify::new(),
        }
    }

    fn offer(&self, event: &TelemetryEvent, format: LogFormat, window: u64, ending: bool) {
        if !self.subscription.wants(event.category()) {
            return;
        }
        let Some(json) = event.render(self.subscription.api, &self.schema, format) else { return };
        let element = Element {
            json,
            window,
            comes_late: ending
                || event.category() == "extension"
                || event.is("platform.report")
                || event.is("platform.end"),
            time_ms: event.time_ms,
            nature: match &event.content {
                Content::Line { .. } => Nature::Line,
                Content::Platform { kind: "platform.runtimeDone", .. } => Nature::RuntimeDone,
                Content::Platform { .. } => Nature::Other,
            },
        };
        self.locked().take_in(element, Instant::now());
        self.wake.notify_one();
    }

    /// Tells of a loss; for one that was caused by slowness there is room only when a batch has left.
    fn say_dropped(&self, dropped: Dropped, reason: &str, time_ms: u64, format: LogFormat, window: u64) {
        if dropped.records == 0 {
            return;
        }
        let record = json!({
            "reason": reason,
            "droppedRecords": dropped.records,
            "droppedBytes": dropped.bytes,
        });
        let content = Content::Platform { kind: "platform.logsDropped", record };
        self.offer(&TelemetryEvent { time_ms, content }, format, window, true);
    }

    /// What was dropped since this was asked last.
    fn take_dropped(&self) -> Dropped {
        self.locked().batcher.take_dropped()
    }

    fn flush(&self) {
        self.locked().flush();
        self.wake.notify_one();
    }

    fn is_idle(&self) -> bool {
        let buffer = self.locked();
        buffer.batcher.is_empty() && buffer.held_back.is_empty() && buffer.on_the_way.is_none()
    }

    fn lost(&self) -> Lost {
        let mut buffer = self.locked();
        let dropped = buffer.batcher.take_dropped();
        let waiting = Lost::of(buffer.batcher.waiting().chain(&buffer.held_back));
        let on_the_way = buffer.on_the_way.unwrap_or_default();
        Lost {
            records: waiting.records + on_the_way.records + dropped.records,
            avoidable: waiting.avoidable + on_the_way.avoidable,
            dropped: dropped.records,
        }
    }

    /// The next batch whose time has come, marked as on its way.
    fn take_due(&self) -> Option<Batch> {
        let mut buffer = self.locked();
        let batch = buffer.batcher.due(Instant::now())?;
        buffer.on_the_way = Some(Lost::of(&batch));
        Some(batch)
    }

    /// What becomes of the batch is in the books; it may still have to come a second time.
    fn batch_settled(&self) {
        self.locked().on_the_way = Some(Lost::default());
    }

    fn batch_done(&self) {
        self.locked().on_the_way = None;
    }

    fn deadline(&self) -> Option<Instant> {
        self.locked().batcher.deadline()
    }

    fn comes_twice(&self) -> bool {
        self.locked().disorder.as_mut().is_some_and(|random| random.chance(10))
    }

    fn locked(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    fn take_in(&mut self, element: Element, now: Instant) {
        let Some(random) = &mut self.disorder else {
            return self.batcher.push(element, now);
        };
        if element.nature == Nature::Line && random.chance(15) {
            return self.held_back.push(element);
        }
        let (swap, cut) = (random.chance(30), random.chance(15));
        let done = element.nature == Nature::RuntimeDone;
        self.batcher.push(element, now);
        if swap {
            self.batcher.swap_last_two();
        }
        if done {
            self.let_go(now);
        }
        if cut {
            self.batcher.flush();
        }
    }

    /// Lets those follow that a disturbance held back.
    fn let_go(&mut self, now: Instant) {
        for late in std::mem::take(&mut self.held_back) {
            self.batcher.push(late, now);
        }
    }

    fn flush(&mut self) {
        self.let_go(Instant::now());
        self.batcher.flush();
    }
}
