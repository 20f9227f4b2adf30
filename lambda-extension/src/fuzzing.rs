//! The parsers that nothing public reaches without a socket, for the fuzz targets in `tests/fuzz`. Only `--cfg fuzzing` has it.

use std::{ffi::OsString, ops::Range};

use bytes::Bytes;
use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderName, HeaderValue},
};

use crate::{
    answer::{Answer, Subscribed, Url},
    clock::{Clock, Deadline},
    config::Config,
    error::{ApiError, ExtensionError},
    event::NextEvent,
    registration::Registration,
    telemetry::{Batch, Category, batch::Filter, correlation::Correlation, cut::Cut, pieces, scan},
    wire::{EXTENSION_ID_HEADER, Polled},
};

/// `None` for an event of an unknown type.
pub fn event(status: u16, body: &[u8]) -> Result<Option<NextEvent>, ApiError> {
    match answer(status, None, body).event(Deadline::received(Clock::System))? {
        Polled::Event(event) => Ok(Some(event)),
        Polled::Unknown(_) => Ok(None),
    }
}

pub fn registration(status: u16, id: Option<&[u8]>, body: &[u8]) -> Result<Registration, ExtensionError> {
    let refused = |source| ExtensionError::Register { name: "fuzzed".to_owned(), source };
    answer(status, id, body).registration().map_err(refused)
}

pub fn subscribed(status: u16, body: &[u8]) -> Result<Subscribed, ExtensionError> {
    answer(status, None, body).subscribed().map_err(|source| ExtensionError::Subscribe { source })
}

/// Also what a header takes of Lambda's word for the kind of error is the caller's to look at.
pub fn header_safe(error_type: &str) -> &str {
    crate::wire::header_safe(error_type)
}

fn answer(status: u16, id: Option<&[u8]>, body: &[u8]) -> Answer<'static> {
    let id = id.and_then(|id| HeaderValue::from_bytes(id).ok());
    Answer {
        url: Url { address: "127.0.0.1:9001", prefix: "", path: "/path" },
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
        headers: id
            .map(|id| (HeaderName::from_static(EXTENSION_ID_HEADER), id))
            .into_iter()
            .collect::<HeaderMap>(),
        body: Bytes::copy_from_slice(body),
    }
}

/// Where the elements of a batch lie when it is cut by brackets and strings alone, valid or not.
pub fn pieces(body: &[u8]) -> Vec<Range<usize>> {
    pieces::of(body)
}

/// A batch as it comes over TCP.
pub fn lines(body: &[u8]) -> Batch {
    Batch::received(Cut::lines(body.to_vec()), None, &mut Correlation::default()).0
}

/// A batch as the event loop hands it on, to an extension of this name that wants these categories; and how much it says about
/// the lifecycle.
pub fn handed_on(body: &[u8], name: &str, wanted: &[Category]) -> (Batch, usize) {
    let filter = Filter::new(wanted.iter().copied().collect(), name);
    let (batch, signs) =
        Batch::received(Cut::array(body.to_vec()), Some(&filter), &mut Correlation::default());
    (batch, signs.len())
}

/// Whether our own scan takes this for one JSON value.
pub fn is_json(text: &str) -> bool {
    scan::is_json(text)
}

/// The name and the address that a process with these variables and this `argv[0]` would register under and at.
pub fn configuration(
    variable: impl Fn(&str) -> Option<OsString>,
    program: Option<OsString>,
) -> Result<(String, Config), ExtensionError> {
    let config = Config::from_variables(variable, program)?;
    config.validate()?;
    Ok((config.name.clone(), config))
}
