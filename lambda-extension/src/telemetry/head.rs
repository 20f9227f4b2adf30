//! The fields of an event, found but not read.

use std::borrow::Cow;

use crate::{
    lenient::FromRaw,
    telemetry::{
        body::{Body, Place},
        scan::Scanner,
    },
};

/// The type that nearly all events have. An array, since to compare one takes two words and no call.
const FUNCTION: &[u8; 10] = br#""function""#;

/// Where the three fields of an event lie; nowhere if they are missing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pub(crate) time: Place,
    pub(crate) kind: Place,
    pub(crate) record: Place,
}

impl Fields {
    /// Scans what may be an event; `None` if it is no JSON.
    pub(crate) fn scan(scanner: &mut Scanner<'_>) -> Option<Self> {
        let start = scanner.at();
        Self::as_lambda_writes(scanner).or_else(|| {
            scanner.return_to(start);
            Self::in_any_form(scanner)
        })
    }

    /// An event in the form that Lambda has for all of them, which leaves nothing to look for.
    fn as_lambda_writes(scanner: &mut Scanner<'_>) -> Option<Self> {
        scanner.literally(br#"{"time":"#)?;
        let time = scanner.value()?;
        let start = scanner.at() + r#","type":"#.len();
        let kind = if scanner.literally(br#","type":"function","record":"#).is_some() {
            start..start + FUNCTION.len()
        } else {
            scanner.literally(br#","type":"#)?;
            let kind = scanner.value()?;
            scanner.literally(br#","record":"#)?;
            kind
        };
        let record = scanner.value()?;
        scanner.literally(b"}")?;
        Some(Self { time: Place::new(time), kind: Place::new(kind), record: Place::new(record) })
    }

    /// JSON that is no object has no fields. Where a field stands twice, the last one counts, as with every reader of JSON.
    fn in_any_form(scanner: &mut Scanner<'_>) -> Option<Self> {
        let mut fields = Self::default();
        if scanner.peek()? != b'{' {
            scanner.value()?;
            return Some(fields);
        }
        scanner.expect(b'{')?;
        if scanner.peek()? == b'}' {
            scanner.expect(b'}')?;
            return Some(fields);
        }
        loop {
            let key = scanner.key()?;
            let value = Place::new(scanner.value()?);
            // Lambda escapes no letter in a key, and JSON would allow it.
            match Cow::from_raw(key).as_deref() {
                Some("time") => fields.time = value,
                Some("type") => fields.kind = value,
                Some("record") => fields.record = value,
                _ => {}
            }
            if scanner.peek()? == b'}' {
                scanner.expect(b'}')?;
                return Some(fields);
            }
            scanner.expect(b',')?;
        }
    }

    /// The same fields of an event that lies so many bytes further on.
    pub(crate) fn further(self, bytes: usize) -> Self {
        Self {
            time: self.time.further(bytes),
            kind: self.kind.further(bytes),
            record: self.record.further(bytes),
        }
    }
}

/// The fields of an event in its batch.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    body: &'a Body,
    fields: &'a Fields,
}

impl<'a> Head<'a> {
    pub(crate) fn new(body: &'a Body, fields: &'a Fields) -> Self {
        Self { body, fields }
    }

    /// When it happened, as it was sent; empty if that is missing.
    pub(crate) fn time(self) -> Cow<'a, str> {
        text(self.json(self.fields.time))
    }

    /// Its type; empty if that is missing.
    pub(crate) fn kind(self) -> Cow<'a, str> {
        if self.body.bytes()[self.fields.kind.range()] == *FUNCTION {
            return Cow::Borrowed("function");
        }
        text(self.json(self.fields.kind))
    }

    /// Its record, as JSON text.
    pub(crate) fn record(self) -> Option<&'a str> {
        self.json(self.fields.record)
    }

    fn json(self, field: Place) -> Option<&'a str> {
        if field.is_empty() { None } else { self.body.text(field) }
    }
}

fn text(json: Option<&str>) -> Cow<'_, str> {
    json.and_then(Cow::from_raw).unwrap_or_default()
}
