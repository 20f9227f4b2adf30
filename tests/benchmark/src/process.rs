//! One process under measurement, seen from outside.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Read},
    net::SocketAddr,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        signal::{Signal, kill},
    },
    unistd::Pid,
};

pub(crate) struct Process {
    child: Child,
    /// The other end of the process's standard input, which it never reads: it is closed when the process is gone.
    lifeline: UnixStream,
    pub(crate) started: Instant,
}

/// What the kernel says of a running process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Footprint {
    /// The most memory it ever had resident (`VmHWM`), in KiB. Not `ru_maxrss`, which counts what the parent had when it forked.
    pub(crate) peak_kib: u64,
    pub(crate) threads: u64,
}

impl Process {
    /// Starts a program as Lambda would: by its path, with Lambda's variables and those it was given, and no others.
    pub(crate) fn start(command: &mut Command, api: SocketAddr, output: Stdio) -> Result<Self> {
        let given: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        let (lifeline, stdin) = UnixStream::pair()?;
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "measured")
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_REGION", "eu-central-1")
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .envs(given)
            .stdin(OwnedFd::from(stdin))
            .stdout(output);
        if std::env::var_os("BENCHMARK_SHOW").is_none() {
            command.stderr(Stdio::null());
        }
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        // The command keeps its copies of the descriptors it was given, the end of the lifeline among them.
        command.stdin(Stdio::null());
        Ok(Self { child, lifeline, started })
    }

    /// Its standard output, line by line, if it was piped.
    pub(crate) fn lines(&mut self) -> Result<BufReader<ChildStdout>> {
        Ok(BufReader::new(self.child.stdout.take().context("standard output is not piped")?))
    }

    pub(crate) fn footprint(&self) -> Result<Footprint> {
        Ok(Footprint { peak_kib: self.status("VmHWM:")?, threads: self.status("Threads:")? })
    }

    /// What memory it has resident now, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The number in this line of what the kernel says of it.
    fn status(&self, field: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).with_context(|| format!("{path}: has it ended?"))?;
        let number = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
        Ok(number.with_context(|| format!("no {field} in {path}"))?.parse()?)
    }

    /// Waits until it is gone. Kills it, as Lambda does, when that takes longer than `limit`.
    pub(crate) fn wait(mut self, limit: Duration) -> Result<End> {
        self.lifeline.set_read_timeout(Some(limit))?;
        let killed = match self.lifeline.read(&mut [0]) {
            Ok(0) => false,
            Ok(_) => bail!("it wrote to its standard input"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(error) => return Err(error.into()),
        };
        if killed {
            self.child.kill()?;
        }
        let gone = Instant::now();
        let before = cpu_of_children()?;
        let status = self.child.wait()?;
        let cpu = cpu_of_children()?.saturating_sub(before);
        if !killed && !status.success() && status.signal().is_none() {
            bail!("it ended with {status}");
        }
        Ok(End { gone, killed, cpu })
    }

    /// Asks it to end by SIGTERM, which valgrind answers with its report.
    pub(crate) fn terminate(self) -> Result<End> {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM)?;
        self.wait(Duration::from_secs(10))
    }

    /// Ends it without ceremony, after a measurement that its end is no part of.
    pub(crate) fn kill(self) -> Result<End> {
        self.wait(Duration::from_nanos(1))
    }
}

/// How a process ended.
pub(crate) struct End {
    pub(crate) gone: Instant,
    pub(crate) killed: bool,
    /// User and system time of its whole life.
    pub(crate) cpu: Duration,
}

/// The CPU time of all children that were waited for so far.
fn cpu_of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64)
        .sum();
    Ok(Duration::from_micros(microseconds))
}

/// One line from a process, which must come.
pub(crate) fn line(lines: &mut BufReader<ChildStdout>) -> Result<String> {
    let mut line = String::new();
    if lines.read_line(&mut line)? == 0 {
        bail!("it ended without having seen everything that was sent");
    }
    Ok(line.trim_end().to_owned())
}

pub(crate) fn size_of(program: &Path) -> Result<u64> {
    Ok(fs::metadata(program).with_context(|| program.display().to_string())?.len())
}
