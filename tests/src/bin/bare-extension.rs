//! An extension without the framework, so that the harness can be tested on its own.
//!
//! `BARE_EVENTS` is what it registers for. `BARE_EXIT_CODE` is what it exits with after SHUTDOWN; with `BARE_RUDE=1` it asks for another event instead.

use std::io;
use std::net::TcpStream;

use lambda_extension_tests::http::{self, Message};

fn main() -> io::Result<()> {
    let arguments = std::env::args().next().unwrap_or_default();
    let name = arguments.rsplit('/').next().unwrap_or_default();
    let events = variable("BARE_EVENTS").unwrap_or_else(|| r#""INVOKE","SHUTDOWN""#.to_owned());
    let body = format!(r#"{{"events":[{events}]}}"#);
    let registered = api("POST", "register", ("Lambda-Extension-Name", name), body.as_bytes())?;
    println!("{name}: registered for {events}");
    let identifier = registered.header("Lambda-Extension-Identifier").unwrap_or_default();
    loop {
        let event = api("GET", "event/next", ("Lambda-Extension-Identifier", identifier), b"")?.text();
        println!("{name}: {event}");
        if event.contains("\"SHUTDOWN\"") && variable("BARE_RUDE").is_none() {
            std::process::exit(variable("BARE_EXIT_CODE").and_then(|code| code.parse().ok()).unwrap_or(0));
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn api(method: &str, route: &str, header: (&str, &str), body: &[u8]) -> io::Result<Message> {
    let address = variable("AWS_LAMBDA_RUNTIME_API").unwrap_or_default();
    http::request(
        TcpStream::connect(address)?,
        method,
        &format!("/2020-01-01/extension/{route}"),
        &[header],
        body,
    )
}
