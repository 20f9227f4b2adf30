//! Asks AWS: signed, again with growing pauses while that may help, and never longer than the deadline.

use std::{
    error::Error as _,
    time::{Duration, SystemTime},
};

use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use backon::{ExponentialBuilder, Retryable};
use hyper::body::Bytes;
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::{
    cache::Source,
    credentials::Provider,
    failure::Failure,
    settings::{self, Settings},
    wanted::{Service, Wanted},
};

/// The longest answer that is read: a secret has at most 64 KiB, and its JSON is not much longer.
const LONGEST_ANSWER: u64 = 1024 * 1024;

/// AWS's two services, as this function's role sees them.
pub(crate) struct Aws {
    http: reqwest::Client,
    credentials: Provider,
    region: String,
    secrets_manager: settings::Service,
    parameter_store: settings::Service,
    connections: Semaphore,
}

/// What AWS says of an error; `__type` may be a URI that ends in the code.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    kind: String,
}

impl Aws {
    /// # Errors
    ///
    /// A sentence, where Lambda has set no credentials.
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        // No connection is kept: a value is asked for every five minutes, and a connection that lived through a freeze is
        // often dead without anybody's having said so. The proxy that HTTPS_PROXY names is used.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).redirect(reqwest::redirect::Policy::none());
        Ok(Self {
            http: with_tls(http).build().map_err(|error| format!("making the HTTP client: {error}"))?,
            credentials: Provider::from_env()?,
            region: settings.region.clone(),
            secrets_manager: settings.secrets_manager.clone(),
            parameter_store: settings.parameter_store.clone(),
            connections: Semaphore::new(settings.max_connections.get()),
        })
    }

    pub(crate) async fn forget_credentials(&self) {
        self.credentials.forget().await;
    }

    /// One attempt.
    async fn ask(&self, wanted: &Wanted, service: &settings::Service) -> Result<Bytes, Failure> {
        let _connection = self.connections.acquire().await.expect("it is never closed");
        let request = self.signed(wanted, service).await?;
        let unavailable = |error: reqwest::Error| Failure::Unavailable(chain(&error.without_url()));
        let answer = self.http.execute(request).await.map_err(unavailable)?;
        let status = answer.status();
        if answer.content_length().is_some_and(|length| length > LONGEST_ANSWER) {
            return Err(Failure::Unavailable(format!("the answer ({status}) is longer than {LONGEST_ANSWER} bytes")));
        }
        let body = answer.bytes().await.map_err(unavailable)?;
        if status.is_success() {
            return Ok(body);
        }
        let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        let code = refusal.kind.rsplit('#').next().unwrap_or_default().to_owned();
        if code.starts_with("ExpiredToken") {
            self.credentials.forget().await;
        }
        if status.is_client_error() && !is_passing(status.as_u16(), &code) {
            return Err(Failure::Refused { status: status.as_u16(), code, body });
        }
        Err(Failure::Unavailable(format!("AWS answers {status} {code}").trim_end().to_owned()))
    }

    async fn signed(&self, wanted: &Wanted, service: &settings::Service) -> Result<reqwest::Request, Failure> {
        let (name, target) = match wanted.service {
            Service::SecretsManager => ("secretsmanager", "secretsmanager.GetSecretValue"),
            Service::ParameterStore => ("ssm", "AmazonSSM.GetParameter"),
        };
        let identity = self.credentials.get().await.map_err(Failure::Unavailable)?.into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .expect("everything that is needed was given")
            .into();
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let body = SignableBody::Bytes(wanted.body.as_bytes());
        let unsigned = SignableRequest::new("POST", &service.endpoint, headers.into_iter(), body);
        let signature = unsigned.and_then(|request| sign(request, &parameters));
        let (signature, _) =
            signature.map_err(|error| Failure::Unavailable(format!("signing the request: {error}")))?.into_parts();
        let mut request = self.http.post(&service.endpoint).body(wanted.body.clone());
        for (name, value) in headers.into_iter().chain(signature.headers()) {
            request = request.header(name, value);
        }
        request.build().map_err(|error| Failure::Unavailable(chain(&error)))
    }
}

impl Source for Aws {
    async fn fetch(&self, wanted: &Wanted) -> Result<Bytes, Failure> {
        let service = match wanted.service {
            Service::SecretsManager => &self.secrets_manager,
            Service::ParameterStore => &self.parameter_store,
        };
        // Half of the time at most, so that one lost packet does not use up all of it.
        let attempt = async || {
            let within = service.timeout / 2;
            tokio::time::timeout(within, self.ask(wanted, service))
                .await
                .unwrap_or_else(|_| Err(Failure::Unavailable(format!("AWS did not answer within {within:?}"))))
        };
        let pauses = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(4);
        let attempts = attempt.retry(pauses).when(|failure| matches!(failure, Failure::Unavailable(_)));
        tokio::time::timeout(service.timeout, attempts).await.unwrap_or_else(|_| {
            Err(Failure::Unavailable(format!("AWS gave no value within {:?}", service.timeout)))
        })
    }
}

/// Whether a refusal says "later" and not "no".
fn is_passing(status: u16, code: &str) -> bool {
    status == 429
        || ["Throttl", "TooManyRequests", "RequestLimitExceeded", "ExpiredToken", "InternalServiceError"]
            .iter()
            .any(|begin| code.starts_with(begin))
}

/// A client that trusts the certificate authorities built into this program.
pub(crate) fn with_tls(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what these versions of TLS need")
        .with_root_certificates(roots)
        .with_no_client_auth();
    builder.tls_backend_preconfigured(config)
}

/// An error with its causes, which are what tells a person something.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_says_later_is_none() {
        assert!(is_passing(400, "ThrottlingException") && is_passing(400, "ExpiredTokenException"));
        assert!(!is_passing(400, "ResourceNotFoundException") && !is_passing(400, "AccessDeniedException"));
    }
}
