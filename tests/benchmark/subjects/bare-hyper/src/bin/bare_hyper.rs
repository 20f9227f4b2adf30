//! The same loop with hyper alone: one connection, no pool.

use std::{
    env,
    error::Error,
    io::{self, Write},
    path::Path,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

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
    let api = env::var("AWS_LAMBDA_RUNTIME_API")?;
    let program = env::args().next().unwrap_or_default();
    let name = Path::new(&program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stream = TcpStream::connect(&api).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let register = Request::post("/2020-01-01/extension/register")
        .header("host", &api)
        .header("lambda-extension-name", name)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(br#"{"events":["INVOKE","SHUTDOWN"]}"#)))?;
    let registered = sender.send_request(register).await?;
    let id = registered.headers().get("lambda-extension-identifier").ok_or("no identifier")?.clone();
    registered.into_body().collect().await?;
    loop {
        sender.ready().await?;
        let next = Request::get("/2020-01-01/extension/event/next")
            .header("host", &api)
            .header("lambda-extension-identifier", &id)
            .body(Full::default())?;
        let body = sender.send_request(next).await?.into_body().collect().await?.to_bytes();
        let event: Event = serde_json::from_slice(&body)?;
        // In one write: standard error has no buffer.
        io::stderr().write_all(format!("{event:?}\n").as_bytes())?;
        if event.event_type == "SHUTDOWN" {
            return Ok(());
        }
    }
}
