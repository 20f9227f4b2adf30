//! What processes write: telemetry, a record for each line, and this terminal where somebody wants to see it.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::core::Core;
use super::guest::Role;
use super::settings::Echo;
use super::telemetry::LineCategory;
use crate::telemetry::mark;

/// A longer line is cut into pieces of this size.
const LONGEST_LINE: usize = 256 * 1024;

/// Turns a process's output into telemetry, a record for each line.
pub(super) async fn read_lines(
    mut output: impl AsyncRead + Unpin,
    core: Arc<Core>,
    name: String,
    role: Role,
) {
    let mut pending = Vec::new();
    let mut piece = vec![0; 16 * 1024];
    loop {
        let read = match output.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        pending.extend_from_slice(&piece[..read]);
        let mut from = 0;
        while let Some(length) = pending[from..].iter().position(|byte| *byte == b'\n') {
            say(&core, &name, role, &pending[from..from + length]);
            from += length + 1;
        }
        pending.drain(..from);
        while pending.len() >= LONGEST_LINE {
            let rest = pending.split_off(LONGEST_LINE);
            say(&core, &name, role, &pending);
            pending = rest;
        }
    }
    if !pending.is_empty() {
        say(&core, &name, role, &pending);
    }
}

fn say(core: &Core, name: &str, role: Role, line: &[u8]) {
    let category = match role {
        Role::Extension => LineCategory::Extension,
        Role::Runtime => LineCategory::Function,
    };
    let text = String::from_utf8_lossy(line);
    if core.settings.echo == Echo::On {
        eprintln!("[{name}] {text}");
    }
    let mut inner = core.lock();
    inner.wrote(name, role, &text);
    if role == Role::Extension && is_error(name, &text) {
        inner.ledger.error_line(name);
    }
    inner.line(core, category, &text);
}

/// Whether this is a line at ERROR of an extension that logs by the framework's [`logging`](crate::logging).
fn is_error(name: &str, line: &str) -> bool {
    if let Some(rest) = line.strip_prefix(&mark::text(name)) {
        return rest.trim_start().starts_with("ERROR ");
    }
    // Within a JSON string the quotes would be escaped.
    line.starts_with(&mark::json(name)) && line.contains(r#""level":"ERROR""#)
}

#[cfg(test)]
mod tests {
    use super::is_error;

    #[test]
    fn only_the_frameworks_own_lines_at_error_are_counted() {
        assert!(is_error("me", "[me] ERROR a hook failed"));
        assert!(is_error("me", r#"{"extension":"me","timestamp":"t","level":"ERROR","message":"no"}"#));
        for other in [
            "ERROR of somebody else's",
            "[you] ERROR a hook failed",
            "[me]  INFO an ERROR was seen",
            r#"{"extension":"me","level":"INFO","message":"\"level\":\"ERROR\""}"#,
        ] {
            assert!(!is_error("me", other), "{other}");
        }
    }
}
