//! The server that Lambda delivers telemetry to.
//!
//! It is bound once, before the extension registers, and kept for the whole life. It answers every batch with 200 as soon as
//! it is queued: Lambda delivers what was refused again and again, so a refusal would only repeat the trouble. What cannot
//! be received is counted.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
    time::sleep,
};

use crate::telemetry::{
    Protocol,
    connections::Connections,
    cut::Cut,
    intake::Sender,
    pace::{Doing, Pace, Watched},
};

/// Where Lambda's documentation leaves the choice, every extension needs a port of its own.
const DEFAULT_PORT: u16 = 4327;
const MAX_HEADERS: usize = 32;
/// What a batch may be larger than Lambda says it makes them, in bytes.
const SPARE_BYTES: usize = 1 << 20;
/// How long to wait when no connection can be accepted, which is when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the listener is to be opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) protocol: Protocol,
    /// The port that was asked for; otherwise the default one, or any if that is taken.
    pub(crate) port: Option<u16>,
    /// Whether only this machine may connect. Lambda itself does so from a link-local address.
    pub(crate) loopback: bool,
    /// How large a batch Lambda makes, in bytes.
    pub(crate) max_bytes: u32,
}

/// The open server. Closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    port: u16,
    receiving: Arc<AtomicUsize>,
    stop: Arc<Notify>,
    server: JoinHandle<()>,
}

impl Listener {
    /// Opens the server, and accepts from here on.
    pub(crate) async fn open(settings: Settings, sender: Sender) -> Result<Self, (SocketAddr, io::Error)> {
        let ip = if settings.loopback { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        let socket = bind(ip.into(), settings.port).await?;
        let address = socket.local_addr().map_err(|error| (SocketAddr::from((ip, 0)), error))?;
        let receiving = Arc::new(AtomicUsize::new(0));
        let server = Server {
            protocol: settings.protocol,
            // Twice what Lambda buffers, and room for what it adds to the records ("Telemetry API", buffering).
            max_body: 2 * settings.max_bytes as usize + SPARE_BYTES,
            receiving: Arc::clone(&receiving),
            sender,
        };
        let stop = Arc::new(Notify::new());
        let server = tokio::spawn(server.serve_until(Arc::clone(&stop), socket));
        Ok(Self { port: address.port(), receiving, stop, server })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether a batch is coming in just now.
    pub(crate) fn is_receiving(&self) -> bool {
        self.receiving.load(Ordering::Relaxed) > 0
    }

    /// Stops the server. From here on nothing is accepted, and what had not come in whole is counted as lost.
    pub(crate) async fn close(&mut self) {
        self.stop.notify_one();
        let _ = (&mut self.server).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn bind(ip: IpAddr, port: Option<u16>) -> Result<TcpListener, (SocketAddr, io::Error)> {
    let bind = async |port: u16| {
        let address = SocketAddr::from((ip, port));
        TcpListener::bind(address).await.map_err(|error| (address, error))
    };
    match port {
        Some(port) => bind(port).await,
        None => match bind(DEFAULT_PORT).await {
            Ok(socket) => Ok(socket),
            Err(_) => bind(0).await,
        },
    }
}

#[derive(Clone)]
struct Server {
    protocol: Protocol,
    max_body: usize,
    /// How many batches are coming in.
    receiving: Arc<AtomicUsize>,
    sender: Sender,
}

impl Server {
    /// Accepts connections until it is told to stop, and then ends them; or until it is dropped, and they with it.
    async fn serve_until(self, stop: Arc<Notify>, socket: TcpListener) {
        let mut connections = Connections::default();
        tokio::select! {
            biased;
            () = stop.notified() => {}
            () = self.accept(socket, &mut connections) => {}
        }
        connections.close().await;
    }

    async fn accept(&self, socket: TcpListener, connections: &mut Connections) {
        loop {
            match socket.accept().await {
                Ok((stream, _)) => {
                    connections.room().await;
                    let pace = connections.pace();
                    connections.add(pace.clone(), self.clone().serve(stream, pace));
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    async fn serve(self, stream: TcpStream, pace: Pace) {
        // Answers are a few bytes, which must not wait for more to be sent with.
        let _ = stream.set_nodelay(true);
        let _unfinished = Unfinished { pace: &pace, sender: &self.sender };
        match self.protocol {
            Protocol::Http => self.serve_http(stream, &pace).await,
            Protocol::Tcp => self.serve_lines(stream, &pace).await,
        }
    }

    async fn serve_http(&self, stream: TcpStream, pace: &Pace) {
        let io = TokioIo::new(Watched { stream, pace: pace.clone() });
        let service = service_fn(async |request| Ok::<_, Infallible>(self.answer(request, pace).await));
        let connection = http1::Builder::new()
            .max_headers(MAX_HEADERS)
            // Who has sent everything and closes has still delivered.
            .half_close(true)
            .serve_connection(io, service);
        tokio::select! {
            biased;
            // Whoever breaks the connection, or HTTP, loses it.
            _ = connection => {}
            () = pace.too_slow() => {}
        }
    }

    async fn answer(&self, request: Request<Incoming>, pace: &Pace) -> Response<Empty<Bytes>> {
        let mut answer = Response::new(Empty::new());
        if request.method() != Method::POST && request.method() != Method::PUT {
            *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            // Whatever its body is, it is no telemetry.
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            pace.closing();
            return answer;
        }
        pace.receiving();
        let _receiving = Receiving::begin(&self.receiving);
        match self.read(request.into_body()).await {
            Some(body) => {
                pace.answering();
                self.sender.send(Cut::array(body)).await;
            }
            None => self.sender.lost(),
        }
        pace.over();
        answer
    }

    /// The whole body; `None` if it breaks off, or is too large. Then it is read all the same: who does not get rid of a
    /// batch does not wait for the answer either, and delivers it again.
    async fn read(&self, mut body: Incoming) -> Option<Vec<u8>> {
        let announced = body.size_hint().lower() as usize;
        let mut whole = Some(Vec::with_capacity(if announced > self.max_body { 0 } else { announced }));
        while let Some(frame) = body.frame().await {
            let data = frame.ok()?.into_data().unwrap_or_default();
            whole = whole.filter(|whole| whole.len() + data.len() <= self.max_body);
            if let Some(whole) = &mut whole {
                whole.extend_from_slice(&data);
            }
        }
        whole
    }

    /// One event a line, for as long as the connection lasts. What has come is handed on whenever no more is there to read.
    async fn serve_lines(&self, mut stream: TcpStream, pace: &Pace) {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(64 << 10);
            let open = stream.read_buf(&mut buffer).await.is_ok_and(|read| read > 0);
            let _receiving = Receiving::begin(&self.receiving);
            let complete = match memchr::memrchr(b'\n', &buffer) {
                Some(end) => end + 1,
                // The last line of all may lack its end; a line that is too long is handed on in parts, and read as malformed.
                None if !open || buffer.len() > self.max_body => buffer.len(),
                None => 0,
            };
            if complete > 0 {
                pace.answering();
                self.sender.send(Cut::lines(buffer.split_to(complete).into())).await;
            }
            pace.over();
            if !buffer.is_empty() {
                pace.receiving();
            }
            if !open {
                return;
            }
        }
    }
}

/// Counts the batch that is lost when a connection ends while one comes in, whoever ends it: its sender, one who is too slow, or
/// the end of the listener.
struct Unfinished<'a> {
    pace: &'a Pace,
    sender: &'a Sender,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if self.pace.state().doing == Doing::Receiving {
            self.sender.lost();
        }
    }
}

/// Counts a batch as coming in for as long as it lives.
struct Receiving<'a>(&'a AtomicUsize);

impl<'a> Receiving<'a> {
    fn begin(receiving: &'a AtomicUsize) -> Self {
        receiving.fetch_add(1, Ordering::Relaxed);
        Self(receiving)
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
