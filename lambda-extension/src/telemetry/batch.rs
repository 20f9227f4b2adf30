//! A batch of telemetry as it was delivered.

use std::{borrow::Cow, sync::Arc};

use crate::{
    clock::{self, Bound, Deadline, deadline_methods},
    flush::Ended,
    lenient::FromRaw,
    telemetry::{
        Category,
        correlation::Correlation,
        cut::Cut,
        event::Event,
        head::Head,
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
    contents: Arc<Contents>,
    deadline_ms: u64,
    read: Deadline,
}

/// The events that are for the extension, and to which invocation they belong.
#[derive(Debug)]
struct Contents {
    cut: Cut,
    /// Where the sequence of invocations stands, from the event with this index on. The first is for index 0.
    turns: Vec<(usize, Correlation)>,
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

    fn passes(&self, head: Head<'_>, kind: &str) -> bool {
        let Some(category) = category(kind) else { return true };
        let own = || head.record().is_some_and(|record| self.own.is_on(record));
        self.wanted.contains(category) && !(category == Category::Extension && own())
    }
}

impl Batch {
    /// A batch for a unit test of a hook. A production batch leaves out what was not subscribed to and the lines that
    /// this extension logged itself; this one has everything.
    #[must_use]
    pub fn from_json(body: impl Into<Vec<u8>>) -> Self {
        Self::received(Cut::array(body.into()), None, &mut Correlation::default()).0
    }

    /// Puts a batch into the sequence of batches, takes out what is not for the extension, and gives what it says about the
    /// lifecycle.
    pub(crate) fn received(
        mut cut: Cut,
        filter: Option<&Filter>,
        correlation: &mut Correlation,
    ) -> (Self, Vec<Sign>) {
        let mut turns = vec![(0, correlation.clone())];
        let mut signs = Vec::new();
        let mut kept = 0;
        cut.retain(|head| {
            let passes = head.is_none_or(|head| {
                let kind = head.kind();
                if kind.starts_with("platform.") {
                    signs.extend(sign(head, &kind, correlation));
                    turns.push((kept, correlation.clone()));
                }
                filter.is_none_or(|filter| filter.passes(head, &kind))
            });
            kept += usize::from(passes);
            passes
        });
        let contents = Arc::new(Contents { cut, turns });
        (Self { contents, deadline_ms: 0, read: Deadline::default() }, signs)
    }

    /// The same batch, for a hook with this bound.
    pub(crate) fn within(self, bound: Bound) -> Self {
        Self { deadline_ms: bound.deadline_ms, read: bound.read, ..self }
    }

    /// The events, one after another.
    pub fn events(&self) -> Events<'_> {
        Events { contents: &self.contents, next: 0, turn: 0 }
    }

    /// The events independent of the batch, for tasks and combinators that cannot take borrowed ones. Allocates.
    ///
    /// ```
    /// use lambda_extension::telemetry::{Batch, Event};
    ///
    /// let batch = Batch::from_json(r#"[{"time":"","type":"function","record":"kept"}]"#);
    /// let kept: Vec<Event<'static>> = batch.into_events().collect();
    /// assert_eq!(kept[0].record.kind(), "function");
    /// ```
    pub fn into_events(self) -> impl Iterator<Item = Event<'static>> + Send {
        self.events().map(Event::into_static).collect::<Vec<_>>().into_iter()
    }

    /// How many events [`events`](Self::events) gives.
    #[must_use]
    pub fn len(&self) -> usize {
        self.contents.cut.len()
    }

    /// Whether [`events`](Self::events) gives none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all that [`events`](Self::events) gives was written by extensions.
    pub(crate) fn is_from_extensions_only(&self) -> bool {
        let cut = &self.contents.cut;
        (0..cut.len()).all(|index| cut.head(index).is_some_and(|head| head.kind() == "extension"))
    }

    /// How much memory it takes, in bytes, but for a factor of two: the body, or what there is beside it if that is more. Of events
    /// as Lambda writes them it is the body; the smallest that JSON allows are a byte and a comma each.
    pub(crate) fn size(&self) -> usize {
        let Contents { cut, turns } = &*self.contents;
        cut.bytes().len().max(cut.size_beside() + size_of_val(&turns[..]))
    }

    /// The body as it was sent, with all that [`events`](Self::events) leaves out.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.contents.cut.bytes()
    }
}

deadline_methods!(Batch, "the framework drops a hook that still runs", "nothing bounds it");

/// The events of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Events<'a> {
    contents: &'a Contents,
    next: usize,
    /// Which of the turns holds.
    turn: usize,
}

impl<'a> Events<'a> {
    /// Where the sequence of invocations stands at the event with this index.
    fn correlation(&mut self, index: usize) -> &'a Correlation {
        let turns = &self.contents.turns;
        while turns.get(self.turn + 1).is_some_and(|(from, _)| *from <= index) {
            self.turn += 1;
        }
        &turns[self.turn].1
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let cut = &self.contents.cut;
        let index = self.next;
        if index == cut.len() {
            return None;
        }
        self.next += 1;
        let Some(head) = cut.head(index) else {
            let bytes = Cow::Borrowed(cut.raw(index));
            return Some(Event::new(cut, index, Cow::Borrowed(""), Record::Malformed(bytes), None));
        };
        let (time, kind) = (head.time(), head.kind());
        let invocation = if kind == "function" { self.correlation(index).of(&time) } else { None };
        Some(Event::new(cut, index, time, Record::read(kind, head.record()), invocation))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.contents.cut.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Events<'_> {}

/// What an event says about the lifecycle, if anything.
fn sign(head: Head<'_>, kind: &str, correlation: &mut Correlation) -> Option<Sign> {
    let record = head.record()?;
    match kind {
        "platform.start" => {
            let start = PlatformStart::from_raw(record)?;
            correlation.started(start.request_id.as_deref()?, &head.time());
            None
        }
        "platform.runtimeDone" => {
            let request_id = PlatformRuntimeDone::from_raw(record)?.request_id?;
            let time = head.time();
            correlation.done(&request_id, &time);
            let time_ms = clock::timestamp(&time).and_then(clock::since_epoch_ms);
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
            let (batch, _) = Batch::received(Cut::array(body.as_bytes().to_vec()), None, &mut correlation);
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
        let cut = Cut::array(body.clone().into_bytes());
        let (batch, _) = Batch::received(cut, Some(&filter), &mut Correlation::default());
        let kept: Vec<_> =
            batch.events().map(|event| String::from_utf8_lossy(event.raw()).into_owned()).collect();
        assert_eq!(kept, [&records[own.len()..], &events[records.len()..=records.len()]].concat());
        assert_eq!(batch.len(), kept.len());
        assert_eq!(batch.as_bytes(), body.as_bytes(), "the body is untouched");
    }
}
