//! Which records travel together, and when: by number, by bytes, by time. Pure: the caller brings the time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Full batches' worth of records and bytes that may wait for a slow consumer before the newest is dropped.
const WAITING_BATCHES: usize = 4;

/// One rendered element.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) json: String,
    /// Which stretch of running time it was generated in; see `Hub::window`.
    pub(crate) window: u64,
    /// `platform.report`, extensions' own lines, and what is generated while the environment ends: nobody can be blamed
    /// for getting those late, or never.
    pub(crate) comes_late: bool,
    pub(crate) time_ms: u64,
    pub(crate) nature: Nature,
}

/// What a disturbance needs to know of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    Line,
    RuntimeDone,
    Other,
}

pub(crate) type Batch = Vec<Element>;

/// What had to be thrown away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// The buffer of one subscriber.
#[derive(Debug)]
pub(crate) struct Batcher {
    max_items: usize,
    max_bytes: usize,
    timeout: Duration,
    open: Batch,
    open_bytes: usize,
    first_at: Option<Instant>,
    closed: VecDeque<(Batch, usize)>,
    closed_items: usize,
    closed_bytes: usize,
    dropped: Dropped,
}

impl Batcher {
    pub(crate) fn new(max_items: usize, max_bytes: usize, timeout: Duration) -> Self {
        Self {
            max_items,
            max_bytes,
            timeout,
            open: Vec::new(),
            open_bytes: 0,
            first_at: None,
            closed: VecDeque::new(),
            closed_items: 0,
            closed_bytes: 0,
            dropped: Dropped::default(),
        }
    }

    pub(crate) fn push(&mut self, element: Element, now: Instant) {
        let size = element.json.len() + 1;
        if self.open_bytes + size > self.max_bytes {
            self.close();
        }
        self.first_at.get_or_insert(now);
        self.open_bytes += size;
        self.open.push(element);
        if self.open.len() >= self.max_items || self.open_bytes >= self.max_bytes {
            self.close();
        }
    }

    /// A batch whose time has come.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Batch> {
        if self.closed.is_empty() && self.deadline().is_some_and(|deadline| deadline <= now) {
            self.close();
        }
        let (batch, bytes) = self.closed.pop_front()?;
        self.closed_items -= batch.len();
        self.closed_bytes -= bytes;
        Some(batch)
    }

    /// When the open batch must leave.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.first_at.map(|first| first + self.timeout)
    }

    /// An input stream ended: what is there leaves now.
    pub(crate) fn flush(&mut self) {
        self.close();
    }

    /// What had to be dropped since this was asked last, because the consumer is slow.
    pub(crate) fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.dropped)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.closed.is_empty()
    }

    /// Everything that has not left.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Element> {
        self.closed.iter().flat_map(|(batch, _)| batch).chain(&self.open)
    }

    /// Lets the last two records change places if they are of the same millisecond, as Lambda may.
    pub(crate) fn swap_last_two(&mut self) {
        if let [.., one, two] = self.open.as_mut_slice()
            && one.time_ms == two.time_ms
        {
            std::mem::swap(one, two);
        }
    }

    /// Puts the open batch into the queue, or drops it where that is full.
    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.open);
        let bytes = std::mem::take(&mut self.open_bytes);
        self.first_at = None;
        let room = self.closed_items + batch.len() <= WAITING_BATCHES * self.max_items
            && self.closed_bytes + bytes <= WAITING_BATCHES * self.max_bytes;
        if room {
            self.closed_items += batch.len();
            self.closed_bytes += bytes;
            self.closed.push_back((batch, bytes));
        } else {
            self.dropped.records += batch.len() as u64;
            self.dropped.bytes += bytes as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(bytes: usize) -> Element {
        Element {
            json: "x".repeat(bytes - 1),
            window: 0,
            comes_late: false,
            time_ms: 0,
            nature: Nature::Line,
        }
    }

    fn batcher() -> Batcher {
        Batcher::new(3, 100, Duration::from_secs(1))
    }

    #[test]
    fn a_batch_leaves_when_it_has_enough_items() {
        let (mut batcher, now) = (batcher(), Instant::now());
        for _ in 0..2 {
            batcher.push(element(5), now);
            assert!(batcher.due(now).is_none());
        }
        batcher.push(element(5), now);
        assert_eq!(batcher.due(now).expect("a batch").len(), 3);
        assert!(batcher.is_empty());
    }

    #[test]
    fn a_batch_leaves_before_it_grows_beyond_its_bytes() {
        let (mut batcher, now) = (batcher(), Instant::now());
        batcher.push(element(60), now);
        batcher.push(element(60), now);
        assert_eq!(batcher.due(now).expect("a batch").len(), 1);
        assert_eq!(batcher.waiting().count(), 1);
    }

    #[test]
    fn a_batch_leaves_a_timeout_after_its_first_record() {
        let (mut batcher, now) = (batcher(), Instant::now());
        batcher.push(element(5), now);
        batcher.push(element(5), now + Duration::from_millis(900));
        assert!(batcher.due(now + Duration::from_millis(999)).is_none());
        assert_eq!(batcher.due(now + Duration::from_secs(1)).expect("a batch").len(), 2);
        assert_eq!(batcher.deadline(), None);
    }

    #[test]
    fn a_full_queue_drops_the_newest_batch_whole_and_counts_it() {
        let (mut batcher, now) = (batcher(), Instant::now());
        for _ in 0..WAITING_BATCHES * 3 {
            batcher.push(element(5), now);
        }
        assert_eq!(batcher.take_dropped(), Dropped::default());
        for _ in 0..4 {
            batcher.push(element(5), now);
        }
        batcher.flush();
        assert_eq!(batcher.take_dropped(), Dropped { records: 4, bytes: 20 });
        assert_eq!(batcher.waiting().count(), WAITING_BATCHES * 3);
    }
}
