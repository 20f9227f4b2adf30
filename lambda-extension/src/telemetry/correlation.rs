//! Which invocation a line of text belongs to, as far as that is certain.

use std::sync::Arc;

/// Where in the sequence of invocations the telemetry stands.
///
/// A line of text carries no request id. It belongs to the invocation that has begun and not ended, because an
/// environment runs one at a time. What comes after the invocation's end is attributed only if it is not younger than that
/// end: Lambda swaps events of the same millisecond. What is older than the invocation's start was delivered again, which
/// Lambda does with batches it did not see answered. On Managed Instances, where invocations overlap, nothing is certain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Correlation {
    overlapping: bool,
    invocation: Option<Invocation>,
}

/// Its times are those of Lambda's events, as text.
#[derive(Clone, Debug)]
struct Invocation {
    request_id: Arc<str>,
    start: Arc<str>,
    end: Option<Arc<str>>,
}

impl Correlation {
    pub(crate) fn new(overlapping: bool) -> Self {
        Self { overlapping, invocation: None }
    }

    /// The environment turns out to be one where invocations overlap.
    pub(crate) fn overlap(&mut self) {
        *self = Self::new(true);
    }

    pub(crate) fn started(&mut self, request_id: &str, time: &str) {
        let again = self.invocation.as_ref().is_some_and(|present| {
            *present.request_id == *request_id || (in_order(time, &present.start) && *present.start != *time)
        });
        if !self.overlapping && !again {
            self.invocation =
                Some(Invocation { request_id: request_id.into(), start: time.into(), end: None });
        }
    }

    pub(crate) fn done(&mut self, request_id: &str, time: &str) {
        if let Some(present) = self.invocation.as_mut().filter(|present| *present.request_id == *request_id) {
            present.end.get_or_insert_with(|| time.into());
        }
    }

    /// Events are missing, perhaps the end of one invocation and the start of another.
    pub(crate) fn lost(&mut self) {
        self.invocation = None;
    }

    /// The invocation that a line of this time belongs to.
    pub(crate) fn of(&self, time: &str) -> Option<Arc<str>> {
        let Invocation { request_id, start, end } = self.invocation.as_ref()?;
        let within = in_order(start, time) && end.as_ref().is_none_or(|end| in_order(time, end));
        within.then(|| Arc::clone(request_id))
    }
}

/// Whether the first time is not after the second. They are compared as text, which is right for times of the one form that
/// Lambda writes; of another form nothing is known.
fn in_order(first: &str, second: &str) -> bool {
    first.len() == second.len() && first <= second
}
