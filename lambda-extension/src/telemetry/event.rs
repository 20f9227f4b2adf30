//! One event of a batch.

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    clock::timestamp,
    id::RequestId,
    telemetry::{cut::Cut, record::Record},
};

/// Something that happened, and when. It borrows from its [`Batch`](crate::telemetry::Batch).
///
/// Serialized to JSON it is what Lambda sent, with all that this version does not know; other formats are not supported.
///
/// ```
/// use lambda_extension::telemetry::Batch;
///
/// let batch = Batch::from_json(
///     r#"[{"time":"2026-07-28T19:02:11.803Z","type":"platform.start","record":{"requestId":"8f60e725"}},
///         {"time":"2026-07-28T19:02:11.805Z","type":"function","record":"hello\n"}]"#,
/// );
/// let line = batch.events().nth(1).unwrap();
/// assert_eq!(line.request_id().unwrap(), "8f60e725");
/// assert_eq!(line.timestamp().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_785_265_331);
/// assert!(line.raw().ends_with(br#""record":"hello\n"}"#));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// When Lambda made it, as it was sent: `2026-07-28T19:02:11.805Z`. Empty if that is missing.
    pub time: Cow<'a, str>,
    /// What happened: a line, or an event of the platform's.
    pub record: Record<'a>,
    raw: Raw<'a>,
    invocation: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
enum Raw<'a> {
    InBatch(&'a Cut, usize),
    Owned(Box<[u8]>),
}

impl<'a> Event<'a> {
    pub(crate) fn new(
        cut: &'a Cut,
        index: usize,
        time: Cow<'a, str>,
        record: Record<'a>,
        invocation: Option<Arc<str>>,
    ) -> Self {
        Self { time, record, raw: Raw::InBatch(cut, index), invocation }
    }

    /// [`time`](Self::time) as a time; `None` if it cannot be read as one.
    #[must_use]
    pub fn timestamp(&self) -> Option<SystemTime> {
        timestamp(&self.time)
    }

    /// The invocation the event belongs to, where that is certain: it names one, as most platform events and the lines of
    /// most JSON loggers do; or it is a line of text from the function, written while one invocation went on.
    ///
    /// `None` for other extensions' lines, for what the function writes between invocations, and for all text on
    /// Managed Instances. Lines of text need `platform` to be subscribed to, directly or by the flush strategy.
    #[must_use]
    pub fn request_id(&self) -> Option<RequestId> {
        self.record.request_id().or_else(|| self.invocation.as_deref().map(RequestId::from))
    }

    /// The whole event as it was sent. For [`Record::Malformed`] these are the bytes that are no JSON.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        match &self.raw {
            Raw::InBatch(cut, index) => cut.raw(*index),
            Raw::Owned(bytes) => bytes,
        }
    }

    /// The same event independent of its batch, for tasks and combinators that cannot take borrowed events. Allocates.
    #[must_use]
    pub fn into_static(self) -> Event<'static> {
        Event {
            raw: Raw::Owned(self.raw().into()),
            time: Cow::Owned(self.time.into_owned()),
            record: self.record.into_static(),
            invocation: self.invocation,
        }
    }
}

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_slice::<&RawValue>(self.raw()) {
            Ok(raw) => raw.serialize(serializer),
            // What is no JSON is kept as a string.
            Err(_) => String::from_utf8_lossy(self.raw()).serialize(serializer),
        }
    }
}
