//! The configuration: the variables of AWS's extension, and a few of our own.

use std::{env, num::NonZeroUsize, path::PathBuf, str::FromStr, time::Duration};

use crate::wanted::{Mistake, Wanted};

/// How to ask one of the two services.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) endpoint: String,
    pub(crate) ttl: Duration,
    /// For a fetch with all its attempts.
    pub(crate) timeout: Duration,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) port: u16,
    pub(crate) region: String,
    pub(crate) secrets_manager: Service,
    pub(crate) parameter_store: Service,
    pub(crate) cache_size: usize,
    pub(crate) max_connections: NonZeroUsize,
    /// How long past its time a value is given out while AWS is away.
    pub(crate) max_stale: Duration,
    pub(crate) prefetch: Vec<Wanted>,
    /// A file of certificate authorities beside those built in, such as that of a company's proxy.
    pub(crate) bundle: Option<PathBuf>,
    /// Whether the environment comes out of a snapshot.
    pub(crate) snap_start: bool,
    /// What the function proves with that it is the function.
    pub(crate) token: String,
}

impl Settings {
    /// # Errors
    ///
    /// A sentence that names the variable. AWS's extension logs such a mistake and goes on with its default; here the
    /// environment does not start, which is noticed where the mistake was made: at the deployment.
    pub(crate) fn from_env() -> Result<Self, String> {
        Self::from_variables(|name| env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let variables = Variables(&variable);
        let region = variables.text("AWS_REGION").ok_or("AWS_REGION is not set; Lambda sets it")?;
        // With SnapStart there is no session token, and the function has this one.
        let token = variables
            .text("AWS_SESSION_TOKEN")
            .or_else(|| variables.text("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
        let token = token.ok_or(
            "neither AWS_SESSION_TOKEN nor AWS_CONTAINER_AUTHORIZATION_TOKEN is set; Lambda sets one",
        )?;
        let cache_size =
            variables.parsed("PARAMETERS_SECRETS_EXTENSION_CACHE_SIZE", 1_000, "a number of values")?;
        let cache_enabled =
            variables.parsed("PARAMETERS_SECRETS_EXTENSION_CACHE_ENABLED", true, "true or false")?;
        let service = |name: &str, prefix: &str, override_of: &str| -> Result<Service, String> {
            let ttl = variables.parsed(&format!("{prefix}_TTL"), 300, "a number of seconds")?;
            let timeout =
                variables.parsed(&format!("{prefix}_TIMEOUT_MILLIS"), 0, "a number of milliseconds")?;
            Ok(Service {
                endpoint: variables.endpoint(name, override_of, &region)?,
                ttl: Duration::from_secs(if cache_enabled && cache_size > 0 { ttl } else { 0 }),
                // AWS's 0 is no time-out at all, and a function's requests would hang with a network that does.
                timeout: Duration::from_millis(if timeout == 0 { 5_000 } else { timeout }),
            })
        };
        Ok(Self {
            port: variables.parsed("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", 2773, "a port")?,
            secrets_manager: service("secretsmanager", "SECRETS_MANAGER", "SECRETS_MANAGER")?,
            parameter_store: service("ssm", "SSM_PARAMETER_STORE", "SSM")?,
            cache_size,
            max_connections: variables.parsed(
                "PARAMETERS_SECRETS_EXTENSION_MAX_CONNECTIONS",
                const { NonZeroUsize::new(3).unwrap() },
                "a number above 0",
            )?,
            max_stale: Duration::from_secs(variables.parsed(
                "SECRETS_CACHE_MAX_STALE",
                300,
                "a number of seconds",
            )?),
            prefetch: variables.prefetch("SECRETS_CACHE_PREFETCH")?,
            bundle: variables.text("AWS_CA_BUNDLE").map(PathBuf::from),
            snap_start: variables.text("AWS_LAMBDA_INITIALIZATION_TYPE").as_deref() == Some("snap-start"),
            region,
            token,
        })
    }
}

struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    /// An empty variable is none.
    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn parsed<T: FromStr>(&self, name: &str, otherwise: T, what: &str) -> Result<T, String> {
        match self.text(name) {
            None => Ok(otherwise),
            // AWS's own examples write TRUE.
            Some(text) => text
                .to_ascii_lowercase()
                .parse()
                .map_err(|_| format!("{name} is `{text}`; it should be {what}")),
        }
    }

    /// The variables by which AWS's SDKs are sent elsewhere, the more special one first.
    fn endpoint(&self, service: &str, override_of: &str, region: &str) -> Result<String, String> {
        for name in [&*format!("AWS_ENDPOINT_URL_{override_of}"), "AWS_ENDPOINT_URL"] {
            let Some(url) = self.text(name) else { continue };
            let parsed =
                reqwest::Url::parse(&url).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
            return match parsed {
                Some(_) => Ok(url),
                None => Err(format!("{name} is `{url}`; it should be a URL such as https://host:port")),
            };
        }
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        Ok(format!("https://{service}.{region}.{domain}"))
    }

    fn prefetch(&self, name: &str) -> Result<Vec<Wanted>, String> {
        let text = self.text(name).unwrap_or_default();
        let parse = |path: &str| {
            Wanted::parse(path).map_err(|mistake| match mistake {
                Mistake::Route => format!("{name}: there is no route `{path}`"),
                Mistake::Query(sentence) => format!("{name}: in `{path}` {sentence}"),
            })
        };
        text.split_whitespace().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &[(&str, &str)]) -> Result<Settings, String> {
        let lambda = [("AWS_REGION", "eu-central-1"), ("AWS_SESSION_TOKEN", "token")];
        Settings::from_variables(|name| {
            set.iter().chain(&lambda).find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn where_nothing_is_set_it_is_as_awss_extension_is() {
        let settings = with(&[]).unwrap();
        assert_eq!(
            (settings.port, settings.cache_size, settings.max_connections),
            (2773, 1_000, NonZeroUsize::new(3).unwrap())
        );
        assert_eq!(settings.secrets_manager.ttl, Duration::from_secs(300));
        assert_eq!(settings.secrets_manager.endpoint, "https://secretsmanager.eu-central-1.amazonaws.com");
        assert_eq!(settings.parameter_store.endpoint, "https://ssm.eu-central-1.amazonaws.com");
        let china = with(&[("AWS_REGION", "cn-north-1")]).unwrap();
        assert_eq!(china.parameter_store.endpoint, "https://ssm.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn a_cache_that_is_switched_off_or_has_no_room_keeps_nothing() {
        for off in [
            ("PARAMETERS_SECRETS_EXTENSION_CACHE_ENABLED", "FALSE"),
            ("PARAMETERS_SECRETS_EXTENSION_CACHE_SIZE", "0"),
        ] {
            let settings = with(&[off]).unwrap();
            assert_eq!(
                (settings.secrets_manager.ttl, settings.parameter_store.ttl),
                (Duration::ZERO, Duration::ZERO)
            );
        }
    }

    #[test]
    fn a_service_can_be_sent_elsewhere_alone_or_with_all_others() {
        let settings =
            with(&[("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_SSM", "http://ssm")]).unwrap();
        assert_eq!(settings.secrets_manager.endpoint, "http://all");
        assert_eq!(settings.parameter_store.endpoint, "http://ssm");
    }

    #[test]
    fn with_snapstart_the_function_proves_itself_with_the_token_it_has_there() {
        let settings =
            with(&[("AWS_SESSION_TOKEN", ""), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "other")]).unwrap();
        assert_eq!(settings.token, "other");
    }

    #[test]
    fn a_mistake_names_its_variable() {
        for (name, value) in [
            ("SECRETS_MANAGER_TTL", "5m"),
            ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", "70000"),
            ("PARAMETERS_SECRETS_EXTENSION_CACHE_ENABLED", "yes"),
            ("PARAMETERS_SECRETS_EXTENSION_MAX_CONNECTIONS", "0"),
            ("SECRETS_CACHE_PREFETCH", "/secretsmanager/get?secretId=a /secrets"),
            ("AWS_ENDPOINT_URL", "nonsense"),
            ("AWS_ENDPOINT_URL_SSM", "ftp://host"),
        ] {
            let sentence = with(&[(name, value)]).err().unwrap();
            assert!(sentence.contains(name), "{sentence}");
        }
    }
}
