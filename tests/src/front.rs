//! What stands in front of a server and spoils some of the requests to it, or is a server itself.

use std::collections::VecDeque;
use std::io::{self, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::http::Message;
use crate::{BOUND, lock};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server behind gets it and its answer is passed on.
    Pass,
    /// The server behind does not hear of it; it is answered with this status.
    Refuse(u16),
    /// The server behind does not hear of it, and nobody answers.
    Swallow,
    /// The server behind gets it, and nobody answers.
    TakeSilently,
    /// As [`Pass`](Self::Pass), but whatever comes on the same connection afterwards is swallowed: so behaves a connection
    /// whose other end went away during a freeze.
    PassAndGo,
}

/// A server of HTTP/1 that notes every request and decides what becomes of it.
pub struct Front {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

type Answer = dyn Fn(&Message) -> io::Result<Message> + Send + Sync;

struct Shared {
    fates: Mutex<VecDeque<Fate>>,
    requests: Mutex<Vec<(Fate, Message)>>,
    came: Condvar,
    answer: Box<Answer>,
}

impl Front {
    /// Stands in front of the server at this address.
    pub fn of(behind: SocketAddr, fates: &[Fate]) -> Self {
        Self::start(fates, move |request| pass(behind, request))
    }

    /// Answers every request with this status and nothing else.
    pub fn answering(status: u16, fates: &[Fate]) -> Self {
        Self::start(fates, move |_| Ok(empty(status)))
    }

    /// The first requests meet these fates, all others pass.
    fn start(
        fates: &[Fate],
        answer: impl Fn(&Message) -> io::Result<Message> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            fates: Mutex::new(fates.iter().copied().collect()),
            requests: Mutex::default(),
            came: Condvar::new(),
            answer: Box::new(answer),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&serving);
                thread::spawn(move || shared.serve(&connection));
            }
        });
        Self { address, shared }
    }

    /// Every request so far, with what became of it.
    pub fn requests(&self) -> Vec<(Fate, Message)> {
        lock(&self.shared.requests).clone()
    }

    /// Waits until the requests are as they should be, and returns them.
    ///
    /// # Panics
    ///
    /// When they do not become so in time.
    pub fn wait_for(&self, done: impl Fn(&[(Fate, Message)]) -> bool) -> Vec<(Fate, Message)> {
        let requests = lock(&self.shared.requests);
        let waited = self.shared.came.wait_timeout_while(requests, BOUND, |requests| !done(requests));
        let (requests, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "these requests are not what was waited for: {requests:?}");
        requests.clone()
    }
}

impl Shared {
    fn serve(&self, connection: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(connection);
        let mut gone = false;
        while let Some(request) = Message::read_request(&mut reader)? {
            let next = || lock(&self.fates).pop_front().unwrap_or(Fate::Pass);
            let fate = if gone { Fate::Swallow } else { next() };
            lock(&self.requests).push((fate, request.clone()));
            self.came.notify_all();
            match fate {
                Fate::Pass => (self.answer)(&request)?.write_to(&mut &*connection)?,
                Fate::Refuse(status) => empty(status).write_to(&mut &*connection)?,
                Fate::Swallow => {}
                Fate::TakeSilently => drop((self.answer)(&request)?),
                Fate::PassAndGo => {
                    gone = true;
                    (self.answer)(&request)?.write_to(&mut &*connection)?;
                }
            }
        }
        Ok(())
    }
}

fn pass(behind: SocketAddr, request: &Message) -> io::Result<Message> {
    let mut request = request.clone();
    // The answer then has neither chunks nor another after it.
    request.start_line = request.start_line.replace("HTTP/1.1", "HTTP/1.0");
    request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
    let mut stream = TcpStream::connect(behind)?;
    request.write_to(&mut stream)?;
    let mut answer = Message::read_response(&mut BufReader::new(stream))?;
    answer.start_line = answer.start_line.replace("HTTP/1.0", "HTTP/1.1");
    let of_the_connection = ["connection", "content-length"];
    answer.headers.retain(|(name, _)| !of_the_connection.contains(&name.to_ascii_lowercase().as_str()));
    answer.headers.push(("content-length".to_owned(), answer.body.len().to_string()));
    Ok(answer)
}

fn empty(status: u16) -> Message {
    Message {
        start_line: format!("HTTP/1.1 {status} so"),
        headers: vec![("content-length".to_owned(), "0".to_owned())],
        body: Vec::new(),
    }
}
