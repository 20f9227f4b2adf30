//! As much HTTP/1 as a test needs: one message read from or written to a plain socket.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;

/// A request or a response.
#[derive(Clone, Debug)]
pub struct Message {
    /// `POST /path HTTP/1.1` or `HTTP/1.1 200 OK`.
    pub start_line: String,
    /// Names as they were sent, in their order.
    pub headers: Vec<(String, String)>,
    /// Empty when there was none.
    pub body: Vec<u8>,
}

impl Message {
    /// Reads one request; `None` when the peer closed the connection instead.
    ///
    /// # Errors
    ///
    /// When the connection breaks or what arrives is not a message this reader understands.
    pub fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(mut message) = Self::read_head(reader)? else { return Ok(None) };
        message.body = vec![0; message.content_length()?.unwrap_or(0)];
        reader.read_exact(&mut message.body)?;
        Ok(Some(message))
    }

    /// Reads one response, whose body may go on to the end of the connection.
    ///
    /// # Errors
    ///
    /// When the connection ends before the response does, or its form is not understood.
    pub fn read_response(reader: &mut impl BufRead) -> io::Result<Self> {
        let mut message = Self::read_head(reader)?
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "closed without a response"))?;
        match message.content_length()? {
            Some(length) => {
                message.body = vec![0; length];
                reader.read_exact(&mut message.body)?;
            }
            None => {
                reader.read_to_end(&mut message.body)?;
            }
        }
        Ok(message)
    }

    fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let start_line = line.trim_end().to_owned();
        let mut headers = Vec::new();
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the headers have no end"));
            }
            let header = line.trim_end();
            if header.is_empty() {
                return Ok(Some(Self { start_line, headers, body: Vec::new() }));
            }
            let (name, value) =
                header.split_once(':').ok_or_else(|| invalid(format!("header {header:?}")))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The value of the first header of that name, in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The status of a response, 0 when this is none.
    pub fn status(&self) -> u16 {
        self.start_line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The body as text, where bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Writes the message as it was read.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    pub fn write_to(&self, writer: &mut impl Write) -> io::Result<()> {
        let mut bytes = format!("{}\r\n", self.start_line).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        writer.write_all(&bytes)
    }

    fn content_length(&self) -> io::Result<Option<usize>> {
        if let Some(encoding) = self.header("transfer-encoding") {
            return Err(invalid(format!("transfer encoding {encoding:?}")));
        }
        self.header("content-length")
            .map(|length| length.parse().map_err(|_| invalid(format!("content length {length:?}"))))
            .transpose()
    }
}

/// Sends one request on a connection made for it and reads the response; the caller sets the connection's timeouts.
///
/// It says HTTP/1.0, so that no server answers in chunks or keeps the connection open.
///
/// # Errors
///
/// When the connection breaks, or what comes back is no readable response.
pub fn request(
    mut stream: TcpStream,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Message> {
    let mut headers: Vec<_> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    headers.push(("Host".to_owned(), stream.peer_addr()?.to_string()));
    headers.push(("Content-Length".to_owned(), body.len().to_string()));
    let request = Message { start_line: format!("{method} {path} HTTP/1.0"), headers, body: body.to_vec() };
    request.write_to(&mut stream)?;
    Message::read_response(&mut BufReader::new(stream))
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("HTTP that this harness does not read: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_to_the_end_of_its_body_and_no_further() {
        let mut wire: &[u8] =
            b"POST /a HTTP/1.1\r\nContent-Length: 3\r\nX-Y:  z \r\n\r\nabcGET /b HTTP/1.1\r\n\r\n";
        let first = Message::read_request(&mut wire).expect("readable").expect("a request");
        assert_eq!((first.text().as_str(), first.header("x-y")), ("abc", Some("z")));
        let second = Message::read_request(&mut wire).expect("readable").expect("a request");
        assert_eq!(second.start_line, "GET /b HTTP/1.1");
        assert!(Message::read_request(&mut wire).expect("readable").is_none());
    }

    #[test]
    fn a_response_without_a_length_goes_on_to_the_end() {
        let response =
            Message::read_response(&mut &b"HTTP/1.0 202 Accepted\r\n\r\nall of it"[..]).expect("readable");
        assert_eq!((response.status(), response.text().as_str()), (202, "all of it"));
    }

    #[test]
    fn a_response_cut_short_is_an_error() {
        let cut = Message::read_response(&mut &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"[..]);
        assert_eq!(cut.expect_err("too short").kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_chunked_message_is_refused_rather_than_misread() {
        let chunked = Message::read_response(
            &mut &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"[..],
        );
        assert_eq!(chunked.expect_err("chunked").kind(), io::ErrorKind::InvalidData);
    }
}
