//! The function's lines as log records.

use std::time::SystemTime;

use lambda_extension::telemetry::LogLine;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};
use opentelemetry_semantic_conventions::attribute;
use serde_json::Value;

use crate::invocations::Invocation;

/// Makes log records. The SDK's provider has no processor here: it is only what they are made by.
pub(crate) struct Logs {
    logger: SdkLogger,
}

impl Logs {
    pub(crate) fn new() -> Self {
        Self { logger: SdkLoggerProvider::builder().build().logger("lambda") }
    }

    /// A line, and the invocation it belongs to. A line of JSON stays whole: its object is the record's body.
    pub(crate) fn record(
        &self,
        time: Option<SystemTime>,
        line: &LogLine<'_>,
        request_id: Option<&str>,
        invocation: Option<&Invocation>,
    ) -> SdkLogRecord {
        let mut record = self.logger.create_log_record();
        if let Some(time) = time {
            record.set_timestamp(time);
            record.set_observed_timestamp(time);
        }
        match line {
            LogLine::Text(text) => record.set_body(text.to_str().trim_end().to_owned().into()),
            json => {
                let value: Value = serde_json::from_str(json.raw()).unwrap_or_default();
                if let Some(severity) = value.get("level").and_then(Value::as_str).and_then(severity) {
                    record.set_severity_number(severity);
                    record.set_severity_text(severity.name());
                }
                if let Some(body) = any(value) {
                    record.set_body(body);
                }
            }
        }
        if let Some(request_id) = request_id {
            record.add_attribute(attribute::FAAS_INVOCATION_ID, request_id.to_owned());
        }
        if let Some(invocation) = invocation {
            let context = &invocation.context;
            record.set_trace_context(context.trace_id(), context.span_id(), Some(context.trace_flags()));
        }
        record
    }
}

/// The words that Lambda's own JSON format and the usual libraries write.
fn severity(level: &str) -> Option<Severity> {
    Some(match level.to_ascii_uppercase().as_str() {
        "TRACE" => Severity::Trace,
        "DEBUG" => Severity::Debug,
        "INFO" => Severity::Info,
        "WARN" | "WARNING" => Severity::Warn,
        "ERROR" => Severity::Error,
        "FATAL" | "CRITICAL" => Severity::Fatal,
        _ => return None,
    })
}

/// JSON in OpenTelemetry's terms, which have no null.
fn any(value: Value) -> Option<AnyValue> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => value.into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.into(),
        Value::Array(values) => AnyValue::ListAny(Box::new(values.into_iter().filter_map(any).collect())),
        Value::Object(fields) => {
            let fields = fields.into_iter().filter_map(|(name, value)| Some((name.into(), any(value)?)));
            AnyValue::Map(Box::new(fields.collect()))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_extension::telemetry::{Batch, Record};

    fn record(line: &str) -> SdkLogRecord {
        let batch = Batch::from_json(format!(r#"[{{"time":"","type":"function","record":{line}}}]"#));
        let event = batch.events().next().unwrap();
        let Record::Function(line) = &event.record else { panic!("a line") };
        Logs::new().record(None, line, Some("8f60e725"), None)
    }

    #[test]
    fn text_is_the_body_without_its_line_end() {
        let record = record(r#""hello\n""#);
        assert_eq!(record.body(), Some(&AnyValue::from("hello")));
        assert_eq!(record.severity_number(), None);
        let attributes: Vec<_> =
            record.attributes_iter().map(|(name, value)| (name.as_str(), value)).collect();
        assert_eq!(attributes, [("faas.invocation_id", &AnyValue::from("8f60e725"))]);
    }

    #[test]
    fn json_is_the_body_whole_and_gives_its_level() {
        let record = record(r#"{"level":"warning","message":"low","left":[1,2.5,null,true],"none":null}"#);
        assert_eq!((record.severity_number(), record.severity_text()), (Some(Severity::Warn), Some("WARN")));
        let Some(AnyValue::Map(body)) = record.body() else { panic!("a map") };
        assert_eq!(body.len(), 3);
        let left = AnyValue::ListAny(Box::new(vec![1_i64.into(), 2.5.into(), true.into()]));
        assert_eq!(body.get("left"), Some(&left));
    }
}
