//! Cutting a batch into its events where it lies, so that one broken event costs none of its neighbours.

use std::{fmt, ops::Range, sync::OnceLock};

use bytes::Bytes;
use memchr::memmem;
use self_cell::self_cell;
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

type Heads<'a> = Vec<Head<'a>>;

self_cell! {
    /// The body of a batch with the heads that point into it.
    pub(crate) struct Whole {
        owner: Bytes,
        #[covariant]
        dependent: Heads,
    }
}

/// A batch cut into events.
pub(crate) enum Cut {
    /// A JSON array, as it should be: read in one pass.
    Whole {
        whole: Whole,
        /// Where each event lies, found when somebody asks for it.
        ranges: OnceLock<Vec<Range<usize>>>,
    },
    /// Anything else: pieces, each of which may or may not be an event.
    Pieces { bytes: Bytes, ranges: Vec<Range<usize>> },
}

impl Cut {
    /// Cuts a JSON array of events. Whatever else it may be is cut as if it were one, and nothing is left out.
    pub(crate) fn array(bytes: Bytes) -> Self {
        match Whole::try_new_or_recover(bytes, |bytes| serde_json::from_slice(bytes)) {
            Ok(whole) => Self::Whole { whole, ranges: OnceLock::new() },
            Err((bytes, _)) => {
                let ranges = pieces(&bytes);
                Self::Pieces { bytes, ranges }
            }
        }
    }

    /// Cuts events that stand one a line.
    pub(crate) fn lines(bytes: Bytes) -> Self {
        let mut ranges = Vec::new();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &bytes).chain([bytes.len()]) {
            let range = trim(&bytes, start..end);
            if !range.is_empty() {
                ranges.push(range);
            }
            start = end + 1;
        }
        Self::Pieces { bytes, ranges }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        match self {
            Self::Whole { whole, .. } => whole.borrow_owner(),
            Self::Pieces { bytes, .. } => bytes,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Whole { whole, .. } => whole.borrow_dependent().len(),
            Self::Pieces { ranges, .. } => ranges.len(),
        }
    }

    /// The fields of an event. `None` if it is no JSON.
    pub(crate) fn head(&self, index: usize) -> Option<Head<'_>> {
        match self {
            Self::Whole { whole, .. } => Some(whole.borrow_dependent()[index]),
            Self::Pieces { bytes, ranges } => serde_json::from_slice(&bytes[ranges[index].clone()]).ok(),
        }
    }

    /// An event as it was sent.
    pub(crate) fn raw(&self, index: usize) -> &[u8] {
        let range = match self {
            Self::Whole { whole, ranges } => &ranges.get_or_init(|| ranges_of(whole.borrow_owner()))[index],
            Self::Pieces { ranges, .. } => &ranges[index],
        };
        &self.bytes()[range.clone()]
    }
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events in {} bytes", self.len(), self.bytes().len())
    }
}

/// Where the elements of a JSON array lie.
fn ranges_of(array: &[u8]) -> Vec<Range<usize>> {
    let elements: Vec<&RawValue> = serde_json::from_slice(array).expect("it was read as an array before");
    let origin = array.as_ptr() as usize;
    let range = |element: &RawValue| {
        let start = element.get().as_ptr() as usize - origin;
        start..start + element.get().len()
    };
    elements.into_iter().map(range).collect()
}

/// What every event that Lambda sends begins with. Inside of a string its quotes would be escaped, so where it follows a comma
/// it begins an event, or an object in an array of a JSON line.
const BEGINNING: &[u8] = b",{\"time\":\"";

/// Cuts what should be an array but is not valid JSON as a whole, by brackets and strings alone.
fn pieces(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let whole = trim(bytes, 0..bytes.len());
    let mut at = whole.start + usize::from(bytes.get(whole.start) == Some(&b'['));
    while at < whole.end {
        let end = match element_end(&bytes[..whole.end], at) {
            Some(end) => end,
            // It never ends, so its brackets or quotes are broken: go on with what looks like the next event.
            None => memmem::find(&bytes[at..whole.end], BEGINNING).map_or(whole.end, |comma| at + comma),
        };
        let range = trim(bytes, at..end);
        if !range.is_empty() {
            ranges.push(range);
        }
        at = end + 1;
    }
    ranges
}

/// The end of the element that begins at `start`: at a comma, or at the bracket that closes the array. `None` if the bytes end
/// before the element does.
fn element_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut open = Vec::new();
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => open.push(byte),
            b',' if open.is_empty() => return Some(at),
            b']' if open.is_empty() => return Some(at),
            b'}' => close(&mut open, b'{'),
            b']' => close(&mut open, b'['),
            _ => {}
        }
        at += 1;
    }
    // An element that runs up to the end of an array that is not closed.
    open.is_empty().then_some(bytes.len())
}

/// Closes the innermost open bracket of this kind, and with it whatever was left open inside.
fn close(open: &mut Vec<u8>, kind: u8) {
    if let Some(index) = open.iter().rposition(|open| *open == kind) {
        open.truncate(index);
    }
}

/// The closing quote of the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

fn trim(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let piece = &bytes[range.clone()];
    let start = range.start + (piece.len() - piece.trim_ascii_start().len());
    start..start + piece.trim_ascii().len()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(body: &[u8]) -> Vec<String> {
        let cut = Cut::array(Bytes::copy_from_slice(body));
        (0..cut.len()).map(|index| String::from_utf8_lossy(cut.raw(index)).into_owned()).collect()
    }

    #[test]
    fn a_valid_array_is_cut_into_its_elements() {
        assert_eq!(cut(br#" [ {"a":"],}"} , 42,[1,[2]] ] "#), [r#"{"a":"],}"}"#, "42", "[1,[2]]"]);
        assert!(cut(b"[]").is_empty());
    }

    #[test]
    fn what_is_broken_costs_none_of_its_neighbours() {
        for broken in [
            r#"{"record":oops}"#,
            r#"{"record":[}"#,
            r#"{"record":}}"#,
            r#"{"time" "record"}"#,
            "nothing",
            r#"{"record":{]}"#,
            "{\"record\":\"\u{1}\"}",
            r#"{"record":"unclosed}"#,
            r#"{"record":{{"#,
        ] {
            let event = r#"{"time":"t","type":"function","record":"a, b"}"#;
            let body = format!("[{event},{broken},{event},{event}]");
            assert_eq!(cut(body.as_bytes()), [event, broken, event, event], "{broken}");
        }
    }

    #[test]
    fn bad_utf_8_is_a_piece_of_its_own() {
        let cut = Cut::array(Bytes::from_static(b"[{\"record\":\"\xff\"},{\"record\":1}]"));
        assert_eq!(cut.len(), 2);
        assert!(cut.head(0).is_none());
        assert_eq!(cut.head(1).unwrap().record.unwrap().get(), "1");
    }

    #[test]
    fn a_truncated_array_gives_what_there_is() {
        assert_eq!(cut(br#"[{"a":1},{"b":2}"#), [r#"{"a":1}"#, r#"{"b":2}"#]);
        assert_eq!(cut(br#"[{"a":1},{"b":"#), [r#"{"a":1}"#, r#"{"b":"#]);
    }

    #[test]
    fn what_is_no_array_is_one_piece() {
        assert_eq!(cut(br#"{"a":1}"#), [r#"{"a":1}"#]);
        assert_eq!(cut(b"hello"), ["hello"]);
        assert!(cut(b"  ").is_empty());
    }

    #[test]
    fn the_fields_are_found_in_any_order_and_however_their_keys_are_written() {
        let cut = Cut::array(Bytes::from_static(
            br#"[{"record":{"type":"x"},"more":[{}],"t\u0079pe":"function"}]"#,
        ));
        let head = cut.head(0).unwrap();
        assert_eq!(head.kind.unwrap().get(), r#""function""#);
        assert_eq!(head.record.unwrap().get(), r#"{"type":"x"}"#);
        assert!(head.time.is_none());
    }

    #[test]
    fn lines_are_cut_at_line_ends() {
        let cut = Cut::lines(Bytes::from_static(b"{\"a\":1}\r\n\n{\"b\":2}"));
        assert_eq!((cut.raw(0), cut.raw(1), cut.len()), (&b"{\"a\":1}"[..], &b"{\"b\":2}"[..], 2));
    }
}
