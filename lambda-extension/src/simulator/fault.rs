//! What may go wrong on demand.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Route;

/// Something that goes wrong once, the next time it can.
///
/// [`Builder::fault`](super::Builder::fault) and [`Simulator::inject`](super::Simulator::inject) ask for it. Each is taken
/// out when it has happened, the oldest that fits first; twice the same fault happens twice. A [`Route`] is one of an
/// extension's or the runtime's calls over HTTP; a built-in function makes none. What never happened is listed in
/// [`Report::unused_faults`](super::Report::unused_faults).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use lambda_extension::simulator::{Fault, Route, Simulator};
/// use lambda_extension::{Error, InvokeEvent, extension_fn};
///
/// let simulator = Simulator::builder().fault(Fault::Status(Route::Register, 500)).start().await;
/// let config = simulator.config("unlucky");
/// let ended = config.run(extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) })).await;
/// // The error and its causes, a line each.
/// assert!(format!("{:?}", ended.unwrap_err()).contains("answered 500"));
/// # }
/// ```
///
/// The options of `lambda-sim` are read with [`FromStr`], and it prints itself as one:
///
/// ```
/// use lambda_extension::simulator::{Fault, Route};
///
/// assert_eq!("next=500".parse(), Ok(Fault::Status(Route::Next, 500)));
/// assert_eq!("clock-jump=-3600000".parse(), Ok(Fault::ClockJump(-3_600_000)));
/// assert_eq!(Fault::Drop(Route::Register).to_string(), "register=drop");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is closed without an answer. The call itself has its effect, as when an answer is lost on its way.
    Drop(Route),
    /// The call has no effect and is answered with this status and Lambda's `InternalServerError` body.
    Status(Route, u16),
    /// The answer is held back for this long; the call has its effect at once.
    Slow(Route, Duration),
    /// The call has its effect, and the answer has its status and a body that is not what anybody expects.
    Garbage(Route),
    /// The call has its effect, and the connection is closed in the middle of the answer's body.
    Truncated(Route),
    /// The next telemetry batch holds an element that is no JSON.
    MalformedBatch,
    /// The next telemetry batch ends in the middle of an element.
    TruncatedBatch,
    /// The next telemetry batch is filled up to this many bytes, at most 256 MiB.
    OversizedBatch(usize),
    /// The next telemetry batch is delivered twice, as Lambda may where an answer is lost.
    DuplicateBatch,
    /// The next telemetry batch holds a record of a type that nobody documented.
    UnknownRecord(String),
    /// Before the next INVOKE, extensions that registered for it get an event of this type, and are waited for.
    UnknownEvent(String),
    /// The next SHUTDOWN states this reason, whatever the reason is.
    UnknownReason(String),
    /// The next delivery of telemetry finds no listener; it is tried again after 50 ms.
    ListenerRefused,
    /// The next `platform.runtimeDone` is told, and delivered, as soon as its invocation begins.
    RuntimeDoneEarly,
    /// The next `platform.runtimeDone` is told this much later, if the environment still is there.
    RuntimeDoneLate(Duration),
    /// The next `platform.runtimeDone` is not told at all.
    RuntimeDoneMissing,
    /// The wall clock jumps by this many milliseconds, back where they are negative, before the next invocation. Deadlines
    /// and the times of telemetry follow it.
    ClockJump(i64),
}

/// As the options of `lambda-sim` write it: `ROUTE=drop`, `ROUTE=500`, `ROUTE=slow:MS`, `ROUTE=garbage`, `ROUTE=truncated`,
/// `malformed-batch`, `truncated-batch`, `oversized-batch=BYTES`, `duplicate-batch`, `unknown-record=TYPE`, `unknown-event=TYPE`,
/// `unknown-reason=WORD`, `listener-refused`, `runtime-done=early`, `runtime-done=late:MS`, `runtime-done=missing`, `clock-jump=MS`.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            |value: &str, should_be: &str| format!("`{value}` in the fault `{text}` should be {should_be}");
        let number =
            |value: &str| value.parse::<u64>().map_err(|_| wrong(value, "a whole number, 0 or more"));
        let status = |value: &str| match value.parse() {
            Ok(status @ 100..=599) => Ok(status),
            _ => Err(wrong(value, "an HTTP status, 100 to 599")),
        };
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        Ok(match (name, value) {
            ("malformed-batch", "") => Self::MalformedBatch,
            ("truncated-batch", "") => Self::TruncatedBatch,
            ("duplicate-batch", "") => Self::DuplicateBatch,
            ("listener-refused", "") => Self::ListenerRefused,
            ("runtime-done", "early") => Self::RuntimeDoneEarly,
            ("runtime-done", "missing") => Self::RuntimeDoneMissing,
            ("runtime-done", value) if value.starts_with("late:") => {
                Self::RuntimeDoneLate(Duration::from_millis(number(&value[5..])?))
            }
            ("oversized-batch", bytes) => {
                Self::OversizedBatch(usize::try_from(number(bytes)?).unwrap_or(usize::MAX))
            }
            ("clock-jump", by) => Self::ClockJump(by.parse().map_err(|_| wrong(by, "a whole number"))?),
            ("unknown-record", word) if !word.is_empty() => Self::UnknownRecord(word.to_owned()),
            ("unknown-event", word) if !word.is_empty() => Self::UnknownEvent(word.to_owned()),
            ("unknown-reason", word) if !word.is_empty() => Self::UnknownReason(word.to_owned()),
            (route, "drop") => Self::Drop(route.parse()?),
            (route, "garbage") => Self::Garbage(route.parse()?),
            (route, "truncated") => Self::Truncated(route.parse()?),
            (route, value) if value.starts_with("slow:") => {
                Self::Slow(route.parse()?, Duration::from_millis(number(&value[5..])?))
            }
            (route, value) if value.starts_with(|first: char| first.is_ascii_digit()) => {
                Self::Status(route.parse()?, status(value)?)
            }
            _ => return Err(unknown(text)),
        })
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drop(route) => write!(f, "{route}=drop"),
            Self::Status(route, status) => write!(f, "{route}={status}"),
            Self::Slow(route, time) => write!(f, "{route}=slow:{}", time.as_millis()),
            Self::Garbage(route) => write!(f, "{route}=garbage"),
            Self::Truncated(route) => write!(f, "{route}=truncated"),
            Self::MalformedBatch => f.write_str("malformed-batch"),
            Self::TruncatedBatch => f.write_str("truncated-batch"),
            Self::OversizedBatch(bytes) => write!(f, "oversized-batch={bytes}"),
            Self::DuplicateBatch => f.write_str("duplicate-batch"),
            Self::UnknownRecord(kind) => write!(f, "unknown-record={kind}"),
            Self::UnknownEvent(kind) => write!(f, "unknown-event={kind}"),
            Self::UnknownReason(word) => write!(f, "unknown-reason={word}"),
            Self::ListenerRefused => f.write_str("listener-refused"),
            Self::RuntimeDoneEarly => f.write_str("runtime-done=early"),
            Self::RuntimeDoneLate(by) => write!(f, "runtime-done=late:{}", by.as_millis()),
            Self::RuntimeDoneMissing => f.write_str("runtime-done=missing"),
            Self::ClockJump(by_ms) => write!(f, "clock-jump={by_ms}"),
        }
    }
}

fn unknown(text: &str) -> String {
    format!(
        "there is no fault `{text}`; write ROUTE=drop, ROUTE=500, ROUTE=slow:MS, ROUTE=garbage, ROUTE=truncated, \
         malformed-batch, truncated-batch, oversized-batch=BYTES, duplicate-batch, unknown-record=TYPE, unknown-event=TYPE, \
         unknown-reason=WORD, listener-refused, runtime-done=early, runtime-done=late:MS, runtime-done=missing or clock-jump=MS"
    )
}

/// The faults that wait for their moment.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Mutex<VecDeque<Fault>>,
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        self.locked().push_back(fault);
    }

    /// Takes the first fault that somebody has a use for here.
    pub(crate) fn take<T>(&self, here: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let mut waiting = self.locked();
        let (position, found) =
            waiting.iter().enumerate().find_map(|(at, fault)| Some((at, here(fault)?)))?;
        waiting.remove(position);
        Some(found)
    }

    /// Those that have not happened.
    pub(crate) fn left(&self) -> Vec<Fault> {
        self.locked().iter().cloned().collect()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, VecDeque<Fault>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_the_options_write_them() {
        assert_eq!("register=drop".parse(), Ok(Fault::Drop(Route::Register)));
        assert_eq!("next=slow:250".parse(), Ok(Fault::Slow(Route::Next, Duration::from_millis(250))));
        assert_eq!("oversized-batch=3000000".parse(), Ok(Fault::OversizedBatch(3_000_000)));
        assert_eq!("next=garbage".parse(), Ok(Fault::Garbage(Route::Next)));
        assert_eq!("runtime-done=late:40".parse(), Ok(Fault::RuntimeDoneLate(Duration::from_millis(40))));
        for wrong in [
            "",
            "runtime-done",
            "next",
            "next=",
            "nowhere=500",
            "next=9000",
            "clock-jump=soon",
            "unknown-event=",
            "next=slow:-5",
            "runtime-done=late:-5",
            "oversized-batch=-5",
        ] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_status_that_is_none_is_named() {
        for status in ["999", "5xx"] {
            let refused = format!("next={status}").parse::<Fault>().unwrap_err();
            assert!(refused.starts_with(&format!("`{status}` in the fault `next={status}`")), "{refused}");
        }
    }

    #[test]
    fn a_fault_prints_itself_as_the_option_that_asks_for_it() {
        for text in [
            "register=drop",
            "telemetry=500",
            "next=slow:250",
            "next=garbage",
            "next=truncated",
            "malformed-batch",
            "truncated-batch",
            "oversized-batch=3000000",
            "duplicate-batch",
            "unknown-record=moon",
            "unknown-event=RELOAD",
            "unknown-reason=power cut",
            "listener-refused",
            "runtime-done=early",
            "runtime-done=late:40",
            "runtime-done=missing",
            "clock-jump=-5",
        ] {
            assert_eq!(text.parse::<Fault>().map(|fault| fault.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_fault_happens_once_and_in_order() {
        let faults = Faults::default();
        faults.add(Fault::Status(Route::Next, 500));
        faults.add(Fault::Status(Route::Register, 503));
        let at = |wanted: Route| {
            faults.take(|fault| match fault {
                Fault::Status(route, status) if *route == wanted => Some(*status),
                _ => None,
            })
        };
        assert_eq!(at(Route::Register), Some(503));
        assert_eq!(at(Route::Register), None);
        assert_eq!(at(Route::Next), Some(500));
    }
}
