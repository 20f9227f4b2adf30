//! Logging to stderr as Lambda's advanced logging controls ask for it (feature `logging`).

use std::{
    env,
    io::{self, Write},
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::{config, mark};

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
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(Marked::new(&name, json));
    // An error means that somebody else has set a subscriber, which is theirs to choose.
    let _ = if json {
        tracing::subscriber::set_global_default(
            builder.json().flatten_event(true).with_current_span(false).finish(),
        )
    } else {
        // CloudWatch has a time for each line.
        tracing::subscriber::set_global_default(builder.without_time().finish())
    };
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

/// Writes each event to stderr behind the mark, in one write.
struct Marked {
    mark: String,
    /// How much of an event the mark takes the place of: the brace a JSON line begins with.
    replaces: usize,
}

impl Marked {
    fn new(name: &str, json: bool) -> Self {
        if json {
            Self { mark: mark::json(name), replaces: 1 }
        } else {
            Self { mark: mark::text(name), replaces: 0 }
        }
    }
}

impl<'a> MakeWriter<'a> for Marked {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

/// The formatter hands over each event whole, with its line end.
impl Write for &Marked {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = [self.mark.as_bytes(), &event[self.replaces.min(event.len())..]].concat();
        io::stderr().write_all(&line)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
}
