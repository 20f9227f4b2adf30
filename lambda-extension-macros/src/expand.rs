//! The generated program: the user's function, and a `main` that makes one call into the library.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Type, Visibility};

use crate::args::{Args, Flavor, Flush};
use crate::input::Input;
use crate::model::Model;
use crate::signature::Form;

/// What a build under `panic = "abort"` is told; the compiler puts "use of deprecated constant …" before it.
const PANIC_ABORT_NOTE: &str = "with `panic = \"abort\"` a panic in this extension kills its process, \
    and Lambda then fails the customer's invocation; \
    write `panic = \"unwind\"` under `[profile.release]` in Cargo.toml \
    (`cargo lambda build --release` sets \"abort\" where that section says nothing)";

/// Turns a validated model into the program it stands for.
pub(crate) fn expand(model: &Model) -> TokenStream {
    let Model { args, function, form } = model;
    let library = library(args);
    let options = options(args);
    let panic_warning = panic_warning(&function.attrs);
    let call = match form {
        Form::Handler => handler_call(function, &options),
        Form::Constructor { takes_registration } => constructor_call(function, *takes_registration, &options),
    };
    let cfgs = function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let (beside, nested) = place(function);
    quote! {
        #beside
        #(#cfgs)*
        fn main() -> ::std::process::ExitCode {
            use #library::__private as __lambda_extension;
            #nested
            #panic_warning
            #call
        }
    }
}

/// The path of the framework. It stands once in the program, so that one message says if it is wrong; the
/// user's types and the user's `main` are in sight of the name it gets, so that must be none of theirs.
fn library(args: &Args) -> TokenStream {
    args.krate.value().map_or_else(|| quote! { ::lambda_extension }, ToTokens::to_token_stream)
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
fn handler_call(function: &Input, options: &TokenStream) -> TokenStream {
    let name = &function.sig.ident;
    let event = function.arguments().next().map(|argument| &argument.ty);
    let future = inferred_at(function.output());
    let error = inferred_at(function.error().or(function.output()));
    quote! { __lambda_extension::handler::<_, #event, #future, #error>(#options, #name) }
}

/// The same here, and a wrong argument type is where the registration is handed over.
fn constructor_call(function: &Input, takes_registration: bool, options: &TokenStream) -> TokenStream {
    let future = inferred_at(function.output());
    let extension = inferred_at(function.success().or(function.output()));
    let error = inferred_at(function.error().or(function.output()));
    let closure = match function.arguments().next() {
        Some(argument) if takes_registration => {
            let registration = Ident::new("registration", place_of(&argument.ty));
            quote! { |#registration| construct(#registration) }
        }
        _ => quote! { |_| construct() },
    };
    // As a value the function must be `async`, also in the eyes of `clippy::unused_async`.
    quote! {
        let construct = main;
        __lambda_extension::constructor::<#extension, _, #future, #error>(#options, #closure)
    }
}

fn inferred_at(ty: Option<&Type>) -> TokenStream {
    let place = ty.map_or_else(Span::call_site, place_of);
    quote_spanned! { place=> _ }
}

/// Where `ty` is written, but known to be generated, so that lints about the user's own code leave it alone.
fn place_of(ty: &Type) -> Span {
    ty.span().resolved_at(Span::mixed_site())
}

/// The library's `Options`, with a field for each argument given.
fn options(args: &Args) -> TokenStream {
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
        set("events", some(quote! { &[#(__lambda_extension::EventType::#events),*] }));
    }
    if let Some(categories) = args.telemetry.value() {
        let categories = categories.iter().map(|category| format_ident!("{category:?}"));
        let buffering = args.buffering.value();
        let limits = [
            buffering.and_then(|buffering| buffering.max_items),
            buffering.and_then(|buffering| buffering.max_bytes),
            buffering.and_then(|buffering| buffering.timeout_ms),
        ];
        let limits = limits.map(|limit| optional(limit.map(Literal::u64_unsuffixed)));
        let subscription = quote! {
            || __lambda_extension::subscription(&[#(__lambda_extension::Category::#categories),*], #(#limits),*)
        };
        set("telemetry", some(subscription));
    }
    if let Some(flush) = args.flush.value() {
        let flush = match flush {
            Flush::Periodic(milliseconds) => quote! { Periodic(#milliseconds) },
            word => format_ident!("{word:?}").into_token_stream(),
        };
        set("flush", some(quote! { __lambda_extension::Flush::#flush }));
    }
    if let Some(policy) = args.on_error.value() {
        let policy = format_ident!("{policy:?}");
        set("on_error", some(quote! { __lambda_extension::ErrorPolicy::#policy }));
    }
    if args.logging.value().is_some() {
        set("logging", quote! { false });
    }
    if args.flavor.value() == Some(&Flavor::MultiThread) {
        let threads = optional(args.worker_threads.value().map(|threads| Literal::u64_unsuffixed(*threads)));
        set("runtime", quote! { || __lambda_extension::multi_thread(#threads) });
    }
    quote! { __lambda_extension::Options { #(#fields,)* ..::core::default::Default::default() } }
}

fn optional(value: Option<Literal>) -> TokenStream {
    value.map_or_else(|| quote! { ::core::option::Option::None }, |value| some(quote! { #value }))
}

fn some(value: TokenStream) -> TokenStream {
    quote! { ::core::option::Option::Some(#value) }
}

/// A use of a deprecated constant is the one way for generated code to *warn*.
///
/// `warn(warnings)` keeps it a warning where warnings are errors: the profile may well be somebody else's
/// choice, as it is under `cargo lambda`. The function's own `#[allow(…)]`s come after it, so
/// `#[allow(deprecated)]` silences it.
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
                    use ::lambda_extension::__private as __lambda_extension;
                    __lambda_extension::handler::<_, Batch, _, _>(
                        __lambda_extension::Options { #options ..::core::default::Default::default() },
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
            quote! { events(shutdown, invoke) },
            quote! {
                events: ::core::option::Option::Some(&[
                    __lambda_extension::EventType::Shutdown,
                    __lambda_extension::EventType::Invoke
                ]),
            },
        );
        assert_options(
            quote! { telemetry(function), buffering(timeout_ms = 1_000, max_items = 2000) },
            quote! {
                telemetry: ::core::option::Option::Some(|| __lambda_extension::subscription(
                    &[__lambda_extension::Category::Function],
                    ::core::option::Option::Some(2000),
                    ::core::option::Option::None,
                    ::core::option::Option::Some(1000)
                )),
            },
        );
        assert_options(
            quote! { flush = "end", on_error = "exit", logging = "none" },
            quote! {
                flush: ::core::option::Option::Some(__lambda_extension::Flush::End),
                on_error: ::core::option::Option::Some(__lambda_extension::ErrorPolicy::Exit),
                logging: false,
            },
        );
        assert_options(
            quote! { flush(periodic_ms = 10_000) },
            quote! {
                flush: ::core::option::Option::Some(__lambda_extension::Flush::Periodic(10000u64)),
            },
        );
    }

    #[test]
    fn the_runtime_is_chosen_by_flavor_and_worker_threads() {
        assert_options(quote! { flavor = "current_thread" }, quote! {});
        assert_options(
            quote! { flavor = "multi_thread" },
            quote! {
                runtime: || __lambda_extension::multi_thread(::core::option::Option::None),
            },
        );
        assert_options(
            quote! { flavor = "multi_thread", worker_threads = 3 },
            quote! {
                runtime: || __lambda_extension::multi_thread(::core::option::Option::Some(3)),
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
                    use ::lambda_extension::__private as __lambda_extension;
                    async fn main() -> Result<impl Extension, Error> { Ok(Shipper) }
                    let construct = main;
                    __lambda_extension::constructor::<_, _, _, _>(
                        __lambda_extension::Options { ..::core::default::Default::default() },
                        |_| construct()
                    )
                }
            },
        );
    }

    #[test]
    fn a_constructor_is_handed_the_registration_if_it_takes_one() {
        assert_expansion(
            quote! {},
            quote! { async fn main(r: Registration) -> Result<Shipper, Error> { Ok(Shipper) } },
            quote! {
                fn main() -> ::std::process::ExitCode {
                    use ::lambda_extension::__private as __lambda_extension;
                    async fn main(r: Registration) -> Result<Shipper, Error> { Ok(Shipper) }
                    let construct = main;
                    __lambda_extension::constructor::<_, _, _, _>(
                        __lambda_extension::Options { ..::core::default::Default::default() },
                        |registration| construct(registration)
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
                    use extensions::__private as __lambda_extension;
                    #function
                    __lambda_extension::handler::<_, NextEvent, _, _>(
                        __lambda_extension::Options {
                            on_error: ::core::option::Option::Some(__lambda_extension::ErrorPolicy::Continue),
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
                    use ::lambda_extension::__private as __lambda_extension;
                    __lambda_extension::handler::<_, NextEvent, _, _>(
                        __lambda_extension::Options { ..::core::default::Default::default() },
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
