//! HTTP on a blocking socket, as little of it as the two floor programs need: no library could do less.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
};

/// A connection to Lambda's API.
pub struct Api {
    host: String,
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
    id: String,
}

impl Api {
    /// Connects and registers.
    pub fn register() -> io::Result<Self> {
        let host = env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
        let program = env::args().next().unwrap_or_default();
        let name = Path::new(&program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let stream = TcpStream::connect(&host)?;
        stream.set_nodelay(true)?;
        let mut api = Self { host, stream: BufReader::new(stream), body: Vec::new(), id: String::new() };
        let name = format!("lambda-extension-name: {name}\r\n");
        api.send("POST", "/2020-01-01/extension/register", &name, r#"{"events":["INVOKE","SHUTDOWN"]}"#)?;
        Ok(api)
    }

    /// Has telemetry delivered to this port.
    pub fn subscribe(&mut self, port: u16) -> io::Result<()> {
        let id = format!("lambda-extension-identifier: {}\r\n", self.id);
        let body = format!(
            r#"{{"schemaVersion":"2025-01-29","types":["function"],"buffering":{{"maxItems":10000,"maxBytes":1048576,"timeoutMs":25}},"destination":{{"protocol":"HTTP","URI":"http://sandbox.localdomain:{port}"}}}}"#
        );
        self.send("PUT", "/2022-07-01/telemetry", &id, &body)
    }

    /// The body of the next event.
    pub fn next_event(&mut self) -> io::Result<&[u8]> {
        let id = format!("lambda-extension-identifier: {}\r\n", self.id);
        self.send("GET", "/2020-01-01/extension/event/next", &id, "")?;
        Ok(&self.body)
    }

    fn send(&mut self, method: &str, path: &str, header: &str, body: &str) -> io::Result<()> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{header}content-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let head = read(&mut self.stream, &mut self.body)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if let Some(id) = head.id {
            self.id = id;
        }
        Ok(())
    }
}

/// What a message's head says.
pub struct Head {
    id: Option<String>,
}

/// Reads one message; `None` at the end of the connection.
pub fn read(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> io::Result<Option<Head>> {
    let mut length = 0;
    let mut id = None;
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        } else if name.eq_ignore_ascii_case("lambda-extension-identifier") {
            id = Some(value.trim().to_owned());
        }
    }
    body.resize(length, 0);
    stream.read_exact(body)?;
    Ok(Some(Head { id }))
}
