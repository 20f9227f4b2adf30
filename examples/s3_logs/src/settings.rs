//! What the function's owner configures, by environment variables.

use std::path::PathBuf;
use std::time::Duration;

use lambda_extension::{Error, FlushStrategy};

/// Where the logs go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Destination {
    Bucket { name: String, prefix: String },
    DeliveryStream { name: String },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) destination: Destination,
    pub(crate) region: String,
    /// Instead of AWS's own endpoint.
    pub(crate) endpoint: Option<String>,
    /// Further certificate authorities, in PEM.
    pub(crate) bundle: Option<PathBuf>,
    /// How many bytes of compressed logs wait at most for a destination that does not take them.
    pub(crate) backlog: usize,
}

impl Settings {
    /// Reads the variables by this function: tests have their own, since a process has only one environment.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let (destination, own_endpoint) = match (variable("LOGS_BUCKET"), variable("LOGS_DELIVERY_STREAM")) {
            (Some(name), None) => {
                let prefix = variable("LOGS_PREFIX").unwrap_or_else(|| "logs/".to_owned());
                (Destination::Bucket { name, prefix }, "AWS_ENDPOINT_URL_S3")
            }
            (None, Some(name)) => (Destination::DeliveryStream { name }, "AWS_ENDPOINT_URL_FIREHOSE"),
            (Some(_), Some(_)) => {
                return Err("LOGS_BUCKET and LOGS_DELIVERY_STREAM are both set: leave one out".into());
            }
            (None, None) => {
                return Err("nothing says where the logs go: set LOGS_BUCKET or LOGS_DELIVERY_STREAM".into());
            }
        };
        if let Destination::Bucket { name, .. } = &destination
            && !name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
        {
            return Err(format!(
                "LOGS_BUCKET is `{name}`, which no bucket is called: they have letters, digits, dots and hyphens"
            )
            .into());
        }
        let endpoint =
            [own_endpoint, "AWS_ENDPOINT_URL"].into_iter().find_map(|name| Some((name, variable(name)?)));
        if let Some((name, url)) = &endpoint {
            let parsed =
                reqwest::Url::parse(url).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
            parsed.ok_or_else(|| format!("{name} is `{url}`: write a URL such as https://host:port"))?;
        }
        let backlog: usize = match variable("LOGS_BACKLOG_MB") {
            None => 16,
            Some(megabytes) => megabytes.parse().map_err(|_| {
                format!("LOGS_BACKLOG_MB is `{megabytes}`: write a number of megabytes, such as 16")
            })?,
        };
        Ok(Self {
            destination,
            region: variable("AWS_REGION").ok_or("AWS_REGION, which Lambda sets, is missing")?,
            endpoint: endpoint.map(|(_, url)| url),
            bundle: variable("AWS_CA_BUNDLE").map(PathBuf::from),
            backlog: backlog.saturating_mul(1 << 20),
        })
    }
}

/// `LOGS_FLUSH`, which is needed before the rest: it belongs to the registration.
pub(crate) fn flush_strategy(variable: impl Fn(&str) -> Option<String>) -> Result<FlushStrategy, Error> {
    Ok(match variable("LOGS_FLUSH").as_deref() {
        None | Some("" | "adaptive") => FlushStrategy::Adaptive,
        Some("end") => FlushStrategy::End,
        Some("periodic") => FlushStrategy::Periodic(Duration::from_secs(10)),
        Some("shutdown") => FlushStrategy::Shutdown,
        Some(other) => {
            return Err(format!("LOGS_FLUSH is `{other}`: write adaptive, end, periodic or shutdown").into());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::read(|name| {
            let found = variables.iter().find(|(given, _)| *given == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn there_must_be_one_destination() {
        let both = [("AWS_REGION", "r"), ("LOGS_BUCKET", "b"), ("LOGS_DELIVERY_STREAM", "s")];
        for (variables, words) in [(&both[..], "leave one out"), (&both[..1], "set LOGS_BUCKET or")] {
            let error = read(variables).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let prefix = "logs/".to_owned();
        assert_eq!(
            read(&both[..2]).unwrap().destination,
            Destination::Bucket { name: "b".to_owned(), prefix }
        );
    }

    #[test]
    fn the_endpoint_of_the_service_goes_before_the_general_one() {
        let mut variables =
            vec![("AWS_REGION", "r"), ("LOGS_BUCKET", "b"), ("AWS_ENDPOINT_URL", "http://general")];
        assert_eq!(read(&variables).unwrap().endpoint.as_deref(), Some("http://general"));
        variables.push(("AWS_ENDPOINT_URL_FIREHOSE", "http://of-another-service"));
        variables.push(("AWS_ENDPOINT_URL_S3", "https://own"));
        assert_eq!(read(&variables).unwrap().endpoint.as_deref(), Some("https://own"));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (name, value) in [
            ("LOGS_BACKLOG_MB", "lots"),
            ("LOGS_BUCKET", "Not A Bucket"),
            ("AWS_ENDPOINT_URL", "nonsense"),
            ("AWS_ENDPOINT_URL_S3", "ftp://host"),
        ] {
            let error = read(&[(name, value), ("AWS_REGION", "r"), ("LOGS_BUCKET", "b")]).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{name} is `{value}`")), "{error}");
        }
    }
}
