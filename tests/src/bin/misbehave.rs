//! An extension whose hooks go wrong as told: `MISBEHAVE="on_invoke=panic on_flush=hang"`, `ON_ERROR=exit`.
//!
//! A hook can `fail`, `panic` or `hang`; so can the `constructor`. `INIT_TIMEOUT_MS` bounds the initialisation.

use std::time::Duration;

use lambda_extension::{
    Config, Error, ErrorPolicy, Extension, ExtensionError, FlushEvent, InvokeEvent, Registration,
    ShutdownEvent,
};

/// What a hook says when it fails: more than a header can carry.
const MESSAGE: &str = "first line\nsecond line: żółw 🐢, \"quoted\"";

#[derive(Debug)]
struct Failure {
    cause: std::num::ParseIntError,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MESSAGE)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

struct Misbehaving;

impl Extension for Misbehaving {
    async fn on_init(&mut self, _: &Registration) -> Result<(), Error> {
        behave("on_init").await
    }

    async fn on_invoke(&mut self, _: InvokeEvent) -> Result<(), Error> {
        behave("on_invoke").await
    }

    async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
        behave("on_flush").await
    }

    async fn on_shutdown(&mut self, _: ShutdownEvent) -> Result<(), Error> {
        behave("on_shutdown").await
    }
}

async fn behave(hook: &str) -> Result<(), Error> {
    println!("misbehave: {hook} is called");
    let told = std::env::var("MISBEHAVE").unwrap_or_default();
    let fault = told.split(' ').find_map(|each| each.strip_prefix(hook)?.strip_prefix('='));
    match fault {
        None => Ok(()),
        Some("fail") => Err(Failure { cause: "x".parse::<u8>().expect_err("no number") }.into()),
        Some("panic") => panic!("{MESSAGE}"),
        Some("hang") => std::future::pending().await,
        Some(other) => panic!("MISBEHAVE does not know `{other}`"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ExtensionError> {
    lambda_extension::logging::init();
    let mut config = Config::from_env()?;
    if std::env::var("ON_ERROR").is_ok_and(|policy| policy == "exit") {
        config = config.on_error(ErrorPolicy::Exit);
    }
    if let Ok(bound) = std::env::var("INIT_TIMEOUT_MS") {
        config =
            config.init_timeout(Duration::from_millis(bound.parse().expect("INIT_TIMEOUT_MS is a number")));
    }
    config.register().await?.run_with(async |_| behave("constructor").await.map(|()| Misbehaving)).await
}
