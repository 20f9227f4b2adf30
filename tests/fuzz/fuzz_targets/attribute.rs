//! What stands in and under `#[lambda_extension::main(…)]`: the arguments and the function, with a zero byte between them.

#![no_main]

#[path = "../../../lambda-extension-macros/src/args.rs"]
mod args;
#[path = "../../../lambda-extension-macros/src/argument.rs"]
mod argument;
#[path = "../../../lambda-extension-macros/src/expand.rs"]
mod expand;
#[path = "../../../lambda-extension-macros/src/fallback.rs"]
mod fallback;
#[path = "../../../lambda-extension-macros/src/generate.rs"]
mod generate;
#[path = "../../../lambda-extension-macros/src/input.rs"]
mod input;
#[path = "../../../lambda-extension-macros/src/mistakes.rs"]
mod mistakes;
#[path = "../../../lambda-extension-macros/src/model.rs"]
mod model;
#[path = "../../../lambda-extension-macros/src/signature.rs"]
mod signature;
#[path = "../../../lambda-extension-macros/src/types.rs"]
mod types;

use lambda_extension_fuzz::bounded;
use libfuzzer_sys::fuzz_target;
use proc_macro2::TokenStream;
use syn::{Item, Macro};

fuzz_target!(|input: &str| {
    let (args, function) = input.split_once('\0').unwrap_or(("", input));
    // What is no sequence of tokens never gets to a macro.
    let (Ok(args), Ok(function)) = (args.parse::<TokenStream>(), function.parse::<TokenStream>()) else {
        return;
    };
    let item = syn::parse2::<Item>(function.clone());
    let generated = bounded(input.as_bytes(), 4096, || generate::generate(args, function));
    // What the user wrote is repeated, so a program comes out only where one went in.
    let Ok(file) = syn::parse2::<syn::File>(generated.clone()) else {
        assert!(item.is_err(), "no program: {generated}");
        return;
    };
    let mains =
        file.items.iter().filter(|item| matches!(item, Item::Fn(function) if function.sig.ident == "main"));
    assert!(mains.count() >= 1, "no `main`: {generated}");
    for item in &file.items {
        if let Item::Macro(item) = item
            && item.mac.path.segments.last().is_some_and(|segment| segment.ident == "compile_error")
        {
            assert!(!message(&item.mac).is_empty(), "an error without words: {generated}");
        }
    }
});

fn message(error: &Macro) -> String {
    error.parse_body::<syn::LitStr>().map(|message| message.value()).unwrap_or_default()
}
