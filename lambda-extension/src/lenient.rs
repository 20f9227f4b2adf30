//! Reading fields so that a strange one costs nothing but itself.
//!
//! Lambda's own documents disagree about types (`instanceMaxMemory` is a string in one place and a number in another), and
//! what one version calls an integer is a float in the next. A field that cannot be read is left out.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// For `#[serde(deserialize_with = "lenient")]`: the field as far as it can be read.
pub(crate) fn lenient<'de, T: FromRaw<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(T::from_raw(raw.get()).unwrap_or_default())
}

/// A value that can be read from the JSON text of a field, which is known to be valid.
pub(crate) trait FromRaw<'a>: Sized {
    fn from_raw(raw: &'a str) -> Option<Self>;
}

impl<'a, T: FromRaw<'a>> FromRaw<'a> for Option<T> {
    fn from_raw(raw: &'a str) -> Option<Self> {
        T::from_raw(raw).map(Some)
    }
}

/// A number, or a word, in place of a string is kept as it is written.
impl<'de: 'a, 'a> FromRaw<'de> for Cow<'a, str> {
    fn from_raw(raw: &'de str) -> Option<Self> {
        match raw.as_bytes().first()? {
            b'"' if memchr::memchr(b'\\', raw.as_bytes()).is_some() => {
                serde_json::from_str(raw).ok().map(Cow::Owned)
            }
            b'"' => Some(Cow::Borrowed(&raw[1..raw.len() - 1])),
            b'{' | b'[' | b'n' => None,
            _ => Some(Cow::Borrowed(raw)),
        }
    }
}

impl FromRaw<'_> for f64 {
    fn from_raw(raw: &str) -> Option<Self> {
        // Rust reads `nan` and `inf` too, which nobody means by a number.
        raw.trim_matches('"').parse().ok().filter(|float: &f64| float.is_finite())
    }
}

impl FromRaw<'_> for u64 {
    fn from_raw(raw: &str) -> Option<Self> {
        // Beyond 2^53 a float is not exact, and nothing Lambda counts gets there.
        let float = || f64::from_raw(raw).filter(|float| *float >= 0.0).map(|float| float as u64);
        raw.trim_matches('"').parse().ok().or_else(float)
    }
}

/// What cannot be read is left out of the list.
impl<'a, T: FromRaw<'a>> FromRaw<'a> for Vec<T> {
    fn from_raw(raw: &'a str) -> Option<Self> {
        let elements: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
        Some(elements.into_iter().filter_map(|element| T::from_raw(element.get())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_however_they_are_written() {
        for raw in ["128", "128.0", "\"128\"", "1.28e2"] {
            assert_eq!(u64::from_raw(raw), Some(128), "{raw}");
            assert_eq!(f64::from_raw(raw), Some(128.0), "{raw}");
        }
        for raw in ["-1", "null", "{}", "[128]", "\"many\"", "true", "\"NaN\"", "\"inf\"", "1e999"] {
            assert_eq!(u64::from_raw(raw), None, "{raw}");
        }
        for raw in ["\"NaN\"", "\"-infinity\"", "1e999"] {
            assert_eq!(f64::from_raw(raw), None, "{raw}");
        }
    }

    #[test]
    fn text_is_borrowed_where_it_can_be() {
        assert!(matches!(Cow::from_raw("\"a\""), Some(Cow::Borrowed("a"))));
        assert_eq!(Cow::from_raw(r#""\u0061""#).as_deref(), Some("a"));
        assert_eq!(Cow::from_raw("12").as_deref(), Some("12"));
        assert_eq!(Cow::from_raw("null"), None);
        assert_eq!(Cow::from_raw("{}"), None);
    }

    #[test]
    fn a_list_loses_only_what_cannot_be_read() {
        assert_eq!(Vec::<u64>::from_raw("[1, {}, 3]"), Some(vec![1, 3]));
        assert_eq!(Vec::<u64>::from_raw("{}"), None);
    }
}
