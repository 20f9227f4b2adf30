//! What the function alone must be: one of the two forms, and something that a generated `main` can call.

use quote::ToTokens;
use syn::{Path, Safety, Type};

use crate::input::Input;
use crate::mistakes::Mistakes;
use crate::types::{is_box_of_plain_dyn, is_unit};

/// The two ways to write an extension with the attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// `async fn name(event: E) -> Result<(), Error>`, called for each event.
    Handler,
    /// `async fn main() -> Result<impl Extension, Error>`, called once.
    Constructor { takes_registration: bool },
}

impl Form {
    /// A function called `main` is a constructor, unless it says literally that it returns `Result<(), …>`, or that it takes an event
    /// where what it returns has a name of its own.
    pub(crate) fn of(function: &Input) -> Self {
        let returns_extension = match function.success() {
            Some(success) => !is_unit(success),
            None => function.output().is_some() && !takes_an_event(function),
        };
        if function.is_main() && returns_extension {
            Self::Constructor { takes_registration: function.arguments().next().is_some() }
        } else {
            Self::Handler
        }
    }
}

/// Notes every mistake of a function that is meant to have this form.
pub(crate) fn check(function: &Input, form: Form, mistakes: &mut Mistakes) {
    check_attributes(function, mistakes);
    check_qualifiers(function, mistakes);
    check_arguments(function, form, mistakes);
    check_output(function, form, mistakes);
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
        // `#[tokio::main]` above this attribute has been at work before: the user sees `async` in the text.
        let fix = if function.body.to_string().contains("block_on") {
            "remove `#[tokio::main]`, or what else blocks on its future"
        } else {
            "add `async`"
        };
        mistakes.add(sig.fn_token, format!("`#[lambda_extension::main]` needs an `async fn`; {fix}"));
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
            "`#[lambda_extension::main]` needs one concrete function; \
             remove the generic parameters and name the types",
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
        mistakes.add(
            receiver,
            "`self` has no place in a free function; \
             to keep state, write `async fn main() -> Result<impl Extension, Error>`",
        );
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
    if let Some(argument) = function.arguments().next() {
        check_argument_type(&argument.ty, mistakes);
    } else if form == Form::Handler && function.output().is_some() && !returns_an_extension(function) {
        // Without a return type it is not known which form was meant, and a constructor by another name needs
        // no event.
        let fix = if function.is_main() {
            "take an event to be a handler (`main(event: NextEvent)`), \
             or return `Result<impl Extension, Error>` to be a constructor"
        } else {
            "a handler takes the event as its argument; write for example `event: NextEvent`"
        };
        mistakes.add(&sig.ident, fix);
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
    match form {
        Form::Constructor { .. } if matches!(output, Type::ImplTrait(_)) => {
            mistakes.add(output, "a constructor can fail; write `Result<impl Extension, Error>`");
        }
        Form::Handler if returns_an_extension(function) => {
            mistakes.add(
                &function.sig.ident,
                "what returns an extension is a constructor, and is called `main`; rename this function",
            );
        }
        _ => {}
    }
    if let Some(error) = function.error().filter(|error| is_box_of_plain_dyn(error)) {
        mistakes.add(error, "the error must be `Send` and `Sync`; write `lambda_extension::Error` here");
    }
}

/// Whether a function says that it takes one of the types that a handler can take.
fn takes_an_event(function: &Input) -> bool {
    let Some(Type::Path(ty)) = function.arguments().next().map(|argument| &*argument.ty) else {
        return false;
    };
    let name = ty.path.segments.last().map(|segment| segment.ident.to_string());
    matches!(name.as_deref(), Some("NextEvent" | "InvokeEvent" | "ShutdownEvent" | "Batch"))
}

/// Whether a function takes no event and says that it returns `Result<…, …>` of something, as a constructor does, whatever its name.
fn returns_an_extension(function: &Input) -> bool {
    match function.success() {
        Some(Type::ImplTrait(_)) => true,
        Some(success) => !is_unit(success) && function.arguments().next().is_none(),
        None => false,
    }
}

fn path_text(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mistakes::underlined;

    fn judge(function: &str) -> (Form, Vec<(String, String)>) {
        let function = syn::parse_str(function).expect("a function");
        let (form, mut mistakes) = (Form::of(&function), Mistakes::default());
        check(&function, form, &mut mistakes);
        (form, underlined(mistakes))
    }

    /// Asserts that the function has one mistake, whose message has these words.
    #[track_caller]
    fn assert_mistake(function: &str, underlined: &str, words: &str) {
        let (_, mistakes) = judge(function);
        let [(place, message)] = &mistakes[..] else { panic!("not one mistake: {mistakes:?}") };
        assert_eq!(place, underlined, "of {message}");
        assert!(message.contains(words), "{message}");
    }

    #[track_caller]
    fn assert_form(function: &str, expected: Form) {
        assert_eq!(judge(function), (expected, vec![]), "of `{function}`");
    }

    const NEXT: &str = "async fn log(event: NextEvent) -> Result<(), Error> {}";
    const CONSTRUCTOR: &str = "async fn main() -> Result<impl Extension, Error> {}";

    #[test]
    fn any_pattern_and_any_result_alias_make_a_handler() {
        for function in [
            NEXT,
            "async fn main(event: NextEvent) -> Result<(), Error> {}",
            "async fn main(event: NextEvent) -> anyhow::Result<()> {}",
            "pub async fn log(mut event: lambda_extension::InvokeEvent) -> std::io::Result<()> {}",
            "async fn log(_: ShutdownEvent) -> Outcome {}",
            "async fn main(event: lambda_extension::telemetry::Batch) -> Outcome {}",
            "async fn log(InvokeEvent { request_id, .. }: InvokeEvent) -> Result<(), String> {}",
            "async fn log(#[allow(unused)] event: NextEvent) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {}",
        ] {
            assert_form(function, Form::Handler);
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
            assert_form(function, Form::Constructor { takes_registration });
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
        for success in ["impl Extension", "Shipper"] {
            let function = format!("async fn make() -> Result<{success}, Error> {{}}");
            assert_mistake(&function, "make", "is called `main`; rename this function");
        }
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
}
