//! What is wrong with the user's text: collected, so that all of it is reported at once.

use std::fmt::Display;

use quote::ToTokens;

/// Every mistake found so far, each with the tokens it is about.
#[derive(Default)]
pub(crate) struct Mistakes(Option<syn::Error>);

impl Mistakes {
    /// Notes a mistake in `tokens`; `message` says what to write instead.
    pub(crate) fn add(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.add_error(syn::Error::new_spanned(tokens, message));
    }

    /// Notes one or several mistakes that a parser found.
    pub(crate) fn add_error(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }

    /// Keeps the value of a parser that succeeded, and the mistakes of one that did not.
    pub(crate) fn take<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add_error(error)).ok()
    }

    /// Nothing, or the error that stands for all mistakes.
    pub(crate) fn into_result(self) -> Result<(), syn::Error> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Says which of `known` the user may have meant by `word`, or else lists them all.
pub(crate) fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let lower = word.to_lowercase();
    let known: Vec<&str> = known.collect();
    let nearest = known.iter().min_by_key(|candidate| distance(&lower, candidate));
    match nearest.filter(|nearest| distance(&lower, nearest) <= nearest.len().div_ceil(3)) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.len() == 1 => format!("write `{}`", known[0]),
        None => format!("write one of `{}`", known.join("`, `")),
    }
}

/// How many letters must be added, removed or replaced to turn one word into the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.chars().count()]
}

/// For unit tests: each mistake as the text it underlines and what it says.
#[cfg(test)]
pub(crate) fn underlined(mistakes: Mistakes) -> Vec<(String, String)> {
    let errors = mistakes.into_result().err().into_iter().flatten();
    errors.map(|error| (error.span().source_text().unwrap_or_default(), error.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_added_removed_and_replaced_letters() {
        assert_eq!(distance("name", "name"), 0);
        assert_eq!(distance("nam", "name"), 1);
        assert_eq!(distance("naame", "name"), 1);
        assert_eq!(distance("event", "evict"), 2);
        assert_eq!(distance("", "name"), 4);
    }

    #[test]
    fn a_slip_is_answered_with_the_word_that_was_meant_and_a_guess_with_all_words() {
        let known = ["invoke", "shutdown"];
        assert_eq!(suggestion("Invoke", known.into_iter()), "did you mean `invoke`?");
        assert_eq!(suggestion("shutdwon", known.into_iter()), "did you mean `shutdown`?");
        assert_eq!(suggestion("telemetry", known.into_iter()), "write one of `invoke`, `shutdown`");
    }
}
