//! Processes that are not our children: found through `/proc`, signalled, and watched to their end.

use std::fs;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::BOUND;

/// A process, by the number under which this side of the namespace knows it.
#[derive(Clone, Copy, Debug)]
pub struct Process(Pid);

impl Process {
    /// The children of process `pid`, in no order.
    pub(crate) fn children_of(pid: i32) -> Vec<Self> {
        let entries = fs::read_dir("/proc").expect("/proc is readable");
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|child| parent_of(*child) == Some(pid)).filter_map(Pid::from_raw).map(Self).collect()
    }

    /// The process of this number.
    ///
    /// # Panics
    ///
    /// When that cannot be the number of a process.
    pub fn of(pid: i32) -> Self {
        Self(Pid::from_raw(pid).expect("a process has a number greater than 0"))
    }

    /// This process, its children, theirs, and so on.
    pub(crate) fn tree(self) -> Vec<Self> {
        let mut tree = vec![self];
        let mut looked_at = 0;
        while let Some(process) = tree.get(looked_at) {
            tree.extend(Self::children_of(process.pid()));
            looked_at += 1;
        }
        tree
    }

    /// The process identifier.
    pub fn pid(self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// The name it was started under; empty when it is gone.
    pub fn argv0(self) -> String {
        let arguments = fs::read(format!("/proc/{}/cmdline", self.pid())).unwrap_or_default();
        let first = arguments.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(first).into_owned()
    }

    /// A line of `/proc/PID/status`, such as `Threads` or `VmHWM`, without its name.
    ///
    /// # Panics
    ///
    /// When the process is gone or the kernel knows no such line.
    pub fn status(self, field: &str) -> String {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("{path} has no {field}")).trim().to_owned()
    }

    /// Sends SIGTERM.
    ///
    /// # Panics
    ///
    /// When the process is gone or not ours to signal.
    pub fn terminate(self) {
        kill_process(self.0, Signal::TERM).unwrap_or_else(|error| panic!("SIGTERM to {self:?}: {error}"));
    }

    /// Sends SIGKILL, unless the process is gone already.
    pub fn kill(self) {
        let _ = kill_process(self.0, Signal::KILL);
    }

    /// Stops it, as a freeze does, and waits until it stands still.
    ///
    /// # Panics
    ///
    /// When the process is gone, or does not stop.
    pub fn stop(self) {
        kill_process(self.0, Signal::STOP).unwrap_or_else(|error| panic!("SIGSTOP to {self:?}: {error}"));
        let began = Instant::now();
        // The kernel takes its time with a process that is busy, and tells nobody but its parent.
        while !self.status("State").starts_with(['T', 't']) {
            assert!(began.elapsed() < BOUND, "{self:?} does not stop");
            thread::yield_now();
        }
    }

    /// Lets it go on.
    ///
    /// # Panics
    ///
    /// When the process is gone.
    pub fn go_on(self) {
        kill_process(self.0, Signal::CONT).unwrap_or_else(|error| panic!("SIGCONT to {self:?}: {error}"));
    }

    /// Notes the moment at which the process ends.
    ///
    /// # Panics
    ///
    /// When the process is gone already.
    pub fn watch(self) -> Watch {
        let process =
            pidfd_open(self.0, PidfdFlags::empty()).unwrap_or_else(|error| panic!("{self:?}: {error}"));
        let (sender, end) = mpsc::channel();
        thread::spawn(move || sender.send(wait_for_end(&process)));
        Watch { process: self, end }
    }
}

/// A process that is being watched.
pub struct Watch {
    process: Process,
    end: Receiver<Instant>,
}

impl Watch {
    /// Waits for the end, and says when it was.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub fn end(self) -> Instant {
        self.end.recv_timeout(BOUND).unwrap_or_else(|_| panic!("{:?} does not end", self.process))
    }
}

/// A process file descriptor becomes readable when its process ends.
fn wait_for_end(process: &OwnedFd) -> Instant {
    loop {
        match poll(&mut [PollFd::new(process, PollFlags::IN)], None) {
            Ok(_) => return Instant::now(),
            Err(Errno::INTR) => {}
            Err(error) => panic!("waiting for a process to end: {error}"),
        }
    }
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name comes second, in brackets, and may itself hold blanks and brackets.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}
