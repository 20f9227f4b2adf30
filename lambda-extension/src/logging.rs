//! Logging to stderr as Lambda's advanced logging controls ask for it (feature `logging`).

use std::{
    env,
    fmt::{self, Debug, Display},
    io,
    time::SystemTime,
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter,
        format::{DefaultFields, Format, Full, Writer},
    },
    registry::LookupSpan,
};

use crate::{
    config,
    telemetry::mark::{self, quoted},
};

/// Sends `tracing` events to stderr, one line each, marked with the extension's name:
///
/// ```text
/// [my-extension]  INFO invocation{request_id=8f60e725-…}:extension{hook="on_flush"}: my_extension: flushed lines=12
/// {"extension":"my-extension","timestamp":"2026-07-28T19:02:11.900Z","level":"INFO","message":"flushed","lines":12,…}
/// ```
///
/// `AWS_LAMBDA_LOG_LEVEL` (TRACE, DEBUG, INFO, WARN, ERROR or FATAL) sets what is written, INFO unless set;
/// `AWS_LAMBDA_LOG_FORMAT=JSON` the second form. Lambda sets both from the function's logging configuration ("Configuring
/// advanced logging controls" in the AWS Lambda Developer Guide). By its mark [`Batch`](crate::telemetry::Batch) tells a
/// line of this extension from those of others.
///
/// Does nothing when a subscriber is set already. [`#[main]`](crate::main) calls it first thing.
pub fn init() {
    init_as(None);
}

pub(crate) fn init_as(name: Option<&str>) {
    let name = name.map(ToOwned::to_owned).or_else(config::name_from_env).unwrap_or_default();
    let level = level(env::var("AWS_LAMBDA_LOG_LEVEL").as_deref().unwrap_or_default());
    let json = env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|format| format.eq_ignore_ascii_case("json"));
    // An error means that somebody else has set a subscriber, which is theirs to choose.
    let _ = tracing::subscriber::set_global_default(subscriber(&name, level, json, io::stderr));
}

fn subscriber<W>(name: &str, level: LevelFilter, json: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let line = if json {
        Line::Json { mark: mark::json(name) }
    } else {
        // CloudWatch has a time for each line.
        Line::Text { mark: mark::text(name), format: Format::default().without_time() }
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        // Told by `eprintln`, which panics for the same reason: standard error is full, or nobody reads it.
        .log_internal_errors(false)
        .with_writer(writer)
        .fmt_fields(if json { Fields::Json } else { Fields::Text(DefaultFields::new()) })
        .event_format(line)
        .finish()
}

fn level(word: &str) -> LevelFilter {
    match word.to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "WARN" => LevelFilter::WARN,
        "ERROR" | "FATAL" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

/// How an event becomes a line. One type for both formats, because each instance of the subscriber is 30 kB of code.
enum Line {
    Text { mark: String, format: Format<Full, ()> },
    Json { mark: String },
}

impl<S> FormatEvent<S, Fields> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Fields>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mark = match self {
            Self::Text { mark, format } => {
                let mut text = String::new();
                format.format_event(context, Writer::new(&mut text), event)?;
                // Lambda makes a log line of each line of a text, so each has the mark.
                return text.split_inclusive('\n').try_for_each(|part| write!(line, "{mark}{part}"));
            }
            Self::Json { mark } => mark,
        };
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        let metadata = event.metadata();
        write!(line, "{mark}\"timestamp\":\"{now}\",\"level\":\"{}\"", metadata.level())?;
        json_fields(&mut line, event)?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<Fields>>() {
                line.write_str(fields)?;
            }
        }
        writeln!(line, ",\"target\":{}}}", quoted(metadata.target()))
    }
}

/// How the fields of a span are kept until a line needs them.
enum Fields {
    Text(DefaultFields),
    Json,
}

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        match self {
            Self::Text(format) => format.format_fields(writer, fields),
            Self::Json => json_fields(&mut writer, fields),
        }
    }
}

/// Writes `,"field":value` for each field.
fn json_fields(writer: &mut Writer<'_>, fields: impl RecordFields) -> fmt::Result {
    let mut members = Members { writer, result: Ok(()) };
    fields.record(&mut members);
    members.result
}

struct Members<'a, 'writer> {
    writer: &'a mut Writer<'writer>,
    result: fmt::Result,
}

impl Members<'_, '_> {
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
    use super::*;

    #[test]
    fn levels_are_lambdas_words() {
        assert_eq!(level("debug"), LevelFilter::DEBUG);
        assert_eq!(level("FATAL"), LevelFilter::ERROR);
        assert_eq!(level(""), LevelFilter::INFO);
    }

    /// A line for the event, in the span that the event loop makes for an invocation.
    fn line(json: bool, message: &str) -> String {
        #[derive(Clone, Default)]
        struct Written(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
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
        let subscriber = subscriber("my-ext", LevelFilter::INFO, json, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            let _invocation = tracing::info_span!("invocation", request_id = "8f60").entered();
            tracing::info!(lines = 12, half = 0.5, "{message}");
            tracing::debug!("not written");
        });
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
