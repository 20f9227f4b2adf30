//! The HTTP client with which the examples reach what lies outside of Lambda: a collector, S3, AWS's APIs.
//!
//! It differs from `reqwest::Client::new()` in what an extension needs:
//!
//! - **Proxies.** It obeys `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, which a function's configuration may set. The framework's
//!   own client never does: Lambda's API is on the loopback, where no proxy can reach it. Nor may [`direct`].
//! - **Connections that a freeze has killed.** A peer that gave up on us during hours of freezing may have said so to nobody.
//!   Then a request on the old connection is never answered. So each attempt has a bound, and all is HTTP/1.1, where an
//!   attempt that is given up takes its connection with it: the next one makes a new connection.
//! - **Certificates.** Mozilla's authorities are compiled in.

use std::{error::Error, path::Path, sync::Arc, time::Duration};

use rustls::{
    crypto::ring,
    pki_types::{pem::PemObject, CertificateDer},
    ClientConfig, RootCertStore,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A client for the world outside. `attempt` bounds one request and its answer, from connecting to the last byte. `bundle` is
/// a PEM file of further authorities, such as that of a company's own proxy.
///
/// # Errors
///
/// If the bundle cannot be read, or holds what is no certificate.
pub fn client(attempt: Duration, bundle: Option<&Path>) -> Result<reqwest::Client> {
    Ok(builder(attempt, roots(bundle)?)?.build()?)
}

/// A client for what lies inside, such as the endpoint that gives credentials: no proxy, no TLS.
///
/// # Errors
///
/// If reqwest cannot be set up, which would be new.
pub fn direct(attempt: Duration) -> Result<reqwest::Client> {
    Ok(builder(attempt, RootCertStore::empty())?.no_proxy().build()?)
}

/// What both have in common. They follow no redirect: what is sent carries credentials, and was signed for one place.
fn builder(attempt: Duration, roots: RootCertStore) -> Result<reqwest::ClientBuilder> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .timeout(attempt)
        .redirect(reqwest::redirect::Policy::none())
        .http1_only()
        .tls_backend_preconfigured(tls))
}

/// The authorities that are trusted.
///
/// Amazon Linux has them in `/etc/pki`, but an extension runs in whatever image its function has, and a small image has
/// none. Compiled in, they are always there, and cost no reading and parsing of 200 kB while Lambda waits for Init. The price:
/// they are as old as the binary.
fn roots(bundle: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = bundle {
        let unusable = |error: &dyn Error| format!("the certificates in {}: {error}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))? {
            roots.add(certificate.map_err(|error| unusable(&error))?).map_err(|error| unusable(&error))?;
        }
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTEMPT: Duration = Duration::from_secs(1);

    #[test]
    fn a_client_needs_no_certificates_of_the_system() {
        client(ATTEMPT, None).unwrap();
        direct(ATTEMPT).unwrap();
    }

    #[test]
    fn a_bundle_that_is_not_there_is_named() {
        let error = client(ATTEMPT, Some(Path::new("/no/such/bundle.pem"))).unwrap_err();
        assert!(error.to_string().starts_with("the certificates in /no/such/bundle.pem: "), "{error}");
    }
}
