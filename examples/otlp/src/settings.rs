//! What is odd in the variables `OTEL_EXPORTER_OTLP_…`: opentelemetry-otlp reads them, and takes its own way without a word where
//! one makes no sense.

use lambda_extension::Error;

/// Says which settings will not be obeyed, and why.
///
/// # Errors
///
/// Where nothing could be sent at all: an endpoint that is no URL.
pub(crate) fn check(variable: impl Fn(&str) -> Option<String>) -> Result<Vec<String>, Error> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let mut odd = Vec::new();
    for kind in ["", "LOGS_", "TRACES_", "METRICS_"] {
        let named = |what: &str| format!("OTEL_EXPORTER_OTLP_{kind}{what}");
        let mut must_be = |what: &str, words: &[&str]| {
            let name = named(what);
            if let Some(value) = variable(&name).filter(|value| !words.contains(&value.as_str())) {
                odd.push(format!(
                    "{name} is `{value}` and is not obeyed: this extension knows {}",
                    words.join(" and ")
                ));
            }
        };
        must_be("PROTOCOL", &["http/protobuf"]);
        must_be("COMPRESSION", &["gzip", "none"]);
        if let Some(value) =
            variable(&named("HEADERS")).filter(|headers| !headers.split(',').all(|one| one.contains('=')))
        {
            odd.push(format!(
                "{} is `{value}`: write name=value, with commas between several",
                named("HEADERS")
            ));
        }
        if let Some(url) = variable(&named("ENDPOINT")) {
            let parsed =
                reqwest::Url::parse(&url).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
            parsed.ok_or_else(|| {
                format!("{} is `{url}`: write a URL such as http://host:4318", named("ENDPOINT"))
            })?;
        }
    }
    let preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    if let Some(value) = variable(preference)
        && !["cumulative", "delta", "lowmemory"].contains(&value.to_ascii_lowercase().as_str())
    {
        odd.push(format!("{preference} is `{value}`: write cumulative, delta or lowmemory"));
    }
    Ok(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Vec<String>, Error> {
        check(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn what_is_not_obeyed_is_named_with_what_it_says() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "zip"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b,c"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes"),
        ] {
            let odd = with(name, value).unwrap();
            assert!(odd.len() == 1 && odd[0].starts_with(&format!("{name} is `{value}`")), "{odd:?}");
        }
        for url in ["nonsense", "ftp://host:1"] {
            let error = with("OTEL_EXPORTER_OTLP_ENDPOINT", url).unwrap_err().to_string();
            assert!(error.contains(url), "{error}");
        }
    }

    #[test]
    fn nothing_is_said_of_what_is_obeyed() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=1,other=a%20b"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "CUMULATIVE"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://host/v1/metrics"),
        ] {
            assert_eq!(with(name, value).unwrap(), [""; 0]);
        }
    }
}
