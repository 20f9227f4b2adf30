//! The queue between the listener and the event loop, bounded in bytes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{self, UnboundedReceiver, UnboundedSender},
    },
    time::timeout,
};

use crate::{
    flush::Ended,
    handle::Handle,
    telemetry::{Batch, batch::Filter, correlation::Correlation, cut::Cut},
};

/// How many bytes of telemetry wait for the extension at most.
const CAPACITY: usize = 4 << 20;
/// How long a sender waits for room: long enough for a hook to catch up, short enough not to look dead.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a batch says about the lifecycle, told ahead of the batch itself, which waits while a hook runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// `platform.runtimeDone`.
    RuntimeDone(Ended),
    /// `platform.restoreStart`.
    RestoreStart { instance_id: Option<String> },
    /// `platform.logsDropped`, with the number of records.
    LogsDropped(u64),
}

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
}

/// `overlapping`: whether several invocations go on at once.
pub(crate) fn queue(handle: Handle, filter: Filter, overlapping: bool) -> (Sender, Intake) {
    let (signs, told) = mpsc::unbounded_channel();
    let (batches, queued) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(CAPACITY));
    let correlation = Arc::new(Mutex::new(Correlation::new(overlapping)));
    let sender = Sender { signs, batches, room, filter: Arc::new(filter), correlation, handle };
    (sender, Intake { signs: told, batches: queued })
}

impl Sender {
    /// Queues a batch; waits while there is no room, and drops and counts the batch when there is none in time.
    pub(crate) async fn send(&self, cut: Cut) {
        let mut batch = Batch::new(cut, Some(Arc::clone(&self.filter)));
        let signs = batch.follow(&mut self.correlation.lock().unwrap_or_else(PoisonError::into_inner));
        let size = batch.as_bytes().len().min(CAPACITY) as u32;
        let room = timeout(PATIENCE, Arc::clone(&self.room).acquire_many_owned(size)).await;
        let queued = match room {
            // The semaphore is never closed, so only time can run out.
            Ok(Ok(room)) => self.batches.send(Queued { batch, _room: room }).map_err(|unsent| unsent.0.batch),
            _ => Err(batch),
        };
        if let Err(batch) = queued {
            self.dropped(batch.len());
        }
        // After its batch, so that whoever sees the sign finds the batch in the queue.
        for sign in signs {
            let _ = self.signs.send(sign);
        }
    }

    /// Counts a batch that is lost with this many records.
    pub(crate) fn dropped(&self, records: usize) {
        self.handle.count_dropped(records);
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

    /// A batch that is there already.
    pub(crate) fn try_batch(&mut self) -> Option<Batch> {
        self.batches.try_recv().ok().map(|queued| queued.batch)
    }
}
