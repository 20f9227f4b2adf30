//! What the fuzz targets share: how much memory an input may take, and what no error may say.

use std::error::Error;

use lambda_extension::telemetry::{Batch, Event};
use peak_alloc::PeakAlloc;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What reading anything at all may take, in bytes.
const CONSTANT: usize = 64 << 10;

/// Runs this, and asserts that at no time it held more than `times` the input's size and a constant.
pub fn bounded<T>(input: &[u8], times: usize, run: impl FnOnce() -> T) -> T {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let result = run();
    let took = MEMORY.peak_usage().saturating_sub(before);
    assert!(took <= times * input.len() + CONSTANT, "{took} bytes of memory for {} bytes", input.len());
    result
}

/// An error tells a person something, says it in a bounded space, and keeps these secrets.
pub fn assert_fit_to_be_seen(error: &(dyn Error + 'static), secrets: &[&str]) {
    let mut next = Some(error);
    while let Some(error) = next {
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.trim().is_empty(), "an error without words");
            assert!(text.len() < 64 << 10, "an error of {} bytes", text.len());
            for secret in secrets {
                assert!(!text.contains(secret), "it tells {secret:?}: {text}");
            }
        }
        next = error.source();
    }
}

/// Every byte of a batch but white space and what stands between elements is in one event, once, and in order.
pub fn assert_nothing_is_left_out(batch: &Batch, separators: &[u8]) {
    let body = batch.as_bytes();
    let mut end = 0;
    for event in batch.events() {
        let start = event.raw().as_ptr() as usize - body.as_ptr() as usize;
        assert_only(separators, &body[end..start]);
        end = start + event.raw().len();
        assert!(!event.raw().is_empty(), "an event of nothing");
    }
    assert_only(separators, &body[end..]);
    assert_eq!(batch.len(), batch.events().count());
    assert_eq!(batch.is_empty(), batch.len() == 0);
}

fn assert_only(separators: &[u8], between: &[u8]) {
    assert!(
        between.iter().all(|byte| separators.contains(byte)),
        "left out: {:?}",
        String::from_utf8_lossy(between)
    );
}

/// All that an event can be asked says the same, whether or not it still borrows from its batch.
pub fn assert_is_whole(event: Event<'_>) {
    let says = |event: &Event<'_>| {
        let Event { time, record, .. } = event;
        (
            event.raw().to_vec(),
            time.to_string(),
            event.timestamp(),
            event.request_id(),
            record.kind().to_owned(),
        )
    };
    let borrowed = says(&event);
    let json = serde_json::to_vec(&event).expect("an event has a JSON form");
    match serde_json::from_slice::<&serde_json::value::RawValue>(event.raw()) {
        Ok(raw) => assert_eq!(json, raw.get().as_bytes(), "serialized it is what was sent"),
        Err(_) => {
            let text: String = serde_json::from_slice(&json).expect("what is no JSON becomes a string");
            assert_eq!(text, String::from_utf8_lossy(event.raw()));
        }
    }
    let owned = event.into_static();
    assert_eq!(says(&owned), borrowed);
    assert_eq!(serde_json::to_vec(&owned).expect("as before"), json);
}

/// The first two bytes as an HTTP status, most often 200; and the rest.
pub fn status(input: &[u8]) -> (u16, &[u8]) {
    match input {
        [first, second, rest @ ..] if *first < 128 => {
            (100 + u16::from_be_bytes([*first, *second]) % 900, rest)
        }
        [_, rest @ ..] => (200, rest),
        [] => (200, input),
    }
}

/// What serde_json says a body is, where it can say: what a reader skips may be no UTF-8, hold half a surrogate pair or be
/// beyond every number.
pub fn json(body: &[u8]) -> Option<Value> {
    serde_json::from_str(&String::from_utf8_lossy(body)).ok()
}

/// Whether some object in this JSON has a key twice, which RFC 8259 allows and gives no meaning.
pub fn has_a_key_twice(json: &str) -> bool {
    serde_json::from_str::<OnceEach>(json).is_err()
}

/// Any JSON in which no object has a key twice.
struct OnceEach;

impl<'de> Deserialize<'de> for OnceEach {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for OnceEach {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !keys.insert(key) {
                return Err(serde::de::Error::custom("twice"));
            }
            map.next_value::<Self>()?;
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}
