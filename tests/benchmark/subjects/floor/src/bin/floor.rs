//! The floor: the same loop on a blocking socket. The event is printed as it came.

use std::io::{self, Write};

use subject_floor::Api;

fn main() -> io::Result<()> {
    let mut api = Api::register()?;
    loop {
        let event = String::from_utf8_lossy(api.next_event()?);
        io::stderr().write_all(format!("{event}\n").as_bytes())?;
        if event.contains(r#""eventType":"SHUTDOWN""#) {
            return Ok(());
        }
    }
}
