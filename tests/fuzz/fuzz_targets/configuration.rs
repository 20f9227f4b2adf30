//! The environment that a configuration is read from: address, name, kind of environment, `argv[0]`, and what else
//! speaks of Lambda.

#![no_main]

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use lambda_extension::{__private::fuzzing, Config};
use lambda_extension_fuzz::{assert_fit_to_be_seen, bounded};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut values = input.split(|byte| *byte == 0).map(|value| OsString::from_vec(value.to_vec()));
    let (address, name, kind, program) = (values.next(), values.next(), values.next(), values.next());
    let speaks_of_lambda = values.next();
    let variable = |wanted: &str| match wanted {
        "AWS_LAMBDA_RUNTIME_API" => address.clone(),
        "LAMBDA_EXTENSION_NAME" => name.clone(),
        "AWS_LAMBDA_INITIALIZATION_TYPE" => kind.clone(),
        "AWS_LAMBDA_FUNCTION_NAME" | "LAMBDA_TASK_ROOT" | "LAMBDA_EXTENSION_GUEST" => speaks_of_lambda.clone(),
        other => panic!("{other} is not documented"),
    };
    let text = address.as_ref().and_then(|address| address.to_str()).unwrap_or_default();
    let secret = password(text);
    match bounded(input, 64, || fuzzing::configuration(variable, program.clone())) {
        Ok((name, config)) => {
            assert!(!name.is_empty() && !name.contains('/'));
            assert_eq!(secret, None, "an address with a password is refused");
            assert!(!format!("{config:?}").is_empty());
        }
        Err(error) => {
            assert_eq!(error.error_type(), "Extension.ConfigInvalid");
            // What is short is found in any text; what stands elsewhere too, or is told without it, is no secret.
            let input = String::from_utf8_lossy(input);
            let is_secret = |secret: &&str| {
                let without = Config::new(&text.replace(secret, ""))
                    .map_or_else(|error| error.to_string(), |_| String::new());
                secret.len() > 8 && input.matches(secret).count() == 1 && !without.contains(secret)
            };
            let secrets: Vec<_> = secret.into_iter().filter(is_secret).collect();
            assert_fit_to_be_seen(&error, &secrets);
        }
    }
});

/// The password in a URL of the form `http://user:password@host`.
fn password(address: &str) -> Option<&str> {
    let rest = address.trim().split_once("://").map_or(address.trim(), |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    authority.rsplit_once('@')?.0.split_once(':').map(|(_, password)| password)
}
