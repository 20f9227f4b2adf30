//! Who runs in the environment: processes, futures in this process, and extensions that a test drives by hand.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::core::{Core, Inner, Phase};
use super::output::read_lines;
use super::report::Problem;

/// How long the output of a process that has ended is waited for: a child of its own may hold it open.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// So many of its last lines are kept, and so many characters of each.
const KEPT_LINES: usize = 5;
const KEPT_CHARACTERS: usize = 300;

/// What a guest is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Extension,
    Runtime,
}

pub(crate) type Life = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// How a guest is started, and started again after a reset.
pub(crate) enum Recipe {
    Process(tokio::process::Command),
    Future(Box<dyn FnMut() -> Life + Send>),
    /// Somebody else calls for it.
    Attached,
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process(_) => "Process",
            Self::Future(_) => "Future",
            Self::Attached => "Attached",
        })
    }
}

/// Something that is running.
#[derive(Debug)]
enum Alive {
    Process(Pid),
    Future(AbortHandle),
    Attached,
}

/// How a guest ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) at: Instant,
    pub(crate) words: String,
    pub(crate) well: bool,
}

/// A guest of the environment.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) role: Role,
    recipe: Recipe,
    alive: Option<Alive>,
    /// Tells this life from the one before a reset.
    incarnation: u64,
    pub(crate) end: Option<End>,
    /// The largest memory seen, in kB, of a process.
    peak_kb: u64,
    /// What its process wrote last.
    last_lines: VecDeque<String>,
}

impl Guest {
    pub(crate) fn new(name: &str, role: Role, recipe: Recipe) -> Self {
        Self {
            name: name.to_owned(),
            role,
            recipe,
            alive: None,
            incarnation: 0,
            end: None,
            peak_kb: 0,
            last_lines: VecDeque::new(),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.alive.is_some()
    }

    pub(crate) fn is_attached(&self) -> bool {
        matches!(self.recipe, Recipe::Attached)
    }

    pub(crate) fn is_process(&self) -> bool {
        matches!(self.recipe, Recipe::Process(_))
    }

    pub(crate) fn pid(&self) -> Option<Pid> {
        match self.alive {
            Some(Alive::Process(pid)) => Some(pid),
            _ => None,
        }
    }

    /// Ends it at once, with everything it started.
    pub(crate) fn kill(&mut self) {
        match &self.alive {
            Some(Alive::Process(pid)) => signal(*pid, Signal::KILL),
            Some(Alive::Future(handle)) => handle.abort(),
            // Its connection is closed by whoever holds it; there is nothing else of it here.
            Some(Alive::Attached) => {
                self.alive = None;
                self.end = Some(End { at: Instant::now(), words: "left running".to_owned(), well: false });
            }
            None => {}
        }
    }

    /// Asks a process to end.
    pub(crate) fn terminate(&self) {
        if let Some(pid) = self.pid() {
            signal(pid, Signal::TERM);
        }
    }

    pub(crate) fn stop(&self) {
        if let Some(pid) = self.pid() {
            signal(pid, Signal::STOP);
        }
    }

    pub(crate) fn go_on(&self) {
        if let Some(pid) = self.pid() {
            signal(pid, Signal::CONT);
        }
    }

    /// The largest memory so far in kB; 0 for what is no process of its own.
    pub(crate) fn peak_kb(&mut self) -> u64 {
        if let Some(pid) = self.pid() {
            self.peak_kb = self.peak_kb.max(peak_of(pid).unwrap_or(0));
        }
        self.peak_kb
    }

    /// Takes note of a line its process wrote.
    fn wrote(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        if self.last_lines.len() == KEPT_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(shortened(line, KEPT_CHARACTERS));
    }

    /// Starts it. The error is what the system says about the file.
    pub(crate) fn launch(&mut self, core: &Arc<Core>) -> std::io::Result<()> {
        self.incarnation += 1;
        self.end = None;
        self.peak_kb = 0;
        self.last_lines.clear();
        let (core, name, role, incarnation) =
            (Arc::clone(core), self.name.clone(), self.role, self.incarnation);
        self.alive = Some(match &mut self.recipe {
            Recipe::Attached => Alive::Attached,
            Recipe::Future(make) => {
                let life = tokio::spawn(make());
                let handle = life.abort_handle();
                tokio::spawn(async move {
                    let (words, well) = match life.await {
                        Ok(Ok(())) => ("returned".to_owned(), true),
                        Ok(Err(error)) => (format!("returned an error: {error}"), false),
                        Err(error) if error.is_cancelled() => ("killed".to_owned(), false),
                        Err(_) => ("panicked".to_owned(), false),
                    };
                    core.ended(&name, role, incarnation, words, well);
                });
                Alive::Future(handle)
            }
            Recipe::Process(command) => {
                let mut child = command.spawn()?;
                let pid = child.id().and_then(|pid| Pid::from_raw(pid as i32));
                let pid = pid.ok_or_else(|| std::io::Error::other("the new process has no id"))?;
                let mut readers = JoinSet::new();
                if let Some(out) = child.stdout.take() {
                    readers.spawn(read_lines(out, Arc::clone(&core), name.clone(), role));
                }
                if let Some(err) = child.stderr.take() {
                    readers.spawn(read_lines(err, Arc::clone(&core), name.clone(), role));
                }
                tokio::spawn(async move {
                    let (words, well) = match child.wait().await {
                        Ok(status) => (exit_words(status), status.success()),
                        Err(error) => (format!("could not be waited for: {error}"), false),
                    };
                    if !well || !core.lock().is_ending() {
                        // It says why in its last lines.
                        let closed = async { while readers.join_next().await.is_some() {} };
                        drop(tokio::time::timeout(LAST_WORDS, closed).await);
                    }
                    readers.detach_all();
                    core.ended(&name, role, incarnation, words, well);
                });
                Alive::Process(pid)
            }
        });
        Ok(())
    }

    /// Takes note of its end; `false` if that was an earlier life.
    pub(crate) fn enter_end(&mut self, incarnation: u64, words: &str, well: bool) -> bool {
        if self.incarnation != incarnation || self.alive.is_none() {
            return false;
        }
        self.alive = None;
        self.end = Some(End { at: Instant::now(), words: words.to_owned(), well });
        true
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation
    }
}

/// Whatever is left behind is not left running.
impl Drop for Guest {
    fn drop(&mut self) {
        self.kill();
    }
}

fn signal(pid: Pid, signal: Signal) {
    // A group that is gone is as good as signalled.
    let _ = kill_process_group(pid, signal);
}

fn peak_of(pid: Pid) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The text, cut where it is longer than so many characters.
pub(crate) fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn exit_words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => "exit code 0".to_owned(),
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

impl Core {
    /// A guest came to its end: what that means depends on whether it may.
    fn ended(self: &Arc<Self>, name: &str, role: Role, incarnation: u64, words: String, well: bool) {
        let mut inner = self.lock();
        let guest = inner.guests.iter_mut().find(|guest| guest.name == name && guest.role == role);
        if guest.is_some_and(|guest| guest.enter_end(incarnation, &words, well)) {
            inner.guest_ended(self, name, role, &words, well);
        }
        drop(inner);
        self.changed();
    }

    /// An attached extension is taken to be gone: it reported an error, or closed its connection after SHUTDOWN.
    pub(crate) fn attached_ended(self: &Arc<Self>, name: &str, words: &str, well: bool) {
        let incarnation = {
            let inner = self.lock();
            let guest = inner.guests.iter().find(|guest| guest.name == name && guest.is_attached());
            guest.map(Guest::incarnation)
        };
        if let Some(incarnation) = incarnation {
            self.ended(name, Role::Extension, incarnation, words.to_owned(), well);
        }
    }
}

impl Inner {
    /// The extension of this name; the runtime's is not among them.
    pub(crate) fn extension(&mut self, name: &str) -> Option<&mut Guest> {
        self.guests.iter_mut().find(|guest| guest.role == Role::Extension && guest.name == name)
    }

    pub(crate) fn runtime_guest(&mut self) -> Option<&mut Guest> {
        self.guests.iter_mut().find(|guest| guest.role == Role::Runtime)
    }

    /// Takes note of a line that a process wrote.
    pub(crate) fn wrote(&mut self, name: &str, role: Role, line: &str) {
        let guest = self.guests.iter_mut().find(|guest| guest.role == role && guest.name == name);
        if let Some(guest) = guest {
            guest.wrote(line);
        }
    }

    pub(crate) fn last_lines(&self, name: &str, role: Role) -> Vec<String> {
        let guest = self.guests.iter().find(|guest| guest.role == role && guest.name == name);
        guest.map(|guest| guest.last_lines.iter().cloned().collect()).unwrap_or_default()
    }

    /// Guests are told to end, or have ended: nobody is surprised by an end.
    fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending | Phase::Down | Phase::Over)
    }

    /// A guest is gone. Before the end that is a fault, whatever its exit code.
    fn guest_ended(&mut self, core: &Core, name: &str, role: Role, words: &str, well: bool) {
        self.note(core, format!("{name} ended: {words}"));
        let expected = self.is_ending();
        let released = match role {
            Role::Runtime => {
                if !expected {
                    self.blame_runtime(core, words);
                    self.env.fatal("Runtime.ExitError");
                }
                None
            }
            Role::Extension if expected => self.env.ended(name, well),
            Role::Extension => {
                let released = self.env.crashed(name);
                let rule = if well {
                    ", whatever the exit code: it should go on asking for the next event"
                } else {
                    ""
                };
                let what = format!("ended before SHUTDOWN ({words}); Lambda calls that a crash{rule}");
                self.bad_end(core, name, role, what);
                released
            }
        };
        self.let_go(released);
    }

    /// A function that was never ready tells nothing of the extensions beside it, unless it said itself that it cannot.
    fn blame_runtime(&mut self, core: &Core, words: &str) {
        if self.phase == Phase::Init && self.init.runtime_ready.is_none() && self.env.first_fatal().is_none()
        {
            let what = format!("the function's program ended before it asked for an invocation ({words})");
            self.bad_end(core, "runtime", Role::Runtime, what);
        }
    }

    /// A guest ended as it should not: its last lines usually say why.
    pub(crate) fn bad_end(&mut self, core: &Core, name: &str, role: Role, what: String) {
        let last_lines = self.last_lines(name, role);
        let problem = Problem { at: core.time.since_start(), extension: name.to_owned(), what, last_lines };
        self.ledger.problem(problem);
    }
}
