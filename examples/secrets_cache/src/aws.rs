//! Asks AWS: signed, again with growing pauses while that may help, and never longer than the deadline.

use std::{
    error, iter,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use hyper::{
    body::Bytes,
    header::{HeaderValue, CONNECTION, CONTENT_TYPE},
    Request,
};
use lambda_extension::Error;
use reqsign_aws_v4::{Credential, ECSCredentialProvider, EnvCredentialProvider, RequestSigner};
use reqsign_core::{hash::hex_sha256, Context, OsEnv, ProvideCredentialChain, Signer};
use reqsign_http_send_reqwest::ReqwestHttpSend;
use serde::Deserialize;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    cache::Source,
    failure::Failure,
    settings::{Service, Settings},
    wanted::{Kind, Wanted},
};

/// How long Lambda's endpoint for credentials, which is inside the environment, may take.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(1);

/// AWS's two services, as the function's role sees them.
pub(crate) struct Aws {
    http: reqwest::Client,
    secrets_manager: Backend,
    parameter_store: Backend,
    /// As many requests at once as there are permits.
    connections: Semaphore,
}

struct Backend {
    service: Service,
    /// What is asked of the service, in the words of its API.
    target: HeaderValue,
    /// It keeps the credentials, so forgetting them is making a new one.
    signer: Mutex<Signer<Credential>>,
}

/// What AWS says of an error. The type may be a URI that ends in the code.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    kind: String,
}

impl Aws {
    /// # Errors
    ///
    /// If there is something wrong with the file of certificate authorities.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Error> {
        let backend = |service: &Service, name, target| {
            Ok::<_, Error>(Backend {
                service: service.clone(),
                target: HeaderValue::from_static(target),
                signer: Mutex::new(signer(name, &settings.region)?),
            })
        };
        let longest = settings.secrets_manager.timeout.max(settings.parameter_store.timeout);
        Ok(Self {
            http: outward::client(longest, settings.bundle.as_deref())?,
            secrets_manager: backend(
                &settings.secrets_manager,
                "secretsmanager",
                "secretsmanager.GetSecretValue",
            )?,
            parameter_store: backend(&settings.parameter_store, "ssm", "AmazonSSM.GetParameter")?,
            connections: Semaphore::new(settings.max_connections.get()),
        })
    }

    pub(crate) fn forget_credentials(&self) {
        self.secrets_manager.forget_credentials();
        self.parameter_store.forget_credentials();
    }

    async fn attempt(&self, wanted: &Wanted, backend: &Backend) -> Result<Bytes, Failure> {
        let _connection = self.connections.acquire().await.expect("it is never closed");
        let request = backend.request(wanted).await?;
        let unavailable = |error: reqwest::Error| Failure::Unavailable(causes(&error.without_url()));
        let answer = self.http.execute(request).await.map_err(unavailable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unavailable)?;
        if status.is_success() {
            return Ok(body);
        }
        let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        let code = refusal.kind.rsplit('#').next().unwrap_or_default().to_owned();
        if code.starts_with("ExpiredToken") {
            backend.forget_credentials();
        }
        // Without a code it is not AWS who says no, but somebody on the way.
        if status.is_client_error() && !code.is_empty() && !is_passing(status.as_u16(), &code) {
            return Err(Failure::Refused { status: status.as_u16(), code, body });
        }
        Err(Failure::Unavailable(format!("AWS answers {status} {code}").trim_end().to_owned()))
    }
}

impl Backend {
    /// A request that AWS knows to be this function's. Each attempt is signed anew: a signature is good for minutes.
    async fn request(&self, wanted: &Wanted) -> Result<reqwest::Request, Failure> {
        let unsigned = Request::post(&self.service.endpoint)
            .header(CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", &self.target)
            // What is signed is the body too, so that nothing on the way can change it.
            .header("x-amz-content-sha256", hex_sha256(wanted.body.as_bytes()))
            .body(Bytes::from(wanted.body.clone()));
        let (mut head, body) = unsigned.map_err(|error| Failure::Unavailable(causes(&error)))?.into_parts();
        let signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let signed = signer.sign(&mut head, None).await;
        signed.map_err(|error| Failure::Unavailable(format!("signing the request: {}", causes(&error))))?;
        // A connection that lived through a freeze is often dead without anybody's having said so, and a value is asked for
        // every five minutes: none is kept.
        head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Request::from_parts(head, body).try_into().map_err(|error| Failure::Unavailable(causes(&error)))
    }

    fn forget_credentials(&self) {
        let mut signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        *signer = signer.clone().with_credential_provider(credentials());
    }
}

impl Source for Aws {
    async fn fetch(&self, wanted: &Wanted) -> Result<Bytes, Failure> {
        let backend = match wanted.kind {
            Kind::Secret => &self.secrets_manager,
            Kind::Parameter => &self.parameter_store,
        };
        let whole = backend.service.timeout;
        // An attempt has half of the time, so that a lost packet does not use up all of it.
        let attempt = async || {
            let late = |_| Err(Failure::Unavailable(format!("AWS did not answer within {:?}", whole / 2)));
            timeout(whole / 2, self.attempt(wanted, backend)).await.unwrap_or_else(late)
        };
        let pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(4)
            .with_jitter();
        let last = Mutex::new(String::new());
        let attempts = attempt
            .retry(pauses)
            .when(|failure| matches!(failure, Failure::Unavailable(_)))
            .notify(|failure, _| *last.lock().unwrap_or_else(PoisonError::into_inner) = failure.to_string());
        if let Ok(outcome) = timeout(whole, attempts).await {
            return outcome;
        }
        let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        Err(Failure::Unavailable(format!(
            "AWS gave no value within {whole:?}; the last that was heard: {last}"
        )))
    }
}

/// Whether a refusal says "later" and not "no".
fn is_passing(status: u16, code: &str) -> bool {
    let begins =
        ["Throttl", "TooManyRequests", "RequestLimitExceeded", "ExpiredToken", "InternalServiceError"];
    matches!(status, 408 | 429) || begins.iter().any(|begin| code.starts_with(begin))
}

fn signer(service: &str, region: &str) -> Result<Signer<Credential>, Error> {
    // The endpoint for credentials is inside the environment, where no proxy leads.
    let http = ReqwestHttpSend::new(outward::direct(CREDENTIALS_TIMEOUT)?);
    let context = Context::new().with_env(OsEnv).with_http_send(http);
    Ok(Signer::new(context, credentials(), RequestSigner::new(service, region)))
}

/// Those in the variables that Lambda sets, or with SnapStart those from the endpoint that it sets instead ("Lambda
/// SnapStart", in the AWS Lambda Developer Guide), which are renewed before their time is over.
fn credentials() -> ProvideCredentialChain<Credential> {
    ProvideCredentialChain::new().push(EnvCredentialProvider::new()).push(ECSCredentialProvider::new())
}

/// An error with its causes, which are what tells a person something.
fn causes(error: &dyn error::Error) -> String {
    let causes = iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
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
