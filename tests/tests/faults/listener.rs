//! What is delivered to the telemetry listener, and how: floods, slow and broken senders, and bodies of every kind.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, time::sleep};

use crate::{
    life::{Doing, Script},
    scripted::{MAX_BODY, Sender, batch, head, line},
    table::{Lambda::*, PHASES, Promise, Table},
};

/// A disturbance: the records it got accepted, and how many deliveries were lost whose records nobody can count.
type Disturbance = fn(u16) -> Doing<(u64, u64)>;

const DISTURBANCES: [(&str, Disturbance); 12] = [
    ("a flood", |port| Box::pin(flood(port))),
    ("a slow sender", |port| {
        Box::pin(async move {
            let mut slow = Sender::connect(port).await;
            slow.send(&head(100).as_bytes()[..10]).await;
            // Until it is cut off, or the listener is closed.
            tokio::spawn(async move { slow.closed().await });
            (posts(port, &[batch("meanwhile")]).await, 1)
        })
    }),
    ("broken HTTP", |port| {
        Box::pin(async move {
            let mut broken = Sender::connect(port).await;
            broken.send(b"nonsense\r\n\r\n").await;
            broken.closed().await;
            (0, 1)
        })
    }),
    ("a delivery that breaks off", |port| {
        Box::pin(async move {
            let mut broken = Sender::connect(port).await;
            broken.send(format!("{}[{{", head(100)).as_bytes()).await;
            let _ = broken.stream.shutdown().await;
            broken.closed().await;
            (0, 1)
        })
    }),
    ("a body that is too large", |port| {
        Box::pin(async move {
            let body = batch(&"a".repeat(MAX_BODY));
            let answered = Sender::connect(port).await.post(&body).await;
            assert_eq!(answered, 200, "or it would be delivered again, for ever");
            (0, 1)
        })
    }),
    ("a chunked body", |port| {
        Box::pin(async move {
            let mut sender = Sender::connect(port).await;
            sender.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
            for chunk in batch("in pieces").as_bytes().chunks(7) {
                let chunk = String::from_utf8_lossy(chunk);
                sender.send(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes()).await;
            }
            sender.send(b"0\r\n\r\n").await;
            assert_eq!(sender.status().await, Some(200));
            (1, 0)
        })
    }),
    ("garbage", |port| Box::pin(async move { (posts(port, &["not what was agreed".to_owned()]).await, 0) })),
    ("a record of an unknown type", |port| {
        Box::pin(async move {
            let unknown = r#"{"time":"t","type":"platform.brandNew","record":{"answer":42}}"#;
            let neighbours = (line("before"), line("after"));
            let batch = format!("[{},{unknown},{}]", neighbours.0, neighbours.1);
            (3 * posts(port, &[batch]).await, 0)
        })
    }),
    ("an element that is no JSON", |port| {
        Box::pin(async move {
            let batch = format!("[{},{{oops}},{}]", line("before"), line("after"));
            (3 * posts(port, &[batch]).await, 0)
        })
    }),
    ("a batch that ends in the middle of an element", |port| {
        Box::pin(async move {
            let batch = format!("[{},{}", line("before"), &line("after")[..30]);
            (2 * posts(port, &[batch]).await, 0)
        })
    }),
    ("an empty body", |port| {
        Box::pin(async move {
            for body in ["", " ", "[]"] {
                assert_eq!(Sender::connect(port).await.post(body).await, 200);
            }
            (0, 0)
        })
    }),
    ("the same batch twice", |port| {
        Box::pin(async move {
            let batch = batch("once more");
            (posts(port, &[batch.clone(), batch]).await, 0)
        })
    }),
];

#[test]
fn deliveries_of_every_kind() {
    let mut table = Table::new("deliveries", Promise::Answers, 4);
    for (fault, disturbance) in DISTURBANCES {
        table.fault(fault);
        for phase in PHASES {
            table.seen(phase, Simulator, move || Script::new(phase).disturbing(disturbance).live());
        }
    }
    table.check();
}

/// Delivers these batches of one record each over one connection, and gives how many were accepted.
async fn posts(port: u16, batches: &[String]) -> u64 {
    let mut sender = Sender::connect(port).await;
    let mut accepted = 0;
    for batch in batches {
        accepted += u64::from(sender.post(batch).await == 200);
    }
    accepted
}

/// More at once than the queue holds, from more connections than are served at once.
async fn flood(port: u16) -> (u64, u64) {
    const CONNECTIONS: usize = 12;
    const BATCHES: usize = 4;
    let batch = batch(&"a".repeat(256 << 10));
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let batch = batch.clone();
            tokio::spawn(async move {
                let mut accepted = 0;
                for _ in 0..BATCHES {
                    accepted += try_post(port, &batch).await;
                }
                accepted
            })
        })
        .collect();
    let mut accepted = 0;
    for sender in senders {
        accepted += sender.await.expect("it does not panic");
    }
    (accepted, 0)
}

/// Delivers a batch, and tries again where the connection is closed before it is answered.
pub async fn try_post(port: u16, batch: &str) -> u64 {
    let Ok(stream) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else { return 0 };
    let mut sender = Sender { stream };
    let sent = sender.stream.write_all(format!("{}{batch}", head(batch.len())).as_bytes()).await;
    match (sent, sender.status().await) {
        (Ok(()), Some(200)) => 1,
        _ => {
            sleep(Duration::from_millis(10)).await;
            0
        }
    }
}
