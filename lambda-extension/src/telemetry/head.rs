//! The fields of an event, found but not read.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// The three fields of an event, as they lie in the batch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head<'a> {
    pub(crate) time: Option<&'a RawValue>,
    pub(crate) kind: Option<&'a RawValue>,
    pub(crate) record: Option<&'a RawValue>,
}

impl<'a> Head<'a> {
    /// The fields of what may be an event; `None` if it is no JSON. JSON that this reader cannot represent, such as a key with
    /// half a surrogate pair, is still JSON: it has no fields.
    pub(crate) fn read(piece: &'a [u8]) -> Option<Self> {
        let text = text(piece).ok()?;
        serde_json::from_str(text).ok().or_else(|| is_json(piece).then(Head::default))
    }
}

/// The bytes as text, as an error of JSON if they are none: what a JSON reader skips it does not check for UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, serde_json::Error> {
    std::str::from_utf8(bytes).map_err(Error::custom)
}

pub(crate) fn is_json(piece: &[u8]) -> bool {
    text(piece).and_then(serde_json::from_str::<IgnoredAny>).is_ok()
}

impl<'de: 'a, 'a> Deserialize<'de> for Head<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadVisitor)
    }
}

/// Reads any JSON value: what is no object has no fields, and that is all.
struct HeadVisitor;

impl<'de> Visitor<'de> for HeadVisitor {
    type Value = Head<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head<'de>, A::Error> {
        let mut head = Head::default();
        while let Some(key) = map.next_key()? {
            match key {
                Key::Time => head.time = Some(map.next_value()?),
                Key::Type => head.kind = Some(map.next_value()?),
                Key::Record => head.record = Some(map.next_value()?),
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(head)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Head<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Head::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Head<'de>, E> {
        Ok(Head::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Head<'de>, E> {
        Ok(Head::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Head<'de>, E> {
        Ok(Head::default())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Head<'de>, E> {
        Ok(Head::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Head<'de>, E> {
        Ok(Head::default())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Head<'de>, E> {
        Ok(Head::default())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Time,
    Type,
    Record,
    #[serde(other)]
    Other,
}
