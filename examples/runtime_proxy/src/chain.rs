//! How runtime, proxies and Lambda find each other: two small files in `/tmp`, which function and extensions share.
//!
//! The proxy writes where it listens. The wrapper, which starts the runtime, reads that, writes what the runtime was to talk to
//! until then, and points the runtime at the proxy. So every proxy has a port of its own without anybody's configuring
//! one, and the order in a chain is that of the wrappers.

use std::{env, fs, net::SocketAddr, path::PathBuf};

use lambda_extension::Error;

pub(crate) struct Chain {
    address: PathBuf,
    upstream: PathBuf,
    /// Lambda itself.
    lambda: String,
}

impl Chain {
    /// The place of the proxy with this name, which is its wrapper's too.
    ///
    /// # Errors
    ///
    /// Where the environment knows of no Lambda.
    pub(crate) fn from_env(name: &str) -> Result<Self, Error> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let folder = PathBuf::from(variable("RUNTIME_PROXY_DIR").unwrap_or_else(|| "/tmp".to_owned()));
        Ok(Self {
            address: folder.join(format!("{name}.address")),
            upstream: folder.join(format!("{name}.upstream")),
            lambda: variable("AWS_LAMBDA_RUNTIME_API").ok_or("AWS_LAMBDA_RUNTIME_API is not set")?,
        })
    }

    /// From now on wrappers leave the runtime where it is.
    pub(crate) fn withdraw(&self) {
        drop(fs::remove_file(&self.address));
        drop(fs::remove_file(&self.upstream));
    }

    /// From now on wrappers lead the runtime here.
    ///
    /// # Errors
    ///
    /// Where the file for it cannot be written.
    pub(crate) fn publish(&self, address: SocketAddr) -> Result<(), Error> {
        fs::write(&self.address, format!("{address}\n")).map_err(|error| {
            let file = self.address.display();
            format!("writing {file}: {error}; RUNTIME_PROXY_DIR names a folder that function and extension can write to").into()
        })
    }

    /// What is behind this proxy: the next one, or Lambda.
    pub(crate) fn upstream(&self) -> String {
        let written = fs::read_to_string(&self.upstream).unwrap_or_default();
        let upstream = if written.trim().is_empty() { &self.lambda } else { written.trim() };
        // Lambda writes `host:port`, and some emulators a URL whose path stands before every route.
        upstream.trim_start_matches("http://").trim_end_matches('/').to_owned()
    }
}
