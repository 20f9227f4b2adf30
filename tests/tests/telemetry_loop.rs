//! The event loop with telemetry: what it waits for, and how it keeps an extension from feeding itself.

mod scripted;

use std::time::Duration;

use lambda_extension::{
    Error, Extension, FlushEvent, FlushReason, FlushStrategy, Registration,
    telemetry::{Category, Subscription},
};
use scripted::{Lambda, Running, Seen, Sender, line, runtime_done};
use serde_json::json;
use tokio::time::{Instant, sleep};

const MINUTE: Duration = Duration::from_secs(60);

async fn running(categories: &[Category], strategy: FlushStrategy) -> Running {
    let lambda = Lambda::start().await;
    let subscription = Subscription::new(categories.iter().copied());
    let config = lambda.config().telemetry(subscription).flush(strategy);
    Running::with(lambda, config).await
}

fn extension_line(text: &str) -> String {
    json!([{ "time": "2026-07-28T19:02:11.900Z", "type": "extension", "record": text }]).to_string()
}

/// Delivers lines of an extension every 30 ms, and gives how many were handed on.
async fn deliver(running: &mut Running, sender: &mut Sender, text: &str, batches: usize) -> u64 {
    let before = running.handle.metrics().batches;
    for _ in 0..batches {
        sleep(Duration::from_millis(30)).await;
        assert_eq!(sender.post(&extension_line(text)).await, 200);
    }
    running.handle.metrics().batches - before
}

#[tokio::test(start_paused = true)]
async fn an_extension_that_feeds_itself_gets_one_batch_a_second_between_invocations() {
    let mut running = running(&[Category::Extension], FlushStrategy::Shutdown).await;
    let mut sender = running.connect().await;
    // Ten seconds.
    let handed_on = deliver(&mut running, &mut sender, "printed in on_telemetry\n", 333).await;
    assert!((10..=21).contains(&handed_on), "{handed_on}");
    let dropped = running.handle.metrics().dropped_records;
    assert_eq!(handed_on + dropped, 333, "what is left out is counted");
    // An invocation begins: others may have something to say again.
    running.lambda.invoke("1", MINUTE);
    running.lambda.asked(2).await;
    assert_eq!(deliver(&mut running, &mut sender, "another extension\n", 5).await, 5);
}

#[tokio::test(start_paused = true)]
async fn own_marked_lines_are_no_news_at_all() {
    let mut running = running(&[Category::Extension], FlushStrategy::Shutdown).await;
    let mut sender = running.connect().await;
    let mark = format!("[{}] ", scripted::NAME);
    assert_eq!(deliver(&mut running, &mut sender, &format!("{mark} INFO flushed\n"), 100).await, 0);
    let metrics = running.handle.metrics();
    assert_eq!((metrics.dropped_batches, metrics.filtered_records), (0, 100), "they are no loss either");
    assert_eq!(deliver(&mut running, &mut sender, "another extension\n", 5).await, 5);
}

/// The loop may have asked for the next event long before the function is done.
#[tokio::test(start_paused = true)]
async fn other_extensions_may_go_on_writing_while_the_function_runs() {
    let mut running = running(&[Category::Extension], FlushStrategy::Adaptive).await;
    let mut sender = running.connect().await;
    for number in 0..10 {
        running.lambda.invoke(&number.to_string(), MINUTE);
        // Before it is waited for, as long as invocations are not dense.
        assert_eq!(sender.post(&runtime_done(&number.to_string())).await, 200);
        running.lambda.asked(number + 2).await;
    }
    running.lambda.invoke("a long one", MINUTE);
    running.lambda.asked(12).await;
    assert_eq!(deliver(&mut running, &mut sender, "another extension\n", 100).await, 100);
    assert_eq!(sender.post(&runtime_done("a long one")).await, 200);
    let handed_on = deliver(&mut running, &mut sender, "printed in on_telemetry\n", 100).await;
    assert!(handed_on < 20, "{handed_on}");
}

/// Its `on_init` fails.
struct Hopeless;

impl Extension for Hopeless {
    async fn on_init(&mut self, _: &Registration) -> Result<(), Error> {
        Err("nothing works".into())
    }
}

#[tokio::test]
async fn a_no_op_answers_and_counts_telemetry_and_holds_no_invocation() {
    let mut lambda = Lambda::start().await;
    let config = lambda.config().telemetry(Subscription::new([Category::Function])).flush(FlushStrategy::End);
    let registered = config.register().await.expect("it is taken");
    let handle = registered.registration().handle();
    let ended = tokio::spawn(registered.run(Hopeless));
    lambda.asked(1).await;
    let mut sender = Sender::connect(lambda.port()).await;
    for number in 0..10 {
        assert_eq!(sender.post(&format!("[{},{}]", line("a"), line("b"))).await, 200);
        // Nothing tells of the end of this invocation, and nobody waits for that.
        lambda.invoke(&number.to_string(), MINUTE);
        lambda.asked(number + 2).await;
    }
    lambda.shutdown();
    ended.await.expect("it does not panic").expect("it ends well");
    let metrics = handle.metrics();
    assert_eq!((metrics.invocations, metrics.errors, metrics.records), (10, 1, 0));
    assert_eq!((metrics.dropped_batches, metrics.dropped_records), (10, 20));
    assert_eq!((metrics.held, metrics.missed_runtime_done, metrics.flushed), (Duration::ZERO, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_time_that_flushes_take_is_counted_whether_or_not_they_succeed() {
    struct Slow(u32);
    impl Extension for Slow {
        async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
            self.0 += 1;
            sleep(Duration::from_millis(100) * self.0).await;
            if self.0 == 2 { Err("the sink is gone".into()) } else { Ok(()) }
        }
    }
    let mut lambda = Lambda::start().await;
    let registered = lambda.config().flush(FlushStrategy::End).register().await.expect("it is taken");
    let handle = registered.registration().handle();
    let _running = tokio::spawn(registered.run(Slow(0)));
    for number in 0..2 {
        lambda.asked(number + 1).await;
        lambda.invoke(&number.to_string(), MINUTE);
    }
    lambda.asked(3).await;
    let metrics = handle.metrics();
    assert_eq!((metrics.flushed, metrics.errors), (1, 1));
    // A timer of tokio's rings within the millisecond after its time.
    assert!((300..=302).contains(&metrics.flushing.as_millis()), "{metrics:?}");
    assert!((200..=201).contains(&metrics.longest_flush.as_millis()), "{metrics:?}");
}

#[tokio::test]
async fn a_platform_that_reports_no_end_holds_one_invocation_to_its_bound() {
    let mut running = running(&[Category::Function], FlushStrategy::End).await;
    for number in 0..10 {
        let began = Instant::now();
        running.lambda.invoke(&number.to_string(), Duration::from_millis(500));
        running.lambda.asked(number + 2).await;
        let held = began.elapsed();
        assert_eq!(number == 0, held >= Duration::from_millis(400), "invocation {number}: {held:?}");
    }
    let metrics = running.handle.metrics();
    assert_eq!(metrics.missed_runtime_done, 1);
    // Only the first had no time left to flush in.
    assert_eq!((metrics.flushed, metrics.flushes_skipped), (9, 1));
}

#[tokio::test]
async fn a_flush_that_was_asked_for_and_found_no_time_comes_with_the_next_invocation() {
    let mut running = running(&[Category::Extension], FlushStrategy::Shutdown).await;
    running.telemetry.forget_permits(usize::MAX >> 3);
    let mut sender = running.connect().await;
    assert_eq!(sender.post(&extension_line("the hook does not return from this")).await, 200);
    running.batch().await;
    running.handle.request_flush();
    running.lambda.invoke("1", Duration::from_millis(300));
    running.lambda.asked(2).await;
    assert_eq!(running.handle.metrics().flushes_skipped, 1);
    running.lambda.invoke("2", MINUTE);
    running.lambda.asked(3).await;
    let mut flushed = None;
    while let Ok(seen) = running.seen.try_recv() {
        if let Seen::Flush(reason) = seen {
            flushed = Some(reason);
        }
    }
    assert_eq!(flushed, Some(FlushReason::Requested));
}

#[tokio::test]
async fn ends_that_come_early_late_twice_or_for_others_hold_nobody_to_the_deadline() {
    let mut running = running(&[Category::Function], FlushStrategy::End).await;
    let mut sender = running.connect().await;
    for number in 0..100 {
        let (id, began) = (number.to_string(), Instant::now());
        if number % 4 == 0 {
            assert_eq!(sender.post(&runtime_done(&id)).await, 200);
        }
        running.lambda.invoke(&id, Duration::from_secs(1));
        match number % 4 {
            0 => {}
            1 => sleep(Duration::from_millis(20)).await,
            // The end of the invocation before, once more.
            _ => assert_eq!(sender.post(&runtime_done(&(number - 1).to_string())).await, 200),
        }
        if number % 4 != 0 {
            assert_eq!(sender.post(&runtime_done(&id)).await, 200);
        }
        running.lambda.asked(number + 2).await;
        assert!(began.elapsed() < Duration::from_millis(900), "invocation {number}: {:?}", began.elapsed());
    }
    let metrics = running.handle.metrics();
    assert_eq!((metrics.invocations, metrics.flushed, metrics.missed_runtime_done), (100, 100, 0));
}
