//! The queue between listener and extension: bounded, so that telemetry never eats the function's memory, and honest about
//! what does not fit.

mod scripted;

use std::time::Duration;

use lambda_extension::{
    FlushReason, FlushStrategy,
    telemetry::{Category, Subscription},
};
use scripted::{Lambda, Running, Seen, batch, line, runtime_done};
use tokio::time::{Instant, sleep};

const CAPACITY: usize = 4 << 20;
const BATCH: usize = 256 << 10;

/// A batch of one event and of exactly 256 KiB.
fn large(number: usize) -> String {
    let shortest = batch(&format!("{number:02}")).len();
    batch(&format!("{number:02}{}", "a".repeat(BATCH - shortest)))
}

async fn stuck() -> Running {
    let mut running = Running::for_lines().await;
    running.telemetry.forget_permits(usize::MAX >> 3);
    let mut sender = running.connect().await;
    assert_eq!(sender.post(&batch("the hook does not return from this")).await, 200);
    running.batch().await;
    running
}

#[tokio::test(start_paused = true)]
async fn four_mebibytes_wait_for_a_hook_that_does_not_return_and_what_comes_then_is_counted_after_a_second() {
    let mut running = stuck().await;
    let mut sender = running.connect().await;
    for number in 0..CAPACITY / BATCH {
        let began = Instant::now();
        assert_eq!(sender.post(&large(number)).await, 200);
        assert_eq!(began.elapsed(), Duration::ZERO, "there is room for batch {number}");
    }
    let two = format!("[{},{}]", line("too"), line("much"));
    let began = Instant::now();
    assert_eq!(sender.post(&two).await, 200);
    assert!((1_000..1_010).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    let metrics = running.handle.metrics();
    assert_eq!((metrics.dropped_batches, metrics.dropped_records), (1, 2));
    assert_eq!(metrics.longest_queue, CAPACITY as u64);
    // The hook returns after all: nothing that was queued is lost, and it comes in its order.
    running.telemetry.add_permits(1_000);
    for number in 0..CAPACITY / BATCH {
        assert_eq!(running.batch().await[0].raw(), &large(number).as_bytes()[1..BATCH - 1]);
    }
    running.settle().await;
    assert_eq!(running.handle.metrics().dropped_batches, 1);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_is_let_in_as_soon_as_there_is_room() {
    let mut running = stuck().await;
    let mut sender = running.connect().await;
    for number in 0..CAPACITY / BATCH {
        assert_eq!(sender.post(&large(number)).await, 200);
    }
    let port = running.lambda.port();
    let last = large(99);
    let waiting = tokio::spawn(async move {
        let began = Instant::now();
        assert_eq!(scripted::Sender::connect(port).await.post(&large(99)).await, 200);
        began.elapsed()
    });
    sleep(Duration::from_millis(400)).await;
    assert!(!waiting.is_finished());
    running.telemetry.add_permits(1_000);
    let waited = waiting.await.expect("it is answered");
    assert!((400..420).contains(&waited.as_millis()), "{waited:?}");
    while running.batch().await[0].raw() != &last.as_bytes()[1..BATCH - 1] {}
    assert_eq!(running.handle.metrics().dropped_batches, 0);
}

#[tokio::test]
async fn a_flood_of_tiny_batches_is_bounded_too() {
    let running = stuck().await;
    let mut sender = running.connect().await;
    for _ in 0..CAPACITY >> 10 {
        assert_eq!(sender.post("[1]").await, 200);
    }
    assert_eq!(running.handle.metrics().dropped_batches, 0);
    assert_eq!(sender.post("[1]").await, 200);
    assert_eq!(running.handle.metrics().dropped_batches, 1);
}

/// Lambda bills from the function's end, whether or not there is room for the batch that tells of it.
#[tokio::test]
async fn a_full_queue_does_not_hide_the_end_of_the_function() {
    let max_hold = Duration::from_millis(200);
    let lambda = Lambda::start().await;
    let config = lambda
        .config()
        .telemetry(Subscription::new([Category::Function]))
        .flush(FlushStrategy::End)
        .max_hold(max_hold);
    let mut running = Running::with(lambda, config).await;
    running.telemetry.forget_permits(usize::MAX >> 3);
    running.lambda.invoke("1", Duration::from_secs(60));
    while !matches!(running.seen.recv().await, Some(Seen::Invoke(_))) {}
    let mut sender = running.connect().await;
    for number in 0..=CAPACITY / BATCH {
        assert_eq!(sender.post(&large(number)).await, 200);
    }
    let ended = Instant::now();
    assert_eq!(sender.post(&runtime_done("1")).await, 200);
    running.lambda.asked(2).await;
    let held = ended.elapsed();
    assert!(held < max_hold + Duration::from_millis(500), "{held:?}");
    assert_eq!(running.handle.metrics().cancelled, 1);
}

#[tokio::test]
async fn what_came_before_the_end_of_the_function_is_handed_on_before_the_flush() {
    let lambda = Lambda::start().await;
    let config = lambda.config().telemetry(Subscription::new([Category::Function])).flush(FlushStrategy::End);
    let mut running = Running::with(lambda, config).await;
    for number in 0..20 {
        let request_id = number.to_string();
        running.lambda.invoke(&request_id, Duration::from_secs(60));
        let mut sender = running.connect().await;
        let text = format!("line of {number}");
        assert_eq!(sender.post(&batch(&text)).await, 200);
        assert_eq!(sender.post(&runtime_done(&request_id)).await, 200);
        running.lambda.asked(number + 2).await;
        let mut handed_on = Vec::new();
        loop {
            match running.seen.recv().await.expect("the extension runs") {
                Seen::Telemetry(events) => {
                    handed_on.extend(events.iter().map(|event| event.raw().to_vec()));
                }
                Seen::Flush(reason) => {
                    assert_eq!(reason, FlushReason::InvocationEnd);
                    break;
                }
                _ => {}
            }
        }
        assert_eq!(handed_on, [line(&text).into_bytes()]);
    }
}
