//! One telemetry event, and what each API and schema version makes of it.

use serde_json::{Map, Value, json};

use crate::simulator::environment::Api;
use crate::simulator::settings::LogFormat;
use crate::simulator::time::iso;

/// An event at the moment the platform generates it, before anybody's schema.
#[derive(Clone, Debug)]
pub(crate) struct TelemetryEvent {
    pub(crate) time_ms: u64,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// `kind` with its dot, such as `platform.start`.
    Platform { kind: &'static str, record: Value },
    /// A line of output, without the newline that ended it.
    Line { category: LineCategory, text: String },
}

/// Whose output a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineCategory {
    Function,
    Extension,
}

impl TelemetryEvent {
    pub(crate) fn category(&self) -> &'static str {
        match &self.content {
            Content::Platform { .. } => "platform",
            Content::Line { category: LineCategory::Function, .. } => "function",
            Content::Line { category: LineCategory::Extension, .. } => "extension",
        }
    }

    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(&self.content, Content::Platform { kind, .. } if *kind == wanted)
    }

    /// The JSON element for a subscriber; `None` if that API does not know the event.
    pub(crate) fn render(&self, api: Api, schema: &str, format: LogFormat) -> Option<String> {
        let (kind, record) = match &self.content {
            Content::Platform { kind, record } => match api {
                Api::Telemetry => (*kind, telemetry_record(kind, record, schema)?),
                Api::Logs => (*kind, logs_record(kind, record, schema)?),
            },
            Content::Line { text, .. } => {
                (self.category(), line_record(text, api == Api::Telemetry && schema != "2022-07-01", format))
            }
        };
        let kind = Value::from(kind);
        Some(format!("{{\"time\":\"{}\",\"type\":{kind},\"record\":{record}}}", iso(self.time_ms)))
    }
}

/// A line as a record: the object itself where format and schema allow it, otherwise a string with its newline.
fn line_record(text: &str, objects_allowed: bool, format: LogFormat) -> String {
    if objects_allowed && format == LogFormat::Json && text.trim_start().starts_with('{') {
        // Verbatim, not read and written again: key order and number formats are the function's own.
        if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
            return text.trim().to_owned();
        }
    }
    Value::from(format!("{text}\n")).to_string()
}

fn telemetry_record(kind: &str, record: &Value, schema: &str) -> Option<String> {
    if matches!(kind, "platform.end" | "platform.fault" | "platform.logsSubscription") {
        return None;
    }
    if schema != "2022-07-01" {
        return Some(record.to_string());
    }
    // The first schema said less about Init.
    let mut record = record.clone();
    if let Value::Object(fields) = &mut record {
        match kind {
            "platform.initStart" => {
                fields.retain(|key, _| matches!(key.as_str(), "initializationType" | "phase" | "tracing"));
            }
            "platform.initReport" => {
                fields.remove("status");
            }
            _ => {}
        }
    }
    Some(record.to_string())
}

fn logs_record(kind: &str, record: &Value, schema: &str) -> Option<String> {
    let keep = |wanted: &[&str]| -> Option<Map<String, Value>> {
        let fields = record.as_object()?;
        Some(wanted.iter().filter_map(|key| Some(((*key).to_owned(), fields.get(*key)?.clone()))).collect())
    };
    let record = match kind {
        "platform.start" | "platform.end" => Value::Object(keep(&["requestId"])?),
        "platform.report" => Value::Object(keep(&["requestId", "metrics"])?),
        "platform.runtimeDone" if schema == "2021-03-18" => {
            let status = match record["status"].as_str() {
                Some("error") => "failure",
                Some(status) => status,
                None => return None,
            };
            json!({ "requestId": record["requestId"], "status": status })
        }
        "platform.extension" => Value::Object(keep(&["name", "state", "events"])?),
        "platform.fault" | "platform.logsSubscription" | "platform.logsDropped" => record.clone(),
        _ => return None,
    };
    Some(record.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> TelemetryEvent {
        let content = Content::Line { category: LineCategory::Function, text: text.to_owned() };
        TelemetryEvent { time_ms: 0, content }
    }

    fn platform(kind: &'static str, record: Value) -> TelemetryEvent {
        TelemetryEvent { time_ms: 0, content: Content::Platform { kind, record } }
    }

    const TIME: &str = "\"time\":\"1970-01-01T00:00:00.000Z\"";

    #[test]
    fn a_text_line_keeps_its_newline() {
        assert_eq!(
            line("an \"odd\" line")
                .render(Api::Telemetry, "2025-01-29", LogFormat::Json)
                .expect("an element"),
            format!(r#"{{{TIME},"type":"function","record":"an \"odd\" line\n"}}"#)
        );
    }

    #[test]
    fn a_json_line_is_an_object_only_where_format_and_schema_allow_it() {
        let text = r#"{"b":1.50,"a":2}"#;
        let render = |api, schema, format| line(text).render(api, schema, format).expect("an element");
        let object = format!(r#"{{{TIME},"type":"function","record":{text}}}"#);
        let string = format!(r#"{{{TIME},"type":"function","record":"{{\"b\":1.50,\"a\":2}}\n"}}"#);
        assert_eq!(render(Api::Telemetry, "2022-12-13", LogFormat::Json), object);
        assert_eq!(render(Api::Telemetry, "2025-01-29", LogFormat::Json), object);
        assert_eq!(render(Api::Telemetry, "2022-07-01", LogFormat::Json), string);
        assert_eq!(render(Api::Telemetry, "2025-01-29", LogFormat::Text), string);
        assert_eq!(render(Api::Logs, "2021-03-18", LogFormat::Json), string);
    }

    #[test]
    fn the_first_schema_says_less_about_init() {
        let report = platform("platform.initReport", json!({"phase": "init", "status": "success"}));
        let old = report.render(Api::Telemetry, "2022-07-01", LogFormat::Text).expect("an element");
        let new = report.render(Api::Telemetry, "2022-12-13", LogFormat::Text).expect("an element");
        assert!(!old.contains("status") && new.contains("status"));
    }

    #[test]
    fn the_logs_api_has_its_own_words() {
        let done =
            platform("platform.runtimeDone", json!({"requestId": "r", "status": "error", "spans": []}));
        assert_eq!(
            done.render(Api::Logs, "2021-03-18", LogFormat::Text).expect("an element"),
            format!(
                r#"{{{TIME},"type":"platform.runtimeDone","record":{{"requestId":"r","status":"failure"}}}}"#
            )
        );
        assert!(done.render(Api::Logs, "2020-08-15", LogFormat::Text).is_none());
        let end = platform("platform.end", json!({"requestId": "r"}));
        assert!(end.render(Api::Logs, "2020-08-15", LogFormat::Text).is_some());
        assert!(end.render(Api::Telemetry, "2025-01-29", LogFormat::Text).is_none());
    }
}
