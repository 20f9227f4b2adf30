//! Where JSON values begin and end, and whether they are JSON: the one pass that each byte of telemetry goes through.
//!
//! A batch is scanned while the environment is held, which is billed, so this is the hot path of every extension with telemetry.
//! It does no more than serde_json's `IgnoredAny` and `RawValue` do, in a third of their time for a line of text, since it
//! looks at eight bytes at once and builds nothing. serde_json is the judge in the tests: both must agree on any text.

use std::ops::Range;

/// Reads JSON text from its beginning on. What is no JSON is `None`.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The brackets that are open in the value that is scanned. Kept from one value to the next, as it holds memory.
    open: Vec<u8>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, open: Vec::new() }
    }

    /// How far it has read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to where it was before, also after it met what is no JSON.
    pub(crate) fn return_to(&mut self, at: usize) {
        self.at = at;
    }

    /// Reads these very bytes. As their number is known, they are compared by the word and not by a call.
    pub(crate) fn literally<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        (self.text.as_bytes()[self.at..].first_chunk()? == bytes).then(|| self.at += N)
    }

    /// The next byte that is no white space; it is not read yet.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.at = space(self.text.as_bytes(), self.at);
        self.text.as_bytes().get(self.at).copied()
    }

    /// Reads this byte, which may have white space before it.
    pub(crate) fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Whether nothing but white space is left.
    pub(crate) fn is_over(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Reads a key of an object and its colon; gives the key in its quotes.
    pub(crate) fn key(&mut self) -> Option<&'a str> {
        let start = space(self.text.as_bytes(), self.at);
        self.at = string(self.text.as_bytes(), start)?;
        let key = &self.text[start..self.at];
        self.expect(b':')?;
        Some(key)
    }

    /// Reads a value, and says where it lies.
    pub(crate) fn value(&mut self) -> Option<Range<usize>> {
        let start = space(self.text.as_bytes(), self.at);
        self.at = value(self.text.as_bytes(), start, &mut self.open)?;
        Some(start..self.at)
    }
}

/// Whether this is one JSON value.
pub(crate) fn is_json(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.value().is_some() && scanner.is_over()
}

// Each of the following reads one thing that begins at `at`, and gives where it ends.

/// A value. What is in brackets is kept in a list, since a recursion as deep as somebody else's text could end the process.
fn value(text: &[u8], mut at: usize, open: &mut Vec<u8>) -> Option<usize> {
    open.clear();
    loop {
        // Here a value is due.
        match *text.get(at)? {
            bracket @ (b'{' | b'[') => {
                at = space(text, at + 1);
                if *text.get(at)? == closing(bracket) {
                    at += 1;
                } else {
                    open.push(bracket);
                    at = if bracket == b'{' { key(text, at)? } else { at };
                    continue;
                }
            }
            b'"' => at = string(text, at)?,
            b't' => at = word(text, at, b"true")?,
            b'f' => at = word(text, at, b"false")?,
            b'n' => at = word(text, at, b"null")?,
            _ => at = number(text, at)?,
        }
        // Here one is over, and perhaps what it is in.
        loop {
            let Some(&innermost) = open.last() else { return Some(at) };
            at = space(text, at);
            let next = *text.get(at)?;
            at += 1;
            if next == b',' {
                at = space(text, at);
                at = if innermost == b'{' { key(text, at)? } else { at };
                break;
            }
            if next != closing(innermost) {
                return None;
            }
            open.pop();
        }
    }
}

/// The bracket that closes this one: two further on in ASCII, for both kinds.
fn closing(bracket: u8) -> u8 {
    bracket + 2
}

/// A key, its colon, and the white space before its value.
fn key(text: &[u8], at: usize) -> Option<usize> {
    let colon = space(text, string(text, at)?);
    (*text.get(colon)? == b':').then(|| space(text, colon + 1))
}

fn string(text: &[u8], mut at: usize) -> Option<usize> {
    if *text.get(at)? != b'"' {
        return None;
    }
    at += 1;
    loop {
        // A word of memory at a time, as most bytes of a string need no look at each.
        if let Some(word) = text.get(at..)?.first_chunk() {
            let special = special(u64::from_le_bytes(*word));
            if special == 0 {
                at += word.len();
                continue;
            }
            at += special.trailing_zeros() as usize / 8;
        }
        match *text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = escape(text, at)?,
            // Less than a word is left.
            byte if byte >= b' ' => at += 1,
            _ => return None,
        }
    }
}

/// Sets the highest bit of each byte that a string cannot hold as it is: quotes, backslashes and control characters. Bits
/// above the lowest one that is set mean nothing, because the subtractions borrow.
#[inline]
fn special(word: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    // With this bit flipped a quote comes next to the control characters, and these stay among themselves.
    const FLIPPED: u8 = 0b10;
    let each = |byte: u8| EACH * u64::from(byte);
    let quote_or_control = (word ^ each(FLIPPED)).wrapping_sub(each((b'"' ^ FLIPPED) + 1));
    let backslash = (word ^ each(b'\\')).wrapping_sub(EACH);
    (quote_or_control | backslash) & !word & each(0x80)
}

#[inline]
fn escape(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
        b'u' => text.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit).then_some(at + 6),
        _ => None,
    }
}

fn word(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    text[at..].starts_with(word).then_some(at + word.len())
}

fn number(text: &[u8], mut at: usize) -> Option<usize> {
    let next_is = |at: usize, bytes: &[u8]| text.get(at).is_some_and(|byte| bytes.contains(byte));
    at += usize::from(next_is(at, b"-"));
    // Nothing may follow a leading zero.
    at = if next_is(at, b"0") { at + 1 } else { digits(text, at)? };
    if next_is(at, b".") {
        at = digits(text, at + 1)?;
    }
    if next_is(at, b"eE") {
        at += 1 + usize::from(next_is(at + 1, b"+-"));
        at = digits(text, at)?;
    }
    Some(at)
}

/// At least one.
fn digits(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    (at > start).then_some(at)
}

/// White space, which may be none.
#[inline]
fn space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};
    use serde::de::IgnoredAny;

    use super::*;

    fn judged(text: &str) -> bool {
        serde_json::from_str::<IgnoredAny>(text).is_ok()
    }

    #[test]
    fn what_is_json_and_what_is_not() {
        for json in [
            "0",
            "-0",
            "-1.5e+30",
            "1E9",
            " 12 ",
            "true",
            "false",
            "null",
            "\"\"",
            "[]",
            "{}",
            "[ ]",
            "{ }",
            "[1,[2,{\"a\":[]}]]",
            r#"{"a":1,"b":{"c":[true,null]},"":""}"#,
            r#""\"\\\/\b\f\n\r\t\u00e9\ud800""#,
            "\"a longer string, of more than one word\"",
            "\"\u{7f}é😀\"",
            "1e999",
        ] {
            assert!(is_json(json) && judged(json), "{json}");
        }
        for other in [
            "",
            " ",
            "01",
            "1.",
            ".5",
            "-",
            "+1",
            "1e",
            "1e+",
            "tru",
            "nul",
            "True",
            "\"",
            "\"a",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "{",
            "{1:2}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "[1}",
            "{\"a\":1]",
            "]",
            "1 2",
            "[1]]",
            r#""\x""#,
            r#""\u12g4""#,
            r#""\u12"#,
            "\"a tab\tin a string\"",
            "\"\u{1f}\"",
            "\"1234567\n\"",
            "{\"a\":1 \"b\":2}",
            "[1 2]",
        ] {
            assert!(!is_json(other) && !judged(other), "{other}");
        }
    }

    #[test]
    fn no_depth_is_too_much() {
        let deep = |n| "[".repeat(n) + &"]".repeat(n);
        assert!(is_json(&deep(1 << 20)));
        assert!(!is_json(&(deep(1 << 20) + "]")));
    }

    #[test]
    fn every_byte_ends_a_word_where_it_should_wherever_it_stands() {
        for byte in (0..0x80).map(char::from) {
            for before in 0..20 {
                let text = format!("\"{}{byte}{}", "x".repeat(before), "yyyyyyyyyyyy\"");
                assert_eq!(is_json(&text), judged(&text), "{text:?}");
            }
        }
    }

    /// Pieces that JSON is made of, so that what is put together from them is JSON often enough.
    fn any_text() -> impl Strategy<Value = String> {
        let piece = select(vec![
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "\"",
            "\\",
            "\"a\"",
            "\"time\":",
            "\"\\u00e9\"",
            "\\n",
            "0",
            "-1",
            "1.5",
            "e3",
            "true",
            "null",
            " ",
            "\n",
            "\t",
            "\u{1}",
            "é",
            "a text that is longer than a word",
            "{\"a\":1}",
            "[1,2]",
            ",\"b\":",
        ]);
        prop_oneof![vec(piece, 0..24).prop_map(|pieces| pieces.concat()), any::<String>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn it_agrees_with_serde_json_on_any_text(text in any_text()) {
            prop_assert_eq!(is_json(&text), judged(&text), "{:?}", text);
        }
    }
}
