//! Who can reach the listener can be anybody in the sandbox: whatever that sends, for however long, costs a bounded amount, and
//! Lambda's batches come through. `SECURITY.md` says who that may be; more of the limits are in `telemetry_listener.rs`.

mod scripted;

use std::time::Duration;

use scripted::{Running, batch, head, line};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

/// Every byte comes in time, and the head never ends.
#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_is_cut_off_after_ten_seconds() {
    let mut running = Running::for_lines().await;
    let mut slow = running.connect().await;
    let mut other = running.connect().await;
    let began = Instant::now();
    slow.send(b"POST / HTTP/1.1\r\n").await;
    while slow.stream.write_all(b"a: b\r\n").await.is_ok() && began.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(900)).await;
        assert_eq!(other.post(&batch("meanwhile")).await, 200);
    }
    let took = began.elapsed();
    assert!((10_000..12_000).contains(&took.as_millis()), "{took:?}");
    running.assert_lost(1).await;
}

#[tokio::test]
async fn a_head_of_a_mebibyte_is_not_kept() {
    for head in [
        format!("POST / HTTP/1.1\r\nauthorization: {}", "a".repeat(1 << 20)),
        format!("POST /{} HTTP/1.1", "a".repeat(1 << 20)),
        "a: b\r\n".repeat(200_000),
    ] {
        let mut running = Running::for_lines().await;
        let mut sender = running.connect().await;
        // The listener may close before it has read all of it.
        let _ = sender.stream.write_all(head.as_bytes()).await;
        sender.closed().await;
        running.assert_lost(1).await;
    }
}

/// No length is announced, every chunk comes in time, and there is no last one.
#[tokio::test(start_paused = true)]
async fn a_chunked_body_without_an_end_is_cut_off_and_counted_once() {
    let mut running = Running::for_lines().await;
    let mut endless = running.connect().await;
    let mut other = running.connect().await;
    let chunk = format!("{:x}\r\n{}\r\n", 64 << 10, "a".repeat(64 << 10));
    let began = Instant::now();
    endless.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let mut sent = 0;
    while endless.stream.write_all(chunk.as_bytes()).await.is_ok()
        && began.elapsed() < Duration::from_secs(60)
    {
        sent += chunk.len();
        sleep(Duration::from_millis(100)).await;
    }
    let took = began.elapsed();
    assert!((10_000..12_000).contains(&took.as_millis()), "{took:?}");
    assert!(sent > 4 << 20, "more than a batch may have: {sent}");
    assert_eq!(other.post(&batch("afterwards")).await, 200);
    running.assert_lost(1).await;
}

#[tokio::test]
async fn batches_that_come_before_the_answers_are_all_answered_in_their_order() {
    let mut running = Running::for_lines().await;
    let mut sender = running.connect().await;
    let texts: Vec<_> = (0..50).map(|number| format!("line {number}")).collect();
    let requests = texts.iter().map(|text| format!("{}{}", head(batch(text).len()), batch(text)));
    sender.send(requests.collect::<String>().as_bytes()).await;
    for text in &texts {
        assert_eq!(sender.status().await, Some(200));
        assert_eq!(running.batch().await[0].raw(), line(text).as_bytes());
    }
    running.assert_lost(0).await;
}

/// Each newcomer waits until one of the eight has been idle for a second, and then eight at a time get in.
#[tokio::test(start_paused = true)]
async fn two_hundred_silent_connections_keep_nobody_out() {
    let mut running = Running::for_lines().await;
    let mut used = running.connect().await;
    assert_eq!(used.post(&batch("before")).await, 200);
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(running.connect().await);
    }
    assert_eq!(used.post(&batch("over the connection that Lambda uses")).await, 200);
    let began = Instant::now();
    assert_eq!(running.connect().await.post(&batch("over a new one")).await, 200);
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    running.assert_lost(0).await;
    // Those that had to make room were closed, not only forgotten.
    assert_eq!(silent[0].stream.read(&mut [0]).await.unwrap_or(0), 0);
}

/// Bytes that look like HTTP now and then, from a fixed seed.
fn garbage(seed: u64) -> Vec<u8> {
    const WORDS: [&[u8]; 12] = [
        b"POST / HTTP/1.1\r\n",
        b"PUT * HTTP/1.0\r\n",
        b"content-length: ",
        b"transfer-encoding: chunked\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"18446744073709551616",
        b"expect: 100-continue\r\n",
        b"upgrade: h2c\r\nconnection: upgrade\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"[{\"record\":",
    ];
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::new();
    for _ in 0..next() % 12 {
        match next() % 16 {
            word @ 0..12 => bytes.extend_from_slice(WORDS[word as usize]),
            _ => bytes.extend_from_slice(&next().to_ne_bytes()),
        }
    }
    bytes
}

#[tokio::test]
async fn garbage_from_a_thousand_connections_costs_at_most_itself() {
    let mut running = Running::for_lines().await;
    for seed in 0..1_000 {
        let mut sender = running.connect().await;
        let _ = sender.stream.write_all(&garbage(seed)).await;
        let _ = sender.stream.shutdown().await;
        sender.closed().await;
    }
    let before = running.handle.metrics().dropped_batches;
    assert!(before <= 1_000, "{before}");
    assert_eq!(running.connect().await.post(&batch("afterwards")).await, 200);
    running.assert_lost(before).await;
}

/// Each event is kept as places in the body, which take more room than the event if that is one byte long.
#[tokio::test]
async fn batches_of_tiny_events_are_bounded_by_the_memory_they_take() {
    let mut running = Running::for_lines().await;
    running.telemetry.forget_permits(usize::MAX >> 3);
    let mut sender = running.connect().await;
    assert_eq!(sender.post(&batch("the hook does not return from this")).await, 200);
    running.batch().await;
    let events = 40_000;
    let body = format!("[0{}]", ",0".repeat(events - 1));
    let mut accepted = 0;
    while running.handle.metrics().dropped_batches == 0 {
        assert_eq!(sender.post(&body).await, 200);
        accepted += 1;
    }
    // Of the bodies alone fifty would fit into the 4 MiB.
    assert!(accepted < 5, "{accepted}");
    assert_eq!(running.handle.metrics().dropped_records, events as u64);
}
