//! The floor for telemetry: scans each body as a JSON array, builds nothing, and counts its elements.

use std::{
    env,
    io::{self, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use serde::de::IgnoredAny;
use subject_floor::{Api, read};

fn variable(name: &str) -> u64 {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn serve(stream: TcpStream, seen: &AtomicU64) -> io::Result<()> {
    let expected = variable("BENCHMARK_RECORDS");
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut body = Vec::new();
    while read(&mut stream, &mut body)?.is_some() {
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        // Its elements take no memory, so this is a counter.
        let records: Vec<IgnoredAny> = serde_json::from_slice(&body)?;
        let seen = seen.fetch_add(records.len() as u64, Ordering::Relaxed) + records.len() as u64;
        if seen == expected {
            println!("{seen} {}", body.len());
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let port = u16::try_from(variable("BENCHMARK_PORT")).map_err(io::Error::other)?;
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    let port = listener.local_addr()?.port();
    let mut api = Api::register()?;
    api.subscribe(port)?;
    thread::spawn(move || {
        let seen = Arc::new(AtomicU64::new(0));
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            thread::spawn(move || serve(stream, &seen));
        }
    });
    loop {
        let event = String::from_utf8_lossy(api.next_event()?);
        if event.contains(r#""eventType":"SHUTDOWN""#) {
            return Ok(());
        }
    }
}
