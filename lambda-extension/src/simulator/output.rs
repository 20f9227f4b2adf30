//! What processes write: telemetry, a record for each line, and this terminal where somebody wants to see it.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::core::Core;
use super::guest::Role;
use super::settings::Echo;
use super::telemetry::LineCategory;

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
    inner.line(core, category, &text);
}
