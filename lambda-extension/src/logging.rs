//! Logging to stderr as Lambda's advanced logging controls ask for it (feature `logging`).

mod line;

use std::{env, io};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    config,
    logging::line::{Format, Line},
    variables,
};

/// Sends `tracing` events to stderr, one line each, marked with the extension's name:
///
/// ```text
/// [my-extension]  INFO invocation{request_id=8f60e725-…}: extension{hook="on_flush"}: my_extension: flushed lines=12
/// {"extension":"my-extension","timestamp":"2026-07-28T19:02:11.900Z","level":"INFO","message":"flushed","lines":12,…}
/// ```
///
/// `AWS_LAMBDA_LOG_LEVEL` (TRACE, DEBUG, INFO, WARN, ERROR or FATAL) sets what is written, INFO unless set;
/// `AWS_LAMBDA_LOG_FORMAT=JSON` the second form. Lambda sets both from the function's logging configuration ("Configuring
/// advanced logging controls" in the AWS Lambda Developer Guide). By its mark [`Batch`](crate::telemetry::Batch) tells a
/// line of this extension from those of others.
///
/// Does nothing when a subscriber is set already. [`#[main]`](crate::main) calls it first thing; a `main` of your own does after
/// [`Config::from_env`](crate::Config::from_env):
///
/// ```no_run
/// use lambda_extension::{Config, Error, Extension};
///
/// struct MyExtension;
/// impl Extension for MyExtension {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     let config = Config::from_env()?;
///     lambda_extension::logging::init();
///     tracing::info!("it is {} that speaks", config.extension_name());
///     Ok(config.run(MyExtension).await?)
/// }
/// ```
pub fn init() {
    init_as(None);
}

/// Never inlined, or the memory that making the subscriber takes on the stack would be held for the whole life.
#[inline(never)]
pub(crate) fn init_as(name: Option<&str>) {
    let name = name.map(ToOwned::to_owned).or_else(config::name_from_env).unwrap_or_default();
    let level = level(env::var(variables::LOG_LEVEL).as_deref().unwrap_or_default());
    let json = env::var(variables::LOG_FORMAT).is_ok_and(|format| format.eq_ignore_ascii_case("json"));
    let format = if json { Format::Json } else { Format::Text };
    // An error means that somebody else has set a subscriber, which is theirs to choose.
    let _ = tracing::subscriber::set_global_default(subscriber(&name, level, format, io::stderr));
}

fn subscriber<W>(name: &str, level: LevelFilter, format: Format, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_max_level(level)
        // Told by `eprintln`, which panics for the same reason: standard error is full, or nobody reads it.
        .log_internal_errors(false)
        .with_writer(writer)
        .fmt_fields(format)
        .event_format(Line::new(name, format))
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
