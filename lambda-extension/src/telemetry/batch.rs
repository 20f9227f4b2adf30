//! A batch of telemetry as it was delivered.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    clock::{self, Bound, bounded},
    flush::Ended,
    telemetry::{
        Category,
        correlation::Correlation,
        cut::Cut,
        event::{self, Event},
        head::Head,
        lenient::FromRaw,
        mark::Mark,
        record::{
            InitType, PlatformInitStart, PlatformLogsDropped, PlatformRestoreStart, PlatformRuntimeDone,
            PlatformStart, Record, category,
        },
        sign::Sign,
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
    bound: Bound,
}

/// What of a batch is for the extension: the loop subscribes to `platform` for itself, and the extension's own log lines would
/// feed themselves.
#[derive(Debug)]
pub(crate) struct Filter {
    wanted: Categories,
    own: Mark,
}

impl Filter {
    pub(crate) fn new(wanted: Categories, name: &str) -> Self {
        Self { wanted, own: Mark::new(name) }
    }

    fn passes(&self, head: &Head<'_>, kind: &str) -> bool {
        let Some(category) = category(kind) else { return true };
        let own = || head.record.is_some_and(|record| self.own.is_on(record.get()));
        self.wanted.contains(category) && !(category == Category::Extension && own())
    }
}

impl Batch {
    /// A batch for a unit test of a hook. A production batch leaves out what was not subscribed to and the lines that
    /// this extension logged itself; this one has everything.
    #[must_use]
    pub fn from_json(body: impl Into<Vec<u8>>) -> Self {
        Self::new(Cut::array(Bytes::from(body.into())), None)
    }

    pub(crate) fn new(cut: Cut, filter: Option<Arc<Filter>>) -> Self {
        Self { cut: Arc::new(cut), filter, correlation: Correlation::default(), bound: Bound::default() }
    }

    /// Puts the batch into the sequence of batches, and gives what it says about the lifecycle.
    pub(crate) fn follow(&mut self, correlation: &mut Correlation) -> Vec<Sign> {
        self.correlation = correlation.clone();
        let signs = (0..self.cut.len()).filter_map(|index| {
            let head = self.cut.head(index)?;
            sign(&head, &kind(&head), correlation)
        });
        signs.collect()
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

    /// How many events there are, with those that [`events`](Self::events) leaves out.
    pub(crate) fn events_in_all(&self) -> usize {
        self.cut.len()
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

    fn passes(&self, index: usize) -> bool {
        let Some(filter) = &self.filter else { return true };
        self.cut.head(index).is_none_or(|head| filter.passes(&head, &kind(&head)))
    }
}

bounded!(Batch);

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
            let kind = kind(&head);
            sign(&head, &kind, &mut self.correlation);
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

fn text<'a>(raw: Option<&'a RawValue>) -> Cow<'a, str> {
    raw.and_then(|raw| Cow::from_raw(raw.get())).unwrap_or_default()
}

fn kind<'a>(head: &Head<'a>) -> Cow<'a, str> {
    match head.kind.map(RawValue::get) {
        // Nearly all of them, and asked for several times each.
        Some(r#""function""#) => Cow::Borrowed("function"),
        _ => text(head.kind),
    }
}

/// What an event says about the lifecycle, if anything.
fn sign(head: &Head<'_>, kind: &str, correlation: &mut Correlation) -> Option<Sign> {
    let record = head.record?.get();
    match kind {
        "platform.start" => {
            let start = PlatformStart::from_raw(record)?;
            correlation.started(start.request_id.as_deref()?, &text(head.time));
            None
        }
        "platform.runtimeDone" => {
            let request_id = PlatformRuntimeDone::from_raw(record)?.request_id?;
            let time = text(head.time);
            correlation.done(&request_id, &time);
            let time_ms = event::timestamp(&time).and_then(clock::since_epoch_ms);
            Some(Sign::RuntimeDone(Ended { request_id: request_id.into_owned().into(), time_ms }))
        }
        "platform.initStart" => {
            let start = PlatformInitStart::from_raw(record)?;
            if start.initialization_type == Some(InitType::ManagedInstances) {
                correlation.overlap();
            }
            None
        }
        "platform.restoreStart" => {
            let instance_id = PlatformRestoreStart::from_raw(record)?.instance_id.map(Cow::into_owned);
            Some(Sign::RestoreStart { instance_id })
        }
        "platform.logsDropped" => {
            correlation.lost();
            PlatformLogsDropped::from_raw(record)?.dropped_records.map(Sign::LogsDropped)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of these batches, one after another, is attributed to which invocation: the function's lines with their owner.
    fn attributed(overlapping: bool, bodies: &[&str]) -> Vec<(String, Option<String>)> {
        let mut correlation = Correlation::new(overlapping);
        let mut lines = Vec::new();
        for body in bodies {
            let mut batch = Batch::new(Cut::array(Bytes::copy_from_slice(body.as_bytes())), None);
            batch.follow(&mut correlation);
            for event in batch.events() {
                if let Record::Function(line) | Record::Extension(line) = &event.record {
                    lines.push((
                        line.raw().trim_matches('"').to_owned(),
                        event.request_id().map(|id| id.to_string()),
                    ));
                }
            }
        }
        lines
    }

    fn owners(overlapping: bool, bodies: &[&str]) -> Vec<Option<String>> {
        attributed(overlapping, bodies).into_iter().map(|(_, owner)| owner).collect()
    }

    fn event(ms: u32, kind: &str, record: &str) -> String {
        format!(r#"{{"time":"2026-07-28T19:02:11.{ms:03}Z","type":"{kind}","record":{record}}}"#)
    }

    fn start(ms: u32, id: &str) -> String {
        event(ms, "platform.start", &format!(r#"{{"requestId":"{id}"}}"#))
    }

    fn done(ms: u32, id: &str) -> String {
        event(ms, "platform.runtimeDone", &format!(r#"{{"requestId":"{id}","status":"success"}}"#))
    }

    fn line(ms: u32) -> String {
        event(ms, "function", "\"a line\\n\"")
    }

    fn batch(events: &[String]) -> String {
        format!("[{}]", events.join(","))
    }

    fn a() -> Option<String> {
        Some("A".to_owned())
    }

    fn b() -> Option<String> {
        Some("B".to_owned())
    }

    #[test]
    fn a_line_belongs_to_the_invocation_that_goes_on_also_across_batches() {
        let bodies = [
            batch(&[line(0), start(1, "A"), line(2)]),
            batch(&[line(3)]),
            batch(&[line(4), done(5, "A"), line(6), start(7, "B"), line(8)]),
        ];
        let bodies: Vec<_> = bodies.iter().map(String::as_str).collect();
        assert_eq!(owners(false, &bodies), [None, a(), a(), a(), None, b()]);
    }

    #[test]
    fn a_line_that_changed_places_with_the_end_in_the_same_millisecond_belongs_to_the_invocation() {
        let body = batch(&[start(1, "A"), done(5, "A"), line(5), line(6)]);
        assert_eq!(owners(false, &[&body]), [a(), None]);
    }

    #[test]
    fn a_batch_delivered_twice_takes_no_line_from_the_invocation_that_goes_on() {
        let first = batch(&[start(1, "A"), line(2), done(3, "A")]);
        let next = batch(&[start(7, "B"), line(8)]);
        assert_eq!(owners(false, &[&first, &next, &first, &batch(&[line(9)])]), [a(), b(), None, b()]);
    }

    #[test]
    fn a_redelivered_start_does_not_begin_an_invocation_again() {
        let first = batch(&[start(1, "A"), done(3, "A")]);
        assert_eq!(owners(false, &[&first, &first, &batch(&[line(9)])]), [None]);
    }

    #[test]
    fn nothing_is_certain_after_lambda_dropped_records() {
        let dropped = event(3, "platform.logsDropped", r#"{"droppedRecords":9}"#);
        let body = batch(&[start(1, "A"), line(2), dropped, line(4), start(5, "B"), line(6)]);
        assert_eq!(owners(false, &[&body]), [a(), None, b()]);
    }

    #[test]
    fn a_line_whose_time_cannot_be_read_is_attributed_to_nobody() {
        let strange = r#"{"time":17,"type":"function","record":"x"}"#.to_owned();
        assert_eq!(owners(false, &[&batch(&[start(1, "A"), strange])]), [None]);
    }

    #[test]
    fn text_is_attributed_to_nobody_on_managed_instances_however_that_is_known() {
        let body = batch(&[start(1, "A"), line(2)]);
        assert_eq!(owners(true, &[&body]), [None]);
        let init = event(0, "platform.initStart", r#"{"initializationType":"lambda-managed-instances"}"#);
        assert_eq!(owners(false, &[&batch(&[init]), &body]), [None]);
    }

    #[test]
    fn a_json_line_names_its_invocation_by_either_key() {
        for (record, owner) in [
            (r#"{"requestId":"B","nested":{"requestId":"C"}}"#, b()),
            (r#"{"level":"INFO","AWSRequestId":"B"}"#, b()),
            (r#"{"level":"INFO"}"#, a()),
            (r#"{"requestId":null}"#, a()),
            (r#"{"requestId":"A","requestId":"B"}"#, a()),
        ] {
            let body = batch(&[start(1, "A"), event(2, "function", record)]);
            assert_eq!(owners(false, &[&body]), [owner], "{record}");
        }
        assert_eq!(owners(true, &[&batch(&[event(2, "function", r#"{"requestId":"B"}"#)])]), [b()]);
    }

    #[test]
    fn lines_of_extensions_belong_to_no_invocation_unless_they_say_so() {
        let body = batch(&[start(1, "A"), event(2, "extension", "\"text\"")]);
        assert_eq!(owners(false, &[&body]), [None]);
    }

    #[test]
    fn own_lines_are_left_out_in_every_form_and_no_others() {
        let own = [
            r#""[my-\"ext] text\n""#,
            r#"{"extension":"my-\"ext","level":"INFO"}"#,
            // The oldest schema has JSON lines as text.
            r#""{\"extension\":\"my-\\\"ext\",\"level\":\"INFO\"}\n""#,
        ];
        let others = [
            r#""[my-ext-2] text\n""#,
            r#""[my-\"ext]text\n""#,
            r#""text [my-\"ext] \n""#,
            r#"{"extension":"my-ext-2","level":"INFO"}"#,
            r#"{"level":"INFO","extension":"my-\"ext"}"#,
        ];
        let records: Vec<_> = own.iter().chain(&others).map(|record| event(1, "extension", record)).collect();
        let filter = Filter::new([Category::Extension, Category::Function].into_iter().collect(), "my-\"ext");
        let mut events = records.clone();
        // The function may write what it likes.
        events.push(event(1, "function", own[0]));
        events.push(start(1, "A"));
        let body = batch(&events);
        let batch = Batch::new(Cut::array(Bytes::from(body.clone())), Some(Arc::new(filter)));
        let kept: Vec<_> =
            batch.events().map(|event| String::from_utf8_lossy(event.raw()).into_owned()).collect();
        assert_eq!(kept, [&records[own.len()..], &events[records.len()..=records.len()]].concat());
        assert_eq!(batch.len(), kept.len());
        assert_eq!(batch.as_bytes(), body.as_bytes(), "the body is untouched");
    }
}
