//! Which invocation a line of text belongs to, as far as that is certain.

use std::sync::Arc;

/// Where in the sequence of invocations the telemetry stands.
///
/// A line of text carries no request id. It belongs to the invocation that has begun and not ended, because an
/// environment runs one at a time. What comes after the invocation's end is attributed only if it is not younger than that
/// end: Lambda swaps events of the same millisecond. On Managed Instances, where invocations overlap, nothing is certain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Correlation {
    overlapping: bool,
    invocation: Option<Arc<str>>,
    done: Option<Box<str>>,
}

impl Correlation {
    pub(crate) fn new(overlapping: bool) -> Self {
        Self { overlapping, ..Self::default() }
    }

    pub(crate) fn started(&mut self, request_id: &str) {
        if !self.overlapping {
            self.invocation = Some(request_id.into());
            self.done = None;
        }
    }

    pub(crate) fn done(&mut self, request_id: &str, time: &str) {
        if self.invocation.as_deref() == Some(request_id) {
            self.done = Some(time.into());
        }
    }

    /// The invocation that a line of this time belongs to. Times are compared as text, since all have the same form.
    pub(crate) fn of(&self, time: &str) -> Option<Arc<str>> {
        let in_time = self.done.as_deref().is_none_or(|done| time <= done);
        self.invocation.as_ref().filter(|_| in_time).map(Arc::clone)
    }
}
