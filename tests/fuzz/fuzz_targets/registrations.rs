//! The answer to a registration.

#![no_main]

use lambda_extension::__private::fuzzing;
use lambda_extension_fuzz::{assert_fit_to_be_seen, bounded, json, status};
use libfuzzer_sys::fuzz_target;

/// Whoever has it can speak for the extension.
const ID: &str = "8f60e725-45d2-4901-949c-482a936d20be";

fuzz_target!(|input: &[u8]| {
    let Some((&first, rest)) = input.split_first() else { return };
    let (status, body) = status(rest);
    // The identifier, something else in its place, or nothing.
    let unfit = [ID.as_bytes(), &[first]].concat();
    let id = match first {
        b'n' => None,
        128.. => Some(&unfit[..]),
        _ => Some(ID.as_bytes()),
    };
    match bounded(body, 16, || fuzzing::registration(status, id, body)) {
        Ok(registration) => {
            assert_eq!((status, registration.extension_id.as_str()), (200, ID));
            if let Some(json) = json(body).filter(|json| json.is_object()) {
                assert_eq!(json["functionName"].as_str().unwrap_or_default(), registration.function_name);
                assert_eq!(
                    json["accountId"].as_str(),
                    registration.account_id.as_ref().map(|id| id.as_str())
                );
            }
        }
        Err(error) => assert_fit_to_be_seen(&error, &[ID]),
    }
});
