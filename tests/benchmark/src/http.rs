//! As much of HTTP/1.1 as it takes to play Lambda. Plain blocking sockets, so that nothing here shares code, or mistakes,
//! with what is measured.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

/// A request or an answer: its first line and its body.
pub(crate) struct Message {
    pub(crate) start: String,
    pub(crate) body: Vec<u8>,
}

/// Reads one message; `None` where the connection ends between two.
pub(crate) fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Message>> {
    let mut start = String::new();
    if stream.read_line(&mut start)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    let mut chunked = false;
    let mut line = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        chunked |= name.eq_ignore_ascii_case("transfer-encoding");
    }
    let body = if chunked { read_chunks(stream)? } else { read_exact(stream, length)? };
    Ok(Some(Message { start, body }))
}

fn read_exact(stream: &mut BufReader<TcpStream>, length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn read_chunks(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        stream.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        body.extend(read_exact(stream, size)?);
        read_exact(stream, 2)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// An answer as Lambda's API sends them.
pub(crate) fn answer(headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}Date: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A connection that delivers telemetry.
pub(crate) struct Delivery {
    stream: BufReader<TcpStream>,
}

impl Delivery {
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Posts a batch and waits until it is taken.
    pub(crate) fn post(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(request)?;
        let answer = read(&mut self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if answer.start.starts_with("HTTP/1.1 200") {
            Ok(())
        } else {
            Err(io::Error::other(format!("a batch was answered {}", answer.start.trim_end())))
        }
    }
}

/// A batch as Lambda posts it.
pub(crate) fn post(body: &str) -> Vec<u8> {
    format!(
        "POST / HTTP/1.1\r\nHost: sandbox.localdomain\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
