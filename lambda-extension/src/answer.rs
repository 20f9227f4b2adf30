//! What Lambda answered, and how each kind of answer is read: no I/O.

use std::fmt;

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};

use crate::{
    clock::Deadline,
    error::ApiError,
    id::ExtensionId,
    registration::Registration,
    wire::{self, Polled, Refusal, RegisterResponse},
};

/// As much of an answer as an error repeats, in characters.
const SHOWN_BODY: usize = 2000;

/// Where a call goes, as errors name it.
pub(crate) struct Url<'a> {
    pub(crate) address: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) path: &'a str,
}

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}{}", self.address, self.prefix, self.path)
    }
}

/// What came of a subscription, from [`Client::subscribe`](crate::client::Client::subscribe), which has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subscribed {
    /// Telemetry will be delivered, what there was since the start of Init included.
    Delivering,
    /// This is an emulator without telemetry (status 202): there is no error, and nothing will ever be delivered.
    NotSupported,
}

/// The answer to one request, whatever its status.
pub(crate) struct Answer<'a> {
    pub(crate) url: Url<'a>,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer<'_> {
    pub(crate) fn registration(self) -> Result<Registration, ApiError> {
        let answer = self.expect(StatusCode::OK)?;
        let response: RegisterResponse =
            serde_json::from_slice(&answer.body).map_err(|error| answer.unreadable(error))?;
        let id = answer
            .headers
            .get(wire::EXTENSION_ID_HEADER)
            .and_then(|id| id.to_str().ok())
            .ok_or_else(|| answer.unreadable(format!("no header {}", wire::EXTENSION_ID_HEADER)))?;
        Ok(Registration::from_response(ExtensionId::from(id), response))
    }

    /// `read` is how the event's deadline is to be read.
    pub(crate) fn event(self, read: Deadline) -> Result<Polled, ApiError> {
        let answer = self.expect(StatusCode::OK)?;
        wire::read_event(&answer.body, read).map_err(|error| answer.unreadable(error))
    }

    pub(crate) fn subscribed(self) -> Result<Subscribed, ApiError> {
        if self.status == StatusCode::ACCEPTED {
            return Ok(Subscribed::NotSupported);
        }
        self.expect(StatusCode::OK).map(|_| Subscribed::Delivering)
    }

    /// This answer if it has the one status that means success.
    pub(crate) fn expect(self, success: StatusCode) -> Result<Self, ApiError> {
        if self.status == success {
            return Ok(self);
        }
        // Some of Lambda's own error bodies are no JSON, so the body is shown as it came then.
        let refusal: Refusal = serde_json::from_slice(&self.body).unwrap_or_default();
        let message = refusal.error_message.unwrap_or_else(|| self.shown_body());
        Err(ApiError::Refused {
            url: self.url.to_string(),
            status: self.status.as_u16(),
            error_type: refusal.error_type,
            message,
        })
    }

    fn unreadable(&self, reason: impl ToString) -> ApiError {
        ApiError::Unreadable {
            url: self.url.to_string(),
            reason: reason.to_string(),
            body: self.shown_body(),
        }
    }

    fn shown_body(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        match text.trim() {
            "" => "(an empty body)".to_owned(),
            text => text.chars().take(SHOWN_BODY).collect(),
        }
    }
}
