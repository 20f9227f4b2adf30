//! What is to be generated, and whether the arguments fit the function and each other.

use syn::Type;

use crate::args::{Arg, Args, Event, Flavor, Flush};
use crate::input::Input;
use crate::mistakes::Mistakes;
use crate::signature::{self, Form};
use crate::types::last_segment;

/// What is to be generated; whoever holds one holds a function and arguments without a known mistake.
pub(crate) struct Model {
    pub(crate) args: Args,
    pub(crate) function: Input,
    pub(crate) form: Form,
}

/// Notes every mistake that arguments and function show, then answers with the model, which is of use only if
/// there was none.
pub(crate) fn validate(args: Args, function: Input, mistakes: &mut Mistakes) -> Model {
    let form = Form::of(&function);
    signature::check(&function, form, mistakes);
    check_threads(&args, mistakes);
    let event = match form {
        Form::Handler => function.arguments().next().and_then(|argument| KnownEvent::of(&argument.ty)),
        Form::Constructor { .. } => None,
    };
    check_events(&args, event, mistakes);
    check_telemetry(&args, event, mistakes);
    Model { args, function, form }
}

/// The event types that can be told by their name. A type of another name may be an alias of any of them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum KnownEvent {
    Next,
    Invoke,
    Shutdown,
    Batch,
}

impl KnownEvent {
    fn of(ty: &Type) -> Option<Self> {
        match last_segment(ty)?.ident.to_string().as_str() {
            "NextEvent" => Some(Self::Next),
            "InvokeEvent" => Some(Self::Invoke),
            "ShutdownEvent" => Some(Self::Shutdown),
            "Batch" => Some(Self::Batch),
            _ => None,
        }
    }
}

fn check_threads(args: &Args, mistakes: &mut Mistakes) {
    let Arg::Given { key, .. } = &args.worker_threads else { return };
    if args.flavor.is_absent() || args.flavor.value() == Some(&Flavor::CurrentThread) {
        mistakes.add(
            key,
            "only a runtime of many threads has `worker_threads`; add `flavor = \"multi_thread\"`, or remove this",
        );
    }
}

fn check_events(args: &Args, event: Option<KnownEvent>, mistakes: &mut Mistakes) {
    let handled = match event {
        Some(KnownEvent::Invoke) => Some((Event::Invoke, "InvokeEvent", "invoke")),
        Some(KnownEvent::Shutdown) => Some((Event::Shutdown, "ShutdownEvent", "shutdown")),
        _ => None,
    };
    if let (Arg::Given { key, value: registered }, Some((event, ty, word))) = (&args.events, handled)
        && !registered.contains(&event)
    {
        mistakes.add(key, format!("a handler of `{ty}` would never be called; add `{word}` to these events"));
    }

    let registered: Option<&[Event]> = match (&args.events, event) {
        (Arg::Given { value, .. }, _) => Some(value),
        (Arg::Absent, Some(KnownEvent::Shutdown)) => Some(&[Event::Shutdown]),
        // Invocations too, or whatever the type of a constructor's extension says.
        _ => None,
    };
    if let (Arg::Given { key, value: Flush::End | Flush::Adaptive }, Some(registered)) =
        (&args.flush, registered)
        && !registered.contains(&Event::Invoke)
    {
        mistakes.add(
            key,
            "to flush at the end of invocations the extension must register for them; \
             add `invoke` to `events(…)`, or write `flush = \"shutdown\"`",
        );
    }
}

fn check_telemetry(args: &Args, event: Option<KnownEvent>, mistakes: &mut Mistakes) {
    let takes_none = matches!(event, Some(KnownEvent::Next | KnownEvent::Invoke | KnownEvent::Shutdown));
    if let Arg::Given { key, .. } = &args.telemetry
        && takes_none
    {
        mistakes.add(
            key,
            "this handler takes no telemetry, so all of it would be lost; \
             take a `lambda_extension::telemetry::Batch`, or write a constructor that returns an `Extension`",
        );
    }
    if let Arg::Given { key, .. } = &args.buffering
        && args.telemetry.is_absent()
    {
        mistakes.add(
            key,
            if takes_none {
                "this handler takes no telemetry, so there is nothing to buffer; remove `buffering`"
            } else {
                "`buffering` goes with a subscription; add for example `telemetry(platform, function)`"
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{args, mistakes::underlined};

    fn judge(attribute: &str, function: &str) -> (Form, Vec<(String, String)>) {
        let mut mistakes = Mistakes::default();
        let args = args::parse(attribute.parse().expect("tokens"), &mut mistakes);
        let function = syn::parse_str(function).expect("a function");
        let model = validate(args, function, &mut mistakes);
        (model.form, underlined(mistakes))
    }

    /// Asserts that attribute and function together have one mistake, whose message has these words.
    #[track_caller]
    fn assert_conflict(attribute: &str, function: &str, underlined: &str, words: &str) {
        let (_, mistakes) = judge(attribute, function);
        let [(place, message)] = &mistakes[..] else { panic!("not one mistake: {mistakes:?}") };
        assert_eq!(place, underlined, "of {message}");
        assert!(message.contains(words), "{message}");
    }

    #[track_caller]
    fn assert_form(attribute: &str, function: &str, expected: Form) {
        assert_eq!(judge(attribute, function), (expected, vec![]), "of `{attribute}` on `{function}`");
    }

    const NEXT: &str = "async fn log(event: NextEvent) -> Result<(), Error> {}";
    const INVOKE: &str = "async fn log(event: InvokeEvent) -> Result<(), Error> {}";
    const SHUTDOWN: &str = "async fn log(event: ShutdownEvent) -> Result<(), Error> {}";
    const BATCH: &str = "async fn log(batch: telemetry::Batch) -> Result<(), Error> {}";
    const ALIAS: &str = "async fn log(event: Mine) -> Result<(), Error> {}";
    const CONSTRUCTOR: &str = "async fn main() -> Result<impl Extension, Error> {}";

    #[test]
    fn worker_threads_need_threads() {
        let words = "add `flavor = \"multi_thread\"`";
        assert_conflict("worker_threads = 2", NEXT, "worker_threads", words);
        assert_conflict(r#"flavor = "current_thread", worker_threads = 2"#, NEXT, "worker_threads", words);
        assert_form(r#"flavor = "multi_thread", worker_threads = 2"#, NEXT, Form::Handler);
    }

    #[test]
    fn a_flush_at_the_end_of_invocations_needs_invocations() {
        let words = "add `invoke` to `events(…)`";
        for flush in ["end", "adaptive"] {
            assert_conflict(&format!("events(shutdown), flush = {flush:?}"), BATCH, "flush", words);
            assert_conflict(&format!("flush = {flush:?}"), SHUTDOWN, "flush", words);
            assert_form(&format!("events(invoke), flush = {flush:?}"), BATCH, Form::Handler);
            assert_form(&format!("flush = {flush:?}"), ALIAS, Form::Handler);
        }
        assert_form(r#"events(shutdown), flush = "shutdown""#, BATCH, Form::Handler);
    }

    #[test]
    fn a_handler_must_be_registered_for_its_event() {
        assert_conflict("events(shutdown)", INVOKE, "events", "add `invoke` to these events");
        assert_conflict("events(invoke)", SHUTDOWN, "events", "add `shutdown` to these events");
        assert_form("events(invoke)", NEXT, Form::Handler);
    }

    #[test]
    fn telemetry_needs_somebody_who_takes_it() {
        for handler in [NEXT, INVOKE, SHUTDOWN] {
            assert_conflict("telemetry(function)", handler, "telemetry", "lost");
            assert_conflict(
                "telemetry(function), buffering(timeout_ms = 25)",
                handler,
                "telemetry",
                "would be lost",
            );
            assert_conflict("buffering(timeout_ms = 25)", handler, "buffering", "nothing to buffer");
        }
        for handler in [BATCH, ALIAS] {
            assert_form("telemetry(function), buffering(timeout_ms = 25)", handler, Form::Handler);
        }
        for function in [BATCH, ALIAS, CONSTRUCTOR] {
            assert_conflict(
                "buffering(timeout_ms = 25)",
                function,
                "buffering",
                "add for example `telemetry(",
            );
        }
    }

    #[test]
    fn an_argument_that_was_given_wrongly_causes_no_second_mistake() {
        for attribute in [
            r#"events(shut), flush = "end""#,
            r#"flavor = "multithreaded_", worker_threads = 2"#,
            "telemetry(functions), buffering(timeout_ms = 25)",
        ] {
            assert_eq!(judge(attribute, NEXT).1.len(), 1, "of `{attribute}`");
        }
    }

    #[test]
    fn all_mistakes_of_attribute_and_function_are_found_at_once() {
        let (_, mistakes) = judge("nam = 3, worker_threads = 2", "#[test] unsafe fn log<T>() {}");
        let places: Vec<_> = mistakes.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["nam", "#[test]", "fn", "unsafe", "<T>", "log", "worker_threads"]);
    }
}
