//! What the proxy does with what passes through it.

use std::{env, sync::Arc};

use hyper::body::Bytes;
use lambda_extension::Error;
use serde_json::Value;

/// What a proxy does with events and responses. A hook that fails, panics or takes too long has done nothing: the original
/// goes on.
pub(crate) trait Hook: Send + Sync + 'static {
    /// An event on its way to the function.
    fn event(&self, request_id: &str, event: Bytes) -> impl Future<Output = Result<Bytes, Error>> + Send;

    /// A response on its way to the caller.
    fn response(
        &self,
        request_id: &str,
        response: Bytes,
    ) -> impl Future<Output = Result<Bytes, Error>> + Send;

    /// A part of a streamed response, as the function has cut it. The caller waits for it, so this cannot.
    fn part(&self, request_id: &str, part: Bytes) -> Bytes {
        let _ = request_id;
        part
    }
}

/// Replaces the values of some fields, wherever they are in a JSON event or response.
#[derive(Clone)]
pub(crate) struct Redact {
    fields: Arc<[String]>,
}

impl Redact {
    /// `RUNTIME_PROXY_REDACT`, such as `password,cardNumber`; none unless set.
    pub(crate) fn from_env() -> Self {
        Self::new(&env::var("RUNTIME_PROXY_REDACT").unwrap_or_default())
    }

    fn new(fields: &str) -> Self {
        let fields = fields.split(',').map(|field| field.trim().to_owned()).filter(|field| !field.is_empty());
        Self { fields: fields.collect() }
    }

    fn apply(&self, original: Bytes) -> Result<Bytes, Error> {
        if self.fields.is_empty() {
            return Ok(original);
        }
        let mut value = serde_json::from_slice(&original)?;
        if self.redact(&mut value) {
            Ok(serde_json::to_vec(&value)?.into())
        } else {
            Ok(original)
        }
    }

    /// Whether there was anything to replace.
    fn redact(&self, value: &mut Value) -> bool {
        let mut found = false;
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if self.fields.contains(name) {
                        *value = "[redacted]".into();
                        found = true;
                    } else {
                        found |= self.redact(value);
                    }
                }
            }
            Value::Array(values) => {
                for value in values {
                    found |= self.redact(value);
                }
            }
            _ => {}
        }
        found
    }
}

impl Hook for Redact {
    async fn event(&self, _: &str, event: Bytes) -> Result<Bytes, Error> {
        self.apply(event)
    }

    async fn response(&self, _: &str, response: Bytes) -> Result<Bytes, Error> {
        self.apply(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_fields_lose_their_values_wherever_they_are_and_nothing_else_changes() {
        let redact = Redact::new("password, pin");
        let original =
            Bytes::from_static(br#"{"users":[{"name":"n","password":"p"},{"pin":{"a":1}}],"z":1}"#);
        let expected = r#"{"users":[{"name":"n","password":"[redacted]"},{"pin":"[redacted]"}],"z":1}"#;
        assert_eq!(redact.apply(original).unwrap(), expected);
        // To the byte, with its blanks.
        let harmless = Bytes::from_static(br#"{ "a" : 1.0 }"#);
        assert_eq!(redact.apply(harmless.clone()).unwrap(), harmless);
        assert!(redact.apply(Bytes::from_static(b"no JSON")).is_err());
    }
}
