//! What telemetry says about the lifecycle.

use crate::id::RequestId;

/// What a batch says about the lifecycle, told ahead of the batch itself, which waits while a hook runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// `platform.runtimeDone`.
    RuntimeDone(RequestId),
    /// `platform.restoreStart`.
    RestoreStart { instance_id: Option<String> },
    /// `platform.logsDropped`, with the number of records.
    LogsDropped(u64),
}
