//! Lines on their way: compressed as they come, and closed into parcels that are sent whole.

use std::{
    collections::VecDeque,
    io::{self, Write},
    mem,
};

use bytes::Bytes;
use flate2::{write::GzEncoder, Compression};
use uuid::Uuid;

/// A parcel is closed when it has this many bytes, compressed. So it fits into one record of Firehose, which takes 1,000 KiB
/// ("Amazon Data Firehose quotas"), and one attempt to send it is short.
const PARCEL: usize = 512 * 1024;

/// What is sent at once. It never changes, so that sending it again is not a second delivery.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    /// Unique also among environments that were restored from one snapshot: it is made when the parcel is closed, after the
    /// restore, out of the time and the kernel's randomness.
    pub(crate) id: Uuid,
    /// When its first line was written, as Lambda says it: `2026-07-28T19:02:11.805Z`.
    pub(crate) since: String,
    pub(crate) gzip: Bytes,
    lines: u64,
}

/// All that was not sent yet.
pub(crate) struct Spool {
    open: Option<Open>,
    closed: VecDeque<Parcel>,
    /// How many bytes of closed parcels are kept: memory is the function's, too.
    backlog: usize,
    /// How many lines were dropped for that.
    lost: u64,
}

struct Open {
    since: String,
    gzip: GzEncoder<Vec<u8>>,
    lines: u64,
}

impl Spool {
    pub(crate) fn new(backlog: usize) -> Self {
        Self { open: None, closed: VecDeque::new(), backlog, lost: 0 }
    }

    /// Adds a line, without its end.
    pub(crate) fn push(&mut self, time: &str, line: &[u8]) -> io::Result<()> {
        let open = self.open.get_or_insert_with(|| Open {
            since: time.to_owned(),
            gzip: GzEncoder::new(Vec::new(), Compression::fast()),
            lines: 0,
        });
        open.gzip.write_all(line)?;
        open.gzip.write_all(b"\n")?;
        open.lines += 1;
        if open.gzip.get_ref().len() >= PARCEL {
            self.close()
        } else {
            Ok(())
        }
    }

    /// Closes the parcel that is still open, so that it can be sent. The oldest ones go if that makes too many.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let gzip = Bytes::from(open.gzip.finish()?);
        self.closed.push_back(Parcel { id: Uuid::now_v7(), since: open.since, gzip, lines: open.lines });
        let mut bytes = self.closed.iter().map(|parcel| parcel.gzip.len()).sum::<usize>();
        while bytes > self.backlog {
            let dropped = self.closed.pop_front().expect("what has bytes has a parcel");
            bytes -= dropped.gzip.len();
            self.lost += dropped.lines;
        }
        Ok(())
    }

    /// The oldest parcel that can be sent. It stays until it is [removed](Self::remove).
    pub(crate) fn first(&self) -> Option<&Parcel> {
        self.closed.front()
    }

    /// Forgets the oldest parcel, which has arrived.
    pub(crate) fn remove(&mut self) {
        self.closed.pop_front();
    }

    /// How many lines were lost to the backlog's bound since this was asked last.
    pub(crate) fn take_lost(&mut self) -> u64 {
        mem::take(&mut self.lost)
    }

    /// How many lines wait.
    pub(crate) fn lines(&self) -> u64 {
        let closed = self.closed.iter().map(|parcel| parcel.lines);
        closed.sum::<u64>() + self.open.as_ref().map_or(0, |open| open.lines)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    const TIME: &str = "2026-07-28T19:02:11.805Z";

    fn text(parcel: &Parcel) -> String {
        let mut text = String::new();
        GzDecoder::new(&parcel.gzip[..]).read_to_string(&mut text).unwrap();
        text
    }

    /// Lines that no compression makes shorter, by a generator of random numbers that is good enough for that.
    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[test]
    fn a_parcel_has_its_lines_and_stays_until_it_is_removed() {
        let mut spool = Spool::new(usize::MAX);
        spool.push(TIME, b"one").unwrap();
        spool.push("later", b"two").unwrap();
        assert!(spool.first().is_none(), "it is still open");
        spool.close().unwrap();
        spool.close().unwrap();
        let parcel = spool.first().unwrap();
        assert_eq!((text(parcel).as_str(), parcel.since.as_str()), ("one\ntwo\n", TIME));
        assert_eq!(spool.first().unwrap().id, parcel.id);
        spool.remove();
        assert!(spool.first().is_none());
        assert_eq!(spool.lines(), 0);
    }

    #[test]
    fn a_parcel_fits_into_a_record_of_firehose() {
        let mut spool = Spool::new(usize::MAX);
        // Lambda cuts lines at 256 KiB.
        let line = noise(256 * 1024);
        for _ in 0..16 {
            spool.push(TIME, &line).unwrap();
        }
        spool.close().unwrap();
        assert_eq!(spool.lines(), 16);
        assert!(spool.closed.len() > 1);
        assert!(spool.closed.iter().all(|parcel| parcel.gzip.len() <= 1_000 * 1024));
    }

    #[test]
    fn beyond_the_backlog_the_oldest_lines_go_and_are_counted() {
        let mut spool = Spool::new(200);
        for line in [&noise(100)[..], b"two", b"three"] {
            spool.push(TIME, line).unwrap();
            spool.close().unwrap();
        }
        assert_eq!(spool.take_lost(), 0);
        spool.push(TIME, &noise(100)).unwrap();
        spool.close().unwrap();
        assert_eq!((spool.take_lost(), spool.take_lost()), (1, 0));
        assert_eq!((spool.lines(), text(spool.first().unwrap()).as_str()), (3, "two\n"));
    }
}
