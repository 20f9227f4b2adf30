//! Reading what extensions send as Go's libraries read it, and refusing it in their words.

use serde::Deserialize;

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

/// Reads JSON and, where it cannot, says why in the words of Go's parser as far as they matter to a reader.
pub(super) fn parse_go_json<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => "unexpected end of JSON input".to_owned(),
        serde_json::error::Category::Data => format!("json: cannot unmarshal: {error}"),
        _ => {
            let text = String::from_utf8_lossy(body);
            let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
            match line.chars().nth(error.column().saturating_sub(1)) {
                Some(character) => format!("invalid character '{character}' looking for beginning of value"),
                None => "unexpected end of JSON input".to_owned(),
            }
        }
    })
}
