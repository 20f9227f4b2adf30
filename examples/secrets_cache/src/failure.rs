//! How fetching a value fails.

use hyper::body::Bytes;

/// Cloned to everybody who waited for the same value.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// AWS has understood, and says no: there is no such secret, or it is not for this function. Asking again is in vain.
    #[error("AWS refuses it with {status} {code}")]
    Refused {
        status: u16,
        /// Such as `ResourceNotFoundException`.
        code: String,
        /// AWS's own answer, for the function.
        body: Bytes,
    },
    /// AWS cannot be reached, is out of order, or asks for patience.
    #[error("{0}")]
    Unavailable(String),
}
