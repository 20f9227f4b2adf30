//! The mark by which an extension tells its own log lines from those of other extensions.
//!
//! [`logging`](crate::logging) puts it on every line. Without it an extension that logs while it handles telemetry
//! would be fed its own lines for ever.

/// What a line of text begins with.
pub(crate) fn text(name: &str) -> String {
    format!("[{name}] ")
}

/// What a line of JSON begins with.
pub(crate) fn json(name: &str) -> String {
    format!("{{\"extension\":{},", quoted(name))
}

/// Recognises the lines of one extension in telemetry.
#[derive(Debug)]
pub(crate) struct Mark {
    /// What the record of such a line can begin with, as JSON.
    beginnings: [String; 3],
}

impl Mark {
    pub(crate) fn new(name: &str) -> Self {
        // Telemetry of the oldest schema has a line of JSON as text.
        Self { beginnings: [beginning_of_string(&text(name)), beginning_of_string(&json(name)), json(name)] }
    }

    /// Whether this extension wrote the line with this record.
    pub(crate) fn is_on(&self, record: &str) -> bool {
        self.beginnings.iter().any(|beginning| record.starts_with(beginning))
    }
}

/// The text as the beginning of a JSON string.
fn beginning_of_string(text: &str) -> String {
    let mut string = quoted(text);
    string.pop();
    string
}

/// The text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("every string has a JSON form")
}
