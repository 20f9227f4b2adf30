//! The bytes of a batch, and where something lies in them.

use std::{ops::Range, str};

/// As text where it is all text, so that what lies in it need not be checked for UTF-8 again.
pub(crate) enum Body {
    Text(String),
    Bytes(Vec<u8>),
}

/// A range of a body. Half as large as one of `usize`, since a batch has four for each event.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    start: u32,
    end: u32,
}

impl Body {
    /// # Panics
    ///
    /// Above 4 GiB, a thousand times of what Lambda delivers and the listener takes.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        assert!(u32::try_from(bytes.len()).is_ok(), "a batch of telemetry has less than 4 GiB");
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// What lies there, if it is text.
    pub(crate) fn text(&self, place: Place) -> Option<&str> {
        match self {
            Self::Text(text) => text.get(place.range()),
            Self::Bytes(bytes) => str::from_utf8(&bytes[place.range()]).ok(),
        }
    }
}

impl Place {
    /// The place of a range of a body.
    pub(crate) fn new(range: Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The same so many bytes further on.
    pub(crate) fn further(self, bytes: usize) -> Self {
        Self { start: self.start + bytes as u32, end: self.end + bytes as u32 }
    }
}
