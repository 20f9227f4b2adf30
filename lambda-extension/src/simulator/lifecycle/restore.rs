//! SnapStart: what was frozen after Init goes on elsewhere, later.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::Failure;
use crate::simulator::core::Core;
use crate::simulator::report::Status;
use crate::simulator::time::millis;

const RESTORE_TIMEOUT: Duration = Duration::from_secs(10);

impl Core {
    /// Restores the environment: the runtime runs its hooks, extensions are told nothing.
    pub(crate) async fn restore_now(self: &Arc<Self>) -> Result<Duration, Failure> {
        let started = Instant::now();
        self.thaw();
        {
            let mut inner = self.lock();
            let record = json!({
                "functionName": self.settings.function_name,
                "functionVersion": self.settings.function_version,
                "instanceId": inner.log_stream,
                "instanceMaxMemory": u64::from(self.settings.memory_mb) * 1024 * 1024,
                "runtimeVersion": self.settings.runtime_version,
                "runtimeVersionArn": format!("arn:aws:lambda:{}::runtime:simulated", self.settings.region),
            });
            inner.platform(self, "platform.restoreStart", record);
            let released = inner.env.runtime.restore();
            inner.let_go(released);
        }
        let outcome = self.gate(started + RESTORE_TIMEOUT, |inner| !inner.env.runtime.is_restoring()).await;
        let took = started.elapsed();
        let mut done = json!({ "status": outcome.as_ref().err().map_or(Status::Success, |failure| failure.status).word() });
        if let Some(error) = outcome.as_ref().err().and_then(|failure| failure.error_type.as_deref()) {
            done["errorType"] = error.into();
        }
        let mut report = done.clone();
        report["metrics"] = json!({ "durationMs": millis(took) });
        let mut inner = self.lock();
        inner.restored = Some(took);
        inner.platform(self, "platform.restoreRuntimeDone", done);
        inner.platform(self, "platform.restoreReport", report);
        outcome.map(|()| took)
    }
}
