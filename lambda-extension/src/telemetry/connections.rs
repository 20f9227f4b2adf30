//! The connections of the listener: as many as it serves at once, and which one goes when another wants in.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until},
};

use crate::telemetry::pace::{Doing, Pace};

const MAX_CONNECTIONS: usize = 8;
/// How long a connection must have been idle before it is closed in favour of a new one: who uses it has most likely left it
/// open and forgotten it, as a client does that was frozen.
const FORGOTTEN: Duration = Duration::from_secs(1);

/// Closed when they are dropped.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    tasks: JoinSet<()>,
    open: Vec<(Pace, AbortHandle)>,
    idle: Arc<Notify>,
}

impl Connections {
    /// The pace of a connection to be added.
    pub(crate) fn pace(&self) -> Pace {
        Pace::new(Arc::clone(&self.idle))
    }

    pub(crate) fn add(&mut self, pace: Pace, serving: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(serving);
        self.open.push((pace, task));
    }

    /// Closes all of them, and waits until they are.
    pub(crate) async fn close(&mut self) {
        self.tasks.shutdown().await;
    }

    /// Waits until one more connection may be served. Where all are in use, one that is idle makes room.
    pub(crate) async fn room(&mut self) {
        loop {
            while self.tasks.try_join_next().is_some() {}
            self.open.retain(|(_, task)| !task.is_finished());
            if self.open.len() < MAX_CONNECTIONS {
                return;
            }
            let forgotten = match self.forgotten() {
                Some((index, since)) if since <= Instant::now() => {
                    self.open.swap_remove(index).1.abort();
                    return;
                }
                other => other.map(|(_, since)| since),
            };
            tokio::select! {
                _ = self.tasks.join_next() => {}
                () = self.idle.notified() => {}
                () = async { match forgotten { Some(at) => sleep_until(at).await, None => std::future::pending().await } } => {}
            }
        }
    }

    /// The connection that is to go first, and from when on: one that never delivered anything before one that did, and
    /// among those the one that has been idle for longest.
    fn forgotten(&self) -> Option<(usize, Instant)> {
        let idle = self.open.iter().map(|(pace, _)| pace.state()).enumerate();
        idle.filter(|(_, state)| state.doing == Doing::Idle)
            .map(|(index, state)| (index, state.delivered, state.since + FORGOTTEN))
            .min_by_key(|(_, delivered, since)| (*delivered, *since))
            .map(|(index, _, since)| (index, since))
    }
}
