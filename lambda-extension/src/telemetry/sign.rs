//! What telemetry says about the lifecycle.

use crate::{flush::Ended, id::RequestId};

/// What a batch says about the lifecycle, told ahead of the batch itself, which waits while a hook runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// The batch with this invocation's `platform.runtimeDone` has come, and waits for room in the queue: from now on only the
    /// extension keeps Lambda waiting.
    FunctionDone(RequestId),
    /// `platform.runtimeDone`.
    RuntimeDone(Ended),
    /// `platform.restoreStart`.
    RestoreStart { instance_id: Option<String> },
    /// `platform.logsDropped`, with the number of records.
    LogsDropped(u64),
}
