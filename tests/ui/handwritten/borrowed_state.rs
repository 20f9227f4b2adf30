//! Hooks borrow from `self`, and hold the borrow while they wait.
use std::collections::BTreeMap;

use lambda_extension::{
    Error, Extension, FlushEvent, InvokeEvent, Registration, RestoreEvent, ShutdownEvent, telemetry::Batch,
};

#[derive(Default)]
struct Shipper<'a> {
    target: &'a str,
    lines: Vec<String>,
    counts: BTreeMap<String, usize>,
}

async fn send(target: &str, lines: &mut Vec<String>) -> Result<usize, Error> {
    println!("{target}: {lines:?}");
    Ok(std::future::ready(lines.drain(..)).await.count())
}

impl Extension for Shipper<'_> {
    async fn on_init(&mut self, registration: &Registration) -> Result<(), Error> {
        let counts = &mut self.counts;
        std::future::ready(()).await;
        counts.insert(registration.function_name.clone(), 0);
        Ok(())
    }

    async fn on_invoke(&mut self, event: InvokeEvent) -> Result<(), Error> {
        let last = self.lines.last_mut();
        std::future::ready(()).await;
        if let Some(last) = last {
            last.push_str(&event.to_string());
        }
        Ok(())
    }

    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        self.lines.push(String::from_utf8_lossy(batch.as_bytes()).into_owned());
        Ok(())
    }

    async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
        let Self { target, lines, counts } = self;
        let sent = send(target, lines).await?;
        *counts.entry((*target).to_owned()).or_default() += sent;
        Ok(())
    }

    async fn on_restore(&mut self, _: RestoreEvent) -> Result<(), Error> {
        self.counts.clear();
        Ok(())
    }

    async fn on_shutdown(&mut self, event: ShutdownEvent) -> Result<(), Error> {
        println!("{event}: {:?}", self.counts);
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let target = String::from("somewhere");
    lambda_extension::run(Shipper { target: &target, ..Shipper::default() }).await
}
