//! A process tree that sees its own `/opt/extensions`, and `/var/task` where that is wanted, and ends as one.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Runs inside the new namespaces: puts `$1/extensions`, and `$1/task` if there is one, in the places where Lambda looks, then
/// becomes the rest.
///
/// Where the machine has no such directory, one appears on a file system in memory laid over `/opt`, beside links to
/// what is there. Nobody outside sees any of it.
const ENTER: &str = r#"
set -e
if [ ! -d /opt/extensions ]; then
    mkdir "$1/opt"
    mount --rbind /opt "$1/opt"
    mount -t tmpfs opt /opt
    for entry in "$1"/opt/*; do
        if [ -e "$entry" ]; then ln -s "$entry" /opt/; fi
    done
    mkdir /opt/extensions
fi
mount --bind "$1/extensions" /opt/extensions
if [ -d "$1/task" ]; then
    if [ ! -d /var/task ]; then
        mkdir "$1/var"
        mount --rbind /var "$1/var"
        mount -t tmpfs var /var
        for entry in "$1"/var/*; do ln -s "$entry" /var/; done
        mkdir /var/task
    fi
    mount --bind "$1/task" /var/task
fi
shift
exec "$@"
"#;

/// The arguments with which `unshare` works for this user: as root, or as root of a user namespace.
///
/// The process namespace is what lets nothing survive: when its first process ends, the kernel kills the others.
fn unshare_arguments() -> Option<&'static [&'static str]> {
    static WORKING: OnceLock<Option<&'static [&'static str]>> = OnceLock::new();
    const AS_ROOT: &[&str] = &["--mount", "--pid", "--fork", "--kill-child"];
    const AS_USER: &[&str] = &["--map-root-user", "--mount", "--pid", "--fork", "--kill-child"];
    *WORKING.get_or_init(|| {
        [AS_ROOT, AS_USER].into_iter().find(|arguments| {
            let trial = ["sh", "-c", "mount -t tmpfs opt /opt"];
            let status = Command::new("unshare").args(*arguments).args(trial).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        })
    })
}

/// Whether this machine lets us make the namespaces.
pub(crate) fn available() -> bool {
    unshare_arguments().is_some()
}

/// A command that runs `program` with `directory/extensions` as its `/opt/extensions`.
///
/// It is killed when the thread that starts it ends. (A user namespace loses that wish; there only the owner's
/// `Drop` ends it.)
pub(crate) fn command(directory: &Path, program: &Path) -> Command {
    let arguments = unshare_arguments().expect("the caller asked whether namespaces are available");
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare"]).args(arguments);
    command.args(["sh", "-c", ENTER, "enter"]).arg(directory).arg(program);
    command
}
