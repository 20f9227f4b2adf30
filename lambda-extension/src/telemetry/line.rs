//! A line of a log: text, or JSON.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{
        Visitor,
        value::{BorrowedStrDeserializer, Error, MapDeserializer},
    },
};
use serde_json::value::RawValue;

/// What a function or an extension wrote: one line of text, or one JSON object where the function's log format is JSON. Both
/// kinds can be in the same batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LogLine<'a> {
    /// A line of text, usually with its line end.
    Text(Text<'a>),
    /// A line that is a JSON value, as it was written.
    Json(Cow<'a, RawValue>),
}

impl<'a> LogLine<'a> {
    /// The record of a line. `None` if it is no JSON, which it is where it comes from.
    pub(crate) fn read(record: &'a str) -> Option<Self> {
        match Text::read(record) {
            Some(text) => Some(Self::Text(text)),
            None => json(record).map(|json| Self::Json(Cow::Borrowed(json))),
        }
    }

    /// The line itself, to be shipped or searched: a line of text with its escapes resolved and its line end, a JSON line as it was
    /// written. Allocates where there are escapes, as in every text line with a line end.
    ///
    /// ```
    /// use lambda_extension::telemetry::{Batch, Record};
    ///
    /// let batch = Batch::from_json(
    ///     r#"[{"time":"","type":"function","record":"no such \"order\"\n"},
    ///         {"time":"","type":"function","record":{"level":"WARN"}}]"#,
    /// );
    /// let lines: Vec<String> = batch
    ///     .events()
    ///     .filter_map(|event| match &event.record {
    ///         Record::Function(line) => Some(line.to_str().trim_end().to_owned()),
    ///         _ => None,
    ///     })
    ///     .collect();
    /// assert_eq!(lines, [r#"no such "order""#, r#"{"level":"WARN"}"#]);
    /// ```
    #[must_use]
    pub fn to_str(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => text.to_str(),
            Self::Json(json) => Cow::Borrowed(json.get()),
        }
    }

    /// The line as JSON, as it was sent: a text line in its quotes.
    #[must_use]
    pub fn raw(&self) -> &str {
        match self {
            Self::Text(text) => text.raw(),
            Self::Json(json) => json.get(),
        }
    }

    pub(crate) fn into_static(self) -> LogLine<'static> {
        match self {
            Self::Text(text) => LogLine::Text(text.into_static()),
            Self::Json(json) => LogLine::Json(Cow::Owned(json.into_owned())),
        }
    }
}

/// The name under which serde_json hands itself what it has read for a `RawValue`.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// JSON text that was scanned before, as serde_json's type for it. That gives it only to its own reader, which would scan the
/// text again; so it is handed over as that reader does. Should serde_json change how, the text is read again.
fn json(text: &str) -> Option<&RawValue> {
    handed_over(text).or_else(|| serde_json::from_str(text).ok())
}

fn handed_over(text: &str) -> Option<&RawValue> {
    let value = [(RAW_VALUE, BorrowedStrDeserializer::<Error>::new(text))];
    <&RawValue>::deserialize(MapDeserializer::new(value.into_iter())).ok()
}

/// A line of text, as the JSON string it is delivered as.
///
/// It is left as it lies in the batch, because most lines end in `\n` and would have to be copied to be unescaped.
///
/// ```
/// use lambda_extension::telemetry::{Batch, LogLine, Record};
///
/// let batch = Batch::from_json(r#"[{"time":"","type":"function","record":"caf\u00e9\n"}]"#);
/// let event = batch.events().next().unwrap();
/// let Record::Function(LogLine::Text(text)) = &event.record else { panic!() };
/// assert_eq!(text.raw(), r#""caf\u00e9\n""#);
/// assert_eq!(text.to_str(), "café\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    raw: Cow<'a, str>,
}

impl<'a> Text<'a> {
    /// The record as text, if it is a JSON string.
    pub(crate) fn read(raw: &'a str) -> Option<Self> {
        raw.starts_with('"').then_some(Self { raw: Cow::Borrowed(raw) })
    }

    pub(crate) fn into_static(self) -> Text<'static> {
        Text { raw: Cow::Owned(self.raw.into_owned()) }
    }

    /// The line as a JSON string: in quotes, and with its escapes.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The line itself. Allocates if it has escapes, as every line does that ends in a line end. Half of a surrogate pair,
    /// which JSON allows and UTF-8 does not, becomes U+FFFD.
    #[must_use]
    pub fn to_str(&self) -> Cow<'_, str> {
        let inner = &self.raw[1..self.raw.len() - 1];
        if inner.contains('\\') { Cow::Owned(unescape(&self.raw)) } else { Cow::Borrowed(inner) }
    }
}

/// Unescapes a JSON string. Read as bytes, it may hold halves of surrogate pairs, each of which is written as three bytes
/// that begin with ED and A0 to BF; U+FFFD is three bytes long too.
fn unescape(raw: &str) -> String {
    let Ok(mut bytes) = serde_json::Deserializer::from_str(raw).deserialize_bytes(Bytes) else {
        // It was cut out of JSON as a string, so this cannot happen; and to show it as it came loses nothing.
        return raw.to_owned();
    };
    let mut at = 0;
    while at + 2 < bytes.len() {
        if bytes[at] == 0xED && bytes[at + 1] >= 0xA0 {
            bytes[at..at + 3].copy_from_slice("\u{FFFD}".as_bytes());
        }
        at += 1;
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_unescaped_when_it_is_asked_for() {
        for (raw, text) in [
            (r#""""#, ""),
            (r#""plain""#, "plain"),
            (r#""a\tb\n""#, "a\tb\n"),
            (r#""\u003chtml\u003e \"quoted\" \\""#, "<html> \"quoted\" \\"),
            (r#""\ud83e\udd80""#, "🦀"),
            (r#""lone \ud83e here""#, "lone \u{FFFD} here"),
            (r#""\udd80\ud83e""#, "\u{FFFD}\u{FFFD}"),
            (r#""퟿ stays\n""#, "\u{D7FF} stays\n"),
        ] {
            assert_eq!(Text::read(raw).unwrap().to_str(), text, "{raw}");
        }
    }

    #[test]
    fn json_is_not_scanned_again() {
        let text = r#"{"level": "INFO"}"#;
        assert!(handed_over(text).is_some_and(|json| std::ptr::eq(json.get(), text)));
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        assert!(matches!(Text::read(r#""plain""#).unwrap().to_str(), Cow::Borrowed("plain")));
    }
}
