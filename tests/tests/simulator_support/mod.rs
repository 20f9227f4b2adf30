//! A client of Lambda's APIs and a telemetry listener on bare sockets, so that the simulator is judged by something
//! that shares no line with it or with the framework.

// Several test programs share this file, and none of them uses all of it.
#![allow(dead_code, unreachable_pub)]

use std::collections::HashMap;

use lambda_extension::simulator::Simulator;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// An HTTP message: first line, headers with lower-case names, body.
#[derive(Debug, Clone, Default)]
pub struct Message {
    pub first_line: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn status(&self) -> u16 {
        self.first_line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads one message; nothing where the peer closed the connection.
pub async fn read_message(stream: &mut BufReader<TcpStream>) -> Option<Message> {
    let mut message = Message::default();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        match line.split_once(": ") {
            Some((name, value)) if !message.first_line.is_empty() => {
                message.headers.insert(name.to_lowercase(), value.to_owned());
            }
            _ => message.first_line = line.to_owned(),
        }
    }
    let length = message.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    message.body = vec![0; length];
    stream.read_exact(&mut message.body).await.ok()?;
    Some(message)
}

/// One connection to the APIs.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub async fn open(address: &str) -> Self {
        Self { stream: BufReader::new(TcpStream::connect(address).await.expect("the simulator listens")) }
    }

    pub async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("\r\n{body}"));
        self.stream.get_mut().write_all(text.as_bytes()).await.expect("the simulator reads");
    }

    pub async fn receive(&mut self) -> Option<Message> {
        read_message(&mut self.stream).await
    }

    pub async fn call(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Message {
        self.send(method, path, headers, body).await;
        self.receive().await.expect("an answer")
    }
}

/// An extension that a test drives call by call.
pub struct RawExtension {
    pub connection: Connection,
    pub id: String,
}

pub const ID: &str = "Lambda-Extension-Identifier";
pub const NEXT: &str = "/2020-01-01/extension/event/next";

impl RawExtension {
    /// Registers, attached to the simulator, for the given events.
    pub async fn register(simulator: &Simulator, name: &str, events: &[&str]) -> Self {
        simulator.attach(name);
        Self::register_at(&simulator.runtime_api(), name, events).await
    }

    pub async fn register_at(address: &str, name: &str, events: &[&str]) -> Self {
        let mut connection = Connection::open(address).await;
        let body = serde_json::json!({ "events": events }).to_string();
        let headers = [("Lambda-Extension-Name", name)];
        let answer = connection.call("POST", "/2020-01-01/extension/register", &headers, &body).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let id = answer.headers[&ID.to_lowercase()].clone();
        Self { connection, id }
    }

    pub async fn call(&mut self, method: &str, path: &str, body: &str) -> Message {
        let id = self.id.clone();
        self.connection.call(method, path, &[(ID, &id)], body).await
    }

    pub async fn ask(&mut self) {
        let id = self.id.clone();
        self.connection.send("GET", NEXT, &[(ID, &id)], "").await;
    }

    pub async fn event(&mut self) -> Value {
        self.connection.receive().await.expect("an event").json()
    }

    pub async fn next(&mut self) -> Value {
        self.ask().await;
        self.event().await
    }

    pub async fn report_error(&mut self, which: &str, error_type: &str) -> Message {
        let id = self.id.clone();
        let headers = [(ID, id.as_str()), ("Lambda-Extension-Function-Error-Type", error_type)];
        self.connection.call("POST", &format!("/2020-01-01/extension/{which}/error"), &headers, "{}").await
    }

    pub async fn subscribe(&mut self, port: u16, schema: &str, types: &[&str], buffering: Value) -> Message {
        let body = serde_json::json!({
            "schemaVersion": schema,
            "types": types,
            "buffering": buffering,
            "destination": { "protocol": "HTTP", "URI": format!("http://sandbox.localdomain:{port}/in") },
        });
        self.call("PUT", "/2022-07-01/telemetry", &body.to_string()).await
    }

    /// Handles events without doing anything, until SHUTDOWN; returns what came.
    pub async fn live(mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await;
            let over = event["eventType"] == "SHUTDOWN";
            events.push(event);
            if over {
                return events;
            }
        }
    }
}

/// A telemetry listener that answers with the given statuses, then 200.
pub struct Listener {
    pub port: u16,
    batches: mpsc::UnboundedReceiver<Message>,
}

impl Listener {
    pub async fn open(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (sender, batches) = mpsc::unbounded_channel();
        let mut answers: std::collections::VecDeque<u16> = answers.iter().copied().collect();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                while let Some(message) = read_message(&mut stream).await {
                    let status = answers.pop_front().unwrap_or(200);
                    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                    if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                    drop(sender.send(message));
                }
            }
        });
        Self { port, batches }
    }

    /// The next batch, as it came.
    pub async fn message(&mut self) -> Message {
        self.batches.recv().await.expect("the listener lives")
    }

    /// The next batch's records.
    pub async fn batch(&mut self) -> Vec<Value> {
        match self.message().await.json() {
            Value::Array(records) => records,
            other => panic!("a batch should be an array, not {other}"),
        }
    }

    /// Records until one of the given type, that one included.
    pub async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut records = Vec::new();
        loop {
            records.extend(self.batch().await);
            if records.iter().any(|record| record["type"] == kind) {
                return records;
            }
        }
    }

    /// What has come and was not looked at.
    pub fn came(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.batches.try_recv().ok()).collect()
    }
}

pub fn types(records: &[Value]) -> Vec<&str> {
    records.iter().filter_map(|record| record["type"].as_str()).collect()
}
