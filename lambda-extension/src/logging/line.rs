//! How an event becomes a line of the log.

use std::{
    fmt::{self, Debug, Display, Write},
    mem,
    time::SystemTime,
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::{LookupSpan, Scope},
};

use crate::telemetry::mark::{self, quoted};

#[derive(Clone, Copy)]
pub(super) enum Format {
    Text,
    Json,
}

/// How an event becomes a line. Written by hand in both formats: the subscriber's own text, which escapes character by character,
/// is a third of the instructions of an invocation.
pub(super) struct Line {
    mark: String,
    format: Format,
}

impl Line {
    /// The lines of the extension with this name.
    pub(super) fn new(name: &str, format: Format) -> Self {
        let mark = match format {
            Format::Text => mark::text(name),
            Format::Json => mark::json(name),
        };
        Self { mark, format }
    }
}

impl<S> FormatEvent<S, Format> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Format>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.format {
            Format::Text => self.text(context, writer, event),
            Format::Json => self.json(context, writer, event),
        }
    }
}

impl Line {
    fn text<S>(
        &self,
        context: &FmtContext<'_, S, Format>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut line = Marked { mark: &self.mark, writer, at_start: true };
        let metadata = event.metadata();
        // CloudWatch has a time for each line.
        write!(line, "{:>5} ", metadata.level())?;
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            line.write_str(span.name())?;
            if let Some(fields) = span.extensions().get::<FormattedFields<Format>>()
                && !fields.is_empty()
            {
                line.write_str("{")?;
                line.write_str(fields)?;
                line.write_str("}")?;
            }
            line.write_str(": ")?;
        }
        line.write_str(metadata.target())?;
        line.write_str(": ")?;
        Text::write(&mut line, event)?;
        line.write_str("\n")
    }

    fn json<S>(
        &self,
        context: &FmtContext<'_, S, Format>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        let metadata = event.metadata();
        write!(line, "{}\"timestamp\":\"{now}\",\"level\":\"{}\"", self.mark, metadata.level())?;
        Members::write(&mut line, event)?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<Format>>() {
                line.write_str(fields)?;
            }
        }
        writeln!(line, ",\"target\":{}}}", quoted(metadata.target()))
    }
}

/// Lambda makes a log line of each line of a text, so each gets the mark. What could upset a terminal, such as that of `aws logs
/// tail`, is escaped: a message may hold what anybody sent to the function.
struct Marked<'a, W> {
    mark: &'a str,
    writer: W,
    at_start: bool,
}

impl<W: Write> Write for Marked<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive('\n') {
            if mem::replace(&mut self.at_start, part.ends_with('\n')) {
                self.writer.write_str(self.mark)?;
            }
            if part.bytes().any(may_be_control) {
                part.chars().try_for_each(|character| match character {
                    '\n' | '\t' => self.writer.write_char(character),
                    _ if character.is_control() => write!(self.writer, "{}", character.escape_default()),
                    _ => self.writer.write_char(character),
                })?;
            } else {
                self.writer.write_str(part)?;
            }
        }
        Ok(())
    }
}

/// Whether a byte is, or may begin, a control character. Those above ASCII begin with C2.
fn may_be_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\n') || byte == 0x7F || byte == 0xC2
}

/// How the fields of a span are kept until a line needs them.
impl<'writer> FormatFields<'writer> for Format {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        match self {
            Self::Text => Text::write(&mut writer, fields),
            Self::Json => Members::write(&mut writer, fields),
        }
    }
}

/// Writes the message and `field=value` for each other field.
struct Text<'a, W> {
    writer: &'a mut W,
    first: bool,
    result: fmt::Result,
}

impl<'a, W: Write> Text<'a, W> {
    fn write(writer: &'a mut W, fields: impl RecordFields) -> fmt::Result {
        let mut text = Self { writer, first: true, result: Ok(()) };
        fields.record(&mut text);
        text.result
    }

    fn field(&mut self, field: &Field, value: &dyn Debug) -> fmt::Result {
        if !mem::take(&mut self.first) {
            self.writer.write_str(" ")?;
        }
        if field.name() != "message" {
            self.writer.write_str(field.name())?;
            self.writer.write_str("=")?;
        }
        write!(self.writer, "{value:?}")
    }
}

impl<W: Write> Visit for Text<'_, W> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.result = self.result.and_then(|()| self.field(field, value));
    }
}

/// Writes `,"field":value` for each field.
struct Members<'a, 'writer> {
    writer: &'a mut Writer<'writer>,
    result: fmt::Result,
}

impl<'a, 'writer> Members<'a, 'writer> {
    fn write(writer: &'a mut Writer<'writer>, fields: impl RecordFields) -> fmt::Result {
        let mut members = Self { writer, result: Ok(()) };
        fields.record(&mut members);
        members.result
    }

    fn member(&mut self, field: &Field, value: impl Display) {
        self.result = self.result.and_then(|()| write!(self.writer, ",{}:{value}", quoted(field.name())));
    }
}

impl Visit for Members<'_, '_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, quoted(value));
    }

    /// Everything else, floats too: not all of those are JSON numbers.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, quoted(&format!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing::level_filters::LevelFilter;

    use super::*;
    use crate::logging::subscriber;

    /// A line for the event, in the span that the event loop makes for an invocation.
    fn line(json: bool, message: &str) -> String {
        written(json, || {
            let _invocation = tracing::info_span!("invocation", request_id = "8f60").entered();
            tracing::info!(lines = 12, half = 0.5, "{message}");
            tracing::debug!("not written");
        })
    }

    /// What is written for the events that `run` makes.
    fn written(json: bool, run: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Written(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Written {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let written = Written::default();
        let writer = written.clone();
        let subscriber = subscriber(
            "my-ext",
            LevelFilter::INFO,
            if json { Format::Json } else { Format::Text },
            move || writer.clone(),
        );
        tracing::subscriber::with_default(subscriber, run);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_text_line_is_marked_and_names_the_invocation() {
        let line = line(false, "flushed \"all\"");
        assert!(line.starts_with("[my-ext]  INFO invocation{request_id=\"8f60\"}: "), "{line}");
        assert!(line.ends_with("flushed \"all\" lines=12 half=0.5\n"), "{line}");
    }

    #[test]
    fn spans_stand_in_a_line_from_the_outermost_on() {
        let line = written(false, || {
            let _invocation = tracing::info_span!("invocation", request_id = %"8f60").entered();
            let _hook = tracing::info_span!("extension").entered();
            tracing::warn!(reason = "none", "late");
        });
        assert_eq!(
            line,
            "[my-ext]  WARN invocation{request_id=8f60}: extension: lambda_extension::logging::line::tests: late reason=\"none\"\n"
        );
    }

    #[test]
    fn what_could_upset_a_terminal_is_escaped_in_both_formats() {
        let message = "\u{1b}[31mred\u{9b}2J\r bell\u{7} tab\t é £";
        let text = line(false, message);
        assert!(text.contains(r"\u{1b}[31mred\u{9b}2J\r bell\u{7} tab"), "{text}");
        assert!(text.contains("tab\t é £"), "{text}");
        let json = line(true, message);
        assert!(!json.trim_end().contains(|character: char| character < ' '), "{json}");
    }

    #[test]
    fn every_line_of_a_text_has_the_mark_since_lambda_takes_each_for_one_of_its_own() {
        let text = line(false, "it failed\n  because");
        assert!(text.ends_with("it failed\n[my-ext]   because lines=12 half=0.5\n"), "{text}");
    }

    #[test]
    fn a_json_line_is_marked_and_flat() {
        let line = line(true, "flushed \"all\"");
        assert!(line.starts_with(&mark::json("my-ext")) && line.ends_with("}\n"), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["message"], "flushed \"all\"");
        assert_eq!(
            (&value["lines"], &value["request_id"], &value["level"]),
            (&12.into(), &"8f60".into(), &"INFO".into())
        );
        assert!(humantime::parse_rfc3339(value["timestamp"].as_str().unwrap()).is_ok());
    }
}
