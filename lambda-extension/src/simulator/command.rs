//! A command as Lambda would run it: which variables it sees, where its output goes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::Stdio;

use rustix::io::Errno;

use super::guest::Role;
use super::settings::{InitializationType, Settings};

/// Makes a command what Lambda would run: a process group of its own, no input, its output read, Lambda's variables.
pub(crate) fn prepare(
    mut command: std::process::Command,
    role: Role,
    settings: &Settings,
    runtime_api: &str,
) -> tokio::process::Command {
    // What the caller set on the command itself goes on top; what it would inherit does not go at all.
    let own: Vec<(OsString, Option<OsString>)> =
        command.get_envs().map(|(name, value)| (name.to_owned(), value.map(OsStr::to_owned))).collect();
    command.env_clear();
    command.envs(variables(role, settings, runtime_api));
    for (name, value) in own {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true);
    command
}

/// The file name of a program: the name under which Lambda knows it.
pub(crate) fn base_name(program: &OsStr) -> String {
    Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned()
}

/// What the system says of a file that cannot be executed, and what that usually means.
pub(crate) fn launch_error(error: &io::Error) -> String {
    let meaning = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOEXEC) => {
            "; it is built for another machine, or a script without `#!` in its first line"
        }
        Some(Errno::NOENT) => "; the file is not there, or the interpreter or loader that it names",
        _ => "",
    };
    format!("could not be started: {error}{meaning}")
}

/// The variables Lambda sets, filtered for extensions as it filters them.
fn variables(role: Role, settings: &Settings, runtime_api: &str) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| variables.push((name.to_owned(), value.to_owned()));
    let inherited =
        |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    set("PATH", &inherited("PATH", "/usr/local/bin:/usr/bin:/bin"));
    set("LANG", "en_US.UTF-8");
    set("TZ", ":UTC");
    if let Ok(path) = std::env::var("LD_LIBRARY_PATH") {
        set("LD_LIBRARY_PATH", &path);
    }
    set("AWS_LAMBDA_RUNTIME_API", runtime_api);
    set("AWS_REGION", &settings.region);
    set("AWS_DEFAULT_REGION", &settings.region);
    set("AWS_LAMBDA_FUNCTION_NAME", &settings.function_name);
    set("AWS_LAMBDA_FUNCTION_VERSION", &settings.function_version);
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &settings.memory_mb.to_string());
    set("AWS_LAMBDA_INITIALIZATION_TYPE", &settings.init_type.to_string());
    set("AWS_LAMBDA_LOG_FORMAT", &settings.log_format.to_string());
    if let Some(level) = &settings.log_level {
        set("AWS_LAMBDA_LOG_LEVEL", level);
    }
    if settings.init_type == InitializationType::SnapStart {
        set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("http://{runtime_api}/2021-04-23/credentials"));
        set("AWS_CONTAINER_AUTHORIZATION_TOKEN", super::request::CREDENTIALS_TOKEN);
    } else {
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            set(name, &inherited(name, "simulated"));
        }
    }
    if role == Role::Runtime {
        set("_HANDLER", &settings.handler);
        set("LAMBDA_TASK_ROOT", "/var/task");
        set("LAMBDA_RUNTIME_DIR", "/var/runtime");
        set("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023");
        set("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{}", settings.function_name));
        set("AWS_LAMBDA_LOG_STREAM_NAME", "simulated");
    }
    let hidden =
        |name: &str| role == Role::Extension && (name.starts_with('_') || name == "AWS_XRAY_CONTEXT_MISSING");
    variables.extend(settings.variables.iter().filter(|(name, _)| !hidden(name)).cloned());
    variables
}
