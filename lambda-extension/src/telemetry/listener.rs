//! The HTTP server Lambda delivers telemetry to.

/// An open listener.
#[derive(Debug)]
pub(crate) struct Listener {}

impl Listener {
    pub(crate) fn is_receiving(&self) -> bool {
        false
    }
    pub(crate) fn close(&mut self) {}
}
