//! The cache: every value fetched once at a time, kept for its time, bounded, and what happens when AWS is away.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use hyper::body::Bytes;
use lru::LruCache;
use tokio::time::Instant;
use tracing::warn;

use crate::{
    failure::Failure,
    settings::Settings,
    wanted::{Kind, Wanted},
};

/// How long a value past its time is given out without asking again, once asking has failed. Without this pause every
/// request of an outage would wait for its own time-out.
const PAUSE: Duration = Duration::from_secs(5);

/// Where values come from.
pub(crate) trait Source: Send + Sync + 'static {
    fn fetch(&self, wanted: &Wanted) -> impl Future<Output = Result<Bytes, Failure>> + Send;
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// It was in the cache.
    Hit,
    /// It was fetched for this request.
    Miss,
    /// It was in the cache and past its time, and AWS has no newer one to give.
    Stale,
}

pub(crate) struct Cache<S> {
    source: S,
    secrets_ttl: Duration,
    parameters_ttl: Duration,
    max_stale: Duration,
    slots: Mutex<LruCache<Wanted, Arc<tokio::sync::Mutex<Slot>>>>,
}

/// The place of one value. Whoever holds its lock fetches, and the others wait for the lock.
#[derive(Default)]
struct Slot {
    value: Option<Value>,
    failed: Option<Failed>,
}

struct Value {
    body: Bytes,
    /// Wall-clock time decides how old a value is, because the monotonic clock may stand still while Lambda has the
    /// environment frozen, and does not tell of the days between a snapshot and its restore.
    fetched: SystemTime,
    came: Instant,
}

struct Failed {
    failure: Failure,
    at: SystemTime,
    came: Instant,
}

impl Value {
    fn age(&self) -> Duration {
        age(self.fetched)
    }
}

/// A clock that was set back makes a value old, not young.
fn age(since: SystemTime) -> Duration {
    SystemTime::now().duration_since(since).unwrap_or(Duration::MAX)
}

impl<S: Source> Cache<S> {
    pub(crate) fn new(source: S, settings: &Settings) -> Self {
        let size = NonZeroUsize::new(settings.cache_size).unwrap_or(NonZeroUsize::MIN);
        Self {
            source,
            secrets_ttl: settings.secrets_manager.ttl,
            parameters_ttl: settings.parameter_store.ttl,
            max_stale: settings.max_stale,
            slots: Mutex::new(LruCache::new(size)),
        }
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// Forgets everything. A fetch that goes on gives its value to those who wait for it already, and to nobody else.
    pub(crate) fn forget(&self) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The value, from here if it is young enough, otherwise from AWS. It may be dropped at any time: whoever waits for
    /// the same value goes on in its place.
    pub(crate) async fn get(&self, wanted: &Wanted) -> Result<(Bytes, Freshness), Failure> {
        let asked = Instant::now();
        let ttl = self.ttl(wanted.kind);
        let slot = self.slot(wanted);
        let mut slot = slot.lock().await;
        if let Some(value) = &slot.value {
            // What came while this request waited is an answer to it, even if nothing is to be kept.
            if value.age() < ttl || value.came > asked {
                return Ok((value.body.clone(), Freshness::Hit));
            }
        }
        if let Some(failed) = &slot.failed {
            let still_away = failed.came > asked || age(failed.at) < PAUSE && slot.value.is_some();
            if still_away {
                let failure = failed.failure.clone();
                return self.make_do(&mut slot, wanted, failure);
            }
        }
        match self.source.fetch(wanted).await {
            Ok(body) => {
                let value = Value { body: body.clone(), fetched: SystemTime::now(), came: Instant::now() };
                *slot = Slot { value: Some(value), failed: None };
                Ok((body, Freshness::Miss))
            }
            Err(failure) => {
                let failed = Failed { failure: failure.clone(), at: SystemTime::now(), came: Instant::now() };
                slot.failed = Some(failed);
                self.make_do(&mut slot, wanted, failure)
            }
        }
    }

    /// The old value, if it may be given out in place of the failure.
    fn make_do(
        &self,
        slot: &mut Slot,
        wanted: &Wanted,
        failure: Failure,
    ) -> Result<(Bytes, Freshness), Failure> {
        if matches!(failure, Failure::Refused { .. }) {
            // Deleted, or not for this function any more: that holds for the old value too.
            slot.value = None;
        }
        match &slot.value {
            Some(value) if value.age() < self.longest_life(wanted.kind) => {
                warn!("{wanted} is {} s old, and there is no newer one: {failure}", value.age().as_secs());
                Ok((value.body.clone(), Freshness::Stale))
            }
            _ => Err(failure),
        }
    }

    fn slot(&self, wanted: &Wanted) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.get_or_insert_ref(wanted, Arc::default))
    }

    fn ttl(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Secret => self.secrets_ttl,
            Kind::Parameter => self.parameters_ttl,
        }
    }

    /// Who wants nothing kept wants nothing old either.
    fn longest_life(&self, kind: Kind) -> Duration {
        let ttl = self.ttl(kind);
        if ttl.is_zero() {
            ttl
        } else {
            ttl + self.max_stale
        }
    }
}

#[cfg(test)]
mod tests;
