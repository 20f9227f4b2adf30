//! What a connection is doing, so that who sends too slowly is cut off, and not who keeps a connection open between two
//! batches: that is what Lambda does, also across a freeze of hours.

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
    sync::{Notify, watch},
    time::{Instant, sleep},
};

/// How long a request may take to come in, in seconds.
const MAX_REQUEST_SECONDS: u32 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nothing: it is open between two batches.
    Idle,
    /// A batch is coming in. If the connection ends now, that batch is lost.
    Receiving,
    /// The batch is in our hands, and the sender waits for the answer.
    Answering,
    /// Nothing more is expected of it.
    Closing,
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) doing: Doing,
    /// How many batches have begun to come in.
    begun: u64,
    /// Whether a batch has come in.
    pub(crate) delivered: bool,
    /// Since when it has been doing what it does.
    pub(crate) since: Instant,
}

/// The state of one connection, shared by those who serve it and those who watch it.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    state: Arc<watch::Sender<State>>,
    /// Told when any connection becomes idle.
    idle: Arc<Notify>,
}

impl Pace {
    pub(crate) fn new(idle: Arc<Notify>) -> Self {
        let state = State { doing: Doing::Idle, begun: 0, delivered: false, since: Instant::now() };
        Self { state: Arc::new(watch::Sender::new(state)), idle }
    }

    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Something comes in.
    pub(crate) fn receiving(&self) {
        self.state.send_if_modified(|state| {
            let begins = state.doing == Doing::Idle;
            if begins {
                *state = State {
                    doing: Doing::Receiving,
                    begun: state.begun + 1,
                    since: Instant::now(),
                    ..*state
                };
            }
            begins
        });
    }

    pub(crate) fn answering(&self) {
        self.set(Doing::Answering);
    }

    pub(crate) fn closing(&self) {
        self.set(Doing::Closing);
    }

    /// The batch is dealt with, for better or worse.
    pub(crate) fn over(&self) {
        self.set(Doing::Idle);
        self.idle.notify_one();
    }

    fn set(&self, doing: Doing) {
        self.state.send_modify(|state| {
            state.delivered |= doing == Doing::Answering;
            (state.doing, state.since) = (doing, Instant::now());
        });
    }

    /// Resolves when a batch has taken too long to come in. The time is counted in seconds awake: a freeze costs one at most.
    pub(crate) async fn too_slow(&self) {
        let mut state = self.state.subscribe();
        loop {
            let Ok(receiving) =
                state.wait_for(|state| state.doing == Doing::Receiving).await.map(|state| *state)
            else {
                // Not while `self` keeps the channel open.
                return std::future::pending().await;
            };
            // By its number, because the next one may begin before this is looked at again.
            let in_time = |state: &State| state.doing != Doing::Receiving || state.begun != receiving.begun;
            tokio::select! {
                () = async { for _ in 0..MAX_REQUEST_SECONDS { sleep(Duration::from_secs(1)).await } } => return,
                _ = state.wait_for(in_time) => {}
            }
        }
    }
}

/// A connection that notes when something comes in.
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
            self.pace.receiving();
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
