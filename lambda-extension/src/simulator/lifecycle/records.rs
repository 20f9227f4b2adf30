//! What telemetry says of an invocation.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Failure;
use crate::simulator::core::{Core, Inner, Progress};
use crate::simulator::environment::{Outcome, Rules};
use crate::simulator::fault::Fault;
use crate::simulator::report::Status;
use crate::simulator::time::{iso, millis};

pub(super) const RUNTIME_DONE: &str = "platform.runtimeDone";

/// What is fixed when an invocation begins.
pub(super) struct Begun {
    pub(super) request_id: String,
    pub(super) sent: Instant,
    pub(super) trace: Option<String>,
    /// Its `platform.runtimeDone` is told already, or is not to be told as usual.
    pub(super) odd_end: Option<Fault>,
}

impl Begun {
    /// What every record of a traced invocation, or one of a tenant's, says beside its own.
    fn belongings(&self, core: &Core, into: &mut Value, span_id: &str) {
        if let Some(tenant) = &core.settings.tenant_id {
            into["tenantId"] = Value::from(tenant.as_str());
        }
        if let Some(trace) = &self.trace {
            into["tracing"] = json!({ "spanId": span_id, "type": "X-Amzn-Trace-Id", "value": trace });
        }
    }
}

pub(super) fn verdict(progress: &Progress, outcome: &Result<(), Failure>) -> (Status, Option<String>) {
    match (outcome, &progress.outcome) {
        (Err(failure), _) => (failure.status, failure.error_type.clone()),
        (Ok(()), Some(Outcome::Error { error_type, .. })) => (Status::Error, Some(error_type.clone())),
        (Ok(()), _) => (Status::Success, None),
    }
}

impl Inner {
    pub(super) fn say_start(&mut self, core: &Core, begun: &Begun) {
        let mut record = json!({
            "requestId": begun.request_id,
            "version": core.settings.function_version,
            "functionArn": core.settings.arn(),
        });
        let span_id = self.random.hex(16);
        begun.belongings(core, &mut record, &span_id);
        self.platform(core, "platform.start", record);
    }

    pub(super) fn say_runtime_done(&mut self, core: &Core, begun: &Begun, outcome: &Result<(), Failure>) {
        if let Some(record) = self.runtime_done(core, begun, outcome) {
            self.platform(core, RUNTIME_DONE, record);
        }
        if let Err(failure) = outcome {
            let what = match failure.status {
                Status::Timeout => {
                    format!(
                        "RequestId: {} Task timed out after {:.2} seconds",
                        begun.request_id,
                        core.settings.timeout.as_secs_f64()
                    )
                }
                _ => format!("RequestId: {} Process exited before completing request", begun.request_id),
            };
            self.platform(core, "platform.fault", Value::from(what));
        }
    }

    pub(super) fn runtime_done(
        &mut self,
        core: &Core,
        begun: &Begun,
        outcome: &Result<(), Failure>,
    ) -> Option<Value> {
        let now = Instant::now();
        let span_id = self.random.hex(16);
        let progress = self.progress_of(&begun.request_id)?;
        let (status, error_type) = verdict(progress, outcome);
        let done = progress.runtime_next.unwrap_or(now);
        let bytes = match &progress.outcome {
            Some(Outcome::Response(body) | Outcome::Error { body, .. }) => body.len(),
            None => 0,
        };
        let mut record = json!({
            "requestId": begun.request_id,
            "status": status.word(),
            "metrics": {
                "durationMs": millis(done.saturating_duration_since(progress.sent)),
                "producedBytes": bytes,
            },
        });
        if let Some(error) = error_type {
            record["errorType"] = Value::from(error);
        }
        if let Some(responded) = progress.responded {
            record["spans"] = json!([
                span(core, "responseLatency", progress.sent, responded),
                span(core, "responseDuration", responded, responded),
                span(core, "runtimeOverhead", responded, done),
            ]);
        }
        begun.belongings(core, &mut record, &span_id);
        Some(record)
    }

    #[expect(clippy::too_many_arguments, reason = "one record has that many sources")]
    pub(super) fn say_report(
        &mut self,
        core: &Core,
        begun: &Begun,
        progress: &Progress,
        status: Status,
        error_type: Option<&str>,
        duration: Duration,
        init: Option<Duration>,
        ended: Instant,
    ) {
        let managed = core.settings.rules() == Rules::ManagedInstances;
        let mut record = json!({ "requestId": begun.request_id, "status": status.word() });
        record["metrics"] = json!({ "durationMs": millis(duration) });
        if let Some(error) = error_type {
            record["errorType"] = Value::from(error);
        }
        if managed {
            if let Some(responded) = progress.responded {
                record["spans"] = json!([
                    span(core, "responseLatency", progress.sent, responded),
                    span(core, "responseDuration", responded, responded),
                ]);
            }
        } else {
            let billed = duration + init.unwrap_or_default();
            record["metrics"]["billedDurationMs"] = Value::from(billed.as_micros().div_ceil(1_000) as u64);
            record["metrics"]["memorySizeMB"] = Value::from(core.settings.memory_mb);
            record["metrics"]["maxMemoryUsedMB"] = Value::from(self.memory_used_mb(core.settings.memory_mb));
            // The first invocation after a restore tells of it.
            if let Some(restore) = self.restored.filter(|_| self.ledger.is_first_invocation()) {
                record["metrics"]["restoreDurationMs"] = Value::from(millis(restore));
            }
            if let Some(init) = init {
                record["metrics"]["initDurationMs"] = Value::from(millis(init));
            }
            if let Some(next) = progress.runtime_next
                && !self.env.agents().is_empty()
            {
                record["spans"] = json!([span(core, "extensionOverhead", next, ended)]);
            }
        }
        let span_id = self.random.hex(16);
        begun.belongings(core, &mut record, &span_id);
        self.platform(core, "platform.end", json!({ "requestId": begun.request_id }));
        self.platform(core, "platform.report", record);
    }

    /// What the processes used at their peak; extensions in this process cannot be measured apart.
    fn memory_used_mb(&mut self, limit: u32) -> u64 {
        let kb: u64 = self.guests.iter_mut().map(|guest| guest.peak_kb()).sum();
        kb.div_ceil(1024).max(1).min(u64::from(limit))
    }
}

/// A span of telemetry.
fn span(core: &Core, name: &str, from: Instant, to: Instant) -> Value {
    json!({
        "name": name,
        "start": iso(core.time.at_ms(from)),
        "durationMs": millis(to.saturating_duration_since(from)),
    })
}
