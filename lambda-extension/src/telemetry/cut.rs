//! Cutting a batch into its events where it lies, so that one broken event costs none of its neighbours.

use std::{fmt, ops::Range, str};

use crate::telemetry::{
    body::{Body, Place},
    head::{Fields, Head},
    pieces::{self, trim},
    scan::Scanner,
};

/// How large an event is that is not a long one, in bytes.
const USUAL_SIZE: usize = 128;

/// A batch cut into events.
pub(crate) struct Cut {
    body: Body,
    events: Vec<Element>,
}

/// Where an event lies, and its fields; `None` if it is no JSON.
struct Element {
    place: Place,
    fields: Option<Fields>,
}

impl Cut {
    /// Cuts a JSON array of events. Whatever else it may be is cut as if it were one, and nothing is left out.
    pub(crate) fn array(body: Vec<u8>) -> Self {
        let body = Body::new(body);
        let whole = match &body {
            Body::Text(text) => whole(text),
            Body::Bytes(_) => None,
        };
        match whole {
            Some(events) => Self { body, events },
            None => Self::pieces(body, pieces::of),
        }
    }

    /// Cuts events that stand one a line.
    pub(crate) fn lines(body: Vec<u8>) -> Self {
        Self::pieces(Body::new(body), lines)
    }

    /// Pieces, each of which may or may not be an event.
    fn pieces(body: Body, cut: fn(&[u8]) -> Vec<Range<usize>>) -> Self {
        let bytes = body.bytes();
        let element = |range: Range<usize>| Element {
            fields: fields(&bytes[range.clone()], range.start),
            place: Place::new(range),
        };
        let events = cut(bytes).into_iter().map(element).collect();
        Self { body, events }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.body.bytes()
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Leaves out the events for which this is false; their bytes stay where they are. `None` is what is no JSON.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(Option<Head<'_>>) -> bool) {
        let Self { body, events } = self;
        events.retain(|element| keep(element.fields.as_ref().map(|fields| Head::new(body, fields))));
    }

    /// How much memory there is beside the body, in bytes.
    pub(crate) fn size_beside(&self) -> usize {
        self.events.capacity() * size_of::<Element>()
    }

    /// The fields of an event. `None` if it is no JSON.
    pub(crate) fn head(&self, index: usize) -> Option<Head<'_>> {
        let fields = self.events[index].fields.as_ref()?;
        Some(Head::new(&self.body, fields))
    }

    /// An event as it was sent.
    pub(crate) fn raw(&self, index: usize) -> &[u8] {
        &self.bytes()[self.events[index].place.range()]
    }
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events in {} bytes", self.len(), self.bytes().len())
    }
}

/// The events of a body that is a JSON array, as it should be.
fn whole(text: &str) -> Option<Vec<Element>> {
    let mut scanner = Scanner::new(text);
    let mut events = Vec::with_capacity(text.len() / USUAL_SIZE);
    scanner.expect(b'[')?;
    while scanner.peek()? != b']' {
        if !events.is_empty() {
            scanner.expect(b',')?;
            scanner.peek()?;
        }
        let start = scanner.at();
        let fields = Some(Fields::scan(&mut scanner)?);
        events.push(Element { place: Place::new(start..scanner.at()), fields });
    }
    scanner.expect(b']')?;
    scanner.is_over().then_some(events)
}

/// The fields of a piece that lies so many bytes into the body.
fn fields(piece: &[u8], start: usize) -> Option<Fields> {
    let mut scanner = Scanner::new(str::from_utf8(piece).ok()?);
    let fields = Fields::scan(&mut scanner)?;
    scanner.is_over().then(|| fields.further(start))
}

/// The lines that are not empty.
fn lines(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', bytes).chain([bytes.len()]) {
        let line = trim(bytes, start..end);
        if !line.is_empty() {
            lines.push(line);
        }
        start = end + 1;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(body: &[u8]) -> Vec<String> {
        let cut = Cut::array(body.to_vec());
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
        let cut = Cut::array(b"[{\"record\":\"\xff\"},{\"record\":1}]".to_vec());
        assert_eq!(cut.len(), 2);
        assert!(cut.head(0).is_none());
        assert_eq!(cut.head(1).unwrap().record().unwrap(), "1");
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
        let cut = Cut::array(br#"[{"record":{"type":"x"},"more":[{}],"t\u0079pe":"function"}]"#.to_vec());
        let head = cut.head(0).unwrap();
        assert_eq!(head.kind(), "function");
        assert_eq!(head.record().unwrap(), r#"{"type":"x"}"#);
        assert!(head.time().is_empty());
    }

    #[test]
    fn bad_utf_8_that_no_field_of_ours_holds_is_a_piece_of_its_own_too() {
        for body in
            [&b"[{\"more\":\"\xff\",\"record\":1},{\"record\":2}]"[..], b"[[\"\xff\"],{\"record\":2}]"]
        {
            let cut = Cut::array(body.to_vec());
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
        let cut = Cut::array(br#"[1e999,"\ud800",{"\ud800":1},{"record":1}]"#.to_vec());
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
            let cut = Cut::array(body.clone().into_bytes());
            let kept: usize = (0..cut.len()).map(|index| cut.raw(index).len()).sum();
            assert!(kept <= body.len());
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
    }

    #[test]
    fn lines_are_cut_at_line_ends() {
        let cut = Cut::lines(b"{\"a\":1}\r\n\n{\"b\":2}".to_vec());
        assert_eq!((cut.raw(0), cut.raw(1), cut.len()), (&b"{\"a\":1}"[..], &b"{\"b\":2}"[..], 2));
    }
}
