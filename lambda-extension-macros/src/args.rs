//! The arguments that `#[lambda_extension::main(…)]` takes, and what each can be.
//!
//! Each is read on its own, so that a mistake in one never hides a mistake in another.
//! What takes two arguments, or the function, to judge is left to `model`.

use proc_macro2::TokenStream;
use syn::{Error, Ident, LitStr, Path, Result};

use crate::argument::{Argument, Value, between_commas};
use crate::mistakes::Mistakes;

/// Every argument of the attribute.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) name: Arg<LitStr>,
    pub(crate) events: Arg<Vec<Event>>,
    pub(crate) telemetry: Arg<Vec<Category>>,
    pub(crate) buffering: Arg<Buffering>,
    pub(crate) flush: Arg<Flush>,
    pub(crate) on_error: Arg<ErrorPolicy>,
    pub(crate) logging: Arg<Logging>,
    pub(crate) flavor: Arg<Flavor>,
    pub(crate) worker_threads: Arg<u64>,
    pub(crate) krate: Arg<Path>,
}

/// What the user wrote for one argument.
#[derive(Default)]
pub(crate) enum Arg<T> {
    #[default]
    Absent,
    /// It was given wrongly, which is a mistake already noted, and nothing more can be said about it.
    Wrong,
    Given {
        key: Ident,
        value: T,
    },
}

impl<T> Arg<T> {
    /// The value, where the argument was given.
    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Self::Given { value, .. } => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// Whether the user wrote nothing.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

// The variants below are named as in the library, whose paths `expand` makes of them.

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    Invoke,
    Shutdown,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Category {
    Platform,
    Function,
    Extension,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Buffering {
    pub(crate) max_items: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) timeout_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flush {
    End,
    Adaptive,
    Shutdown,
    /// Every so many milliseconds.
    Periodic(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ErrorPolicy {
    Continue,
    Exit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Logging {
    None,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flavor {
    CurrentThread,
    MultiThread,
}

/// How each argument is written; the first word is its key.
const EXAMPLES: [&str; 10] = [
    r#"name = "my-extension""#,
    "events(invoke, shutdown)",
    "telemetry(platform, function)",
    "buffering(max_items = 1_000, max_bytes = 262_144, timeout_ms = 100)",
    r#"flush = "end""#,
    r#"on_error = "exit""#,
    r#"logging = "none""#,
    r#"flavor = "multi_thread""#,
    "worker_threads = 2",
    r#"crate = "my_extension""#,
];

/// The same for the arguments of `buffering`.
const BUFFERING_EXAMPLES: [&str; 3] = ["max_items = 1_000", "max_bytes = 262_144", "timeout_ms = 100"];

/// How the one way to flush that is no word is written.
const PERIODIC: &str = "flush(periodic_ms = 10_000)";

/// Reads what stands between the attribute's parentheses.
pub(crate) fn parse(tokens: TokenStream, mistakes: &mut Mistakes) -> Args {
    let mut args = Args::default();
    let mut seen = Vec::new();
    for piece in between_commas(tokens) {
        if let Some(argument) = mistakes.take(Argument::parse(piece, &EXAMPLES, &mut seen)) {
            args.read(&argument, mistakes);
        }
    }
    args
}

impl Args {
    fn read(&mut self, argument: &Argument, mistakes: &mut Mistakes) {
        match argument.key.to_string().as_str() {
            "name" => self.name = Arg::of(argument, name, mistakes),
            "events" => self.events = Arg::of(argument, events, mistakes),
            "telemetry" => self.telemetry = Arg::of(argument, telemetry, mistakes),
            "buffering" => self.buffering = Arg::of(argument, buffering, mistakes),
            "flush" => self.flush = Arg::of(argument, flush, mistakes),
            "on_error" => self.on_error = Arg::of(argument, on_error, mistakes),
            "logging" => self.logging = Arg::of(argument, logging, mistakes),
            "flavor" => self.flavor = Arg::of(argument, flavor, mistakes),
            "worker_threads" => self.worker_threads = Arg::of(argument, worker_threads, mistakes),
            "crate" => self.krate = Arg::of(argument, krate, mistakes),
            key => unreachable!("`{key}` has an example but no reader"),
        }
    }
}

impl<T> Arg<T> {
    fn of(argument: &Argument, reader: fn(&Argument) -> Result<T>, mistakes: &mut Mistakes) -> Self {
        match mistakes.take(reader(argument)) {
            Some(value) => Self::Given { key: argument.key.clone(), value },
            None => Self::Wrong,
        }
    }
}

fn name(argument: &Argument) -> Result<LitStr> {
    let string = argument.string()?;
    let name = string.value();
    let message = if name.is_empty() {
        "the name is empty; write the extension's file name in /opt/extensions, or leave `name` out"
    } else if name.contains('/') {
        "the name is a file name in /opt/extensions, not a path; leave out everything up to the last `/`"
    } else if !name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') || name.trim() != name {
        "the name goes into an HTTP header; use printable ASCII, with no space at either end"
    } else {
        return Ok(string);
    };
    Err(Error::new_spanned(&string, message))
}

fn events(argument: &Argument) -> Result<Vec<Event>> {
    argument.choices(&[("invoke", Event::Invoke), ("shutdown", Event::Shutdown)])
}

fn telemetry(argument: &Argument) -> Result<Vec<Category>> {
    argument.choices(&[
        ("platform", Category::Platform),
        ("function", Category::Function),
        ("extension", Category::Extension),
    ])
}

/// The ranges are those of the Telemetry API's reference.
fn buffering(argument: &Argument) -> Result<Buffering> {
    let Value::List(tokens) = &argument.value else { return Err(argument.wrong_shape()) };
    let (mut buffering, mut seen, mut mistakes) = (Buffering::default(), Vec::new(), Mistakes::default());
    for piece in between_commas(tokens.clone()) {
        let Some(limit) = mistakes.take(Argument::parse(piece, &BUFFERING_EXAMPLES, &mut seen)) else {
            continue;
        };
        let (field, range, unit) = match limit.key.to_string().as_str() {
            "max_items" => (&mut buffering.max_items, 1_000..=10_000, "events"),
            "max_bytes" => (&mut buffering.max_bytes, 262_144..=1_048_576, "bytes"),
            _ => (&mut buffering.timeout_ms, 25..=30_000, "milliseconds"),
        };
        *field = mistakes.take(limit.integer(range, unit));
    }
    mistakes.into_result()?;
    if buffering == Buffering::default() { Err(argument.wrong_shape()) } else { Ok(buffering) }
}

fn flush(argument: &Argument) -> Result<Flush> {
    match &argument.value {
        Value::List(tokens) => {
            let wrong = || argument.at_value(format!("write it as in `{PERIODIC}`"));
            let [interval] = &between_commas(tokens.clone())[..] else { return Err(wrong()) };
            Argument::parse(interval.clone(), &["periodic_ms = 10_000"], &mut Vec::new())
                .map_err(|_| wrong())?
                .integer(1..=u64::MAX, "millisecond")
                .map(Flush::Periodic)
        }
        _ => argument
            .choice(&[
                ("end", Some(Flush::End)),
                ("adaptive", Some(Flush::Adaptive)),
                ("shutdown", Some(Flush::Shutdown)),
                ("periodic", None),
            ])?
            .ok_or_else(|| {
                let message = format!("`periodic` needs its interval in milliseconds: write `{PERIODIC}`");
                argument.at_value(message)
            }),
    }
}

fn on_error(argument: &Argument) -> Result<ErrorPolicy> {
    argument.choice(&[("continue", ErrorPolicy::Continue), ("exit", ErrorPolicy::Exit)])
}

fn logging(argument: &Argument) -> Result<Logging> {
    argument.choice(&[("none", Logging::None)])
}

fn flavor(argument: &Argument) -> Result<Flavor> {
    argument.choice(&[("current_thread", Flavor::CurrentThread), ("multi_thread", Flavor::MultiThread)])
}

fn worker_threads(argument: &Argument) -> Result<u64> {
    argument.integer(1..=u64::from(u16::MAX), "threads")
}

fn krate(argument: &Argument) -> Result<Path> {
    let string = argument.string()?;
    string.parse_with(Path::parse_mod_style).map_err(|_| {
        Error::new_spanned(
            &string,
            "`crate` takes the path of the framework, such as `crate = \"my_extension\"`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mistakes::underlined;

    fn read(attribute: &str) -> (Args, Vec<(String, String)>) {
        let mut mistakes = Mistakes::default();
        let args = parse(attribute.parse().expect("tokens"), &mut mistakes);
        (args, underlined(mistakes))
    }

    /// The arguments of an attribute without a mistake.
    fn given(attribute: &str) -> Args {
        let (args, mistakes) = read(attribute);
        assert_eq!(mistakes, []);
        args
    }

    /// Asserts that the attribute has this one mistake.
    #[track_caller]
    fn assert_mistake(attribute: &str, underlined: &str, message: &str) {
        assert_eq!(read(attribute).1, [(underlined.to_owned(), message.to_owned())], "of `{attribute}`");
    }

    #[test]
    fn the_documented_example_of_every_argument_is_accepted() {
        let args = given(&EXAMPLES.join(", "));
        assert_eq!(args.name.value().map(LitStr::value).as_deref(), Some("my-extension"));
        assert_eq!(args.events.value(), Some(&vec![Event::Invoke, Event::Shutdown]));
        assert_eq!(args.telemetry.value(), Some(&vec![Category::Platform, Category::Function]));
        let buffering = Buffering { max_items: Some(1_000), max_bytes: Some(262_144), timeout_ms: Some(100) };
        assert_eq!(args.buffering.value(), Some(&buffering));
        assert_eq!(args.flush.value(), Some(&Flush::End));
        assert_eq!(args.on_error.value(), Some(&ErrorPolicy::Exit));
        assert_eq!(args.logging.value(), Some(&Logging::None));
        assert_eq!(args.flavor.value(), Some(&Flavor::MultiThread));
        assert_eq!(args.worker_threads.value(), Some(&2));
        assert!(args.krate.value().is_some_and(|path| path.is_ident("my_extension")));
    }

    #[test]
    fn every_word_of_every_choice_is_accepted() {
        assert_eq!(given(r#"flush = "adaptive""#).flush.value(), Some(&Flush::Adaptive));
        assert_eq!(given(r#"flush = "shutdown""#).flush.value(), Some(&Flush::Shutdown));
        assert_eq!(given(PERIODIC).flush.value(), Some(&Flush::Periodic(10_000)));
        assert_eq!(given(r#"on_error = "continue""#).on_error.value(), Some(&ErrorPolicy::Continue));
        assert_eq!(given(r#"flavor = "current_thread""#).flavor.value(), Some(&Flavor::CurrentThread));
        assert_eq!(given("telemetry(extension)").telemetry.value(), Some(&vec![Category::Extension]));
    }

    #[test]
    fn nothing_and_a_comma_at_the_end_are_no_mistakes() {
        assert!(given("").name.is_absent());
        assert!(given("events(shutdown,),").events.value().is_some());
        assert!(given("flush(periodic_ms = 1,),").flush.value().is_some());
    }

    #[test]
    fn the_ends_of_each_range_are_inside_and_their_neighbours_outside() {
        for (key, range, message) in [
            ("max_items", 1_000..=10_000, "`max_items` must be from 1,000 to 10,000 events"),
            ("max_bytes", 262_144..=1_048_576, "`max_bytes` must be from 262,144 to 1,048,576 bytes"),
            ("timeout_ms", 25..=30_000, "`timeout_ms` must be from 25 to 30,000 milliseconds"),
        ] {
            for inside in [range.start(), range.end()] {
                given(&format!("buffering({key} = {inside})"));
            }
            for outside in [range.start() - 1, range.end() + 1, 0] {
                assert_mistake(&format!("buffering({key} = {outside})"), &outside.to_string(), message);
            }
        }
    }

    #[test]
    fn numbers_that_are_none_or_fit_nowhere_are_refused_at_the_number() {
        let at_least_one = "`periodic_ms` must be at least 1 millisecond";
        assert_mistake("flush(periodic_ms = 0)", "0", at_least_one);
        assert_mistake("flush(periodic_ms = -1)", "-1", at_least_one);
        assert_mistake("flush(periodic_ms = 99999999999999999999)", "99999999999999999999", at_least_one);
        assert_mistake("worker_threads = 0", "0", "`worker_threads` must be from 1 to 65,535 threads");
        assert_mistake("worker_threads = two", "two", "write it as in `worker_threads = 2`");
        assert_mistake("buffering(max_items = 1e3)", "1e3", "write it as in `max_items = 1_000`");
    }

    #[test]
    fn an_unknown_argument_is_answered_with_the_nearest_or_with_all() {
        assert_mistake(r#"nmae = "x""#, "nmae", "unknown argument `nmae`; did you mean `name`?");
        assert_mistake("event(invoke)", "event", "unknown argument `event`; did you mean `events`?");
        assert_mistake(
            "buffering(items = 1_000)",
            "items",
            "unknown argument `items`; write one of `max_items`, `max_bytes`, `timeout_ms`",
        );
        let (_, mistakes) = read("colour = 3");
        assert!(mistakes[0].1.starts_with("unknown argument `colour`; write one of `name`, `events`"));
    }

    #[test]
    fn what_is_given_twice_is_refused_at_the_second() {
        assert_mistake(r#"name = "a", name = "b""#, "name", "`name` is given twice; keep one");
        assert_mistake("events(invoke, invoke)", "invoke", "`invoke` is given twice; keep one");
        assert_mistake(
            "buffering(timeout_ms = 25, timeout_ms = 26)",
            "timeout_ms",
            "`timeout_ms` is given twice; keep one",
        );
    }

    #[test]
    fn an_argument_of_the_wrong_shape_is_answered_with_an_example() {
        assert_mistake("name", "name", r#"write it as in `name = "my-extension"`"#);
        assert_mistake("name =", "name", r#"write it as in `name = "my-extension"`"#);
        assert_mistake("name = 7", "7", r#"write it as in `name = "my-extension"`"#);
        assert_mistake(r#"name("x")"#, r#""x""#, r#"write it as in `name = "my-extension"`"#);
        assert_mistake(r#"events = "invoke""#, r#""invoke""#, "write it as in `events(invoke, shutdown)`");
        assert_mistake("events()", "events", "write it as in `events(invoke, shutdown)`");
        assert_mistake("events(,)", ",", "write it as in `events(invoke, shutdown)`");
        assert_mistake("buffering()", "buffering", &format!("write it as in `{}`", EXAMPLES[3]));
        assert_mistake("flush(end)", "end", &format!("write it as in `{PERIODIC}`"));
        assert_mistake("flush()", "flush", &format!("write it as in `{PERIODIC}`"));
        assert_mistake("flush = end", "end", r#"write it as in `flush = "end"`"#);
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_known_ones() {
        assert_mistake("events(Invoke)", "Invoke", "unknown `Invoke`; did you mean `invoke`?");
        assert_mistake("telemetry(functions)", "functions", "unknown `functions`; did you mean `function`?");
        assert_mistake(
            r#"flush = "never""#,
            r#""never""#,
            "unknown `never`; write one of `end`, `adaptive`, `shutdown`, `periodic`",
        );
        assert_mistake(r#"logging = "json""#, r#""json""#, "unknown `json`; write `none`");
        assert_mistake(
            r#"events("invoke")"#,
            r#""invoke""#,
            "expected a word without quotes, and commas between words",
        );
    }

    #[test]
    fn periodic_without_an_interval_is_told_how_to_give_one() {
        let message = format!("`periodic` needs its interval in milliseconds: write `{PERIODIC}`");
        assert_mistake(r#"flush = "periodic""#, r#""periodic""#, &message);
    }

    #[test]
    fn a_name_that_no_extension_can_have_is_refused() {
        for (name, reason) in
            [("", "empty"), ("/opt/extensions/x", "not a path"), ("caf\u{e9}", "ASCII"), ("a ", "space")]
        {
            let (_, mistakes) = read(&format!("name = {name:?}"));
            assert!(matches!(&mistakes[..], [(_, message)] if message.contains(reason)), "{mistakes:?}");
        }
    }

    #[test]
    fn a_crate_path_must_be_a_path() {
        assert!(given(r#"crate = "::a::b""#).krate.value().is_some());
        assert!(given(r#"crate = "crate""#).krate.value().is_some());
        let (_, mistakes) = read(r#"crate = "no path""#);
        assert!(
            matches!(&mistakes[..], [(at, message)] if at == r#""no path""# && message.contains("takes the path"))
        );
    }

    #[test]
    fn text_that_is_no_argument_is_refused_where_it_stands() {
        assert_mistake(
            r#""my-extension""#,
            r#""my-extension""#,
            "expected an argument such as `name = \"my-extension\"`",
        );
        assert_mistake(r#"name = "x" events(invoke)"#, "events", "expected `,` before this");
        assert_mistake(r#"events(invoke) name = "x""#, "name", "expected `,` before this");
        assert_mistake("name: 3", ":", "expected `=`, `(` or `,`");
    }

    #[test]
    fn every_mistake_is_found_at_once_and_its_neighbours_are_read() {
        let (args, mistakes) = read(r#"nam = "x", events(invok, shutdwon), flush = 3, telemetry(platform)"#);
        let places: Vec<_> = mistakes.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["nam", "invok", "shutdwon", "3"]);
        assert_eq!(args.telemetry.value(), Some(&vec![Category::Platform]));
    }
}
