//! One argument of an attribute, whatever it is called: its shape, and the values it can hold.

use std::ops::RangeInclusive;

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Ident, Lit, LitStr, Result, Token, parenthesized, token};

use crate::mistakes::{Mistakes, suggestion};

/// `key`, `key = value` or `key(list)`.
pub(crate) struct Argument {
    pub(crate) key: Ident,
    pub(crate) value: Value,
    /// How it should be written, for messages.
    example: &'static str,
}

pub(crate) enum Value {
    Missing,
    /// The tokens after `=`.
    Assigned(TokenStream),
    /// The tokens between parentheses.
    List(TokenStream),
}

impl Argument {
    /// Reads one argument whose key must be that of one of `examples`, and not be in `seen` already.
    pub(crate) fn parse(
        piece: TokenStream,
        examples: &[&'static str],
        seen: &mut Vec<String>,
    ) -> Result<Self> {
        let (key, value) = shape.parse2(piece)?;
        let word = key.to_string();
        let Some(example) = examples.iter().find(|example| key_of(example) == word) else {
            let suggestion = suggestion(&word, examples.iter().map(|example| key_of(example)));
            return Err(Error::new(key.span(), format!("unknown argument `{word}`; {suggestion}")));
        };
        if seen.contains(&word) {
            return Err(Error::new(key.span(), format!("`{word}` is given twice; keep one")));
        }
        seen.push(word);
        Ok(Self { key, value, example })
    }

    /// The mistake of writing `key(…)` for `key = …`, or the other way round, or a value of the wrong type.
    pub(crate) fn wrong_shape(&self) -> Error {
        self.at_value(format!("write it as in `{}`", self.example))
    }

    /// A mistake in the value, or in the key where there is none.
    pub(crate) fn at_value(&self, message: String) -> Error {
        match &self.value {
            Value::Assigned(tokens) | Value::List(tokens) if !tokens.is_empty() => {
                Error::new_spanned(tokens, message)
            }
            _ => Error::new_spanned(&self.key, message),
        }
    }

    /// The one literal after `=`.
    fn literal(&self) -> Result<Lit> {
        let Value::Assigned(tokens) = &self.value else { return Err(self.wrong_shape()) };
        let parser = |input: ParseStream<'_>| {
            let literal = input.parse().map_err(|_| self.wrong_shape())?;
            nothing_more(input)?;
            Ok(literal)
        };
        parser.parse2(tokens.clone())
    }

    pub(crate) fn string(&self) -> Result<LitStr> {
        match self.literal()? {
            Lit::Str(string) => Ok(string),
            _ => Err(self.wrong_shape()),
        }
    }

    pub(crate) fn integer(&self, range: RangeInclusive<u64>, unit: &str) -> Result<u64> {
        let literal = self.literal()?;
        let Lit::Int(integer) = &literal else { return Err(self.wrong_shape()) };
        integer.base10_parse().ok().filter(|value| range.contains(value)).ok_or_else(|| {
            let bounds = match (range.start(), range.end()) {
                (start, &u64::MAX) => format!("at least {}", thousands(*start)),
                (start, end) => format!("from {} to {}", thousands(*start), thousands(*end)),
            };
            Error::new_spanned(&literal, format!("`{}` must be {bounds} {unit}", self.key))
        })
    }

    /// The one of `choices` that the string after `=` names.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T> {
        let string = self.string()?;
        choose(&string.value(), choices).map_err(|message| Error::new_spanned(&string, message))
    }

    /// The words between the parentheses, each one of `choices`.
    pub(crate) fn choices<T: Copy + PartialEq>(&self, choices: &[(&str, T)]) -> Result<Vec<T>> {
        let Value::List(tokens) = &self.value else { return Err(self.wrong_shape()) };
        let (mut chosen, mut mistakes) = (Vec::new(), Mistakes::default());
        for piece in between_commas(tokens.clone()) {
            let word = match syn::parse2::<Ident>(piece.clone()) {
                Ok(word) => word,
                Err(_) if piece.is_empty() => return Err(self.wrong_shape()),
                Err(_) => {
                    mistakes.add(piece, "expected a word without quotes, and commas between words");
                    continue;
                }
            };
            match choose(&word.to_string(), choices) {
                Ok(choice) if chosen.contains(&choice) => {
                    mistakes.add(&word, format!("`{word}` is given twice; keep one"));
                }
                Ok(choice) => chosen.push(choice),
                Err(message) => mistakes.add(&word, message),
            }
        }
        mistakes.into_result()?;
        if chosen.is_empty() { Err(self.wrong_shape()) } else { Ok(chosen) }
    }
}

fn shape(input: ParseStream<'_>) -> Result<(Ident, Value)> {
    let key = Ident::parse_any(input).map_err(|error| {
        Error::new(error.span(), "expected an argument such as `name = \"my-extension\"`")
    })?;
    let value = if input.is_empty() {
        Value::Missing
    } else if input.peek(token::Paren) {
        let list;
        parenthesized!(list in input);
        let list = list.parse()?;
        nothing_more(input)?;
        Value::List(list)
    } else if input.parse::<Option<Token![=]>>()?.is_some() {
        Value::Assigned(input.parse()?)
    } else {
        return Err(input.error("expected `=`, `(` or `,`"));
    };
    Ok((key, value))
}

/// The choice called `word`, or what to write instead of it.
fn choose<T: Copy>(word: &str, choices: &[(&str, T)]) -> std::result::Result<T, String> {
    let found = choices.iter().find(|(known, _)| *known == word);
    let known = choices.iter().map(|(known, _)| *known);
    found.map(|(_, choice)| *choice).ok_or_else(|| format!("unknown `{word}`; {}", suggestion(word, known)))
}

/// Refuses what follows a complete argument: nearly always the comma between two of them is missing.
fn nothing_more(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() { Ok(()) } else { Err(input.error("expected `,` before this")) }
}

fn key_of(example: &str) -> &str {
    example.split([' ', '(']).next().unwrap_or(example)
}

/// `262144` as `262,144`, which is how AWS writes its limits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}

/// The tokens between the commas of `tokens`; a comma at the end separates nothing.
pub(crate) fn between_commas(tokens: TokenStream) -> Vec<TokenStream> {
    let mut pieces = vec![TokenStream::new()];
    for token in tokens {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => pieces.push(TokenStream::new()),
            _ => pieces.last_mut().expect("it starts with one piece").extend([token]),
        }
    }
    pieces.pop_if(|last| last.is_empty());
    pieces
}
