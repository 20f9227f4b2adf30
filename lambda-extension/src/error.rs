//! What can go wrong, told to a person: what was being done, what came, what to do next.

use std::{error::Error as StdError, fmt, io, time::Duration};

/// What hooks return: any error at all.
pub type Error = Box<dyn StdError + Send + Sync>;

/// Why an extension could not go on. One variant per thing that was being done.
///
/// `Debug` prints the message with the [type](Self::error_type) that Lambda is told, and its causes, one a line, because that is
/// what Rust shows when `main` returns the error.
///
/// ```
/// use lambda_extension::Config;
///
/// let error = Config::new("https://127.0.0.1:9001").unwrap_err();
/// assert_eq!(error.error_type(), "Extension.ConfigInvalid");
/// assert!(error.to_string().contains("https"));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// The configuration, or the environment it is read from, cannot work.
    #[error("cannot configure the extension: {0}")]
    Config(String),

    /// The listener for telemetry could not be opened.
    #[error("cannot listen for telemetry on {address}{}", listen_hint(.source))]
    Listen {
        /// The address that was tried last.
        address: String,
        /// What the system said.
        source: io::Error,
    },

    /// Lambda did not take the registration.
    #[error("cannot register the extension `{name}`{}", registration_hint(.source))]
    Register {
        /// The name it was to be registered under.
        name: String,
        /// What happened.
        source: ApiError,
    },

    /// Lambda did not take the subscription to telemetry.
    #[error("cannot subscribe to telemetry{}", subscription_hint(.source))]
    Subscribe {
        /// What happened.
        source: ApiError,
    },

    /// The poll for the next event broke. It cannot be repeated: Lambda keeps the broken one as "ready".
    #[error("cannot get the next event, and the process must end: a broken poll cannot be repeated{}", poll_hint(.source))]
    NextEvent {
        /// What happened.
        source: ApiError,
    },

    /// Lambda did not take the report of an error.
    #[error("cannot report an error to Lambda{}", report_hint(.source))]
    Report {
        /// What happened.
        source: ApiError,
    },

    /// The user's own code failed, and [`ErrorPolicy::Exit`](crate::ErrorPolicy::Exit) asks to stop then.
    #[error("{hook} failed")]
    Hook {
        /// Which part of it.
        hook: Hook,
        /// How.
        source: HookError,
    },
}

impl ExtensionError {
    pub(crate) fn config(reason: impl Into<String>) -> Self {
        Self::Config(reason.into())
    }

    /// The type to report to Lambda: `Extension.` and letters, fit for a header.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Config(_) => "Extension.ConfigInvalid",
            Self::Listen { .. } => "Extension.ListenFailed",
            Self::Register { .. } => "Extension.RegisterFailed",
            Self::Subscribe { .. } => "Extension.SubscribeFailed",
            Self::NextEvent { .. } => "Extension.NextEventFailed",
            Self::Report { .. } => "Extension.ReportFailed",
            Self::Hook { source: HookError::Failed(_), .. } => "Extension.HookFailed",
            Self::Hook { source: HookError::Panicked { .. }, .. } => "Extension.HookPanicked",
            Self::Hook { source: HookError::Cancelled { .. }, .. } => "Extension.HookCancelled",
        }
    }
}

impl fmt::Debug for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut messages = chain(self);
        messages[0] += &format!(" ({})", self.error_type());
        f.write_str(&messages.join("\n  caused by: "))
    }
}

/// How many causes of an error are told.
const MAX_CAUSES: usize = 32;

/// The messages of an error and of its causes, the outermost first.
///
/// A cause that its error repeats word for word is left out: many error types print their source themselves. And there is an
/// end to them, for the sake of an error that names itself as its cause.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> Vec<String> {
    let mut messages = vec![error.to_string()];
    let mut next = error.source();
    for _ in 0..MAX_CAUSES {
        let Some(cause) = next else { break };
        let message = cause.to_string();
        if messages.last().is_none_or(|last| !last.ends_with(&message)) {
            messages.push(message);
        }
        next = cause.source();
    }
    messages
}

/// How a call to one of Lambda's APIs failed: the cause of an [`ExtensionError`], with what Lambda said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// There was no connection.
    #[error("no connection to Lambda's API at {address}: {reason}")]
    Connect {
        /// Host and port.
        address: String,
        /// What the system said.
        reason: String,
    },

    /// There was no answer, or not the whole of one.
    #[error("no answer from {url}: {reason}")]
    Broken {
        /// What was asked for.
        url: String,
        /// What was seen.
        reason: String,
    },

    /// Lambda answered with another status than success.
    #[error("{url} answered {status}{}: {message}", .error_type.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default())]
    Refused {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Lambda's `errorType`, where the answer has one.
        error_type: Option<String>,
        /// Lambda's `errorMessage`, or else the beginning of the body as it came.
        message: String,
    },

    /// Lambda answered with success, but not with what was expected.
    #[error("{url} answered something unexpected ({reason}): {body}")]
    Unreadable {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
        /// The beginning of the body as it came.
        body: String,
    },
}

impl ApiError {
    /// Whether Lambda refused with this `errorType`.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { error_type: Some(found), .. } if found == wanted)
    }

    /// Whether Lambda's message holds these words.
    pub(crate) fn says(&self, words: &str) -> bool {
        matches!(self, Self::Refused { message, .. } if message.contains(words))
    }
}

/// What to do about an address that cannot be listened on.
fn listen_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            ": another extension or the function has this port; leave `Subscription::port` out to get a free one, or choose another"
        }
        io::ErrorKind::PermissionDenied => {
            ": choose a port above 1023, or leave `Subscription::port` out to get a free one"
        }
        _ => "",
    }
}

/// What to do about a refused subscription, where the refusal has a usual cause.
fn subscription_hint(source: &ApiError) -> &'static str {
    if source.is("Telemetry.SubscriptionClosed") {
        ": it must come after registering and before the first event is asked for"
    } else if matches!(source, ApiError::Refused { status: 404, .. }) {
        ": there is no such API here; Managed Instances have no Logs API, and older emulators no Telemetry API"
    } else {
        ""
    }
}

/// What has usually gone before a refused poll.
fn poll_hint(source: &ApiError) -> &'static str {
    if source.is("Extension.InvalidExtensionState") {
        ". Another poll is still parked: one was dropped, or `next_event` is called twice at a time"
    } else {
        ""
    }
}

/// What has usually gone before a refused report.
fn report_hint(source: &ApiError) -> &'static str {
    if source.is("Extension.InvalidExtensionState") {
        ": `init_error` is for before the first `next_event`, `exit_error` for afterwards"
    } else {
        ""
    }
}

/// What to do about a refused registration, where the refusal has a usual cause.
fn registration_hint(source: &ApiError) -> &'static str {
    if source.says("ShutdownEventNotSupportedForInternalExtension") {
        ": Lambda started no file of that name from /opt/extensions, so it takes the registration for an internal \
         extension's. The name must be the file's; a launcher script needs bash's `exec -a \"$0\"`, or set \
         LAMBDA_EXTENSION_NAME to the name of the file in /opt/extensions"
    } else if source.says("registration closed") {
        ": an internal extension must register before the function's runtime asks for its first invocation"
    } else if source.is("Extension.TooManyExtensions") {
        ": a function can have ten extensions, internal ones included; remove one"
    } else if source.is("Extension.InvalidExtensionState") || source.says("already registered") {
        ": a process registers once, and an internal extension needs a name that no other has"
    } else if matches!(source, ApiError::Connect { .. }) {
        ": nobody answers at its address, which AWS_LAMBDA_RUNTIME_API says, or `Config::new`; where an emulator is to \
         answer, start it first and set AWS_LAMBDA_RUNTIME_API to its address"
    } else {
        ""
    }
}

/// A part of the user's code that the event loop calls, as errors and log lines name it.
///
/// ```
/// assert_eq!(lambda_extension::Hook::OnFlush.to_string(), "on_flush");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hook {
    /// The function that makes the extension, in [`Registered::run_with`](crate::Registered::run_with).
    Constructor,
    /// [`Extension::on_init`](crate::Extension::on_init).
    OnInit,
    /// [`Extension::on_invoke`](crate::Extension::on_invoke).
    OnInvoke,
    /// [`Extension::on_telemetry`](crate::Extension::on_telemetry).
    OnTelemetry,
    /// [`Extension::on_flush`](crate::Extension::on_flush).
    OnFlush,
    /// [`Extension::on_restore`](crate::Extension::on_restore).
    OnRestore,
    /// [`Extension::on_shutdown`](crate::Extension::on_shutdown).
    OnShutdown,
}

impl Hook {
    /// The name of the method; of the constructor, which has none of its own, a few words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Constructor => "the extension's constructor",
            Self::OnInit => "on_init",
            Self::OnInvoke => "on_invoke",
            Self::OnTelemetry => "on_telemetry",
            Self::OnFlush => "on_flush",
            Self::OnRestore => "on_restore",
            Self::OnShutdown => "on_shutdown",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the user's code failed; the cause of [`ExtensionError::Hook`].
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// It returned an error.
    #[error(transparent)]
    Failed(Error),

    /// It panicked.
    #[error("it panicked{}: {message}", .location.as_ref().map(|place| format!(" at {place}")).unwrap_or_default())]
    Panicked {
        /// What the panic said.
        message: String,
        /// File, line and column, where known.
        location: Option<String>,
    },

    /// It was still running at its bound, and was dropped.
    #[error("it was still running after {} ms, when it met its bound, {bound}, and was dropped", .after.as_millis())]
    Cancelled {
        /// How long it had been running.
        after: Duration,
        /// What had set the bound, and by what name that can be changed.
        bound: &'static str,
    },
}

impl fmt::Debug for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(self).join("\n  caused by: "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_each_cause_once_and_on_its_own_line() {
        let cause = io::Error::new(io::ErrorKind::NotFound, "no such table");
        let error = ExtensionError::Hook { hook: Hook::OnInvoke, source: HookError::Failed(cause.into()) };
        assert_eq!(
            format!("{error:?}"),
            "on_invoke failed (Extension.HookFailed)\n  caused by: no such table"
        );
    }

    #[test]
    fn an_error_that_is_its_own_cause_has_an_end() {
        #[derive(Debug)]
        struct Circular;
        impl fmt::Display for Circular {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("see below")
            }
        }
        impl StdError for Circular {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(self)
            }
        }
        // Each cause repeats what was said before it.
        assert_eq!(chain(&Circular), ["see below"]);
    }

    #[test]
    fn every_error_type_is_fit_for_a_header() {
        let refused = || ApiError::Refused {
            url: String::new(),
            status: 403,
            error_type: None,
            message: "new\nline".into(),
        };
        let hook = |source| ExtensionError::Hook { hook: Hook::OnInit, source };
        for error in [
            ExtensionError::config(""),
            ExtensionError::Listen { address: String::new(), source: io::ErrorKind::Other.into() },
            ExtensionError::Register { name: String::new(), source: refused() },
            ExtensionError::Subscribe { source: refused() },
            ExtensionError::NextEvent { source: refused() },
            ExtensionError::Report { source: refused() },
            hook(HookError::Failed("ü\n".into())),
            hook(HookError::Panicked { message: "ü\n".into(), location: None }),
            hook(HookError::Cancelled { after: Duration::ZERO, bound: "" }),
        ] {
            let reason = error.error_type().strip_prefix("Extension.").expect("it has the category");
            assert!(reason.starts_with(|c: char| c.is_ascii_uppercase()));
            assert!(reason.bytes().all(|byte| byte.is_ascii_alphabetic()), "{reason}");
        }
    }

    fn refused(error_type: &str, message: &str) -> ApiError {
        ApiError::Refused {
            url: "http://127.0.0.1:9001/".into(),
            status: 403,
            error_type: Some(error_type.into()),
            message: message.into(),
        }
    }

    #[test]
    fn what_has_a_usual_cause_names_the_cure() {
        let register = |source| ExtensionError::Register { name: "my-ext".into(), source };
        let already = "Extension with this name already registered";
        let port_taken = ExtensionError::Listen {
            address: "0.0.0.0:4243".into(),
            source: io::ErrorKind::AddrInUse.into(),
        };
        for (error, cure) in [
            (register(refused("Extension.InvalidExtensionState", already)), "a name that no other has"),
            (
                register(refused(
                    "Extension.InvalidExtensionState",
                    "State transition from Registered to Registered failed",
                )),
                "a process registers once",
            ),
            (register(refused("Extension.TooManyExtensions", "Extension limit (10) reached")), "remove one"),
            (
                register(ApiError::Connect { address: "nonsense".into(), reason: "no such host".into() }),
                "which AWS_LAMBDA_RUNTIME_API says",
            ),
            (
                ExtensionError::Report {
                    source: refused("Extension.InvalidExtensionState", "Ready to InitError"),
                },
                "`exit_error` for afterwards",
            ),
            (port_taken, "leave `Subscription::port` out"),
            (
                ExtensionError::Subscribe {
                    source: refused("Telemetry.SubscriptionClosed", "closed already"),
                },
                "before the first event is asked for",
            ),
            (
                ExtensionError::NextEvent {
                    source: refused("Extension.InvalidExtensionState", "Ready to Ready"),
                },
                "`next_event` is called twice",
            ),
        ] {
            assert!(error.to_string().contains(cure), "{error}");
        }
    }

    #[test]
    fn a_wrong_name_is_explained_as_what_it_is() {
        let error = ExtensionError::Register {
            name: "my-ext".into(),
            source: ApiError::Refused {
                url: "http://127.0.0.1:9001/2020-01-01/extension/register".into(),
                status: 403,
                error_type: Some("Extension.InvalidEventType".into()),
                message: "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension".into(),
            },
        };
        let text = format!("{error:?}");
        assert!(text.contains("LAMBDA_EXTENSION_NAME") && text.contains("exec -a"), "{text}");
        assert!(text.contains("answered 403 Extension.InvalidEventType: SHUTDOWN:"), "{text}");
    }
}
