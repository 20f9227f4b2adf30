//! A batch of telemetry as it was delivered.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use crate::{
    clock::Deadline,
    mark,
    telemetry::{
        Category,
        correlation::Correlation,
        cut::{Cut, Head},
        event::Event,
        intake::Sign,
        lenient::FromRaw,
        record::{
            PlatformLogsDropped, PlatformRestoreStart, PlatformRuntimeDone, PlatformStart, Record, category,
        },
        subscription::Categories,
    },
};

/// A batch of telemetry, as Lambda delivered it.
///
/// Its events are read where they lie, when they are asked for, and nothing in it is lost: what this version does not
/// know is [`Record::Unknown`](crate::telemetry::Record::Unknown), and what is no JSON is
/// [`Record::Malformed`](crate::telemetry::Record::Malformed). Cloning it is cheap.
///
/// ```
/// use lambda_extension::telemetry::{Batch, Record};
///
/// let batch = Batch::from_json(
///     r#"[{"time":"2026-07-28T19:02:11.803Z","type":"platform.start","record":{"requestId":"8f60e725"}},
///         {"time":"2026-07-28T19:02:11.805Z","type":"function","record":"hello\n"},
///         {"time":"2026-07-28T19:02:11.806Z","type":"platform.brandNew","record":{"answer":42}}]"#,
/// );
/// assert_eq!(batch.len(), 3);
/// for event in batch.events() {
///     match &event.record {
///         Record::Function(line) => assert_eq!(event.request_id().unwrap(), "8f60e725"),
///         Record::PlatformStart(start) => assert_eq!(start.request_id.as_deref(), Some("8f60e725")),
///         other => assert_eq!(other.kind(), "platform.brandNew"),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    cut: Arc<Cut>,
    filter: Option<Arc<Filter>>,
    /// Where in the sequence of invocations the batch begins.
    correlation: Correlation,
    deadline_ms: u64,
    read: Deadline,
}

/// What of a batch is for the extension: the loop subscribes to `platform` for itself, and the extension's own log lines would
/// feed themselves.
#[derive(Debug)]
pub(crate) struct Filter {
    wanted: Categories,
    /// What the records of the extension's own lines begin with.
    own: [String; 3],
}

impl Filter {
    pub(crate) fn new(wanted: Categories, name: &str) -> Self {
        let [text, json] = [mark::text(name), mark::json(name)];
        // JSON lines come as objects, or as text where the log format is text, or where an emulator knows no better.
        Self { wanted, own: [beginning_of_text(&text), beginning_of_text(&json), json] }
    }

    fn passes(&self, head: &Head<'_>, kind: &str) -> bool {
        let Some(category) = category(kind) else { return true };
        let own =
            || head.record.is_some_and(|record| self.own.iter().any(|mark| record.get().starts_with(mark)));
        self.wanted.contains(category) && !(category == Category::Extension && own())
    }
}

/// What a line with this beginning looks like as a JSON string.
fn beginning_of_text(beginning: &str) -> String {
    let mut json = serde_json::Value::from(beginning).to_string();
    // The closing quote: the line goes on.
    json.pop();
    json
}

impl Batch {
    /// A batch for a unit test of a hook. A production batch leaves out what was not subscribed to and the lines that
    /// this extension logged itself; this one has everything.
    #[must_use]
    pub fn from_json(body: impl Into<Vec<u8>>) -> Self {
        Self::new(Cut::array(Bytes::from(body.into())), None)
    }

    pub(crate) fn new(cut: Cut, filter: Option<Arc<Filter>>) -> Self {
        Self {
            cut: Arc::new(cut),
            filter,
            correlation: Correlation::default(),
            deadline_ms: 0,
            read: Deadline::default(),
        }
    }

    pub(crate) fn within(mut self, (deadline_ms, read): (u64, Deadline)) -> Self {
        (self.deadline_ms, self.read) = (deadline_ms, read);
        self
    }

    /// Puts the batch into the sequence of batches, and gives what it says about the lifecycle.
    pub(crate) fn follow(&mut self, correlation: &mut Correlation) -> Vec<Sign> {
        self.correlation = correlation.clone();
        (0..self.cut.len()).filter_map(|index| sign(&self.cut.head(index)?, correlation)).collect()
    }

    /// The events, one after another.
    pub fn events(&self) -> Events<'_> {
        Events { batch: self, next: 0, correlation: self.correlation.clone() }
    }

    /// The events independent of the batch, for tasks and combinators that cannot take borrowed ones. Allocates.
    pub fn into_events(self) -> impl Iterator<Item = Event<'static>> + Send {
        self.events().map(Event::into_static).collect::<Vec<_>>().into_iter()
    }

    /// How many events [`events`](Self::events) gives.
    #[must_use]
    pub fn len(&self) -> usize {
        (0..self.cut.len()).filter(|index| self.passes(*index)).count()
    }

    /// Whether [`events`](Self::events) gives none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !(0..self.cut.len()).any(|index| self.passes(index))
    }

    /// Whether all that [`events`](Self::events) gives was written by extensions.
    pub(crate) fn is_from_extensions_only(&self) -> bool {
        (0..self.cut.len())
            .filter(|index| self.passes(*index))
            .all(|index| self.cut.head(index).is_some_and(|head| kind(&head) == "extension"))
    }

    /// The body as it was sent, with all that [`events`](Self::events) leaves out.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.cut.bytes()
    }

    /// When the framework drops the hook that handles this batch; `None` while nothing holds the environment.
    #[must_use]
    pub fn deadline(&self) -> Option<SystemTime> {
        self.read.time(self.deadline_ms)
    }

    /// How long until the framework drops the hook that handles this batch; `None` while nothing holds the environment.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.read.remaining(self.deadline_ms)
    }

    fn passes(&self, index: usize) -> bool {
        let Some(filter) = &self.filter else { return true };
        self.cut.head(index).is_none_or(|head| filter.passes(&head, &kind(&head)))
    }
}

/// The events of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Events<'a> {
    batch: &'a Batch,
    next: usize,
    correlation: Correlation,
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let cut: &'a Cut = &self.batch.cut;
        while self.next < cut.len() {
            let index = self.next;
            self.next += 1;
            let Some(head) = cut.head(index) else {
                let bytes = Cow::Borrowed(cut.raw(index));
                return Some(Event::new(cut, index, Cow::Borrowed(""), Record::Malformed(bytes), None));
            };
            sign(&head, &mut self.correlation);
            let kind = kind(&head);
            if self.batch.filter.as_ref().is_some_and(|filter| !filter.passes(&head, &kind)) {
                continue;
            }
            let time = text(head.time);
            let invocation = if kind == "function" { self.correlation.of(&time) } else { None };
            return Some(Event::new(cut, index, time, Record::read(kind, head.record), invocation));
        }
        None
    }
}

fn text<'a>(raw: Option<&'a serde_json::value::RawValue>) -> Cow<'a, str> {
    raw.and_then(|raw| Cow::from_raw(raw.get())).unwrap_or_default()
}

fn kind<'a>(head: &Head<'a>) -> Cow<'a, str> {
    text(head.kind)
}

/// What an event says about the lifecycle, if anything.
fn sign(head: &Head<'_>, correlation: &mut Correlation) -> Option<Sign> {
    let record = head.record?.get();
    match &*kind(head) {
        "platform.start" => {
            correlation.started(PlatformStart::from_raw(record)?.request_id.as_deref()?);
            None
        }
        "platform.runtimeDone" => {
            let request_id = PlatformRuntimeDone::from_raw(record)?.request_id?;
            correlation.done(&request_id, &text(head.time));
            Some(Sign::RuntimeDone(request_id.into_owned().into()))
        }
        "platform.restoreStart" => {
            let instance_id = PlatformRestoreStart::from_raw(record)?.instance_id.map(Cow::into_owned);
            Some(Sign::RestoreStart { instance_id })
        }
        "platform.logsDropped" => {
            PlatformLogsDropped::from_raw(record)?.dropped_records.map(Sign::LogsDropped)
        }
        _ => None,
    }
}
