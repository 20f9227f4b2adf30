//! The cache, with a source that a test holds in its hand.

use std::collections::VecDeque;

use tokio::sync::{mpsc, Notify};

use super::*;
use crate::settings::Settings;

/// Gives what the test has prepared, in that order, and tells of every fetch.
struct Prepared {
    answers: Mutex<VecDeque<Result<Bytes, Failure>>>,
    began: mpsc::UnboundedSender<()>,
    go: Option<Notify>,
}

impl Source for Prepared {
    async fn fetch(&self, _: &Wanted) -> Result<Bytes, Failure> {
        self.began.send(()).unwrap();
        if let Some(go) = &self.go {
            go.notified().await;
        }
        self.answers.lock().unwrap().pop_front().expect("no more fetches than answers")
    }
}

fn value(text: &'static str) -> Result<Bytes, Failure> {
    Ok(Bytes::from_static(text.as_bytes()))
}

fn away() -> Result<Bytes, Failure> {
    Err(Failure::Unavailable("away".to_owned()))
}

fn refused() -> Result<Bytes, Failure> {
    Err(Failure::Refused { status: 400, code: "AccessDeniedException".to_owned(), body: Bytes::new() })
}

const FOREVER: u64 = 3600;

struct Test {
    cache: Arc<Cache<Prepared>>,
    began: mpsc::UnboundedReceiver<()>,
}

impl Test {
    fn new(answers: impl IntoIterator<Item = Result<Bytes, Failure>>, ttl: u64) -> Self {
        Self::with(answers, ttl, None, 10)
    }

    fn with(
        answers: impl IntoIterator<Item = Result<Bytes, Failure>>,
        ttl: u64,
        go: Option<Notify>,
        cache_size: usize,
    ) -> Self {
        let (told, began) = mpsc::unbounded_channel();
        let source = Prepared { answers: Mutex::new(answers.into_iter().collect()), began: told, go };
        let service = crate::settings::Service {
            endpoint: String::new(),
            ttl: Duration::from_secs(ttl),
            timeout: Duration::ZERO,
        };
        let settings = Settings {
            port: 0,
            region: String::new(),
            secrets_manager: service.clone(),
            parameter_store: service,
            cache_size,
            max_connections: NonZeroUsize::MIN,
            max_stale: Duration::from_secs(FOREVER),
            prefetch: Vec::new(),
            bundle: None,
            snap_start: false,
            token: String::new(),
        };
        Self { cache: Arc::new(Cache::new(source, &settings)), began }
    }

    async fn get(&self, name: &str) -> Result<(Bytes, Freshness), Failure> {
        self.cache.get(&secret(name)).await
    }

    /// Makes every value look as if it had come this much earlier, and every failure too.
    async fn grow_older(&self, by: u64) {
        let slots: Vec<_> =
            self.cache.slots.lock().unwrap().iter().map(|(_, slot)| Arc::clone(slot)).collect();
        for slot in slots {
            let mut slot = slot.lock().await;
            if let Some(value) = &mut slot.value {
                value.fetched -= Duration::from_secs(by);
            }
            if let Some(failed) = &mut slot.failed {
                failed.at -= Duration::from_secs(by);
            }
        }
    }

    fn fetches(&mut self) -> usize {
        std::iter::from_fn(|| self.began.try_recv().ok()).count()
    }
}

fn secret(name: &str) -> Wanted {
    Wanted::parse(&format!("/secretsmanager/get?secretId={name}")).unwrap()
}

#[tokio::test]
async fn a_value_is_fetched_once_and_again_when_its_time_is_over() {
    let mut test = Test::new([value("old"), value("new")], 60);
    assert_eq!(test.get("a").await.unwrap(), (Bytes::from("old"), Freshness::Miss));
    test.grow_older(59).await;
    assert_eq!(test.get("a").await.unwrap(), (Bytes::from("old"), Freshness::Hit));
    test.grow_older(1).await;
    assert_eq!(test.get("a").await.unwrap(), (Bytes::from("new"), Freshness::Miss));
    assert_eq!(test.fetches(), 2);
}

#[tokio::test]
async fn many_who_ask_at_once_share_one_fetch_even_if_nothing_is_kept() {
    for (answer, ttl) in [(value("a"), FOREVER), (value("a"), 0), (away(), FOREVER), (refused(), FOREVER)] {
        let mut test = Test::with([answer.clone()], ttl, Some(Notify::new()), 10);
        let all: Vec<_> = (0..50)
            .map(|_| {
                let cache = Arc::clone(&test.cache);
                tokio::spawn(async move { cache.get(&secret("a")).await.map(|(body, _)| body) })
            })
            .collect();
        // Each of them has run up to where it waits, since there is one thread and they came before.
        test.began.recv().await.unwrap();
        tokio::task::yield_now().await;
        test.cache.source().go.as_ref().unwrap().notify_one();
        for one in all {
            assert_eq!(one.await.unwrap().is_ok(), answer.is_ok());
        }
        assert_eq!(test.fetches(), 0, "{answer:?}");
    }
}

#[tokio::test]
async fn whoever_waits_goes_on_when_the_one_who_fetches_is_gone() {
    let mut test = Test::with([value("a")], FOREVER, Some(Notify::new()), 10);
    let cache = Arc::clone(&test.cache);
    let first = tokio::spawn(async move { cache.get(&secret("a")).await });
    test.began.recv().await.unwrap();
    let cache = Arc::clone(&test.cache);
    let second = tokio::spawn(async move { cache.get(&secret("a")).await });
    tokio::task::yield_now().await;
    first.abort();
    test.began.recv().await.unwrap();
    test.cache.source().go.as_ref().unwrap().notify_one();
    assert_eq!(second.await.unwrap().unwrap(), (Bytes::from("a"), Freshness::Miss));
}

#[tokio::test]
async fn while_aws_is_away_an_old_value_is_better_than_none_and_it_is_not_asked_every_time() {
    let mut test = Test::new([value("old"), away(), value("new")], 60);
    test.get("a").await.unwrap();
    test.grow_older(60).await;
    for _ in 0..3 {
        assert_eq!(test.get("a").await.unwrap(), (Bytes::from("old"), Freshness::Stale));
    }
    assert_eq!(test.fetches(), 2);
    test.grow_older(PAUSE.as_secs()).await;
    assert_eq!(test.get("a").await.unwrap(), (Bytes::from("new"), Freshness::Miss));
}

#[tokio::test]
async fn a_value_that_is_too_old_is_worse_than_an_error() {
    let test = Test::new([value("old"), away(), value("new")], 60);
    test.get("a").await.unwrap();
    test.grow_older(60 + FOREVER).await;
    assert!(matches!(test.get("a").await, Err(Failure::Unavailable(_))));
}

#[tokio::test]
async fn what_aws_refuses_is_not_given_out_from_before() {
    let test = Test::new([value("old"), refused(), away()], 60);
    test.get("a").await.unwrap();
    test.grow_older(60).await;
    assert!(matches!(test.get("a").await, Err(Failure::Refused { .. })));
    assert!(matches!(test.get("a").await, Err(Failure::Unavailable(_))));
}

#[tokio::test]
async fn who_wants_nothing_kept_gets_nothing_old() {
    let test = Test::new([value("old"), away()], 0);
    test.get("a").await.unwrap();
    assert!(matches!(test.get("a").await, Err(Failure::Unavailable(_))));
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let test = Test::new([away(), value("a")], 60);
    assert!(test.get("a").await.is_err());
    assert_eq!(test.get("a").await.unwrap().1, Freshness::Miss);
}

#[tokio::test]
async fn the_cache_has_a_bound_and_the_longest_unasked_goes_first() {
    let mut test = Test::with((0..4).map(|_| value("x")), FOREVER, None, 2);
    for name in ["a", "b", "a", "c", "a", "b"] {
        test.get(name).await.unwrap();
    }
    assert_eq!(test.fetches(), 4, "a, b, c, and b again");
}

#[tokio::test]
async fn what_is_forgotten_is_fetched_again() {
    let test = Test::new([value("old"), value("new")], FOREVER);
    test.get("a").await.unwrap();
    test.cache.forget();
    assert_eq!(test.get("a").await.unwrap(), (Bytes::from("new"), Freshness::Miss));
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_a_value_old() {
    let test = Test::new([value("old"), value("new")], FOREVER);
    test.get("a").await.unwrap();
    let slot = test.cache.slot(&secret("a"));
    slot.lock().await.value.as_mut().unwrap().fetched += Duration::from_secs(FOREVER);
    assert_eq!(test.get("a").await.unwrap().1, Freshness::Miss);
}
