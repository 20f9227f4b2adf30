//! The queue between the listener and the event loop, bounded in bytes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{self, UnboundedReceiver, UnboundedSender},
    },
    time::{Instant, timeout},
};

use crate::{
    handle::Handle,
    say,
    telemetry::{Batch, batch::Filter, correlation::Correlation, cut::Cut, sign::Sign},
};

/// How many bytes of telemetry wait for the extension at most.
const CAPACITY: usize = 4 << 20;
/// How long a sender waits for room: long enough for a hook to catch up, short enough not to look dead.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the smallest batch is counted as, in bytes: it takes some memory beside them.
const LEAST_SIZE: usize = 1 << 10;
/// How often losses are told at most.
const TELLING: Duration = Duration::from_secs(60);

/// Whether batches are taken out of the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batches {
    Take,
    Leave,
}

pub(crate) enum Delivery {
    Sign(Sign),
    Batch(Batch),
}

/// A batch in the queue, and the room it takes there.
#[derive(Debug)]
struct Queued {
    batch: Batch,
    _room: OwnedSemaphorePermit,
}

/// The loop's end of the queue.
#[derive(Debug)]
pub(crate) struct Intake {
    signs: UnboundedReceiver<Sign>,
    batches: UnboundedReceiver<Queued>,
}

/// The listener's end of the queue, one for each connection.
#[derive(Clone)]
pub(crate) struct Sender {
    signs: UnboundedSender<Sign>,
    batches: UnboundedSender<Queued>,
    room: Arc<Semaphore>,
    filter: Arc<Filter>,
    correlation: Arc<Mutex<Correlation>>,
    handle: Handle,
    losses: Arc<Losses>,
}

/// `overlapping`: whether several invocations go on at once.
pub(crate) fn queue(handle: Handle, filter: Filter, overlapping: bool) -> (Sender, Intake) {
    let (signs, told) = mpsc::unbounded_channel();
    let (batches, queued) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(CAPACITY));
    let correlation = Arc::new(Mutex::new(Correlation::new(overlapping)));
    let sender = Sender {
        signs,
        batches,
        room,
        filter: Arc::new(filter),
        correlation,
        handle,
        losses: Arc::default(),
    };
    (sender, Intake { signs: told, batches: queued })
}

impl Sender {
    /// Queues a batch; waits while there is no room, and drops and counts the batch when there is none in time.
    pub(crate) async fn send(&self, cut: Cut) {
        if cut.len() == 0 {
            return;
        }
        let in_all = cut.len();
        let (batch, signs) = Batch::received(cut, Some(&self.filter), &mut self.correlation());
        let filtered = (in_all - batch.len()) as u64;
        if filtered > 0 {
            self.handle.count(|metrics| metrics.filtered_records += filtered);
        }
        let size = batch.size();
        let mut unqueued = Unqueued { sender: self, batch: Some(batch) };
        if let Some(room) = self.room(size, &signs).await
            && let Some(batch) = unqueued.batch.take()
            && let Err(unsent) = self.batches.send(Queued { batch, _room: room })
        {
            unqueued.batch = Some(unsent.0.batch);
        }
        drop(unqueued);
        // After its batch, so that whoever sees the sign finds the batch in the queue.
        for sign in signs {
            let _ = self.signs.send(sign);
        }
    }

    /// Room for a batch of this size and with these signs, if there is some in time.
    async fn room(&self, size: usize, signs: &[Sign]) -> Option<OwnedSemaphorePermit> {
        let size = size.clamp(LEAST_SIZE, CAPACITY) as u32;
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(size) {
            self.count_queue();
            return Some(room);
        }
        for sign in signs {
            if let Sign::RuntimeDone(ended) = sign {
                let _ = self.signs.send(Sign::FunctionDone(ended.request_id.clone()));
            }
        }
        // The semaphore is never closed, so only time can run out.
        let room = timeout(PATIENCE, Arc::clone(&self.room).acquire_many_owned(size)).await.ok()?.ok();
        self.count_queue();
        room
    }

    fn count_queue(&self) {
        let waiting = (CAPACITY - self.room.available_permits()) as u64;
        self.handle.count(|metrics| metrics.longest_queue = metrics.longest_queue.max(waiting));
    }

    /// Counts a batch that could not be received.
    pub(crate) fn lost(&self) {
        self.correlation().lost();
        self.dropped(None, "a batch could not be received whole");
    }

    fn dropped(&self, batch: Option<&Batch>, reason: &str) {
        self.handle.count_dropped(batch);
        if self.losses.is_time_to_tell() {
            let metrics = self.handle.metrics();
            say::warn(format_args!(
                "telemetry is lost: {reason}. In all {} batches so far, with {} records as far as they could be counted",
                metrics.dropped_batches, metrics.dropped_records
            ));
        }
    }

    fn correlation(&self) -> MutexGuard<'_, Correlation> {
        self.correlation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch that is counted as dropped unless it gets into the queue: there is no room in time, or whoever waits for it is gone.
struct Unqueued<'a> {
    sender: &'a Sender,
    batch: Option<Batch>,
}

impl Drop for Unqueued<'_> {
    fn drop(&mut self) {
        if self.batch.is_some() {
            self.sender.dropped(
                self.batch.as_ref(),
                "the extension's hooks are slower than what comes in; `on_telemetry` should only keep what it is given",
            );
        }
    }
}

/// When a loss was last told.
#[derive(Debug, Default)]
struct Losses {
    told: Mutex<Option<Instant>>,
}

impl Losses {
    /// Whether to tell of a loss: not of each one, because there may be many, and a line costs the customer money.
    fn is_time_to_tell(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let tell = told.is_none_or(|told| now >= told + TELLING);
        if tell {
            *told = Some(now);
        }
        tell
    }
}

impl Intake {
    /// The next sign, or the next batch if those are to be taken. Pending for ever once the listener is gone.
    pub(crate) async fn delivery(&mut self, batches: Batches) -> Delivery {
        tokio::select! {
            biased;
            Some(sign) = self.signs.recv() => Delivery::Sign(sign),
            Some(queued) = self.batches.recv(), if batches == Batches::Take => Delivery::Batch(queued.batch),
            else => std::future::pending().await,
        }
    }

    /// Drops and counts what waits in the queue, and from here on whatever still comes.
    pub(crate) fn close(&mut self, handle: &Handle) {
        self.batches.close();
        while let Some(batch) = self.try_batch() {
            handle.count_dropped(Some(&batch));
        }
    }

    /// A batch that is there already.
    pub(crate) fn try_batch(&mut self) -> Option<Batch> {
        self.batches.try_recv().ok().map(|queued| queued.batch)
    }
}
