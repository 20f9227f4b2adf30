//! Who obeys a proxy: the sink, which goes out; not the framework's client, nor what asks for credentials, which stay inside.

mod support;

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use lambda_extension::simulator::{ShutdownReason, Simulator};
use lambda_extension_tests::servers::Server;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use support::{extension, function, logged, Bucket, BUCKET};
use tempfile::TempDir;

/// The host of the bucket, by its URL in AWS.
const HOST: &str = "my-logs.s3.us-east-1.amazonaws.com";

/// A proxy whose every tunnel ends at this address, and the first lines of what it was asked for.
fn proxy(end: SocketAddr) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, lines) = mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let asked = asked.clone();
            thread::spawn(move || tunnel(&client, end, |line| drop(asked.send(line))));
        }
    });
    (address, lines)
}

fn tunnel(client: &TcpStream, end: SocketAddr, asked: impl FnOnce(String)) -> io::Result<()> {
    let mut head = BufReader::new(client).lines();
    asked(head.next().ok_or(io::ErrorKind::UnexpectedEof)??);
    while !head.next().ok_or(io::ErrorKind::UnexpectedEof)??.is_empty() {}
    let server = TcpStream::connect(end)?;
    (&*client).write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    thread::scope(|scope| {
        scope.spawn(|| copy(client, &server));
        copy(&server, client)
    })
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)
}

/// An authority of our own, and a certificate it gave to [`HOST`] and to this machine.
struct Certificates {
    _folder: TempDir,
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, pem: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, pem).unwrap();
            path
        };
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([HOST.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        Self {
            authority: write("authority.pem", authority.pem()),
            certificate: write("certificate.pem", certificate.pem()),
            key: write("key.pem", key.serialize_pem()),
            _folder: folder,
        }
    }
}

#[tokio::test]
async fn the_sink_obeys_the_proxy_and_whoever_stays_inside_does_not() {
    let certificates = Certificates::new();
    let Some(moto) = Server::moto_with_tls(&certificates.certificate, &certificates.key) else { return };
    let http = outward::client(Duration::from_secs(10), Some(&certificates.authority)).unwrap();
    let bucket = Bucket::create(http, format!("https://{}", moto.address)).await;
    let (proxy, asked) = proxy(moto.address);
    // With SnapStart the credentials come from an endpoint inside, by plain HTTP.
    let simulator = Simulator::builder().snap_start().function(function()).start().await;
    let mut command = extension();
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
        command.env(variable, format!("http://{proxy}"));
    }
    command.env("AWS_CA_BUNDLE", &certificates.authority);
    simulator.spawn(command);
    for number in 0..2 {
        simulator.invoke(number.to_string()).await.expect_success();
    }
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    assert_eq!(bucket.lines().await, logged(2), "{BUCKET} has all: {report}");
    let asked: Vec<_> = asked.try_iter().collect();
    assert!(!asked.is_empty(), "the sink went past the proxy");
    assert!(asked.iter().all(|line| *line == format!("CONNECT {HOST}:443 HTTP/1.1")), "{asked:?}");
}
