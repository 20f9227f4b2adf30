//! The environment variables that the framework looks at, and no others: see `SECURITY.md`.

/// Where Lambda's API is; set by Lambda.
pub(crate) const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
/// What kind of environment this is; set by Lambda.
pub(crate) const INITIALIZATION_TYPE: &str = "AWS_LAMBDA_INITIALIZATION_TYPE";
/// How the function is to log; set by Lambda.
#[cfg(feature = "logging")]
pub(crate) const LOG_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";
#[cfg(feature = "logging")]
pub(crate) const LOG_FORMAT: &str = "AWS_LAMBDA_LOG_FORMAT";
/// The extension's name, where it is not its file's.
pub(crate) const NAME: &str = "LAMBDA_EXTENSION_NAME";
/// Set for the process that a local Lambda starts as the extension.
pub(crate) const GUEST: &str = "LAMBDA_EXTENSION_GUEST";
/// Where one of them is set, no local Lambda is started: in Lambda, or what says it is, there is no second one, and a
/// guest is never a host.
pub(crate) const SPEAK_OF_LAMBDA: [&str; 4] =
    [RUNTIME_API, "AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT", GUEST];
