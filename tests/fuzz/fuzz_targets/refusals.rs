//! The body of an answer that says no, and what the error makes of it.

#![no_main]

use lambda_extension::{__private::fuzzing, ApiError, ExtensionError};
use lambda_extension_fuzz::{assert_fit_to_be_seen, bounded, json, status};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (status, body) = status(input);
    let status = if status == 200 { 403 } else { status };
    let refused = bounded(body, 32, || fuzzing::registration(status, None, body));
    let error = refused.expect_err("only 200 is a registration");
    assert_fit_to_be_seen(&error, &[]);
    let ExtensionError::Register {
        source: ApiError::Refused { status: told, error_type, message, .. }, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(*told, status);
    let json = json(body);
    if let Some(kind) = error_type {
        if let Some(json) = &json {
            assert_eq!(json["errorType"].as_str().or(json[0].as_str()), Some(kind.as_str()));
        }
        let header = fuzzing::header_safe(kind);
        assert!(
            header.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'.'),
            "{header:?} in a header"
        );
    }
    assert!(!message.is_empty() || String::from_utf8_lossy(body).contains("\"\""), "what came is shown");
});
