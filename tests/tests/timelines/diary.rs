//! An extension that takes its time in each hook, and notes when it was called.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_extension::telemetry::Batch;
use lambda_extension::{
    Error, Extension, FlushEvent, Hook, InvokeEvent, Registration, RestoreEvent, ShutdownEvent,
};
use tokio::time::{Instant, sleep};

/// One call of a hook.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) hook: Hook,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

#[derive(Clone)]
pub(crate) struct Diary {
    began: Instant,
    entries: Arc<Mutex<Vec<Entry>>>,
    flush_takes: Duration,
}

impl Diary {
    /// To be made at the moment the simulator is started, since that is when its times are counted from.
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), entries: Arc::default(), flush_takes: Duration::from_millis(20) }
    }

    /// When, counted from the start, it is now.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().expect("nobody panics with it").clone()
    }

    async fn spend(&self, hook: Hook, time: Duration) -> Result<(), Error> {
        let from = self.now();
        if !time.is_zero() {
            sleep(time).await;
        }
        self.entries.lock().expect("nobody panics with it").push(Entry { hook, from, to: self.now() });
        Ok(())
    }
}

impl Extension for Diary {
    async fn on_init(&mut self, _: &Registration) -> Result<(), Error> {
        self.spend(Hook::OnInit, Duration::from_millis(40)).await
    }

    async fn on_invoke(&mut self, _: InvokeEvent) -> Result<(), Error> {
        self.spend(Hook::OnInvoke, Duration::from_millis(5)).await
    }

    async fn on_telemetry(&mut self, _: Batch) -> Result<(), Error> {
        self.spend(Hook::OnTelemetry, Duration::ZERO).await
    }

    async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
        self.spend(Hook::OnFlush, self.flush_takes).await
    }

    async fn on_restore(&mut self, _: RestoreEvent) -> Result<(), Error> {
        self.spend(Hook::OnRestore, Duration::from_millis(15)).await
    }

    async fn on_shutdown(&mut self, _: ShutdownEvent) -> Result<(), Error> {
        self.spend(Hook::OnShutdown, Duration::from_millis(10)).await
    }
}
