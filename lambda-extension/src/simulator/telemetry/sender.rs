//! The connection to one listener: HTTP kept alive, or TCP with a line for each record.

use std::net::Ipv4Addr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::simulator::environment::{Destination, Method};

/// Delivers bodies to one destination.
#[derive(Debug)]
pub(crate) struct Sender {
    destination: Destination,
    http: Option<http1::SendRequest<Full<Bytes>>>,
    tcp: Option<TcpStream>,
}

/// Connects to a port of the loopback: whatever host a subscription names, here it is this machine.
pub(crate) async fn dial(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Sender {
    /// A sender that uses `tcp` first, if the subscription brought a connection already.
    pub(crate) fn new(destination: Destination, tcp: Option<TcpStream>) -> Self {
        Self { destination, http: None, tcp }
    }

    /// Delivers a body; the error says in words what went wrong.
    pub(crate) async fn send(&mut self, body: Bytes) -> Result<(), String> {
        let destination = self.destination.clone();
        match destination {
            Destination::Http { host, port, path, method } => {
                self.post(&host, port, &path, method, body).await
            }
            Destination::Tcp { port } => self.write(port, &body).await,
        }
    }

    /// Leaves the connection; the next delivery makes a new one.
    pub(crate) fn hang_up(&mut self) {
        self.http = None;
        self.tcp = None;
    }

    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.destination, Destination::Tcp { .. })
    }

    async fn post(
        &mut self,
        host: &str,
        port: u16,
        path: &str,
        method: Method,
        body: Bytes,
    ) -> Result<(), String> {
        let mut connection = self.connection(port).await?;
        let method = match method {
            Method::Post => "POST",
            Method::Put => "PUT",
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", format!("{host}:{port}"))
            .header("Content-Type", "application/json")
            .body(Full::new(body))
            .map_err(|error| format!("the URI cannot be used: {error}"))?;
        let response = connection.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        // The body is read to its end, so that the connection can be used again.
        response.into_body().collect().await.map_err(|error| error.to_string())?;
        self.http = Some(connection);
        if status.as_u16() < 400 { Ok(()) } else { Err(format!("the listener answered {status}")) }
    }

    async fn connection(&mut self, port: u16) -> Result<http1::SendRequest<Full<Bytes>>, String> {
        if let Some(mut kept) = self.http.take()
            && kept.ready().await.is_ok()
        {
            return Ok(kept);
        }
        connect(port).await
    }

    async fn write(&mut self, port: u16, body: &[u8]) -> Result<(), String> {
        let mut stream = match self.tcp.take() {
            Some(stream) => stream,
            None => dial(port).await.map_err(|error| error.to_string())?,
        };
        stream.write_all(body).await.map_err(|error| error.to_string())?;
        self.tcp = Some(stream);
        Ok(())
    }
}

async fn connect(port: u16) -> Result<http1::SendRequest<Full<Bytes>>, String> {
    let stream = dial(port).await.map_err(|error| error.to_string())?;
    let (connection, driver) = http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(async move { drop(driver.await) });
    Ok(connection)
}
