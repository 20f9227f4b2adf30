//! Delivers one subscriber's batches: only while the environment is thawed, again after a failure, not for ever.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::batcher::{Batch, Dropped};
use super::{Sender, Subscriber};
use crate::simulator::Fault;
use crate::simulator::core::Core;
use crate::simulator::time::iso;

/// Lambda does not publish its figures; these give a listener that is restarted a fair chance.
const ATTEMPTS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// An answer that takes longer counts as none, and the batch comes again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who asks for a larger batch than this has more than an extension in mind.
const LARGEST_BATCH: usize = 256 * 1024 * 1024;

/// Runs as a task until it is aborted.
pub(crate) async fn deliver(core: Arc<Core>, subscriber: Arc<Subscriber>, mut sender: Sender) {
    loop {
        let batch = next_batch(&core, &subscriber).await;
        tell_of_slowness(&core, &subscriber);
        let body = body(&core, &batch, sender.is_tcp());
        let twice = subscriber.comes_twice()
            || core.faults.take(|fault| (*fault == Fault::DuplicateBatch).then_some(())).is_some();
        let outcome = persist(&core, &subscriber, &mut sender, &body).await;
        settle(&core, &subscriber, &batch, &body, outcome);
        if twice && persist(&core, &subscriber, &mut sender, &body).await.is_ok() {
            core.lock().ledger.telemetry(&subscriber.name).duplicates += batch.len() as u64;
        }
        subscriber.batch_done();
        core.changed();
    }
}

async fn next_batch(core: &Core, subscriber: &Subscriber) -> Batch {
    loop {
        core.thawed().await;
        let woken = subscriber.wake.notified();
        if let Some(batch) = subscriber.take_due() {
            return batch;
        }
        match subscriber.deadline() {
            Some(deadline) => drop(tokio::time::timeout_at(deadline, woken).await),
            None => woken.await,
        }
    }
}

/// A batch has left, so there is room for the news that others were dropped.
fn tell_of_slowness(core: &Core, subscriber: &Subscriber) {
    let dropped = subscriber.take_dropped();
    let mut inner = core.lock();
    let figures = inner.ledger.telemetry(&subscriber.name);
    figures.lost += dropped.records;
    figures.dropped += dropped.records;
    let (now, format, window) = (core.time.now_ms(), core.settings.log_format, inner.hub.window);
    subscriber.say_dropped(dropped, super::SLOW_CONSUMER, now, format, window);
}

/// Tries until the listener accepts, and says in which window the batch that it accepted was sent: a listener may well
/// act on a batch, and the environment be frozen, before the answer is here.
async fn persist(
    core: &Core,
    subscriber: &Subscriber,
    sender: &mut Sender,
    body: &Bytes,
) -> Result<u64, String> {
    let mut pause = FIRST_PAUSE;
    let mut last_error = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            core.sleep_thawed(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        core.thawed().await;
        let window = core.lock().hub.window;
        match try_once(core, sender, body).await {
            Ok(()) => return Ok(window),
            Err(error) => {
                sender.hang_up();
                let mut inner = core.lock();
                inner.ledger.telemetry(&subscriber.name).failed_attempts += 1;
                inner.note(core, format!("telemetry to {} failed: {error}", subscriber.name));
                last_error = error;
            }
        }
    }
    Err(last_error)
}

async fn try_once(core: &Core, sender: &mut Sender, body: &Bytes) -> Result<(), String> {
    if core.faults.take(|fault| (*fault == Fault::ListenerRefused).then_some(())).is_some() {
        return Err("connection refused (on demand)".to_owned());
    }
    tokio::select! {
        outcome = sender.send(body.clone()) => outcome,
        () = core.sleep_thawed(PATIENCE) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

fn settle(core: &Core, subscriber: &Subscriber, batch: &Batch, body: &Bytes, outcome: Result<u64, String>) {
    let mut inner = core.lock();
    subscriber.batch_settled();
    let now = inner.hub.window;
    let figures = inner.ledger.telemetry(&subscriber.name);
    match outcome {
        Ok(window) => {
            figures.batches += 1;
            figures.delivered += batch.len() as u64;
            figures.late +=
                batch.iter().filter(|element| !element.comes_late && element.window < window).count() as u64;
        }
        Err(error) => {
            figures.lost += batch.len() as u64;
            let dropped = Dropped { records: batch.len() as u64, bytes: body.len() as u64 };
            let reason = format!("could not send events: {error}");
            let what = format!("did not accept {} telemetry records: {error}", batch.len());
            inner.problem(core, &subscriber.name, what);
            let format = core.settings.log_format;
            subscriber.say_dropped(dropped, &reason, core.time.now_ms(), format, now);
        }
    }
}

/// The bytes of a batch, with whatever somebody wants to be wrong about them.
fn body(core: &Core, batch: &Batch, lines: bool) -> Bytes {
    let mut elements: Vec<String> = batch.iter().map(|element| element.json.clone()).collect();
    let time = iso(core.time.now_ms());
    let wanted = |fault: &Fault| match fault {
        Fault::UnknownRecord(kind) => Some(format!(
            "{{\"time\":\"{time}\",\"type\":{},\"record\":{{\"field\":1}}}}",
            serde_json::Value::from(kind.as_str())
        )),
        Fault::MalformedBatch => Some(format!("{{\"time\":\"{time}\",\"type\":oops}}")),
        _ => None,
    };
    if let Some(odd) = core.faults.take(wanted) {
        elements.insert(elements.len() / 2, odd);
    }
    let oversized = |fault: &Fault| match fault {
        Fault::OversizedBatch(bytes) => Some(LARGEST_BATCH.min(*bytes)),
        _ => None,
    };
    if let Some(bytes) = core.faults.take(oversized) {
        let there: usize = elements.iter().map(|element| element.len() + 1).sum();
        let filling = "x".repeat(bytes.saturating_sub(there + 80));
        elements.push(format!("{{\"time\":\"{time}\",\"type\":\"function\",\"record\":\"{filling}\\n\"}}"));
    }
    let mut body = if lines { elements.join("\n") + "\n" } else { format!("[{}]", elements.join(",")) };
    if core.faults.take(|fault| (*fault == Fault::TruncatedBatch).then_some(())).is_some() {
        let last = elements.last().map_or(0, String::len);
        let mut cut = body.len().saturating_sub(last / 2 + 2);
        while !body.is_char_boundary(cut) {
            cut -= 1;
        }
        body.truncate(cut);
    }
    Bytes::from(body)
}
