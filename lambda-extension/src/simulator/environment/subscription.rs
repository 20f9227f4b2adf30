//! What an extension asks of the Telemetry and the Logs API, and what is wrong with it.

use std::time::Duration;

use serde::Deserialize;

use super::Rules;

/// Which of the two APIs a subscription came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Telemetry,
    Logs,
}

impl Api {
    pub(crate) fn validation_error(self) -> &'static str {
        match self {
            Self::Telemetry => "ValidationError",
            Self::Logs => "Logs.ValidationError",
        }
    }
}

/// Where batches go. Every host means the loopback here; the name is what the `Host` header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Http { host: String, port: u16, path: String, method: Method },
    Tcp { port: u16 },
}

/// How an HTTP listener wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Post,
    Put,
}

/// A valid subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) api: Api,
    pub(crate) schema: String,
    /// As sent, in that order: it comes back in `platform.telemetrySubscription`.
    pub(crate) types: Vec<String>,
    pub(crate) destination: Destination,
    pub(crate) max_items: usize,
    pub(crate) max_bytes: usize,
    pub(crate) timeout: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    schema_version: Option<String>,
    types: Option<Vec<String>>,
    buffering: Option<Buffering>,
    destination: Option<DestinationBody>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Buffering {
    max_items: Option<i64>,
    max_bytes: Option<i64>,
    timeout_ms: Option<i64>,
}

#[derive(Deserialize)]
struct DestinationBody {
    protocol: Option<String>,
    #[serde(rename = "URI", alias = "uri")]
    uri: Option<String>,
    port: Option<i64>,
    method: Option<String>,
}

const MAX_ITEMS: (i64, i64, i64) = (1_000, 10_000, 10_000);
const MAX_BYTES: (i64, i64, i64) = (262_144, 1_048_576, 262_144);
const TIMEOUT_MS: (i64, i64, i64) = (25, 30_000, 1_000);

impl Subscription {
    /// Reads a subscription; the error names everything that is wrong with it, as Lambda's does.
    pub(crate) fn parse(api: Api, rules: Rules, body: &[u8]) -> Result<Self, String> {
        let body: Body = super::parse::parse_json(body)?;
        let mut wrong = Vec::new();
        let schema = schema(api, rules, body.schema_version, &mut wrong);
        let destination = destination(body.destination, &mut wrong);
        let types = types(body.types, &mut wrong);
        let buffering = body.buffering.unwrap_or_default();
        let max_items = within("maxItems", buffering.max_items, MAX_ITEMS, &mut wrong);
        let max_bytes = within("maxBytes", buffering.max_bytes, MAX_BYTES, &mut wrong);
        let timeout_ms = within("timeoutMs", buffering.timeout_ms, TIMEOUT_MS, &mut wrong);
        match destination {
            Some(destination) if wrong.is_empty() => Ok(Self {
                api,
                schema,
                types,
                destination,
                max_items: max_items as usize,
                max_bytes: max_bytes as usize,
                timeout: Duration::from_millis(timeout_ms as u64),
            }),
            _ => Err(wrong.join("; ")),
        }
    }

    pub(crate) fn wants(&self, category: &str) -> bool {
        self.types.iter().any(|one| one == category)
    }
}

fn schema(api: Api, rules: Rules, asked: Option<String>, wrong: &mut Vec<String>) -> String {
    let known: &[&str] = match (api, rules) {
        (Api::Logs, _) => &["2020-08-15", "2021-03-18"],
        (Api::Telemetry, Rules::ManagedInstances) => &["2025-01-29"],
        (Api::Telemetry, Rules::Default) => &["2022-07-01", "2022-12-13", "2025-01-29"],
    };
    match asked {
        Some(version) if known.contains(&version.as_str()) => version,
        None if api == Api::Logs => known[0].to_owned(),
        None => {
            wrong.push("schemaVersion is not provided".to_owned());
            String::new()
        }
        Some(version) => {
            wrong.push(format!("schemaVersion {version} is not supported; use {}", known.join(", ")));
            version
        }
    }
}

fn types(asked: Option<Vec<String>>, wrong: &mut Vec<String>) -> Vec<String> {
    let types = asked.unwrap_or_default();
    if types.is_empty() {
        wrong.push("types should not be empty".to_owned());
    }
    for unknown in types.iter().filter(|one| !["platform", "function", "extension"].contains(&one.as_str())) {
        wrong.push(format!("type {unknown} is not supported"));
    }
    types
}

fn within(
    name: &str,
    asked: Option<i64>,
    (least, most, default): (i64, i64, i64),
    wrong: &mut Vec<String>,
) -> i64 {
    let value = asked.unwrap_or(default);
    if !(least..=most).contains(&value) {
        wrong.push(format!("buffering.{name} should be between {least} and {most}"));
    }
    value
}

fn destination(body: Option<DestinationBody>, wrong: &mut Vec<String>) -> Option<Destination> {
    let Some(body) = body else {
        wrong.push("destination is not provided".to_owned());
        return None;
    };
    match body.protocol.as_deref() {
        Some("HTTP") => http_destination(&body, wrong),
        Some("TCP") => match body.port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0) {
            Some(port) => Some(Destination::Tcp { port }),
            None => {
                wrong.push("port is not provided".to_owned());
                None
            }
        },
        Some(other) => {
            wrong.push(format!("destination protocol {other} is not supported"));
            None
        }
        None => {
            wrong.push("destination protocol is not provided".to_owned());
            None
        }
    }
}

fn http_destination(body: &DestinationBody, wrong: &mut Vec<String>) -> Option<Destination> {
    let mut refuse = |message: String| {
        wrong.push(message);
        None
    };
    let method = match body.method.as_deref() {
        None | Some("POST") => Method::Post,
        Some("PUT") => Method::Put,
        Some(other) => return refuse(format!("destination method {other} is not supported")),
    };
    let Some(uri) = body.uri.as_deref() else {
        return refuse("URI is not provided".to_owned());
    };
    let Some(rest) = uri.strip_prefix("http://") else {
        return refuse(format!("URI {uri} should start with http://"));
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => (&rest[..slash], &rest[slash..]),
        None => (rest, "/"),
    };
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let Some(port) = port.parse::<u16>().ok().filter(|port| *port != 0) else {
        return refuse("URI port is not provided".to_owned());
    };
    // Lambda delivers to its own interface only; the loopback is what programs name when they run outside it.
    if !["sandbox.localdomain", "sandbox", "127.0.0.1", "localhost"].contains(&host) {
        return refuse(format!("URI host {host} is not sandbox.localdomain"));
    }
    Some(Destination::Http { host: host.to_owned(), port, path: path.to_owned(), method })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Subscription, String> {
        Subscription::parse(Api::Telemetry, Rules::Default, body.as_bytes())
    }

    #[test]
    fn what_is_left_out_gets_lambdas_defaults() {
        let subscription = parse(
            r#"{"schemaVersion":"2022-12-13","types":["function","platform"],
                "destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:4327/in"}}"#,
        )
        .expect("valid");
        assert_eq!(subscription.types, ["function", "platform"]);
        assert_eq!(
            (subscription.max_items, subscription.max_bytes, subscription.timeout),
            (10_000, 262_144, Duration::from_secs(1))
        );
        assert!(matches!(
            subscription.destination,
            Destination::Http { port: 4327, ref path, method: Method::Post, .. } if path == "/in"
        ));
    }

    #[test]
    fn all_mistakes_are_named_at_once() {
        let message = parse(
            r#"{"schemaVersion":"2022-12-13","types":[],
                "destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain"}}"#,
        )
        .expect_err("invalid");
        assert_eq!(message, "URI port is not provided; types should not be empty");
    }

    #[test]
    fn buffering_outside_the_limits_is_refused() {
        for buffering in [r#"{"maxItems":999}"#, r#"{"maxBytes":1048577}"#, r#"{"timeoutMs":24}"#] {
            let body = format!(
                r#"{{"schemaVersion":"2025-01-29","types":["platform"],"buffering":{buffering},
                    "destination":{{"protocol":"TCP","port":9}}}}"#
            );
            assert!(parse(&body).is_err(), "{buffering}");
        }
    }

    #[test]
    fn managed_instances_accept_one_schema_only() {
        let body = br#"{"schemaVersion":"2022-12-13","types":["platform"],"destination":{"protocol":"TCP","port":9}}"#;
        assert!(Subscription::parse(Api::Telemetry, Rules::ManagedInstances, body).is_err());
        assert!(Subscription::parse(Api::Telemetry, Rules::Default, body).is_ok());
    }
}
