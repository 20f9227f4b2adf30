//! The exporters, by OTLP over HTTP, and what becomes of what they are given.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use lambda_extension::Error;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{LogExporter, MetricExporter, RetryPolicy, SpanExporter, WithHttpConfig};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::{
    error::OTelSdkResult, logs::LogExporter as _, metrics::Temporality, trace::SpanExporter as _, Resource,
};
use prost::Message;
use tracing::{debug, warn};

use crate::settings;

/// How long one attempt may take. A flush may hold an invocation for 2 s (`Config::max_hold`), so an attempt that hangs leaves
/// time for another.
const ATTEMPT: Duration = Duration::from_millis(800);

/// An exporter of one kind of data.
pub(crate) struct Route<E> {
    pub(crate) exporter: E,
    client: Client,
}

pub(crate) struct Exporters {
    pub(crate) logs: Route<LogExporter>,
    pub(crate) spans: Route<SpanExporter>,
    pub(crate) metrics: Route<MetricExporter>,
}

impl Exporters {
    /// The exporters that the variables `OTEL_EXPORTER_OTLP_…` describe, which opentelemetry-otlp reads, but for the one with
    /// the certificates.
    pub(crate) fn from_env() -> Result<Self, Error> {
        settings::check(|name| std::env::var(name).ok())?.iter().for_each(|odd| warn!("{odd}"));
        let bundle = std::env::var_os("OTEL_EXPORTER_OTLP_CERTIFICATE").map(PathBuf::from);
        let http = outward::client(ATTEMPT, bundle.as_deref())?;
        let client = || Client { http: http.clone(), latest: Arc::default() };
        let retries = || RetryPolicy::default().with_max_delay(Duration::from_millis(400));

        let own = client();
        let exporter = LogExporter::builder().with_http().with_http_client(own.clone());
        let logs = Route { exporter: exporter.with_retry_policy(retries()).build()?, client: own };

        let own = client();
        let exporter = SpanExporter::builder().with_http().with_http_client(own.clone());
        let spans = Route { exporter: exporter.with_retry_policy(retries()).build()?, client: own };

        let own = client();
        let mut exporter = MetricExporter::builder();
        // An environment is gone before anybody could follow its sums; but who asks for sums gets them.
        if std::env::var_os("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE").is_none() {
            exporter = exporter.with_temporality(Temporality::Delta);
        }
        let exporter = exporter.with_http().with_http_client(own.clone());
        let metrics = Route { exporter: exporter.with_retry_policy(retries()).build()?, client: own };

        Ok(Self { logs, spans, metrics })
    }

    /// Logs and spans are those of this resource; metrics say themselves whose they are.
    pub(crate) fn speak_for(&mut self, resource: &Resource) {
        self.logs.exporter.set_resource(resource);
        self.spans.exporter.set_resource(resource);
    }
}

impl<E> Route<E> {
    /// Whether what was sent is done with: the collector has it, or will never take it. Everything else is an error, and may be
    /// sent again.
    pub(crate) fn settle(&self, what: &str, sent: OTelSdkResult) -> Result<(), Error> {
        let latest = self.client.latest.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (sent, latest) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(failure)) if failure.is_final => {
                warn!("{what} are lost: the collector refuses them: {}", failure.said);
                Ok(())
            }
            (Err(_), Some(failure)) => Err(format!("{what} were not delivered: {}", failure.said).into()),
            (Err(error), None) => Err(format!("{what} were not delivered: {error}").into()),
        }
    }
}

/// The client of one exporter. It notes what the exporter does not say: why the latest request failed.
#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    latest: Arc<Mutex<Option<Failure>>>,
}

/// Why a request failed.
struct Failure {
    /// Whether sending the same again makes no sense.
    is_final: bool,
    said: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let to = request.uri().clone();
        let sent = self.http.send_bytes(request).await;
        let failure = match &sent {
            Ok(answer) if answer.status().is_success() => {
                warn_of_partial_success(answer.body());
                None
            }
            Ok(answer) => {
                let said = format!("{to}: {}: {}", answer.status(), String::from_utf8_lossy(answer.body()));
                Some(Failure { is_final: is_final(answer.status().as_u16()), said })
            }
            Err(error) => Some(Failure { is_final: false, said: causes(&**error) }),
        };
        // What is tried again is no news yet.
        failure.iter().for_each(|failure| debug!("{}", failure.said));
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        sent
    }
}

/// An error with its causes, in one line of the log: reqwest's own words name the URL and leave out why.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Whether a status says that the same request will never succeed ("OTLP/HTTP Response" in the OpenTelemetry Protocol's
/// specification: all failures but these four).
fn is_final(status: u16) -> bool {
    !matches!(status, 200..300 | 429 | 502 | 503 | 504)
}

/// A collector may take some and refuse the rest; what it refuses must not be sent again. The answers to logs and metrics differ
/// from that to traces in their names alone, so one reads all three.
fn warn_of_partial_success(body: &[u8]) {
    let Ok(answer) = ExportTraceServiceResponse::decode(body) else { return };
    let Some(partial) = answer.partial_success else { return };
    if partial.rejected_spans != 0 || !partial.error_message.is_empty() {
        warn!("{} records are lost: the collector says: {}", partial.rejected_spans, partial.error_message);
    }
}
