//! The function of the tests: a runtime that does what its payload says.
//!
//! `fail` reports an error, `exit` ends the process, `hang` never answers; anything else is answered with itself.

use std::io;
use std::net::TcpStream;

use lambda_extension_tests::http::{self, Message};

fn main() -> io::Result<()> {
    loop {
        let event = runtime_api("GET", "invocation/next", b"")?;
        let request_id = event.header("Lambda-Runtime-Aws-Request-Id").unwrap_or_default();
        let payload = event.text();
        println!("function: {request_id} {payload}");
        match payload.as_str() {
            "exit" => std::process::exit(7),
            "hang" => loop {
                std::thread::park();
            },
            "fail" => {
                let error = br#"{"errorType":"Function.Asked","errorMessage":"the payload asked for it"}"#;
                runtime_api("POST", &format!("invocation/{request_id}/error"), error)?;
            }
            _ => {
                runtime_api("POST", &format!("invocation/{request_id}/response"), &event.body)?;
            }
        }
    }
}

fn runtime_api(method: &str, route: &str, body: &[u8]) -> io::Result<Message> {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let path = format!("/2018-06-01/runtime/{route}");
    http::request(TcpStream::connect(address)?, method, &path, &[], body)
}
