//! The mark by which the extension's own log lines are told from others' when they come back as telemetry.

/// What a line of this extension begins with.
pub(crate) fn text(name: &str) -> String {
    format!("[{name}] ")
}

/// What a line of this extension in JSON begins with.
pub(crate) fn json(name: &str) -> String {
    format!("{{\"extension\":{},", serde_json::Value::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_mark_leaves_json() {
        let line = format!("{}{}", json("a\"b"), "\"level\":\"INFO\"}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["extension"], "a\"b");
    }
}
