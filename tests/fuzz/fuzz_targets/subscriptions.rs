//! The answer to a subscription.

#![no_main]

use lambda_extension::{__private::fuzzing, client::Subscribed};
use lambda_extension_fuzz::{assert_fit_to_be_seen, bounded, status};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (status, body) = status(input);
    match bounded(body, 32, || fuzzing::subscribed(status, body)) {
        Ok(Subscribed::Delivering) => assert_eq!(status, 200),
        Ok(_) => assert_eq!(status, 202),
        Err(error) => {
            assert!(status != 200 && status != 202);
            assert_fit_to_be_seen(&error, &[]);
        }
    }
});
