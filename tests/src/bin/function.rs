//! The function of the tests: a runtime that does what its payload says.
//!
//! `fail` reports an error, `exit` ends the process, `hang` never answers; anything else is answered with itself. `kill`,
//! `kill-after-answer` and `kill-when-idle` are SIGKILL; so is the variable `FUNCTION_INIT=kill` before the first is asked for. Where
//! `FUNCTION_ONCE` names a file, that happens only as long as there is none.

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use lambda_extension_tests::http::{self, Message};
use rustix::process::{Signal, getpid, kill_process};

fn main() -> io::Result<()> {
    if std::env::var("FUNCTION_INIT").is_ok_and(|what| what == "kill") {
        kill();
    }
    loop {
        let event = runtime_api("GET", "invocation/next", b"")?;
        let request_id = event.header("Lambda-Runtime-Aws-Request-Id").unwrap_or_default();
        let payload = event.text();
        println!("function: {request_id} {payload}");
        match payload.as_str() {
            "exit" => std::process::exit(7),
            "kill" => kill(),
            "hang" => loop {
                thread::park();
            },
            "fail" => {
                let error = br#"{"errorType":"Function.Asked","errorMessage":"the payload asked for it"}"#;
                runtime_api("POST", &format!("invocation/{request_id}/error"), error)?;
            }
            _ => {
                runtime_api("POST", &format!("invocation/{request_id}/response"), &event.body)?;
            }
        }
        match payload.as_str() {
            "kill-after-answer" => kill(),
            "kill-when-idle" => drop(thread::spawn(|| {
                // Long enough for everybody to have asked for the next invocation.
                thread::sleep(Duration::from_millis(400));
                kill();
            })),
            _ => {}
        }
    }
}

/// Ends this process as the kernel does that has no memory left; once, if so told.
fn kill() {
    let again = std::env::var_os("FUNCTION_ONCE").is_some_and(|path| File::create_new(path).is_err());
    if !again {
        kill_process(getpid(), Signal::KILL).expect("it is our own process");
    }
}

fn runtime_api(method: &str, route: &str, body: &[u8]) -> io::Result<Message> {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let path = format!("/2018-06-01/runtime/{route}");
    http::request(TcpStream::connect(address)?, method, &path, &[], body)
}
