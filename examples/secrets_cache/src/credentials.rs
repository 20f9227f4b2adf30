//! What requests to AWS are signed with: the variables Lambda sets, or with SnapStart the endpoint it offers instead.

use std::{
    env,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use serde::Deserialize;
use tokio::sync::Mutex;

/// Credentials that end within this time are fetched anew.
const RESERVE: Duration = Duration::from_secs(60);

/// Where credentials come from.
pub(crate) enum Provider {
    /// They are good for as long as the environment lives.
    Variables(Credentials),
    /// Those of a snapshot would be long past their time when it is restored, so with SnapStart Lambda hands them out at
    /// an address of the environment itself ("Lambda SnapStart", in the AWS Lambda Developer Guide).
    Endpoint { url: String, authorization: String, http: reqwest::Client, last: Mutex<Option<Credentials>> },
}

/// What the endpoint answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
}

impl Provider {
    /// # Errors
    ///
    /// A sentence, where Lambda's variables are missing.
    pub(crate) fn from_env() -> Result<Self, String> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let key = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"));
        if let Some((id, secret)) = key {
            let token = variable("AWS_SESSION_TOKEN");
            return Ok(Self::Variables(Credentials::new(id, secret, token, None, "variables")));
        }
        let url = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        let (url, authorization) = url
            .zip(variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"))
            .ok_or("there are neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY nor AWS_CONTAINER_CREDENTIALS_FULL_URI and its token")?;
        // It is on this side of any proxy.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).pool_max_idle_per_host(0);
        let http = crate::aws::with_tls(http).build().map_err(|error| error.to_string())?;
        Ok(Self::Endpoint { url, authorization, http, last: Mutex::default() })
    }

    /// Credentials that are good for a while yet.
    ///
    /// # Errors
    ///
    /// A sentence, where the endpoint does not give any.
    pub(crate) async fn get(&self) -> Result<Credentials, String> {
        let (url, authorization, http, last) = match self {
            Self::Variables(credentials) => return Ok(credentials.clone()),
            Self::Endpoint { url, authorization, http, last } => (url, authorization, http, last),
        };
        let mut last = last.lock().await;
        if let Some(credentials) = last.as_ref().filter(|credentials| is_good(credentials)) {
            return Ok(credentials.clone());
        }
        let failed = |error: &dyn std::fmt::Display| format!("asking Lambda for credentials: {error}");
        let answer = http.get(url).header("authorization", authorization).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status).map_err(|error| failed(&error))?;
        let answer = answer.bytes().await.map_err(|error| failed(&error))?;
        // Not with serde's own words, which may quote what they stumbled over.
        let answer: Answer =
            serde_json::from_slice(&answer).map_err(|_| failed(&"the answer has not the form it should have"))?;
        // One that cannot be read is taken for a short one.
        let end = humantime::parse_rfc3339(&answer.expiration).unwrap_or_else(|_| SystemTime::now());
        let credentials =
            Credentials::new(answer.access_key_id, answer.secret_access_key, Some(answer.token), Some(end), "endpoint");
        *last = Some(credentials.clone());
        Ok(credentials)
    }

    /// The next credentials are new ones, where there are any.
    pub(crate) async fn forget(&self) {
        if let Self::Endpoint { last, .. } = self {
            *last.lock().await = None;
        }
    }
}

fn is_good(credentials: &Credentials) -> bool {
    credentials.expiry().is_none_or(|end| end > SystemTime::now() + RESERVE)
}
