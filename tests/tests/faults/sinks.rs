//! Where an extension sends what it has gathered: a sink that refuses, hangs, answers 500 or resets harms nobody but itself.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use lambda_extension::{
    Config, Error, Extension, ExtensionError, FlushEvent, FlushStrategy, Handle,
    simulator::{Function, ShutdownReason, Simulator as Lambda},
    telemetry::{Batch, Category, Subscription},
};
use lambda_extension_tests::lock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    life::{NAME, word},
    outcome::{Accounts, Outcome, counted},
    table::{Flush, Idle, Init, Invoke, Lambda::*, Phase, Promise, Shutdown, Table},
};

#[derive(Clone, Copy, Debug)]
enum Sink {
    Refuses,
    Hangs,
    Answers500,
    Resets,
}

#[test]
fn sinks_that_do_not_take_what_is_sent() {
    let mut table = Table::new("sinks", Promise::Answers, 8);
    for (fault, sink) in [
        ("the sink refuses the connection", Sink::Refuses),
        ("the sink hangs", Sink::Hangs),
        ("the sink answers 500", Sink::Answers500),
        ("the sink resets the connection", Sink::Resets),
    ] {
        table.fault(fault);
        for phase in [Flush, Shutdown] {
            table.seen(phase, Simulator, move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
                runtime.expect("a runtime").block_on(ship(sink, phase))
            });
        }
        table.never(
            &[Init, Invoke],
            "What is sent in `on_init` or `on_invoke` fails, or hangs, as the hook that sends it: see the first table.",
        );
        table.never(&[Idle], "Nothing is sent between two invocations: `on_telemetry` only keeps.");
    }
    table.check();
}

/// Sends, and then removes, as the documentation of `Extension` asks for.
struct Shipper {
    kept: Vec<String>,
    left: Arc<Mutex<usize>>,
    sink: SocketAddr,
    /// An address that is taken, and where nobody listens.
    nowhere: SocketAddr,
    books: Arc<Books>,
    refuses: bool,
}

impl Extension for Shipper {
    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        self.kept.extend(batch.events().map(|event| String::from_utf8_lossy(event.raw()).into_owned()));
        *lock(&self.left) = self.kept.len();
        Ok(())
    }

    async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let refused = self.refuses && *lock(&self.books.misbehaves);
        let mut sink = TcpStream::connect(if refused { self.nowhere } else { self.sink }).await?;
        let body = self.kept.join("\n");
        let head = format!("POST / HTTP/1.0\r\ncontent-length: {}\r\n\r\n", body.len());
        sink.write_all(format!("{head}{body}").as_bytes()).await?;
        let mut answer = String::new();
        sink.read_to_string(&mut answer).await?;
        if !answer.starts_with("HTTP/1.0 200") {
            return Err(format!("the sink answered {}", answer.lines().next().unwrap_or_default()).into());
        }
        self.kept.clear();
        *lock(&self.left) = 0;
        Ok(())
    }
}

/// A sink that misbehaves while this says so; what it takes, in records.
struct Books {
    misbehaves: Mutex<bool>,
    taken: Mutex<Vec<String>>,
}

async fn ship(sink: Sink, phase: Phase) -> Outcome {
    let books = Arc::new(Books { misbehaves: Mutex::new(phase == Flush), taken: Mutex::default() });
    let address = serve(sink, Arc::clone(&books)).await;
    let function = Function::echo().logs("a line of the function's");
    let simulator = Lambda::builder().function(function).start().await;
    let (left, handle) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(None)));
    let taken = TcpSocket::new_v4().expect("a socket");
    taken.bind("127.0.0.1:0".parse().expect("an address")).expect("a port is free");
    let shipper = Shipper {
        kept: Vec::new(),
        left: Arc::clone(&left),
        sink: address,
        nowhere: taken.local_addr().expect("it is bound"),
        books: Arc::clone(&books),
        refuses: matches!(sink, Sink::Refuses),
    };
    let running = tokio::spawn(run(config(&simulator), shipper, Arc::clone(&handle)));
    let mut answers = Vec::new();
    for number in 0..3 {
        // Down in the first two invocations, and up again in the third.
        if number == 2 {
            *lock(&books.misbehaves) = false;
        }
        answers.push(word(&simulator.invoke("{}").await));
    }
    *lock(&books.misbehaves) = phase == Shutdown;
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    let ended = running.await.expect("it does not panic");
    let metrics = lock(&handle).take().map(|handle: Handle| handle.metrics()).expect("it has registered");
    let (taken, left) = (lock(&books.taken).len() as u64, *lock(&left) as u64);
    assert_eq!(taken + left, metrics.records, "nothing is sent twice, and nothing is forgotten");
    let data = if left == 0 { "sent when the sink is back" } else { "unsent at the end" };
    Outcome {
        answers,
        accounts: Some(Accounts {
            sent: report.telemetry[0].delivered,
            handed_on: metrics.records,
            dropped: metrics.dropped_records,
            broken: 0,
            dropped_batches: metrics.dropped_batches,
        }),
        data: Some(data),
        ends: vec![if ended.is_ok() { "exit 0" } else { "exit 1" }.to_owned()],
        counted: Some(counted(&[metrics])),
    }
}

fn config(simulator: &Lambda) -> Config {
    simulator
        .config(NAME)
        .telemetry(Subscription::new([Category::Platform, Category::Function]).port(0))
        .flush(FlushStrategy::End)
        .max_hold(Duration::from_millis(500))
}

async fn run(
    config: Config,
    shipper: Shipper,
    told: Arc<Mutex<Option<Handle>>>,
) -> Result<(), ExtensionError> {
    let registered = config.register().await?;
    *lock(&told) = Some(registered.registration().handle());
    registered.run(shipper).await
}

async fn serve(sink: Sink, books: Arc<Books>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let mut hanging = Vec::new();
        loop {
            let (stream, _) = listener.accept().await.expect("it is bound");
            let misbehaves = *lock(&books.misbehaves);
            match (misbehaves, sink) {
                (true, Sink::Refuses) => unreachable!("it is not there that is connected to"),
                (true, Sink::Hangs) => hanging.push(stream),
                (true, Sink::Resets) => {
                    let _ = stream.set_zero_linger();
                    drop(stream);
                }
                (true, Sink::Answers500) => answer(stream, "500 Internal Server Error").await.clear(),
                (false, _) => {
                    let records = answer(stream, "200 OK").await;
                    lock(&books.taken).extend(records);
                }
            }
        }
    });
    address
}

/// Reads a delivery, answers it, and gives its records.
async fn answer(mut stream: TcpStream, status: &str) -> Vec<String> {
    let mut text = String::new();
    let mut piece = vec![0; 64 << 10];
    let whole = |text: &str| {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length: usize = head.rsplit_once(": ")?.1.parse().ok()?;
        (body.len() >= length).then(|| body.lines().map(ToOwned::to_owned).collect::<Vec<_>>())
    };
    loop {
        if let Some(records) = whole(&text) {
            let _ = stream.write_all(format!("HTTP/1.0 {status}\r\n\r\n").as_bytes()).await;
            return records;
        }
        match timeout(Duration::from_secs(60), stream.read(&mut piece)).await {
            Ok(Ok(read)) if read > 0 => text.push_str(&String::from_utf8_lossy(&piece[..read])),
            _ => return Vec::new(),
        }
    }
}
