//! The function below the attribute: what stands before its body, and the body as it was written.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, FnArg, PatType, Result, ReturnType, Signature, Token, Type, Visibility};

use crate::types::generic_type;

/// A function, read as far as the attribute has to understand it.
///
/// The body stays raw tokens: the compiler judges it, with its own messages at the user's own text.
#[derive(Clone)]
pub(crate) struct Input {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Group,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        refuse_other_items(input)?;
        let sig: Signature = input.parse()?;
        let TokenTree::Group(body) = input.parse()? else {
            return Err(Error::new_spanned(sig, "`#[lambda_extension::main]` needs a function with a body"));
        };
        Ok(Self { attrs, vis, sig, body })
    }
}

/// A `struct` or `impl` gets a sentence that says what belongs here, not "expected `fn`".
fn refuse_other_items(input: ParseStream<'_>) -> Result<()> {
    let ahead = input.fork();
    while !ahead.peek(Token![fn]) {
        let qualifier = ahead.peek(Token![const])
            || ahead.peek(Token![async])
            || ahead.peek(Token![unsafe])
            || ahead.peek(Token![extern])
            || ahead.peek(syn::LitStr);
        if !qualifier {
            return Err(input.error("`#[lambda_extension::main]` belongs on an `async fn`"));
        }
        ahead.parse::<TokenTree>()?;
    }
    Ok(())
}

impl Input {
    /// Whether the function is the program's `main`.
    pub(crate) fn is_main(&self) -> bool {
        self.sig.ident.unraw() == "main"
    }

    /// The arguments, leaving out a `self`.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &PatType> {
        self.sig.inputs.iter().filter_map(|argument| match argument {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        })
    }

    /// The return type, if one is written.
    pub(crate) fn output(&self) -> Option<&Type> {
        match &self.sig.output {
            ReturnType::Type(_, output) => Some(output),
            ReturnType::Default => None,
        }
    }

    /// `T` of a return type that is literally `Result<T, …>`.
    pub(crate) fn success(&self) -> Option<&Type> {
        generic_type(self.output()?, "Result", 0)
    }

    /// `E` of a return type that is literally `Result<…, E>`.
    pub(crate) fn error(&self) -> Option<&Type> {
        generic_type(self.output()?, "Result", 1)
    }
}

impl ToTokens for Input {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.attrs.iter().map(ToTokens::to_token_stream));
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn refusal(item: TokenStream) -> String {
        syn::parse2::<Input>(item).err().expect("it is no function with a body").to_string()
    }

    #[test]
    fn a_function_is_printed_as_it_was_read_whatever_its_body_holds() {
        let function = quote! {
            /// Logs.
            #[allow(dead_code)]
            pub(crate) async fn log(mut event: NextEvent) -> Result<(), Error> { #![allow(unused)] half typed . }
        };
        let input: Input = syn::parse2(function.clone()).expect("a function");
        assert_eq!(input.to_token_stream().to_string(), function.to_string());
    }

    #[test]
    fn every_qualifier_is_read_so_that_validation_can_speak_of_it() {
        syn::parse2::<Input>(quote! { const async unsafe extern "C" fn log() {} }).expect("a function");
    }

    #[test]
    fn what_is_no_function_is_told_what_belongs_here() {
        let expected = "`#[lambda_extension::main]` belongs on an `async fn`";
        assert_eq!(refusal(quote! { struct Shipper; }), expected);
        assert_eq!(refusal(quote! { pub mod shipper {} }), expected);
        assert_eq!(refusal(quote! { const LIMIT: usize = 3; }), expected);
        assert_eq!(refusal(quote! { unsafe impl Send for Shipper {} }), expected);
    }

    #[test]
    fn a_function_without_body_is_refused() {
        assert_eq!(
            refusal(quote! { async fn log(); }),
            "`#[lambda_extension::main]` needs a function with a body"
        );
    }

    #[test]
    fn a_raw_identifier_is_the_same_main() {
        assert!(syn::parse2::<Input>(quote! { async fn r#main() {} }).expect("a function").is_main());
    }
}
