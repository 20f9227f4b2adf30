//! A batch of telemetry as it comes over HTTP.

#![no_main]

use lambda_extension::{
    __private::fuzzing,
    telemetry::{Batch, Category, Record},
};
use lambda_extension_fuzz::{assert_is_whole, assert_nothing_is_left_out, bounded};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|body: &[u8]| {
    // The three fields of each element are kept as places in the body, and the smallest element is two bytes long.
    let batch = bounded(body, 128, || Batch::from_json(body));
    assert_eq!(batch.as_bytes(), body);
    assert_nothing_is_left_out(&batch, b",[] \t\r\n\x0c");
    let found: Vec<_> = batch.events().map(|event| event.raw().to_vec()).collect();
    let text = std::str::from_utf8(body).ok();
    if let Some(text) = text {
        assert_eq!(fuzzing::is_json(text), serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    }
    if let Some(elements) = text.and_then(|text| serde_json::from_str::<Vec<&RawValue>>(text).ok()) {
        let elements: Vec<_> =
            elements.into_iter().map(|element| element.get().as_bytes().to_vec()).collect();
        assert_eq!(found, elements, "a valid array is cut into its elements");
        assert!(batch.events().all(|event| !matches!(event.record, Record::Malformed(_))));
        // An array within the array may be the batch's own, unclosed: the lenient scan prefers events to arrays.
        if elements.iter().all(|element| !element.starts_with(b"[")) {
            let pieces: Vec<_> =
                fuzzing::pieces(body).into_iter().map(|range| body[range].to_vec()).collect();
            assert_eq!(pieces, elements, "the lenient scan finds the same in what is valid");
        }
    }
    for event in batch.events() {
        if let Record::Malformed(bytes) = &event.record {
            assert_eq!(**bytes, *event.raw());
            let json =
                std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<&RawValue>(text).is_ok());
            assert!(!json, "JSON is not malformed");
        }
        assert_is_whole(event);
    }
    let (all, signs) =
        fuzzing::handed_on(body, "fuzzed", &[Category::Platform, Category::Function, Category::Extension]);
    assert!(all.len() <= batch.len() && signs <= batch.len());
    let own = batch.events().filter(|event| {
        let record = if let Record::Extension(line) = &event.record { line.raw() } else { return false };
        [r#""[fuzzed] "#, r#""{\"extension\":\"fuzzed\","#, r#"{"extension":"fuzzed","#]
            .iter()
            .any(|mark| record.starts_with(mark))
    });
    assert_eq!(all.len() + own.count(), batch.len(), "only its own lines are kept from an extension");
    assert_nothing_is_left_out_but_own(&all, &found);
    let static_events = batch.clone().into_events().map(|event| event.raw().to_vec()).collect::<Vec<_>>();
    assert_eq!(static_events, found);
});

/// What is handed on is what was found, in its order, with gaps.
fn assert_nothing_is_left_out_but_own(batch: &Batch, found: &[Vec<u8>]) {
    let mut rest = found.iter();
    for event in batch.events() {
        assert!(
            rest.any(|raw| raw == event.raw()),
            "{:?} was not there",
            String::from_utf8_lossy(event.raw())
        );
    }
}
