//! The routes of the APIs, and which method belongs to which path.

use std::fmt;
use std::str::FromStr;

/// A route of the Extensions, Telemetry, Logs or Runtime API: where a [`Fault`](super::Fault) happens, and what a
/// [`Call`](super::Call) asked for. It is read and written as one word.
///
/// ```
/// use lambda_extension::simulator::Route;
///
/// assert_eq!("exit-error".parse(), Ok(Route::ExitError));
/// assert_eq!(Route::RuntimeNext.to_string(), "runtime-next");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// `POST /2020-01-01/extension/register`
    Register,
    /// `GET /2020-01-01/extension/event/next`
    Next,
    /// `POST /2020-01-01/extension/init/error`
    InitError,
    /// `POST /2020-01-01/extension/exit/error`
    ExitError,
    /// `PUT /2022-07-01/telemetry`
    Telemetry,
    /// `PUT /2020-08-15/logs`
    Logs,
    /// `GET /2018-06-01/runtime/invocation/next`
    RuntimeNext,
    /// `POST /2018-06-01/runtime/invocation/{id}/response`
    RuntimeResponse,
    /// `POST /2018-06-01/runtime/invocation/{id}/error`
    RuntimeError,
    /// `POST /2018-06-01/runtime/init/error`
    RuntimeInitError,
    /// `GET /2018-06-01/runtime/restore/next`
    RestoreNext,
    /// `POST /2018-06-01/runtime/restore/error`
    RestoreError,
    /// `GET /2021-04-23/credentials`
    Credentials,
    /// `GET /2018-06-01/ping`
    Ping,
}

const FIXED: [(Route, &str, &str, &str); 12] = [
    (Route::Register, "register", "POST", "/2020-01-01/extension/register"),
    (Route::Next, "next", "GET", "/2020-01-01/extension/event/next"),
    (Route::InitError, "init-error", "POST", "/2020-01-01/extension/init/error"),
    (Route::ExitError, "exit-error", "POST", "/2020-01-01/extension/exit/error"),
    (Route::Telemetry, "telemetry", "PUT", "/2022-07-01/telemetry"),
    (Route::Logs, "logs", "PUT", "/2020-08-15/logs"),
    (Route::RuntimeNext, "runtime-next", "GET", "/2018-06-01/runtime/invocation/next"),
    (Route::RuntimeInitError, "runtime-init-error", "POST", "/2018-06-01/runtime/init/error"),
    (Route::RestoreNext, "restore-next", "GET", "/2018-06-01/runtime/restore/next"),
    (Route::RestoreError, "restore-error", "POST", "/2018-06-01/runtime/restore/error"),
    (Route::Credentials, "credentials", "GET", "/2021-04-23/credentials"),
    (Route::Ping, "ping", "GET", "/2018-06-01/ping"),
];

const INVOCATION: &str = "/2018-06-01/runtime/invocation/";

/// What a request line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Route(Route),
    /// An answer of the function, with the request id from the path.
    Invocation(Route, String),
    WrongMethod,
    Nothing,
}

impl Route {
    pub(crate) fn of(method: &str, path: &str) -> Asked {
        if let Some((route, _, expected, _)) = FIXED.iter().find(|(_, _, _, fixed)| *fixed == path) {
            return if method == *expected { Asked::Route(*route) } else { Asked::WrongMethod };
        }
        let Some((id, end)) = path.strip_prefix(INVOCATION).and_then(|rest| rest.split_once('/')) else {
            return Asked::Nothing;
        };
        let route = match end {
            "response" => Self::RuntimeResponse,
            "error" => Self::RuntimeError,
            _ => return Asked::Nothing,
        };
        if method == "POST" { Asked::Invocation(route, id.to_owned()) } else { Asked::WrongMethod }
    }

    fn word(self) -> &'static str {
        match self {
            Self::RuntimeResponse => "runtime-response",
            Self::RuntimeError => "runtime-error",
            fixed => FIXED.iter().find(|(route, ..)| *route == fixed).map_or("", |(_, word, ..)| word),
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        FIXED.iter().map(|(route, ..)| *route).chain([Self::RuntimeResponse, Self::RuntimeError])
    }
}

/// The short word by which the program's options name a route, such as `next` or `exit-error`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Route {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::all().find(|route| route.word() == word).ok_or_else(|| {
            let known: Vec<_> = Self::all().map(Self::word).collect();
            format!("there is no route `{word}`; use one of {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_its_method_is_a_route_and_with_another_is_not() {
        assert_eq!(Route::of("PUT", "/2022-07-01/telemetry"), Asked::Route(Route::Telemetry));
        assert_eq!(Route::of("POST", "/2022-07-01/telemetry"), Asked::WrongMethod);
        assert_eq!(Route::of("PUT", "/2022-07-01/telemetry/"), Asked::Nothing);
        assert_eq!(
            Route::of("POST", "/2018-06-01/runtime/invocation/abc/error"),
            Asked::Invocation(Route::RuntimeError, "abc".to_owned())
        );
        assert_eq!(Route::of("GET", "/2018-06-01/runtime/invocation/abc/error"), Asked::WrongMethod);
    }

    #[test]
    fn every_route_is_found_again_by_its_word() {
        for route in Route::all() {
            assert_eq!(route.to_string().parse(), Ok(route));
        }
    }
}
