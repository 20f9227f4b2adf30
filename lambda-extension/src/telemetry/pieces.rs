//! Cutting a batch that is not valid JSON as a whole, by brackets and strings alone.

use std::ops::Range;

use crate::telemetry::scan;

/// The keys an event may begin with, in their quotes. Inside of a string those would be escaped, so where a brace and a comma
/// stand before one it begins an event, or an object in an array of a JSON line.
const KEYS: [&[u8]; 3] = [b"\"time\"", b"\"type\"", b"\"record\""];

/// How often the length of a batch may be spent on looking for the ends of broken events: a body made for it would
/// otherwise have us look through all the rest of it again and again.
const PATIENCE: usize = 4;

/// Cuts what should be an array but is not valid JSON as a whole. What its brackets and strings bound is an element if it is
/// JSON; if not, those brackets and strings cannot be trusted, and the broken element ends where the next event seems
/// to begin.
pub(crate) fn of(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let whole = trim(bytes, 0..bytes.len());
    let bytes = &bytes[..whole.end];
    let mut at = whole.start + usize::from(bytes.get(whole.start) == Some(&b'['));
    let mut patience = PATIENCE * bytes.len();
    while at < bytes.len() {
        let bounded = if patience > 0 { element_end(bytes, at) } else { None };
        let end = match bounded {
            Some(end) if is_element(&bytes[at..end]) => end,
            _ => {
                let bounded = bounded.unwrap_or(bytes.len());
                patience = patience.saturating_sub(bounded - at);
                next_event(&bytes[at..bounded]).map_or(bounded, |comma| at + comma)
            }
        };
        let range = trim(bytes, at..end);
        if !range.is_empty() {
            ranges.push(range);
        }
        at = end + 1;
    }
    ranges
}

/// Whether this is JSON. An array is none if events seem to begin in it: then it is the batch's own end that closes it.
fn is_element(piece: &[u8]) -> bool {
    let is_array = piece.trim_ascii_start().starts_with(b"[");
    std::str::from_utf8(piece).is_ok_and(scan::is_json) && !(is_array && next_event(piece).is_some())
}

/// Where the next event seems to begin: at the comma before it.
fn next_event(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'{', bytes).find_map(|brace| {
        let comma = bytes[..brace].trim_ascii_end().strip_suffix(b",")?.len();
        let key = bytes[brace + 1..].trim_ascii_start();
        KEYS.iter().any(|known| key.starts_with(known)).then_some(comma)
    })
}

/// The end of the element that begins at `start`: at a comma, or at the bracket that closes the array. `None` if the bytes end
/// before the element does.
fn element_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut open = Open::default();
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => open.push(byte),
            b',' | b']' if open.stack.is_empty() => return Some(at),
            b'}' => open.close(b'{'),
            b']' => open.close(b'['),
            _ => {}
        }
        at += 1;
    }
    // An element that runs up to the end of an array that is not closed.
    open.stack.is_empty().then_some(bytes.len())
}

/// The brackets that are open.
#[derive(Default)]
struct Open {
    stack: Vec<u8>,
    /// How many of them are braces, so that one that was never opened is not looked for.
    braces: usize,
}

impl Open {
    fn push(&mut self, bracket: u8) {
        self.stack.push(bracket);
        self.braces += usize::from(bracket == b'{');
    }

    /// Closes the innermost open bracket of this kind, and with it whatever was left open inside.
    fn close(&mut self, kind: u8) {
        let open = if kind == b'{' { self.braces } else { self.stack.len() - self.braces };
        if open == 0 {
            return;
        }
        while let Some(closed) = self.stack.pop() {
            self.braces -= usize::from(closed == b'{');
            if closed == kind {
                return;
            }
        }
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

/// The range without the white space at its ends.
pub(crate) fn trim(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let piece = &bytes[range.clone()];
    let start = range.start + (piece.len() - piece.trim_ascii_start().len());
    start..start + piece.trim_ascii().len()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::{Value, json};

    use crate::telemetry::cut::Cut;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                vec((any::<String>(), inner), 0..4).prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    /// An event as Lambda writes it, whose record may hold anything, also what looks like an event.
    fn any_event() -> impl Strategy<Value = String> {
        let record = prop_oneof![
            any_json(),
            Just(json!([1, { "b": 2 }])),
            Just(json!("],[{\"time\":\"x\"},{\"time\":\"y\"}")),
        ];
        (record, any::<bool>()).prop_map(|(record, as_lambda_writes)| {
            if as_lambda_writes {
                format!(r#"{{"time":"t","type":"function","record":{record}}}"#)
            } else {
                format!(r#"{{ "record" : {record}, "type":"function" }}"#)
            }
        })
    }

    /// Bytes that brackets, quotes, commas and escapes are frequent in.
    fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![proptest::sample::select(&b"[]{}\",\\:1t \n\xff"[..]), any::<u8>()];
        vec(byte, 0..40)
    }

    fn joined(elements: &[Vec<u8>]) -> Vec<u8> {
        [b"[", &elements.join(&b","[..])[..], b"]"].concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn an_array_of_any_values_is_cut_into_these_values(values in vec(any_json(), 0..8)) {
            let elements: Vec<_> = values.iter().map(|value| value.to_string().into_bytes()).collect();
            let cut = Cut::array(joined(&elements));
            let found: Vec<_> = (0..cut.len()).map(|index| cut.raw(index).to_vec()).collect();
            prop_assert_eq!(found, elements);
            prop_assert!((0..cut.len()).all(|index| cut.head(index).is_some()));
        }

        /// But for an array in the array, which may be the batch's own, left open.
        #[test]
        fn on_what_is_valid_the_scan_agrees_with_the_json_reader(
            elements in vec(prop_oneof![any_event(), any_json().prop_filter("an array", |value| !value.is_array())
                .prop_map(|value| value.to_string())], 0..8)
        ) {
            let elements: Vec<_> = elements.into_iter().map(String::into_bytes).collect();
            let body = joined(&elements);
            let found: Vec<_> = super::of(&body).into_iter().map(|range| body[range].to_vec()).collect();
            prop_assert_eq!(found, elements);
        }

        #[test]
        fn arbitrary_bytes_among_events_cost_none_of_them(
            elements in vec(prop_oneof![any_event().prop_map(|event| (true, event.into_bytes())),
                                        any_bytes().prop_map(|bytes| (false, bytes))], 1..8)
        ) {
            let events: Vec<_> = elements.iter().filter(|(is_event, _)| *is_event).map(|(_, event)| event).collect();
            let bodies: Vec<_> = elements.iter().map(|(_, element)| element.clone()).collect();
            let cut = Cut::array(joined(&bodies));
            let pieces: Vec<_> = (0..cut.len()).map(|index| cut.raw(index).to_vec()).collect();
            let mut rest = pieces.iter();
            for event in events {
                prop_assert!(rest.any(|piece| piece == event), "{} in {:?}",
                    String::from_utf8_lossy(event), pieces.iter().map(|p| String::from_utf8_lossy(p)).collect::<Vec<_>>());
            }
        }

        #[test]
        fn a_body_cut_short_keeps_every_event_that_is_whole(
            events in vec(any_event(), 1..6),
            cut_at in any::<prop::sample::Index>()
        ) {
            let elements: Vec<_> = events.iter().map(|event| event.clone().into_bytes()).collect();
            let body = joined(&elements);
            let end = cut_at.index(body.len() + 1);
            let cut = Cut::array(body[..end].to_vec());
            let mut position = 1;
            for (index, event) in elements.iter().enumerate() {
                if position + event.len() > end {
                    break;
                }
                prop_assert_eq!(cut.raw(index), &event[..]);
                position += event.len() + 1;
            }
        }

        #[test]
        fn no_byte_is_given_twice_and_only_separators_are_left_out(body in any_bytes()) {
            let cut = Cut::array(body.clone());
            let mut position = 0;
            for index in 0..cut.len() {
                let start = cut.raw(index).as_ptr() as usize - cut.bytes().as_ptr() as usize;
                let between = &body[position..start];
                prop_assert!(between.iter().all(|byte| b",[] \t\r\n\x0c".contains(byte)), "{:?}", between);
                position = start + cut.raw(index).len();
                let _ = cut.head(index);
            }
            prop_assert!(body[position..].iter().all(|byte| b",[] \t\r\n\x0c".contains(byte)));
        }
    }
}
