//! The servers that the examples are tested against, each in a process of its own, on a port of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::{free_addresses, missing, programs};

/// A running server. Dropped, it is killed.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// moto, which acts as AWS's services. `None`, and said so, where `tests/fetch-servers` has not fetched it.
    ///
    /// # Panics
    ///
    /// When it does not start, or is missing though the variable `REQUIRE_SERVERS` says 1.
    pub fn moto() -> Option<Self> {
        Self::start_moto(&[])
    }

    /// moto behind TLS, with this certificate and key in PEM.
    ///
    /// # Panics
    ///
    /// As [`moto`](Self::moto).
    pub fn moto_with_tls(certificate: &Path, key: &Path) -> Option<Self> {
        Self::start_moto(&[Path::new("--ssl-cert"), certificate, Path::new("--ssl-key"), key])
    }

    fn start_moto(options: &[&Path]) -> Option<Self> {
        let installed = fetched("moto")?;
        let mut child = Command::new("python3")
            .args(["-c", "from moto.server import main; main()", "--host", "127.0.0.1", "--port", "0"])
            .args(options)
            .env("PYTHONPATH", installed)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("what pip has fetched is run by python3");
        let stderr = child.stderr.take().expect("it is piped");
        let line = line_with("Running on http", stderr).expect("moto starts");
        let port = line.rsplit(':').next().and_then(|port| port.parse().ok());
        let port: u16 = port.unwrap_or_else(|| panic!("no port in {line:?}"));
        Some(Self { child, address: (Ipv4Addr::LOCALHOST, port).into() })
    }

    /// rotel, an OpenTelemetry collector, which passes on what it gets to this address, by HTTP. `None`, and
    /// said so, where `tests/fetch-servers` has not fetched it.
    ///
    /// # Panics
    ///
    /// When it does not start, or is missing though the variable `REQUIRE_SERVERS` says 1.
    pub fn rotel(behind: SocketAddr) -> Option<Self> {
        let program = fetched("rotel")?.join("rotel-agent");
        // It does not say which port it was given, so it is told one. Somebody else may be quicker to take that.
        (0..5).find_map(|_| Self::try_rotel(&program, behind)).or_else(|| panic!("rotel does not start"))
    }

    fn try_rotel(program: &Path, behind: SocketAddr) -> Option<Self> {
        let [address, grpc] = free_addresses();
        let mut child = Command::new(program)
            .args(["start", "--exporter", "otlp", "--otlp-exporter-protocol", "http"])
            .args(["--batch-timeout", "10ms"])
            .args(["--otlp-exporter-endpoint", &format!("http://{behind}")])
            .args(["--otlp-http-endpoint", &address.to_string(), "--otlp-grpc-endpoint", &grpc.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("what pip has fetched can be run");
        // It says this once it has its ports, and ends if it cannot have them.
        let started = line_with("Starting Rotel", child.stdout.take().expect("it is piped"));
        let server = Self { child, address };
        started.map(|_| server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The first line of a server's output that has these words; `None` where the output ends before it. The rest is read too, or
/// the server would be stuck with it.
fn line_with(words: &str, output: impl Read + Send + 'static) -> Option<String> {
    let mut lines = BufReader::new(output).lines();
    let found = lines.by_ref().map_while(Result::ok).find(|line| line.contains(words));
    thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    found
}

/// Where a server is installed; says so if it is not.
fn fetched(name: &str) -> Option<PathBuf> {
    let folder = programs::workspace().join("target/servers").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    missing(&format!("{name} is not there: run tests/fetch-servers"), "REQUIRE_SERVERS");
    None
}
