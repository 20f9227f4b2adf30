//! The generated program: the user's function, and a `main` that makes one call into the library.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Visibility};

use crate::args::{Args, Flavor, Flush};
use crate::input::Input;
use crate::model::{Form, Model};

/// What a build under `panic = "abort"` is told; the compiler puts "use of deprecated constant …" before it.
const PANIC_ABORT_NOTE: &str = "with `panic = \"abort\"` a panic in this extension kills its process, and Lambda then fails \
    the customer's invocation; write `panic = \"unwind\"` under `[profile.release]` in Cargo.toml \
    (`cargo lambda build --release` sets \"abort\" where that section says nothing)";

/// Turns a validated model into the program it stands for.
pub(crate) fn expand(model: &Model) -> TokenStream {
    let Model { args, function, form } = model;
    let private = private_path(args);
    let options = options(args, &private);
    let panic_warning = panic_warning(&function.attrs);
    let call = match form {
        Form::Handler => handler_call(function, &private, &options),
        Form::Constructor { takes_registration } => {
            constructor_call(function, *takes_registration, &private, &options)
        }
    };
    let cfgs = function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let (beside, nested) = place(function);
    quote! {
        #beside
        #(#cfgs)*
        fn main() -> ::std::process::ExitCode {
            #nested
            #panic_warning
            #call
        }
    }
}

/// Where the user's function goes: beside the generated `main`, or inside it if it is called `main` too.
pub(crate) fn place(function: &Input) -> (TokenStream, TokenStream) {
    if function.is_main() {
        // `pub` would say nothing inside a function, and some lints say so.
        let nested = Input { vis: Visibility::Inherited, ..function.clone() };
        (TokenStream::new(), nested.to_token_stream())
    } else {
        (function.to_token_stream(), TokenStream::new())
    }
}

/// The type arguments are there for the compiler's messages: each carries the place of the user's type that
/// decides it, so that a wrong type is underlined where it is written, and not at the attribute.
fn handler_call(function: &Input, private: &TokenStream, options: &TokenStream) -> TokenStream {
    let name = &function.sig.ident;
    let event = function.arguments().next().map(|argument| &argument.ty);
    let output = inferred_at(function.sig.output.span());
    quote! { #private::handler::<_, #event, #output, #output>(#options, #name) }
}

fn constructor_call(
    function: &Input,
    takes_registration: bool,
    private: &TokenStream,
    options: &TokenStream,
) -> TokenStream {
    let output = inferred_at(function.sig.output.span());
    let constructor = match function.arguments().next() {
        Some(argument) if takes_registration => {
            // A wrong argument type is a mistake in the function as a value, so that is what gets its place.
            let place = argument.ty.span().resolved_at(function.sig.ident.span());
            Ident::new("main", place).into_token_stream()
        }
        _ => quote! { |_| main() },
    };
    quote! { #private::constructor::<_, #output, #output, #output>(#options, #constructor) }
}

fn inferred_at(span: Span) -> TokenStream {
    quote_spanned! { span.resolved_at(Span::mixed_site())=> _ }
}

/// `::lambda_extension::__private`, or the same in the path that the user gave.
fn private_path(args: &Args) -> TokenStream {
    match args.krate.value() {
        Some(path) => quote! { #path::__private },
        None => quote! { ::lambda_extension::__private },
    }
}

/// The library's `Options`, with a field for each argument given.
fn options(args: &Args, private: &TokenStream) -> TokenStream {
    let mut fields = Vec::new();
    let mut set = |name: &str, value: TokenStream| {
        let name = format_ident!("{name}");
        fields.push(quote! { #name: #value });
    };
    if let Some(name) = args.name.value() {
        set("name", some(quote! { #name }));
    }
    if let Some(events) = args.events.value() {
        let events = events.iter().map(|event| format_ident!("{event:?}"));
        set("events", some(quote! { &[#(#private::EventType::#events),*] }));
    }
    if let Some(categories) = args.telemetry.value() {
        let categories = categories.iter().map(|category| format_ident!("{category:?}"));
        set("telemetry", some(quote! { &[#(#private::Category::#categories),*] }));
    }
    if let Some(buffering) = args.buffering.value() {
        let limits = [
            ("max_items", buffering.max_items),
            ("max_bytes", buffering.max_bytes),
            ("timeout_ms", buffering.timeout_ms),
        ];
        for (field, limit) in limits {
            if let Some(limit) = limit.map(Literal::u64_unsuffixed) {
                set(field, some(quote! { #limit }));
            }
        }
    }
    if let Some(flush) = args.flush.value() {
        let flush = match flush {
            Flush::Periodic(milliseconds) => quote! { Periodic(#milliseconds) },
            word => format_ident!("{word:?}").into_token_stream(),
        };
        set("flush", some(quote! { #private::Flush::#flush }));
    }
    if let Some(policy) = args.on_error.value() {
        let policy = format_ident!("{policy:?}");
        set("on_error", some(quote! { #private::ErrorPolicy::#policy }));
    }
    if args.logging.value().is_some() {
        set("logging", quote! { false });
    }
    if args.flavor.value() == Some(&Flavor::MultiThread) {
        let threads = match args.worker_threads.value().map(|threads| Literal::u64_unsuffixed(*threads)) {
            Some(threads) => some(quote! { #threads }),
            None => quote! { ::core::option::Option::None },
        };
        set("flavor", quote! { #private::Flavor::MultiThread { worker_threads: #threads } });
    }
    quote! { #private::Options { #(#fields,)* ..::core::default::Default::default() } }
}

fn some(value: TokenStream) -> TokenStream {
    quote! { ::core::option::Option::Some(#value) }
}

/// A use of a deprecated constant is the one way for generated code to *warn*.
///
/// `warn(warnings)` keeps it a warning where warnings are errors: the profile may well be somebody else's choice, as it
/// is under `cargo lambda`. The function's own `#[allow(…)]`s come after it, so `#[allow(deprecated)]` silences it.
fn panic_warning(attrs: &[Attribute]) -> TokenStream {
    let allows = attrs.iter().filter(|attribute| attribute.path().is_ident("allow"));
    quote! {
        #[cfg(panic = "abort")]
        #[warn(warnings)]
        #(#allows)*
        const _: () = {
            #[deprecated(note = #PANIC_ABORT_NOTE)]
            const PANIC_ABORT: () = ();
            PANIC_ABORT
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{args, mistakes::Mistakes, model::validate};

    /// Asserts what an attribute and a function become; the warning, which is the same for all, is left out.
    #[track_caller]
    fn assert_expansion(attribute: TokenStream, function: TokenStream, expected: TokenStream) {
        let mut mistakes = Mistakes::default();
        let args = args::parse(attribute, &mut mistakes);
        let function: Input = syn::parse2(function).expect("a function");
        let warning = panic_warning(&function.attrs).to_string();
        let model = validate(args, function, &mut mistakes);
        mistakes.into_result().expect("no mistakes");
        let expansion = expand(&model).to_string();
        assert!(expansion.contains(&warning), "{expansion}");
        assert_eq!(pretty(&expansion.replace(&warning, "")), pretty(&expected.to_string()));
    }

    fn pretty(code: &str) -> String {
        prettyplease::unparse(&syn::parse_file(code).expect("Rust"))
    }

    /// The expansion of a plain handler whose attribute gives `options`.
    #[track_caller]
    fn assert_options(attribute: TokenStream, options: TokenStream) {
        let function = quote! { async fn on_batch(batch: Batch) -> Result<(), Error> { Ok(()) } };
        assert_expansion(
            attribute,
            function.clone(),
            quote! {
                #function
                fn main() -> ::std::process::ExitCode {
                    ::lambda_extension::__private::handler::<_, Batch, _, _>(
                        ::lambda_extension::__private::Options { #options ..::core::default::Default::default() },
                        on_batch
                    )
                }
            },
        );
    }

    #[test]
    fn a_handler_stands_untouched_beside_main() {
        let function = quote! {
            /// Logs.
            #[allow(clippy::unused_async)]
            pub async fn log(mut event: NextEvent) -> Result<(), Error> { anything at all }
        };
        // The body need not even be Rust, so this one is compared as tokens.
        let function: Input = syn::parse2(function).expect("a function");
        let (beside, nested) = place(&function);
        assert_eq!(beside.to_string(), function.to_token_stream().to_string());
        assert!(nested.is_empty());
    }

    #[test]
    fn without_arguments_every_option_is_the_librarys_own() {
        assert_options(quote! {}, quote! {});
    }

    #[test]
    fn each_argument_sets_its_option() {
        assert_options(quote! { name = "x" }, quote! { name: ::core::option::Option::Some("x"), });
        assert_options(
            quote! { events(shutdown, invoke), telemetry(extension) },
            quote! {
                events: ::core::option::Option::Some(&[
                    ::lambda_extension::__private::EventType::Shutdown,
                    ::lambda_extension::__private::EventType::Invoke
                ]),
                telemetry: ::core::option::Option::Some(&[::lambda_extension::__private::Category::Extension]),
            },
        );
        assert_options(
            quote! { buffering(timeout_ms = 1_000, max_items = 2000) },
            quote! {
                max_items: ::core::option::Option::Some(2000),
                timeout_ms: ::core::option::Option::Some(1000),
            },
        );
        assert_options(
            quote! { flush = "end", on_error = "exit", logging = "none" },
            quote! {
                flush: ::core::option::Option::Some(::lambda_extension::__private::Flush::End),
                on_error: ::core::option::Option::Some(::lambda_extension::__private::ErrorPolicy::Exit),
                logging: false,
            },
        );
        assert_options(
            quote! { flush(periodic_ms = 10_000) },
            quote! {
                flush: ::core::option::Option::Some(::lambda_extension::__private::Flush::Periodic(10000u64)),
            },
        );
    }

    #[test]
    fn the_runtime_is_chosen_by_flavor_and_worker_threads() {
        assert_options(quote! { flavor = "current_thread" }, quote! {});
        assert_options(
            quote! { flavor = "multi_thread" },
            quote! {
                flavor: ::lambda_extension::__private::Flavor::MultiThread {
                    worker_threads: ::core::option::Option::None
                },
            },
        );
        assert_options(
            quote! { flavor = "multi_thread", worker_threads = 3 },
            quote! {
                flavor: ::lambda_extension::__private::Flavor::MultiThread {
                    worker_threads: ::core::option::Option::Some(3)
                },
            },
        );
    }

    #[test]
    fn a_constructor_is_nested_in_main() {
        assert_expansion(
            quote! {},
            quote! { pub async fn main() -> Result<impl Extension, Error> { Ok(Shipper) } },
            quote! {
                fn main() -> ::std::process::ExitCode {
                    async fn main() -> Result<impl Extension, Error> { Ok(Shipper) }
                    ::lambda_extension::__private::constructor::<_, _, _, _>(
                        ::lambda_extension::__private::Options { ..::core::default::Default::default() },
                        |_| main()
                    )
                }
            },
        );
    }

    #[test]
    fn a_constructor_that_takes_the_registration_is_passed_as_it_is() {
        assert_expansion(
            quote! {},
            quote! { async fn main(r: Registration) -> Result<Shipper, Error> { Ok(Shipper) } },
            quote! {
                fn main() -> ::std::process::ExitCode {
                    async fn main(r: Registration) -> Result<Shipper, Error> { Ok(Shipper) }
                    ::lambda_extension::__private::constructor::<_, _, _, _>(
                        ::lambda_extension::__private::Options { ..::core::default::Default::default() },
                        main
                    )
                }
            },
        );
    }

    #[test]
    fn a_renamed_framework_is_named_as_the_user_says() {
        let function = quote! { async fn main(event: NextEvent) -> Result<(), Error> { Ok(()) } };
        assert_expansion(
            quote! { crate = "extensions", on_error = "continue" },
            function.clone(),
            quote! {
                fn main() -> ::std::process::ExitCode {
                    #function
                    extensions::__private::handler::<_, NextEvent, _, _>(
                        extensions::__private::Options {
                            on_error: ::core::option::Option::Some(extensions::__private::ErrorPolicy::Continue),
                            ..::core::default::Default::default()
                        },
                        main
                    )
                }
            },
        );
    }

    #[test]
    fn a_function_that_is_configured_out_takes_its_main_with_it() {
        let function = quote! { #[cfg(unix)] async fn log(event: NextEvent) -> Result<(), Error> { Ok(()) } };
        assert_expansion(
            quote! {},
            function.clone(),
            quote! {
                #function
                #[cfg(unix)]
                fn main() -> ::std::process::ExitCode {
                    ::lambda_extension::__private::handler::<_, NextEvent, _, _>(
                        ::lambda_extension::__private::Options { ..::core::default::Default::default() },
                        log
                    )
                }
            },
        );
    }

    #[test]
    fn the_warning_about_abort_can_be_allowed_on_the_function() {
        let allowed =
            panic_warning(&[syn::parse_quote! { #[allow(deprecated)] }, syn::parse_quote! { #[inline] }]);
        let text = allowed.to_string();
        let (warn, allow) = (text.find("warn (warnings)"), text.find("allow (deprecated)"));
        assert!(warn.is_some() && warn < allow, "a later level wins: {text}");
        assert!(!text.contains("inline"), "{text}");
    }
}
