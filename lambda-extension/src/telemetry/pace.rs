//! Cutting off who sends too slowly, but not who keeps a connection open between two batches: that is what Lambda does, also
//! across a freeze of hours.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
    time::sleep,
};

/// How long a request may take, in seconds.
const MAX_REQUEST_SECONDS: u32 = 10;

/// Whether a request is coming in on a connection.
#[derive(Clone)]
pub(crate) struct Pace(Arc<watch::Sender<bool>>);

impl Default for Pace {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Pace {
    fn request_begun(&self) {
        self.0.send_if_modified(|busy| !std::mem::replace(busy, true));
    }

    pub(crate) fn request_over(&self) {
        self.0.send_replace(false);
    }

    /// Resolves when a request has taken too long. The time is counted in seconds awake: a freeze costs one at most.
    pub(crate) async fn too_slow(&self) {
        let mut busy = self.0.subscribe();
        loop {
            let _ = busy.wait_for(|busy| *busy).await;
            tokio::select! {
                () = async { for _ in 0..MAX_REQUEST_SECONDS { sleep(Duration::from_secs(1)).await } } => return,
                _ = busy.wait_for(|busy| !*busy) => {}
            }
        }
    }
}

/// A connection that notes when something is sent over it.
pub(crate) struct Watched {
    pub(crate) stream: TcpStream,
    pub(crate) pace: Pace,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pace.request_begun();
        }
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
