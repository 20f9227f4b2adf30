//! A batch of telemetry as it comes over TCP: an event a line.

#![no_main]

use lambda_extension::{__private::fuzzing, telemetry::Record};
use lambda_extension_fuzz::{assert_is_whole, assert_nothing_is_left_out, bounded};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let batch = bounded(body, 64, || fuzzing::lines(body));
    assert_eq!(batch.as_bytes(), body);
    assert_nothing_is_left_out(&batch, b" \t\r\n\x0c");
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    assert!(
        lines.eq(batch
            .events()
            .map(|event| event.raw().to_vec())
            .collect::<Vec<_>>()
            .iter()
            .map(Vec::as_slice))
    );
    for event in batch.events() {
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(event.raw()).is_ok()
            && std::str::from_utf8(event.raw()).is_ok();
        assert_eq!(matches!(event.record, Record::Malformed(_)), !json);
        assert_is_whole(event);
    }
});
