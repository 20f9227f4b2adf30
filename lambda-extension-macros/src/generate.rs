//! The whole macro, on tokens that need no compiler around them.

use proc_macro2::TokenStream;

use crate::input::Input;
use crate::mistakes::Mistakes;
use crate::{args, expand, fallback, model};

/// Parses, validates and expands; and where that fails, every mistake beside a program that has no
/// other.
pub(crate) fn generate(args: TokenStream, item: TokenStream) -> TokenStream {
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
