//! A batch of telemetry as it was delivered.

use bytes::Bytes;

use crate::{clock::Deadline, telemetry::intake::Sign};

/// A batch of telemetry, as Lambda delivered it.
#[derive(Clone, Debug)]
pub struct Batch {
    bytes: Bytes,
    deadline_ms: u64,
    read: Deadline,
}

impl Batch {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, deadline_ms: 0, read: Deadline::default() }
    }
    pub(crate) fn within(mut self, (deadline_ms, read): (u64, Deadline)) -> Self {
        (self.deadline_ms, self.read) = (deadline_ms, read);
        self
    }
    pub(crate) fn signs(&self) -> Vec<Sign> {
        Vec::new()
    }
    /// The body as Lambda sent it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// How many events it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        0
    }
    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
