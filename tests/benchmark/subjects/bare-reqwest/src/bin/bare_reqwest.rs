//! The loop somebody would write by hand with reqwest: register, then log event after event.

use std::{
    env,
    error::Error,
    io::{self, Write},
    path::Path,
};

use reqwest::Client;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)] // It is printed.
struct Event {
    event_type: String,
    deadline_ms: u64,
    request_id: Option<String>,
    invoked_function_arn: Option<String>,
    shutdown_reason: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let api = format!("http://{}/2020-01-01/extension", env::var("AWS_LAMBDA_RUNTIME_API")?);
    let program = env::args().next().unwrap_or_default();
    let name = Path::new(&program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let client = Client::builder().no_proxy().build()?;
    let registered = client
        .post(format!("{api}/register"))
        .header("lambda-extension-name", name)
        .header("content-type", "application/json")
        .body(r#"{"events":["INVOKE","SHUTDOWN"]}"#)
        .send()
        .await?
        .error_for_status()?;
    let id = registered.headers().get("lambda-extension-identifier").ok_or("no identifier")?.clone();
    registered.bytes().await?;
    loop {
        let answer = client
            .get(format!("{api}/event/next"))
            .header("lambda-extension-identifier", &id)
            .send()
            .await?
            .error_for_status()?;
        let event: Event = serde_json::from_slice(&answer.bytes().await?)?;
        // In one write: standard error has no buffer.
        io::stderr().write_all(format!("{event:?}\n").as_bytes())?;
        if event.event_type == "SHUTDOWN" {
            return Ok(());
        }
    }
}
