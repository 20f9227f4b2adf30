//! The server that telemetry is delivered to: whoever sends what, Lambda's batches come through, and each loss is counted
//! once.

mod scripted;

use std::time::Duration;

use scripted::{MAX_BODY, Running, Sender, batch, head, line};
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn batches_come_by_post_and_put_to_any_path_with_any_content_type() {
    let mut running = Running::for_lines().await;
    let mut sender = running.connect().await;
    for (method, path, content_type) in [
        ("POST", "/", "application/json"),
        ("PUT", "/any/path?with=query", "text/plain"),
        ("POST", "/telemetry", "\u{fc}"),
    ] {
        let body = batch(path);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nsequence-id: 1\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        sender.send(request.as_bytes()).await;
        assert_eq!(sender.status().await, Some(200), "{method} {path}");
        assert_eq!(running.events(1).await, [line(path)]);
    }
    running.assert_lost(0).await;
}

#[tokio::test]
async fn other_methods_are_refused_and_are_no_loss() {
    let mut running = Running::for_lines().await;
    for method in ["GET", "DELETE"] {
        let mut sender = running.connect().await;
        sender
            .send(format!("{method} / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n[]").as_bytes())
            .await;
        assert_eq!(sender.status().await, Some(405));
        sender.closed().await;
        // Not even if it never sends the body it promises, and never closes.
        let mut sender = running.connect().await;
        sender.send(format!("{method} / HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n").as_bytes()).await;
        assert_eq!(sender.status().await, Some(405));
        sender.closed().await;
    }
    running.assert_lost(0).await;
}

#[tokio::test]
async fn a_chunked_body_is_put_together() {
    let mut running = Running::for_lines().await;
    let mut sender = running.connect().await;
    let body = batch("in pieces");
    sender.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for chunk in body.as_bytes().chunks(7) {
        sender.send(format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)).as_bytes()).await;
    }
    sender.send(b"0\r\n\r\n").await;
    assert_eq!(sender.status().await, Some(200));
    assert_eq!(running.events(1).await, [line("in pieces")]);
}

#[tokio::test]
async fn one_connection_carries_many_batches() {
    let mut running = Running::for_lines().await;
    let mut sender = running.connect().await;
    let texts: Vec<_> = (0..200).map(|number| format!("line {number}")).collect();
    for text in &texts {
        assert_eq!(sender.post(&batch(text)).await, 200);
    }
    let expected: Vec<_> = texts.iter().map(|text| line(text)).collect();
    assert_eq!(running.events(200).await, expected);
}

#[tokio::test]
async fn each_batch_may_come_over_a_connection_of_its_own() {
    let mut running = Running::for_lines().await;
    for number in 0..50 {
        let text = format!("line {number}");
        assert_eq!(running.connect().await.post(&batch(&text)).await, 200);
        assert_eq!(running.events(1).await, [line(&text)]);
    }
    running.assert_lost(0).await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_left_open_keep_nobody_out() {
    let mut running = Running::for_lines().await;
    let mut left_open = Vec::new();
    for number in 0..30 {
        // Every other one says nothing at all, as a port scanner does.
        let mut sender = running.connect().await;
        if number % 2 == 0 {
            assert_eq!(sender.post(&batch("x")).await, 200, "connection {number}");
            running.events(1).await;
        }
        left_open.push(sender);
    }
    running.assert_lost(0).await;
}

#[tokio::test]
async fn ten_connections_deliver_at_once() {
    let mut running = Running::for_lines().await;
    let senders: Vec<_> = (0..10)
        .map(|number| {
            let port = running.lambda.port();
            tokio::spawn(async move {
                let mut sender = Sender::connect(port).await;
                for batch_number in 0..20 {
                    assert_eq!(sender.post(&batch(&format!("{number}.{batch_number}"))).await, 200);
                }
            })
        })
        .collect();
    let mut received = running.events(200).await;
    received.sort();
    let mut sent: Vec<_> =
        (0..10).flat_map(|n| (0..20).map(move |batch_number| line(&format!("{n}.{batch_number}")))).collect();
    sent.sort();
    assert_eq!(received, sent);
    for sender in senders {
        sender.await.expect("it was answered");
    }
    running.assert_lost(0).await;
}

#[tokio::test(start_paused = true)]
async fn who_sends_too_slowly_is_cut_off_after_ten_seconds_while_others_go_on() {
    for part in [&b"POST / HT"[..], b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n[{\"time\":"] {
        let mut running = Running::for_lines().await;
        let mut slow = running.connect().await;
        let mut other = running.connect().await;
        let began = Instant::now();
        slow.send(part).await;
        for _ in 0..9 {
            sleep(Duration::from_secs(1)).await;
            assert_eq!(other.post(&batch("meanwhile")).await, 200);
        }
        slow.closed().await;
        let took = began.elapsed();
        assert!((Duration::from_secs(10)..Duration::from_millis(10_100)).contains(&took), "{took:?}");
        assert_eq!(other.post(&batch("afterwards")).await, 200);
        running.assert_lost(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_be_silent_for_hours_between_two_batches() {
    let mut running = Running::for_lines().await;
    let mut sender = running.connect().await;
    assert_eq!(sender.post(&batch("before")).await, 200);
    sleep(Duration::from_secs(3 * 60 * 60)).await;
    assert_eq!(sender.post(&batch("after")).await, 200);
    running.assert_lost(0).await;
}

#[tokio::test(start_paused = true)]
async fn batches_that_follow_each_other_without_a_pause_have_ten_seconds_each() {
    let mut running = Running::for_lines().await;
    let mut sender = running.connect().await;
    let body = batch("x");
    // Each message ends one request and begins the next.
    sender.send(head(body.len()).as_bytes()).await;
    for _ in 0..20 {
        sleep(Duration::from_millis(900)).await;
        sender.send(format!("{body}{}", head(body.len())).as_bytes()).await;
        assert_eq!(sender.status().await, Some(200));
    }
    sender.send(body.as_bytes()).await;
    assert_eq!(sender.status().await, Some(200));
    running.assert_lost(0).await;
}

#[tokio::test]
async fn broken_http_is_counted_once() {
    let many: String = (0..33).map(|number| format!("h{number}: v\r\n")).collect();
    for broken in [
        "nonsense\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
        format!("POST / HTTP/1.1\r\n{many}content-length: 2\r\n\r\n[]"),
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nnot a length\r\n".to_owned(),
    ] {
        let mut running = Running::for_lines().await;
        let mut sender = running.connect().await;
        sender.send(broken.as_bytes()).await;
        sender.closed().await;
        running.assert_lost(1).await;
    }
}

#[tokio::test]
async fn a_batch_that_breaks_off_is_counted_once() {
    for part in ["POST / HTTP/1.1\r\nhost", &format!("{}[{{", head(100)), &head(100)] {
        let mut running = Running::for_lines().await;
        let mut sender = running.connect().await;
        sender.send(part.as_bytes()).await;
        running.settle().await;
        drop(sender);
        running.assert_lost(1).await;
    }
}

#[tokio::test]
async fn connections_that_come_and_go_without_a_batch_are_no_loss() {
    let mut running = Running::for_lines().await;
    drop(running.connect().await);
    let mut sender = running.connect().await;
    assert_eq!(sender.post(&batch("x")).await, 200);
    drop(sender);
    running.assert_lost(0).await;
}

#[tokio::test]
async fn a_body_of_the_greatest_size_is_taken() {
    let mut running = Running::for_lines().await;
    let mut sender = running.connect().await;
    let text = "a".repeat(MAX_BODY - batch("").len());
    assert_eq!(sender.post(&batch(&text)).await, 200);
    assert_eq!(running.events(1).await, [line(&text)]);
    running.assert_lost(0).await;
}

/// A refusal would be delivered again for ever, and so would a batch whose answer never came.
#[tokio::test]
async fn a_body_that_is_too_large_is_read_answered_and_counted_once() {
    let mut running = Running::for_lines().await;
    // More than the sockets between the two hold.
    let body = batch(&"a".repeat(12 * MAX_BODY));
    let mut sender = running.connect().await;
    assert_eq!(sender.post(&body).await, 200);
    running.assert_lost(1).await;
    let mut sender = running.connect().await;
    let chunked = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    sender.send(chunked.as_bytes()).await;
    assert_eq!(sender.status().await, Some(200));
    running.assert_lost(2).await;
}

#[tokio::test]
async fn an_empty_body_is_answered_and_is_nothing() {
    let mut running = Running::for_lines().await;
    let mut sender = running.connect().await;
    for body in ["", " ", "[]"] {
        assert_eq!(sender.post(body).await, 200);
    }
    running.assert_lost(0).await;
    assert_eq!(running.handle.metrics().batches, 1, "only the one that settles");
}

#[tokio::test]
async fn garbage_is_answered_and_handed_on_as_it_is() {
    let mut running = Running::for_lines().await;
    let mut sender = running.connect().await;
    assert_eq!(sender.post("not what was agreed").await, 200);
    assert_eq!(running.events(1).await, ["not what was agreed"]);
    running.assert_lost(0).await;
}

#[tokio::test]
async fn a_sender_that_does_not_wait_for_the_answer_has_delivered() {
    let mut running = Running::for_lines().await;
    let mut sender = running.connect().await;
    let body = batch("last words");
    sender.send(format!("{}{body}", head(body.len())).as_bytes()).await;
    drop(sender);
    assert_eq!(running.events(1).await, [line("last words")]);
    running.assert_lost(0).await;
}
