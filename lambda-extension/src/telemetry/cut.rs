//! Cutting a batch into its events where it lies, so that one broken event costs none of its neighbours.

use std::{fmt, ops::Range, sync::OnceLock};

use bytes::Bytes;
use self_cell::self_cell;
use serde_json::value::RawValue;

use crate::telemetry::{
    head::{Head, text},
    pieces::{self, trim},
};

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
        // As text, because what is skipped would not be checked for UTF-8 otherwise.
        match Whole::try_new_or_recover(bytes, |bytes| serde_json::from_str(text(bytes)?)) {
            Ok(whole) => Self::Whole { whole, ranges: OnceLock::new() },
            Err((bytes, _)) => {
                let ranges = pieces::of(&bytes);
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

    /// How much memory it takes, in bytes, but for a factor of two: the body or what points into it, whichever is more. Of
    /// events as Lambda writes them that is the body; the smallest that JSON allows are a byte and a comma each.
    pub(crate) fn size(&self) -> usize {
        let places = match self {
            Self::Whole { whole, .. } => size_of_val(&whole.borrow_dependent()[..]),
            Self::Pieces { ranges, .. } => size_of_val(&ranges[..]),
        };
        places.max(self.bytes().len())
    }

    /// The fields of an event. `None` if it is no JSON.
    pub(crate) fn head(&self, index: usize) -> Option<Head<'_>> {
        match self {
            Self::Whole { whole, .. } => Some(whole.borrow_dependent()[index]),
            Self::Pieces { bytes, ranges } => Head::read(&bytes[ranges[index].clone()]),
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
    let elements: Vec<&RawValue> =
        text(array).and_then(serde_json::from_str).expect("it was read as an array before");
    let origin = array.as_ptr() as usize;
    let range = |element: &RawValue| {
        let start = element.get().as_ptr() as usize - origin;
        start..start + element.get().len()
    };
    elements.into_iter().map(range).collect()
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
    fn bad_utf_8_that_no_field_of_ours_holds_is_a_piece_of_its_own_too() {
        for body in
            [&b"[{\"more\":\"\xff\",\"record\":1},{\"record\":2}]"[..], b"[[\"\xff\"],{\"record\":2}]"]
        {
            let cut = Cut::array(Bytes::from_static(body));
            assert_eq!((cut.len(), cut.raw(1)), (2, &b"{\"record\":2}"[..]));
            assert!(cut.head(0).is_none());
        }
    }

    #[test]
    fn an_event_with_one_quote_too_many_costs_no_neighbour() {
        let event = r#"{"time":"t","type":"function","record":"a } , b ] c"}"#;
        for broken in [r#"{"record":"a"b"}"#, "\"", "[", "[1", r#"{"a":[1"#, r#",{"time":"x"#, "\\", "]]"] {
            let cut = cut(format!("[{event},{broken},{event},{event}]").as_bytes());
            assert_eq!(cut.iter().filter(|piece| *piece == event).count(), 3, "{broken}: {cut:?}");
        }
    }

    #[test]
    fn what_is_json_and_no_event_is_not_malformed() {
        let cut = Cut::array(Bytes::from_static(br#"[1e999,"\ud800",{"\ud800":1},{"record":1}]"#));
        assert_eq!(cut.len(), 4);
        assert!((0..4).all(|index| cut.head(index).is_some()));
    }

    /// Quadratic work on these would take minutes.
    #[test]
    fn a_mebibyte_of_anything_is_cut_in_no_time() {
        let started = std::time::Instant::now();
        let repeated = |unit: &str| unit.repeat((1 << 20) / unit.len());
        let half = "[".repeat(1 << 19);
        for body in [
            repeated("["),
            repeated("\""),
            repeated("{\"a\":"),
            repeated(","),
            repeated("a,"),
            repeated("]"),
            repeated(",{\"time\":\""),
            repeated(",{\"time\":\"a\""),
            repeated("[,{\"time\":\"\""),
            repeated("{\"a\":1}"),
            format!("{half}{}", "}".repeat(1 << 19)),
            format!("[{}{}", repeated(",{\"time\":\"a\""), repeated("}")),
            format!("{half}1,{}", "]".repeat(1 << 19)),
        ] {
            let cut = Cut::array(Bytes::from(body.clone()));
            let kept: usize = (0..cut.len()).map(|index| cut.raw(index).len()).sum();
            assert!(kept <= body.len());
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
    }

    #[test]
    fn lines_are_cut_at_line_ends() {
        let cut = Cut::lines(Bytes::from_static(b"{\"a\":1}\r\n\n{\"b\":2}"));
        assert_eq!((cut.raw(0), cut.raw(1), cut.len()), (&b"{\"a\":1}"[..], &b"{\"b\":2}"[..], 2));
    }
}
