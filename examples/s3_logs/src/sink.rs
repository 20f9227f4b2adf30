//! Where parcels go: a bucket of S3, or a delivery stream of Firehose.

use std::{error, fmt, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use base64::{engine::general_purpose::STANDARD, Engine};
use bytes::Bytes;
use http::{header::CONTENT_TYPE, Method, Request, StatusCode};
use lambda_extension::Error;
use percent_encoding::utf8_percent_encode;
use reqsign_aws_v4::{
    constants::AWS_URI_ENCODE_SET, Credential, ECSCredentialProvider, EnvCredentialProvider, RequestSigner,
};
use reqsign_core::{hash::hex_sha256, Context, OsEnv, ProvideCredentialChain, Signer};
use reqsign_http_send_reqwest::ReqwestHttpSend;
use tracing::warn;

use crate::{
    parcel::Parcel,
    settings::{Destination, Settings},
};

/// How long one attempt may take. A flush may hold an invocation for 2 s (`Config::max_hold`), so an attempt that hangs leaves
/// time for another.
const ATTEMPT: Duration = Duration::from_millis(800);

pub(crate) struct Sink {
    http: reqwest::Client,
    signer: Signer<Credential>,
    destination: Destination,
    /// The endpoint's URL, with the bucket if there is one; without a slash at the end.
    url: String,
    function: String,
    log_stream: String,
}

impl Sink {
    pub(crate) fn new(function: String, settings: &Settings) -> Result<Self, Error> {
        let service = match settings.destination {
            Destination::Bucket { .. } => "s3",
            Destination::DeliveryStream { .. } => "firehose",
        };
        Ok(Self {
            http: outward::client(ATTEMPT, settings.bundle.as_deref())?,
            signer: signer(service, &settings.region)?,
            destination: settings.destination.clone(),
            url: url(settings),
            function,
            log_stream: "unknown".to_owned(),
        })
    }

    /// The environment's log stream, by which CloudWatch has the same lines: `2026/07/28/[$LATEST]6eb8a1…`. Extensions do not see
    /// the variable, but telemetry says it. Only the last part tells environments apart, and only that part is no trouble in the
    /// name of an object.
    pub(crate) fn writes_to(&mut self, log_stream: Option<&str>) {
        let Some(log_stream) = log_stream else { return };
        let last = log_stream.rsplit(['/', ']']).next().unwrap_or_default();
        last.clone_into(&mut self.log_stream);
    }

    /// Sends a parcel, and again if that may help. Bounded by the hook that calls this.
    pub(crate) async fn send(&self, parcel: &Parcel) -> Result<(), Error> {
        let patience = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_millis(400))
            .with_max_times(4)
            .with_jitter();
        (|| self.attempt(parcel))
            .retry(patience)
            .when(|failure| failure.transient)
            .notify(|failure, wait| warn!("{failure}; again in {} ms", wait.as_millis()))
            .await?;
        Ok(())
    }

    /// Every attempt is signed anew: a signature is valid for minutes, and the environment may have been frozen for hours.
    async fn attempt(&self, parcel: &Parcel) -> Result<(), Failure> {
        let (mut head, body) = self.request(parcel).map_err(Failure::lasting)?.into_parts();
        self.signer
            .sign(&mut head, None)
            .await
            .map_err(|error| Failure { transient: error.is_retryable(), what: causes(&error) })?;
        let request = Request::from_parts(head, body).try_into().map_err(Failure::lasting)?;
        let answer = self.http.execute(request).await.map_err(Failure::transient)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let said = answer.text().await.map_err(Failure::transient)?;
        let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        Err(Failure {
            transient: status.is_server_error() || busy.contains(&status),
            what: format!("{status}: {said}"),
        })
    }

    fn request(&self, parcel: &Parcel) -> http::Result<Request<Bytes>> {
        let (request, body) = match &self.destination {
            Destination::Bucket { prefix, .. } => {
                let path = self.path(prefix, parcel);
                let request = Request::builder()
                    .method(Method::PUT)
                    .uri(format!("{}/{path}", self.url))
                    .header(CONTENT_TYPE, "application/gzip");
                (request, parcel.gzip.clone())
            }
            Destination::DeliveryStream { name } => {
                let record = serde_json::json!({
                    "DeliveryStreamName": name,
                    "Record": { "Data": STANDARD.encode(&parcel.gzip) },
                });
                let request = Request::builder()
                    .method(Method::POST)
                    .uri(format!("{}/", self.url))
                    .header(CONTENT_TYPE, "application/x-amz-json-1.1")
                    .header("x-amz-target", "Firehose_20150804.PutRecord");
                (request, Bytes::from(record.to_string()))
            }
        };
        // What is signed is the body too, so that nothing on the way can change it.
        request.header("x-amz-content-sha256", hex_sha256(&body)).body(body)
    }

    /// Partitions that Athena and Glue read from the name, then the log stream, and the same name for every attempt: a parcel that
    /// arrives twice overwrites itself.
    fn path(&self, prefix: &str, parcel: &Parcel) -> String {
        let day = parcel.since.split('T').next().unwrap_or_default();
        let key = format!(
            "{prefix}function={}/date={day}/{}/{}.ndjson.gz",
            self.function, self.log_stream, parcel.id
        );
        let encoded = key.split('/').map(|part| utf8_percent_encode(part, &AWS_URI_ENCODE_SET).to_string());
        encoded.collect::<Vec<_>>().join("/")
    }
}

/// Signs with the credentials in the variables that Lambda sets, or with SnapStart those from the endpoint that it sets instead.
fn signer(service: &str, region: &str) -> Result<Signer<Credential>, Error> {
    let context = Context::new()
        .with_env(OsEnv)
        // The endpoint is inside the environment, where no proxy leads.
        .with_http_send(ReqwestHttpSend::new(outward::direct(ATTEMPT)?));
    let credentials =
        ProvideCredentialChain::new().push(EnvCredentialProvider::new()).push(ECSCredentialProvider::new());
    Ok(Signer::new(context, credentials, RequestSigner::new(service, region)))
}

fn url(settings: &Settings) -> String {
    let region = &settings.region;
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    match (&settings.destination, &settings.endpoint) {
        (Destination::Bucket { name, .. }, Some(endpoint)) => {
            format!("{}/{name}", endpoint.trim_end_matches('/'))
        }
        // A name with dots does not match S3's certificate.
        (Destination::Bucket { name, .. }, None) if name.contains('.') => {
            format!("https://s3.{region}.{domain}/{name}")
        }
        (Destination::Bucket { name, .. }, None) => format!("https://{name}.s3.{region}.{domain}"),
        (Destination::DeliveryStream { .. }, Some(endpoint)) => endpoint.trim_end_matches('/').to_owned(),
        (Destination::DeliveryStream { .. }, None) => format!("https://firehose.{region}.{domain}"),
    }
}

/// Why an attempt failed.
#[derive(Debug)]
struct Failure {
    /// Whether the next attempt may succeed.
    transient: bool,
    what: String,
}

impl Failure {
    fn transient(error: impl error::Error) -> Self {
        Self { transient: true, what: causes(&error) }
    }

    fn lasting(error: impl error::Error) -> Self {
        Self { transient: false, what: causes(&error) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the logs were not delivered: {}", self.what)
    }
}

impl error::Error for Failure {}

/// An error with its causes, in one line of the log.
fn causes(error: &dyn error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::parcel::Spool;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let mut all = BTreeMap::from([("AWS_REGION", "eu-central-1")]);
        all.extend(variables.iter().copied());
        Settings::read(|name| all.get(name).map(|value| (*value).to_owned())).unwrap()
    }

    #[test]
    fn the_url_is_that_of_the_service_or_the_endpoint() {
        for (variables, expected) in [
            (&[("LOGS_BUCKET", "b")][..], "https://b.s3.eu-central-1.amazonaws.com"),
            (&[("LOGS_BUCKET", "a.b")], "https://s3.eu-central-1.amazonaws.com/a.b"),
            (
                &[("LOGS_BUCKET", "b"), ("AWS_REGION", "cn-north-1")],
                "https://b.s3.cn-north-1.amazonaws.com.cn",
            ),
            (&[("LOGS_BUCKET", "b"), ("AWS_ENDPOINT_URL", "http://host:1/")], "http://host:1/b"),
            (&[("LOGS_DELIVERY_STREAM", "s")], "https://firehose.eu-central-1.amazonaws.com"),
            (&[("LOGS_DELIVERY_STREAM", "s"), ("AWS_ENDPOINT_URL", "http://host:1/")], "http://host:1"),
        ] {
            assert_eq!(url(&settings(variables)), expected);
        }
    }

    #[test]
    fn an_object_is_found_by_function_day_and_log_stream() {
        let settings = settings(&[("LOGS_BUCKET", "b"), ("LOGS_PREFIX", "my logs/")]);
        let mut sink = Sink::new("orders".to_owned(), &settings).unwrap();
        sink.writes_to(Some("2026/07/28/[$LATEST]6eb8a1"));
        sink.writes_to(None);
        let mut spool = Spool::new(usize::MAX);
        spool.push("2026-07-28T19:02:11.805Z", b"line").unwrap();
        spool.close().unwrap();
        let parcel = spool.first().unwrap();
        let path = sink.path("my logs/", parcel);
        assert_eq!(
            path,
            format!("my%20logs/function%3Dorders/date%3D2026-07-28/6eb8a1/{}.ndjson.gz", parcel.id)
        );
    }
}
