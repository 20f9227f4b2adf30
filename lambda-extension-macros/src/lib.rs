//! The attribute macro of `lambda_extension`.

mod args;
mod expand;
mod fallback;
mod input;
mod mistakes;
mod model;

use proc_macro2::TokenStream;

use crate::input::Input;
use crate::mistakes::Mistakes;

/// Docs to come.
#[proc_macro_attribute]
pub fn main(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    generate(args.into(), item.into()).into()
}

/// The whole macro: parse, validate, expand; and where that fails, every mistake beside a program that has no other.
fn generate(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let args = args::parse(args, &mut mistakes);
    let function = mistakes.take(syn::parse2::<Input>(item.clone()));
    let model = function.clone().map(|function| model::validate(args, function, &mut mistakes));
    match (mistakes.into_result(), model) {
        (Ok(()), Some(model)) => expand::expand(&model),
        (result, _) => {
            let mut tokens = fallback::fallback(item, function);
            tokens.extend(result.err().map(|error| error.to_compile_error()));
            tokens
        }
    }
}
