//! A function with an internal extension: one process that Lambda sees as two.
//!
//! The function answers with its payload. Beside it an extension writes the identifier of every invocation into the file
//! that `AUDIT_FILE` names, `/tmp/audit` by default. Lambda invokes the two at the same moment, and the invocation is
//! over when both are done.
//!
//! This program is the function's `bootstrap`, not a file in `/opt/extensions`:
//!
//! ```sh
//! cargo build -p internal_example --release
//! cp target/release/internal_example bootstrap && zip function.zip bootstrap
//! ```

use lambda_extension::{Config, Error, Extension, InvokeEvent, Registration};
use lambda_runtime::{service_fn, LambdaEvent};
use serde_json::Value;
use tokio::{fs::File, io::AsyncWriteExt};

#[derive(Default)]
struct Audit {
    file: Option<File>,
}

impl Extension for Audit {
    /// If this fails, the extension says so and does nothing any more; the function answers all the same.
    async fn on_init(&mut self, _: &Registration) -> Result<(), Error> {
        let path = std::env::var("AUDIT_FILE").unwrap_or_else(|_| "/tmp/audit".to_owned());
        let opened = File::options().append(true).create(true).open(&path).await;
        self.file = Some(opened.map_err(|error| format!("opening {path}: {error}"))?);
        Ok(())
    }

    async fn on_invoke(&mut self, event: InvokeEvent) -> Result<(), Error> {
        if let Some(file) = &mut self.file {
            file.write_all(format!("{}\n", event.request_id).as_bytes()).await?;
            file.flush().await?;
        }
        Ok(())
    }
}

async fn function(event: LambdaEvent<Value>) -> Result<Value, Error> {
    Ok(event.payload)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_extension::logging::init();
    // Lambda takes no registration once the runtime has asked for its first invocation, so this comes before.
    let registered = Config::from_env()?.internal().name("audit").register().await?;
    tokio::spawn(registered.run(Audit::default()));
    lambda_runtime::run(service_fn(function)).await
}
