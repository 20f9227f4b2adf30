//! What Lambda answers: a status, a few headers and bytes, written as Go's standard library writes them.

use bytes::Bytes;
use serde::Serialize;

/// One HTTP answer, before any HTTP library has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    // The order of the keys is part of what we imitate.
    error_message: &'a str,
    error_type: &'a str,
}

impl Answer {
    /// Bytes of a stated content type.
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("Content-Type", content_type.to_owned())], body: body.into() }
    }

    /// JSON as Go's encoder writes it: HTML characters escaped, a newline at the end.
    pub(crate) fn json(status: u16, value: &impl Serialize) -> Self {
        let mut text = escape_html(&serde_json::to_string(value).expect("our own bodies have string keys"));
        text.push('\n');
        Self::new(status, "application/json", text)
    }

    /// Lambda's error body.
    pub(crate) fn error(status: u16, error_type: &str, message: &str) -> Self {
        Self::json(status, &ErrorBody { error_message: message, error_type })
    }

    /// A refusal, the status Lambda uses for nearly all of them.
    pub(crate) fn forbidden(error_type: &str, message: &str) -> Self {
        Self::error(403, error_type, message)
    }

    /// The answer to reports (errors, responses): 202 and a word.
    pub(crate) fn accepted() -> Self {
        Self::new(202, "application/json", "{\"status\":\"OK\"}\n")
    }

    /// Go's answer to a path nobody registered.
    pub(crate) fn not_found() -> Self {
        Self::new(404, "text/plain; charset=utf-8", "404 page not found\n")
            .with("X-Content-Type-Options", "nosniff")
    }

    /// Go's answer to a known path with another method.
    pub(crate) fn method_not_allowed() -> Self {
        Self { status: 405, headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    /// The `errorType` of an error body, for the journal.
    pub(crate) fn error_type(&self) -> Option<String> {
        if self.status < 300 && self.status != 202 {
            return None;
        }
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        body.get("errorType")?.as_str().map(str::to_owned)
    }
}

/// Go's JSON encoder escapes what HTML would act upon, and the two line separators.
fn escape_html(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_body_has_the_message_first_escapes_html_and_ends_with_a_newline() {
        let answer = Answer::forbidden("Extension.InvalidEventType", "<b>&: ErrorInvalidEventType");
        assert_eq!(answer.status, 403);
        assert_eq!(answer.headers, [("Content-Type", "application/json".to_owned())]);
        assert_eq!(
            answer.body,
            "{\"errorMessage\":\"\\u003cb\\u003e\\u0026: ErrorInvalidEventType\",\
             \"errorType\":\"Extension.InvalidEventType\"}\n"
        );
        assert_eq!(answer.error_type().as_deref(), Some("Extension.InvalidEventType"));
    }
}
