//! What the tests share: the extension's process, a function that logs, and a bucket to look into.
// Not every test uses all of it.
#![allow(dead_code)]

use std::io::Read;
use std::process::Command;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use lambda_extension::simulator::{Function, FunctionCall, Simulator};
use serde_json::Value;

pub(crate) const BUCKET: &str = "my-logs";

/// The extension, flushing at the end of every invocation.
pub(crate) fn extension() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s3_logs"));
    command.env("LOGS_BUCKET", BUCKET).env("LOGS_FLUSH", "end");
    command
}

/// A local Lambda with a function that logs two lines for each invocation, and with time for an extension that is in trouble.
pub(crate) async fn simulator() -> Simulator {
    Simulator::builder().function(function()).timeout(Duration::from_secs(10)).start().await
}

pub(crate) fn function() -> Function {
    Function::from_fn(async |call: FunctionCall| {
        let payload = String::from_utf8_lossy(&call.payload).into_owned();
        call.log(format!("{payload} begins"));
        call.log(format!("{payload} ends"));
        Ok(call.payload)
    })
}

/// What [`function`] logs in this many invocations, with their numbers as payloads.
pub(crate) fn logged(invocations: usize) -> Vec<String> {
    let lines = (0..invocations).flat_map(|number| [format!("{number} begins"), format!("{number} ends")]);
    lines.collect()
}

/// What a request to this service is signed with, but for the signature.
pub(crate) fn scope(service: &str) -> String {
    let credential = format!("Credential=any/20260728/us-east-1/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0")
}

/// A bucket, looked at past whatever stands between it and the extension.
pub(crate) struct Bucket {
    http: reqwest::Client,
    server: String,
}

impl Bucket {
    pub(crate) async fn create(http: reqwest::Client, server: String) -> Self {
        let bucket = Self { http, server };
        let created = bucket.http.put(format!("{}/{BUCKET}", bucket.server)).send().await.unwrap();
        assert!(created.status().is_success(), "{created:?}");
        bucket
    }

    async fn get(&self, path: &str) -> Vec<u8> {
        let request = self.http.get(format!("{}/{BUCKET}{path}", self.server));
        // moto wants to see a signature, and does not look at it.
        let answer = request.header("authorization", scope("s3")).send().await.unwrap();
        answer.error_for_status().unwrap().bytes().await.unwrap().to_vec()
    }

    /// The names of the objects, in order.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let listing = String::from_utf8(self.get("?list-type=2").await).unwrap();
        let keys = listing.split("<Key>").skip(1);
        keys.map(|rest| rest.split("</Key>").next().unwrap().to_owned()).collect()
    }

    /// Every line in every object, as it was shipped.
    pub(crate) async fn shipped(&self) -> Vec<Value> {
        let mut text = String::new();
        for key in self.keys().await {
            let gzip = self.get(&format!("/{key}")).await;
            MultiGzDecoder::new(&gzip[..]).read_to_string(&mut text).unwrap();
        }
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines themselves, sorted.
    pub(crate) async fn lines(&self) -> Vec<String> {
        let line = |shipped: &Value| shipped["line"].as_str().unwrap().trim_end().to_owned();
        let mut lines: Vec<_> = self.shipped().await.iter().map(line).collect();
        lines.sort_unstable();
        lines
    }
}

/// A delivery stream that writes to the bucket.
pub(crate) async fn create_delivery_stream(http: &reqwest::Client, server: &str) {
    let request = serde_json::json!({
        "DeliveryStreamName": "my-stream",
        "ExtendedS3DestinationConfiguration": {
            "RoleARN": "arn:aws:iam::123456789012:role/firehose",
            "BucketARN": format!("arn:aws:s3:::{BUCKET}"),
        },
    });
    let created = http
        .post(format!("{server}/"))
        .header("authorization", scope("firehose"))
        .header("x-amz-target", "Firehose_20150804.CreateDeliveryStream")
        .header("content-type", "application/x-amz-json-1.1")
        .body(request.to_string())
        .send()
        .await
        .unwrap();
    assert!(created.status().is_success(), "{created:?}");
}
