//! What is emitted, beside the errors, when something is wrong.
//!
//! There is always a `main` and, where it can be read, the user's function, put right as far as the mistakes
//! are known: otherwise one mistake would be followed by "no `main` function", "`await` outside of `async`"
//! or a row of unused imports.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::quote;
use syn::{FnArg, ReturnType, Safety, Token, parse_quote};

use crate::expand::place;
use crate::input::Input;
use crate::signature::starts_a_runtime;

/// A program that compiles but for the errors that go with it.
pub(crate) fn fallback(item: TokenStream, function: Option<Input>) -> TokenStream {
    let (beside, nested) = match function {
        Some(function) => place(&repair(function)),
        None => (item, TokenStream::new()),
    };
    quote! {
        #beside
        fn main() { #nested }
    }
}

/// The function without what the messages ask to remove.
fn repair(mut function: Input) -> Input {
    let sig = &mut function.sig;
    if sig.receiver().is_some() || matches!(sig.output, ReturnType::Default) {
        // The body speaks of `self`, or returns nobody knows what, so it must not be type-checked.
        function.body = Group::new(Delimiter::Brace, quote! { ::core::unimplemented!() });
        function.attrs.push(parse_quote! { #[allow(unused)] });
    }
    sig.inputs = sig.inputs.iter().filter(|input| matches!(input, FnArg::Typed(_))).cloned().collect();
    sig.asyncness = Some(Token![async](Span::call_site()));
    sig.constness = None;
    sig.abi = None;
    sig.variadic = None;
    if let Safety::Safe(_) = sig.safety {
        sig.safety = Safety::Default;
    }
    function.attrs.retain(|attribute| !starts_a_runtime(attribute.path()));
    function
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_fallback(item: TokenStream, expected: TokenStream) {
        let function = syn::parse2(item.clone()).ok();
        assert_eq!(fallback(item, function).to_string(), expected.to_string());
    }

    #[test]
    fn a_function_is_put_right_beside_a_main() {
        assert_fallback(
            quote! { #[allow(unused)] #[tokio::main] extern "C" fn log(event: &str) -> u8 { event.await } },
            quote! { #[allow(unused)] async fn log(event: &str) -> u8 { event.await } fn main() {} },
        );
    }

    #[test]
    fn a_function_called_main_is_nested_in_one() {
        assert_fallback(
            quote! { pub fn main(a: u8, b: u8) -> u8 { a } },
            quote! { fn main() { async fn main(a: u8, b: u8) -> u8 { a } } },
        );
    }

    #[test]
    fn a_body_of_unknown_type_is_left_out() {
        assert_fallback(
            quote! { async fn log(event: NextEvent) { Ok(()) } },
            quote! { #[allow(unused)] async fn log(event: NextEvent) { ::core::unimplemented!() } fn main() {} },
        );
    }

    #[test]
    fn a_method_becomes_a_function() {
        assert_fallback(
            quote! { async fn log(&self, event: NextEvent) -> u8 { self.0 } },
            quote! { #[allow(unused)] async fn log(event: NextEvent) -> u8 { ::core::unimplemented!() } fn main() {} },
        );
    }

    #[test]
    fn what_is_no_function_is_kept() {
        assert_fallback(quote! { struct Shipper(u8); }, quote! { struct Shipper(u8); fn main() {} });
    }
}
