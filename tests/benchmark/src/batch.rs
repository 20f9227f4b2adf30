//! Batches as production sends them.

use std::fmt::Write;

/// How the function logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Format {
    Text,
    Json,
}

/// The body of a batch as production sends them: lines end in `\n`, JSON lines have what managed runtimes write.
pub(crate) fn batch(format: Format, records: u64) -> String {
    let mut body = String::from("[");
    for number in 0..records {
        let ms = number % 1000;
        if number > 0 {
            body.push(',');
        }
        let time = format!("2026-07-28T19:02:11.{ms:03}Z");
        let _ = write!(body, r#"{{"time":"{time}","type":"function","record":"#);
        let _ = match format {
            Format::Text => write!(
                body,
                r#""{time}\t29b2a6dc-7b47-4f5e-9a16-3f1f0f4f6e59\tINFO\torder {number} stored in table orders\n"}}"#
            ),
            Format::Json => write!(
                body,
                r#"{{"timestamp":"{time}","level":"INFO","requestId":"29b2a6dc-7b47-4f5e-9a16-3f1f0f4f6e59","message":"order stored","order":{{"number":{number},"lines":3,"total":12.5}},"tags":["orders","eu"]}}}}"#
            ),
        };
    }
    body.push(']');
    body
}
