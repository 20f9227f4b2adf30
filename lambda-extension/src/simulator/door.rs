//! The door through which a program that finds no Lambda around it falls into a local one.

use std::ffi::OsString;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use super::command::base_name;
use super::{Function, Report, Session, Simulator};
use crate::variables::{GUEST, SPEAK_OF_LAMBDA};

/// What the caller's environment says about where this program runs.
fn is_open(is_set: impl Fn(&str) -> bool) -> bool {
    !SPEAK_OF_LAMBDA.into_iter().any(is_set)
}

/// Starts a local Lambda and runs this very program in it as the extension, if there is no Lambda around.
///
/// Returns nothing where the program should go on, because it is in Lambda or is that extension; otherwise the exit
/// code with which it should end: 0 if the extension behaved.
///
/// It blocks, and can be called inside and outside of a tokio runtime. What stands before it in `main` runs in both
/// processes. [`Config::from_env`](crate::Config::from_env) calls it, so only a program with much to do before that needs it:
///
/// ```no_run
/// use lambda_extension::simulator::door;
/// use lambda_extension::{Error, InvokeEvent, extension_fn};
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     if let Some(code) = door() {
///         std::process::exit(code.into());
///     }
///     // … what should be done once, by the extension only.
///     lambda_extension::run(extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) })).await
/// }
/// ```
#[must_use = "a program that has played host must not go on as a guest"]
pub fn door() -> Option<u8> {
    if !is_open(|name| std::env::var_os(name).is_some()) {
        return None;
    }
    // A thread of its own, because the caller may be inside a runtime, which cannot hold another.
    let host = std::thread::Builder::new().name("lambda-sim".to_owned()).spawn(host);
    let code = host.map(|thread| thread.join().unwrap_or(1));
    Some(code.unwrap_or_else(|error| {
        eprintln!("the local Lambda could not be started: {error}");
        1
    }))
}

fn host() -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let played = match (runtime, std::env::current_exe()) {
        (Ok(runtime), Ok(program)) => runtime.block_on(play(program.into_os_string())),
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    match played {
        Ok(report) => u8::from(!(report.is_clean() && report.totals.failed == 0)),
        Err(error) => {
            eprintln!("the local Lambda could not be started: {error}");
            1
        }
    }
}

async fn play(program: OsString) -> std::io::Result<Report> {
    eprintln!(
        "There is no Lambda here (AWS_LAMBDA_RUNTIME_API is not set), so this is a local one. It starts this program \
         a second time, as the extension: what stands before the framework's call in `main` runs twice."
    );
    let function = Function::echo().logs("hello from the function").takes(Duration::from_millis(20));
    let simulator = Simulator::builder().function(function).echo().try_start().await?;
    // The name is that of the file, also where the program was started by another path.
    let name = std::env::args_os().next().map_or_else(|| base_name(&program), |called| base_name(&called));
    let mut guest = Command::new(program);
    guest.args(std::env::args_os().skip(1));
    // The guest finds what it is configured by where it would find it in Lambda.
    guest.envs(std::env::vars_os().filter(|(name, _)| !is_reserved(&name.to_string_lossy()))).env(GUEST, "1");
    // The guest finds its name in argv[0], as in Lambda; the path of the executable may be another one's.
    std::os::unix::process::CommandExt::arg0(&mut guest, &name);
    simulator.spawn_as(&name, guest);
    let session = Session::new(3).gap(Duration::from_millis(100));
    let report =
        session.run(simulator, |number, invocation| eprintln!("-- invocation {number}: {invocation}")).await;
    // A reader that is gone does not matter any more.
    drop(write!(std::io::stdout(), "\n{report}"));
    Ok(report)
}

/// Variables that Lambda sets itself, or that belong to the place this program was started at.
fn is_reserved(name: &str) -> bool {
    let lambdas_own = [
        // The guest's name is that of its file, which this simulator expects.
        "LAMBDA_EXTENSION_NAME",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_EXECUTION_ENV",
        "TZ",
        "LANG",
        "PATH",
        "LD_LIBRARY_PATH",
    ];
    lambdas_own.contains(&name) || name.starts_with('_') || name.starts_with("AWS_LAMBDA_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_is_open_only_where_nothing_speaks_of_lambda() {
        assert!(is_open(|_| false));
        for name in SPEAK_OF_LAMBDA {
            assert!(!is_open(|asked| asked == name), "{name}");
        }
    }

    #[test]
    fn what_lambda_sets_is_not_taken_from_the_caller() {
        assert!(is_reserved("AWS_LAMBDA_RUNTIME_API") && is_reserved("_HANDLER") && is_reserved("TZ"));
        assert!(!is_reserved("RUST_LOG") && !is_reserved("HTTP_PROXY"));
    }
}
