//! Validation: the arguments and the function, judged together.

use quote::ToTokens;
use syn::{GenericArgument, Path, PathArguments, PathSegment, Safety, Type, TypeParamBound};

use crate::args::{Arg, Args, Event, Flavor, Flush};
use crate::input::Input;
use crate::mistakes::Mistakes;

/// What is to be generated; whoever holds one holds a function and arguments without a known mistake.
pub(crate) struct Model {
    pub(crate) args: Args,
    pub(crate) function: Input,
    pub(crate) form: Form,
}

/// The two ways to write an extension with the attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// `async fn name(event: E) -> Result<(), Error>`, called for each event.
    Handler,
    /// `async fn main() -> Result<impl Extension, Error>`, called once.
    Constructor { takes_registration: bool },
}

impl Form {
    /// A function called `main` is a constructor, unless it says literally that it returns `Result<(), …>`.
    fn of(function: &Input) -> Self {
        if function.is_main() && function.output().is_some_and(|output| !is_unit_result(output)) {
            Self::Constructor { takes_registration: function.arguments().next().is_some() }
        } else {
            Self::Handler
        }
    }
}

/// Notes every mistake that arguments and function show, then answers with the model, which is of use only if there was none.
pub(crate) fn validate(args: Args, function: Input, mistakes: &mut Mistakes) -> Model {
    let form = Form::of(&function);
    check_attributes(&function, mistakes);
    check_qualifiers(&function, mistakes);
    check_arguments(&function, form, mistakes);
    check_output(&function, form, mistakes);
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

/// Whether `path` is that of an attribute which makes a `main` or a test of its own of the function.
pub(crate) fn starts_a_runtime(path: &Path) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == "main" || segment.ident == "test")
}

fn check_attributes(function: &Input, mistakes: &mut Mistakes) {
    for attribute in function.attrs.iter().filter(|attribute| starts_a_runtime(attribute.path())) {
        let path = path_text(attribute.path());
        mistakes.add(
            attribute,
            format!("remove `#[{path}]`: `#[lambda_extension::main]` makes `main` and its runtime itself"),
        );
    }
}

fn check_qualifiers(function: &Input, mistakes: &mut Mistakes) {
    let sig = &function.sig;
    if sig.asyncness.is_none() {
        mistakes.add(sig.fn_token, "`#[lambda_extension::main]` needs an `async fn`; add `async`");
    }
    if let Some(constness) = &sig.constness {
        mistakes.add(constness, "`#[lambda_extension::main]` cannot call a `const fn`; remove `const`");
    }
    if let Safety::Unsafe(_) | Safety::Safe(_) = &sig.safety {
        mistakes.add(&sig.safety, "`#[lambda_extension::main]` calls only safe functions; remove `unsafe`");
    }
    if let Some(abi) = &sig.abi {
        mistakes.add(abi, "`#[lambda_extension::main]` needs a plain Rust function; remove `extern`");
    }
    if !sig.generics.params.is_empty() {
        mistakes.add(
            &sig.generics,
            "`#[lambda_extension::main]` needs one concrete function; remove the generic parameters and name the types",
        );
    }
    if let Some(clause) = &sig.generics.where_clause {
        mistakes.add(
            clause,
            "`#[lambda_extension::main]` needs one concrete function; remove the `where` clause",
        );
    }
}

fn check_arguments(function: &Input, form: Form, mistakes: &mut Mistakes) {
    let sig = &function.sig;
    if let Some(receiver) = sig.receiver() {
        mistakes.add(receiver, "`self` has no place in a free function; to keep state, write `async fn main() -> Result<impl Extension, Error>`");
        return;
    }
    if let Some(variadic) = &sig.variadic {
        mistakes.add(variadic, "an event is the only argument; remove `...`");
    }
    let expected = match form {
        Form::Handler => "a handler takes one argument, the event",
        Form::Constructor { .. } => "a constructor takes nothing, or `registration: Registration`",
    };
    for superfluous in function.arguments().skip(1) {
        mistakes.add(superfluous, format!("{expected}; remove this argument"));
    }
    match function.arguments().next() {
        Some(argument) => check_argument_type(&argument.ty, mistakes),
        // Without a return type it is not known which form was meant; the message about that speaks of both.
        None if form == Form::Handler && function.output().is_some() => mistakes.add(
            sig.ident.to_token_stream(),
            if function.is_main() {
                "take an event to be a handler (`main(event: NextEvent)`), or return `Result<impl Extension, Error>` to be a constructor"
            } else {
                "a handler takes the event as its argument; write for example `event: NextEvent`"
            },
        ),
        None => {}
    }
}

fn check_argument_type(ty: &Type, mistakes: &mut Mistakes) {
    match ty {
        Type::ImplTrait(_) => mistakes.add(ty, "name one type here, such as `NextEvent`, in place of `impl`"),
        Type::Reference(reference) => {
            mistakes.add(reference.and_token, "the argument is handed over by value; remove the `&`");
        }
        _ => {}
    }
}

fn check_output(function: &Input, form: Form, mistakes: &mut Mistakes) {
    let Some(output) = function.output() else {
        let expected = match (function.is_main(), function.arguments().next()) {
            (true, None) => "`-> Result<impl Extension, Error>`",
            _ => "`-> Result<(), Error>`",
        };
        mistakes.add(
            &function.sig.ident,
            format!("the return type is missing; add {expected} after the arguments"),
        );
        return;
    };
    let success = success_type(output);
    match form {
        Form::Constructor { .. } if matches!(output, Type::ImplTrait(_)) => {
            mistakes.add(output, "a constructor can fail; write `Result<impl Extension, Error>`");
        }
        Form::Handler if matches!(success, Some(Type::ImplTrait(_))) => {
            mistakes.add(
                &function.sig.ident,
                "what returns an extension is a constructor, and is called `main`; rename this function",
            );
        }
        _ => {}
    }
    if let Some(error) = error_type(output).filter(|error| is_box_of_plain_dyn(error)) {
        mistakes.add(error, "the error must be `Send` and `Sync`; write `lambda_extension::Error` here");
    }
}

fn check_threads(args: &Args, mistakes: &mut Mistakes) {
    let Arg::Given { key, .. } = &args.worker_threads else { return };
    if args.flavor.is_absent() || args.flavor.value() == Some(&Flavor::CurrentThread) {
        mistakes.add(key, "only a runtime of many threads has `worker_threads`; add `flavor = \"multi_thread\"`, or remove this");
    }
}

fn check_events(args: &Args, event: Option<KnownEvent>, mistakes: &mut Mistakes) {
    let registered = args.events.value().map(Vec::as_slice);
    // A handler that is never called is surely not what was meant.
    if let (Arg::Given { key, .. }, Some(registered)) = (&args.events, registered) {
        let missing = match event {
            Some(KnownEvent::Invoke) if !registered.contains(&Event::Invoke) => {
                Some(("InvokeEvent", "invoke"))
            }
            Some(KnownEvent::Shutdown) if !registered.contains(&Event::Shutdown) => {
                Some(("ShutdownEvent", "shutdown"))
            }
            _ => None,
        };
        if let Some((ty, word)) = missing {
            mistakes
                .add(key, format!("a handler of `{ty}` would never be called; add `{word}` to these events"));
        }
    }
    // What an extension registers for where `events` is absent; a constructor's type decides for itself.
    let defaults: Option<&[Event]> = match event {
        Some(KnownEvent::Shutdown) => Some(&[Event::Shutdown]),
        _ => None,
    };
    let events = if args.events.is_absent() { defaults } else { registered };
    if let (Arg::Given { key, value: Flush::End | Flush::Adaptive }, Some(events)) = (&args.flush, events)
        && !events.contains(&Event::Invoke)
    {
        mistakes.add(
            key,
            "to flush at the end of invocations the extension must register for them; add `invoke` to `events(…)`, or write `flush = \"shutdown\"`",
        );
    }
}

fn check_telemetry(args: &Args, event: Option<KnownEvent>, mistakes: &mut Mistakes) {
    // A constructor's type may subscribe by itself, and so does `Batch`; an alias may stand for it.
    let (Some(KnownEvent::Next | KnownEvent::Invoke | KnownEvent::Shutdown), handler) =
        (event, "this handler takes no telemetry")
    else {
        return;
    };
    let advice =
        "take a `lambda_extension::telemetry::Batch`, or write a constructor that returns an `Extension`";
    if let Arg::Given { key, .. } = &args.telemetry {
        mistakes.add(key, format!("{handler}, so what is subscribed to would be lost; {advice}"));
    } else if let Arg::Given { key, .. } = &args.buffering
        && args.telemetry.is_absent()
    {
        mistakes
            .add(key, format!("{handler}, so there is nothing to buffer; {advice}, or remove `buffering`"));
    }
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Paren(inner) => last_segment(&inner.elem),
        Type::Group(inner) => last_segment(&inner.elem),
        _ => None,
    }
}

/// The `index`th type between the angle brackets of `ty`, if its last word is `name`.
fn generic_type<'a>(ty: &'a Type, name: &str, index: usize) -> Option<&'a Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.nth(index)
}

/// `T` of a literal `Result<T, …>`.
fn success_type(output: &Type) -> Option<&Type> {
    generic_type(output, "Result", 0)
}

/// `E` of a literal `Result<…, E>`.
fn error_type(output: &Type) -> Option<&Type> {
    generic_type(output, "Result", 1)
}

fn is_unit_result(output: &Type) -> bool {
    matches!(success_type(output), Some(Type::Tuple(tuple)) if tuple.elems.is_empty())
}

/// `Box<dyn Error>`, to which the compiler's answer would be three errors about `Send`, `Sync` and `Sized`.
fn is_box_of_plain_dyn(ty: &Type) -> bool {
    let Some(Type::TraitObject(object)) = generic_type(ty, "Box", 0) else { return false };
    let bounds: Vec<String> = object
        .bounds
        .iter()
        .filter_map(|bound| match bound {
            TypeParamBound::Trait(bound) => Some(bound.path.segments.last()?.ident.to_string()),
            _ => None,
        })
        .collect();
    bounds.first().is_some_and(|bound| bound == "Error")
        && !["Send", "Sync"].iter().all(|auto| bounds.iter().any(|bound| bound == auto))
}

fn path_text(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
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

    /// Asserts that the function, without arguments to the attribute, has this one mistake.
    #[track_caller]
    fn assert_mistake(function: &str, underlined: &str, message: &str) {
        assert_conflict("", function, underlined, message);
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
    fn any_pattern_and_any_result_alias_make_a_handler() {
        for function in [
            NEXT,
            "async fn main(event: NextEvent) -> Result<(), Error> {}",
            "async fn main(event: NextEvent) -> anyhow::Result<()> {}",
            "pub async fn log(mut event: lambda_extension::InvokeEvent) -> std::io::Result<()> {}",
            "async fn log(_: ShutdownEvent) -> Outcome {}",
            "async fn log(InvokeEvent { request_id, .. }: InvokeEvent) -> Result<(), String> {}",
            "async fn log(#[allow(unused)] event: NextEvent) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {}",
        ] {
            assert_form("", function, Form::Handler);
        }
    }

    #[test]
    fn a_main_that_does_not_return_the_unit_result_is_a_constructor() {
        for (function, takes_registration) in [
            (CONSTRUCTOR, false),
            ("async fn main() -> Result<Shipper, Error> {}", false),
            ("async fn main() -> anyhow::Result<Shipper> {}", false),
            ("async fn main() -> Outcome {}", false),
            ("async fn main(registration: Registration) -> Result<impl Extension, Error> {}", true),
        ] {
            assert_form("", function, Form::Constructor { takes_registration });
        }
    }

    #[test]
    fn what_is_no_plain_async_function_is_told_what_to_change() {
        assert_mistake(
            "fn log(event: NextEvent) -> Result<(), Error> {}",
            "fn",
            "`#[lambda_extension::main]` needs an `async fn`; add `async`",
        );
        assert_mistake(
            "const async fn log(event: NextEvent) -> Result<(), Error> {}",
            "const",
            "remove `const`",
        );
        assert_mistake(
            "async unsafe fn log(event: NextEvent) -> Result<(), Error> {}",
            "unsafe",
            "remove `unsafe`",
        );
        assert_mistake(
            "async extern \"C\" fn log(event: NextEvent) -> Result<(), Error> {}",
            "extern \"C\"",
            "remove `extern`",
        );
        assert_mistake(
            "async fn log<T>(event: T) -> Result<(), Error> {}",
            "<T>",
            "remove the generic parameters",
        );
        assert_mistake(
            "async fn log(event: NextEvent) -> Result<(), Error> where u8: Copy {}",
            "where u8: Copy",
            "remove the `where` clause",
        );
    }

    #[test]
    fn another_runtime_or_test_attribute_is_refused() {
        for attribute in [
            "#[tokio::main]",
            "#[test]",
            "#[tokio::test(flavor = \"multi_thread\")]",
            "#[lambda_extension::main]",
        ] {
            let function = format!("#[allow(unused)] {attribute} {NEXT}");
            assert_mistake(&function, attribute, "makes `main` and its runtime itself");
        }
    }

    #[test]
    fn the_arguments_must_be_those_of_the_form() {
        assert_mistake(
            "async fn log(&self, event: NextEvent) -> Result<(), Error> {}",
            "&self",
            "free function",
        );
        assert_mistake(
            "async fn log() -> Result<(), Error> {}",
            "log",
            "write for example `event: NextEvent`",
        );
        assert_mistake("async fn main() -> Result<(), Error> {}", "main", "to be a constructor");
        assert_mistake(
            "async fn log(a: NextEvent, b: u8) -> Result<(), Error> {}",
            "b: u8",
            "a handler takes one argument",
        );
        assert_mistake(
            "async fn main(a: Registration, b: u8) -> Result<impl Extension, Error> {}",
            "b: u8",
            "a constructor takes nothing, or",
        );
        assert_mistake(
            "async fn log(event: impl Event) -> Result<(), Error> {}",
            "impl Event",
            "name one type",
        );
        assert_mistake("async fn log(event: &NextEvent) -> Result<(), Error> {}", "&", "remove the `&`");
    }

    #[test]
    fn the_return_type_must_be_there_and_fit_the_name() {
        assert_mistake("async fn log(event: NextEvent) {}", "log", "add `-> Result<(), Error>`");
        assert_mistake("async fn main(event: NextEvent) {}", "main", "add `-> Result<(), Error>`");
        assert_mistake("async fn main() {}", "main", "add `-> Result<impl Extension, Error>`");
        assert_mistake(
            "async fn main() -> impl Extension {}",
            "impl Extension",
            "write `Result<impl Extension, Error>`",
        );
        assert_mistake(
            "async fn make(r: Registration) -> Result<impl Extension, Error> {}",
            "make",
            "rename this function",
        );
    }

    #[test]
    fn an_error_that_cannot_change_threads_is_named_in_one_message() {
        let error = "Box<dyn std::error::Error>";
        assert_mistake(
            &format!("async fn log(event: NextEvent) -> Result<(), {error}> {{}}"),
            error,
            "write `lambda_extension::Error`",
        );
        assert_mistake(
            "async fn main() -> Result<impl Extension, Box<dyn Error + Send>> {}",
            "Box<dyn Error + Send>",
            "`Sync`",
        );
    }

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
            assert_conflict("telemetry(function)", handler, "telemetry", "would be lost");
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
            assert_form("buffering(timeout_ms = 25)", handler, Form::Handler);
        }
        assert_form(
            "buffering(timeout_ms = 25)",
            CONSTRUCTOR,
            Form::Constructor { takes_registration: false },
        );
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
