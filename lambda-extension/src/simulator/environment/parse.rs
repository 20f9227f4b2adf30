//! Reading what extensions send as Go's libraries read it, and refusing it in their words.

use serde::Deserialize;
use serde_json::Value;

use super::go_json;
use crate::simulator::answer::Answer;

/// The identifier header, checked as Lambda checks it before it looks at anything else.
pub(super) fn identifier(id: Option<&str>) -> Result<String, Answer> {
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        return Err(Answer::forbidden(
            "Extension.MissingExtensionIdentifier",
            "Missing Lambda-Extension-Identifier header",
        ));
    };
    canonical_uuid(id).ok_or_else(|| {
        Answer::forbidden("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
    })
}

/// The usual form of a UUID, from any of the forms Go's library reads.
pub(super) fn canonical_uuid(text: &str) -> Option<String> {
    let bare = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let bare = bare.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(bare);
    let hyphens_right = match bare.len() {
        36 => bare.char_indices().all(|(at, c)| (c == '-') == matches!(at, 8 | 13 | 18 | 23)),
        32 => !bare.contains('-'),
        _ => false,
    };
    let digits: String = bare.chars().filter(|c| *c != '-').collect::<String>().to_lowercase();
    if !hyphens_right || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let part = |from: usize, to: usize| &digits[from..to];
    Some(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}

/// Reads JSON, and says in Go's words what is wrong with its syntax.
pub(super) fn parse_json<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, String> {
    go_json::check(body)?;
    // Go reads text that is no UTF-8 as we do here, with marks in the place of what it cannot read.
    serde_json::from_str(&String::from_utf8_lossy(body))
        .map_err(|error| format!("json: cannot unmarshal: {error}"))
}

/// What an extension registers with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RegisterBody {
    pub(super) events: Vec<String>,
    pub(super) configuration_keys: Vec<String>,
}

impl RegisterBody {
    /// Reads the body; what is wrong is said in the words of Go, down to the names of the emulator's own types.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let value: Value = parse_json(body)?;
        let fields = match &value {
            Value::Null => return Ok(Self::default()),
            Value::Object(fields) => fields,
            other => {
                return Err(format!(
                    "json: cannot unmarshal {} into Go value of type struct {{ handler.RegisterRequest; \
                     ConfigurationKeys []string \"json:\\\"configurationKeys\\\"\" }}",
                    kind(other)
                ));
            }
        };
        // Go finds its fields in any letter case.
        let field = |name: &str| {
            fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        Ok(Self {
            events: words(field("events"), ".RegisterRequest.events", "core.Event")?,
            configuration_keys: words(field("configurationKeys"), ".configurationKeys", "string")?,
        })
    }
}

fn words(value: Option<&Value>, field: &str, type_name: &str) -> Result<Vec<String>, String> {
    let wrong = |value: &Value, type_name: &str| {
        format!("json: cannot unmarshal {} into Go struct field {field} of type {type_name}", kind(value))
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(elements)) => elements
            .iter()
            .map(|element| match element {
                Value::String(word) => Ok(word.clone()),
                Value::Null => Ok(String::new()),
                other => Err(wrong(other, type_name)),
            })
            .collect(),
        Some(other) => Err(wrong(other, &format!("[]{type_name}"))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
