//! Telemetry over TCP: an event a line, without any answer.

mod scripted;

use lambda_extension::{
    Handle,
    telemetry::{Category, Protocol, Subscription},
};
use scripted::{Running, line};
use tokio::io::AsyncWriteExt;

async fn running() -> Running {
    Running::start(Subscription::new([Category::Function]).protocol(Protocol::Tcp)).await
}

fn dropped(handle: &Handle) -> u64 {
    handle.metrics().dropped_batches
}

#[tokio::test]
async fn lines_that_come_in_parts_are_put_together() {
    let mut running = running().await;
    let mut sender = running.connect().await;
    let (first, second, third) = (line("first"), line("second"), line("third"));
    let (begin, end) = second.split_at(20);
    sender.send(format!("{first}\n{begin}").as_bytes()).await;
    assert_eq!(running.events(1).await, [first]);
    sender.send(format!("{end}\r\n\n{third}\n").as_bytes()).await;
    assert_eq!(running.events(2).await, [second, third]);
    drop(sender);
    let mut again = running.connect().await;
    again.send(format!("{}\n", line("again")).as_bytes()).await;
    assert_eq!(running.events(1).await, [line("again")]);
    assert_eq!(dropped(&running.handle), 0);
}

#[tokio::test]
async fn the_last_line_may_lack_its_end() {
    let mut running = running().await;
    let mut sender = running.connect().await;
    sender.send(format!("{}\n{}", line("first"), line("last")).as_bytes()).await;
    sender.stream.shutdown().await.expect("it is connected");
    assert_eq!(running.events(2).await, [line("first"), line("last")]);
    assert_eq!(dropped(&running.handle), 0);
}

#[tokio::test]
async fn a_broken_line_costs_no_other() {
    let mut running = running().await;
    let mut sender = running.connect().await;
    sender.send(b"{\"time\":\"t\",\"type\":\"function\",\"record\":oops}\n\xff\n42\n").await;
    sender.send(format!("{}\n", line("whole")).as_bytes()).await;
    let lines = running.events(4).await;
    assert_eq!(lines[3], line("whole"));
    assert_eq!(lines[2], "42");
}

#[tokio::test(start_paused = true)]
async fn the_connection_may_be_silent_for_hours_and_keeps_its_place() {
    let mut running = running().await;
    let mut sender = running.connect().await;
    sender.send(format!("{}\n", line("before")).as_bytes()).await;
    assert_eq!(running.events(1).await, [line("before")]);
    tokio::time::sleep(std::time::Duration::from_secs(3 * 60 * 60)).await;
    let mut others = Vec::new();
    for _ in 0..30 {
        others.push(running.connect().await);
    }
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    sender.send(format!("{}\n", line("after")).as_bytes()).await;
    assert_eq!(running.events(1).await, [line("after")]);
}
