//! What waits to be sent, in order, and within bounds: memory is the function's, too.

use std::collections::VecDeque;

/// What one request may weigh, in bytes: collectors refuse large ones, and one attempt must be short.
const REQUEST: usize = 1 << 20;

/// Things of one kind, each with a weight in bytes.
#[derive(Debug)]
pub(crate) struct Backlog<T> {
    items: VecDeque<(usize, T)>,
    weight: usize,
    limit: usize,
    lost: u64,
}

impl<T> Backlog<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { items: VecDeque::new(), weight: 0, limit, lost: 0 }
    }

    /// Adds one; the oldest go if that makes too many.
    pub(crate) fn push(&mut self, weight: usize, item: T) {
        self.items.push_back((weight, item));
        self.weight += weight;
        while self.weight > self.limit {
            self.remove(1);
            self.lost += 1;
        }
    }

    /// The oldest, as many as one request may hold.
    pub(crate) fn first(&self) -> impl ExactSizeIterator<Item = &T> {
        let mut weight = 0;
        let fitting = self.items.iter().take_while(|(own, _)| {
            weight += own;
            weight <= REQUEST
        });
        // One that is too heavy goes alone.
        let count = fitting.count().max(1).min(self.items.len());
        self.items.iter().take(count).map(|(_, item)| item)
    }

    /// Forgets the oldest, which have arrived.
    pub(crate) fn remove(&mut self, count: usize) {
        self.weight -= self.items.drain(..count).map(|(weight, _)| weight).sum::<usize>();
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// How many were lost to the bound since this was asked last.
    pub(crate) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_only_when_they_are_removed() {
        let mut backlog = Backlog::new(usize::MAX);
        (0..3).for_each(|number| backlog.push(REQUEST / 2, number));
        assert_eq!(backlog.first().collect::<Vec<_>>(), [&0, &1]);
        assert_eq!(backlog.first().len(), 2);
        backlog.remove(2);
        assert_eq!((backlog.first().collect::<Vec<_>>(), backlog.len()), (vec![&2], 1));
        backlog.remove(1);
        assert_eq!(backlog.first().len(), 0);
    }

    #[test]
    fn one_that_is_too_heavy_goes_alone() {
        let mut backlog = Backlog::new(usize::MAX);
        (0..2).for_each(|number| backlog.push(2 * REQUEST, number));
        assert_eq!(backlog.first().collect::<Vec<_>>(), [&0]);
    }

    #[test]
    fn beyond_the_limit_the_oldest_are_lost_and_counted() {
        let mut backlog = Backlog::new(10);
        (0..4).for_each(|number| backlog.push(4, number));
        assert_eq!(backlog.first().collect::<Vec<_>>(), [&2, &3]);
        assert_eq!((backlog.take_lost(), backlog.take_lost()), (2, 0));
    }
}
