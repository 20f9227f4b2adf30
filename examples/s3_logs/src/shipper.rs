//! The extension: keeps what is logged, and sends it when it is time.

use lambda_extension::{
    telemetry::{Batch, Event, LogLine, Record},
    Error, Extension, FlushEvent, ShutdownEvent,
};
use serde::Serialize;
use serde_json::value::RawValue;
use tracing::{info, warn};

use crate::{parcel::Spool, settings::Settings, sink::Sink};

pub(crate) struct Shipper {
    spool: Spool,
    sink: Sink,
    /// The line that is being written: reused for every line.
    buffer: Vec<u8>,
}

impl Shipper {
    pub(crate) fn new(function: String, settings: &Settings) -> Result<Self, Error> {
        let sink = Sink::new(function, settings)?;
        Ok(Self { spool: Spool::new(settings.backlog), sink, buffer: Vec::new() })
    }

    fn keep(&mut self, event: &Event<'_>, line: &LogLine<'_>) -> Result<(), Error> {
        /// One line of what is shipped.
        #[derive(Serialize)]
        struct Line<'a> {
            time: &'a str,
            request_id: Option<String>,
            line: &'a RawValue,
        }
        let line = Line {
            time: &event.time,
            request_id: event.request_id().map(|id| id.to_string()),
            line: serde_json::from_str(line.raw())?,
        };
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, &line)?;
        self.spool.push(&event.time, &self.buffer)?;
        Ok(())
    }

    async fn send_all(&mut self) -> Result<(), Error> {
        while let Some(parcel) = self.spool.first() {
            self.sink.send(parcel).await?;
            self.spool.remove();
        }
        Ok(())
    }
}

impl Extension for Shipper {
    /// Only keeps the lines: Lambda may freeze the environment here at any time.
    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        for event in batch.events() {
            match &event.record {
                Record::Function(line) => self.keep(&event, line)?,
                Record::PlatformInitStart(start) => self.sink.writes_to(start.instance_id.as_deref()),
                Record::PlatformRestoreStart(start) => self.sink.writes_to(start.instance_id.as_deref()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Sends what there is, the oldest first. This may be dropped at any `.await`, so a parcel is removed only after it has
    /// arrived.
    async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
        self.spool.close()?;
        match self.spool.take_lost() {
            0 => {}
            lost => warn!("{lost} lines are lost: more are waiting than LOGS_BACKLOG_MB allows"),
        }
        self.send_all().await
    }

    async fn on_shutdown(&mut self, _: ShutdownEvent) -> Result<(), Error> {
        match self.spool.lines() {
            0 => info!("all lines were delivered"),
            lines => warn!("{lines} lines are lost: the destination did not take them in time"),
        }
        Ok(())
    }
}
