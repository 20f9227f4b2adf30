//! A cache of secrets and parameters beside the function, asked over HTTP as AWS's own extension is.
//!
//! `README.md` beside this package tells how to try, to configure and to deploy it.

mod aws;
mod cache;
mod failure;
mod server;
mod settings;
mod wanted;

use std::sync::Arc;

use aws::Aws;
use cache::Cache;
use lambda_extension::{Config, Error, EventType, Extension, Registration, RestoreEvent};
use settings::Settings;
use tokio::net::TcpListener;
use tracing::{info, warn};
use wanted::Wanted;

/// What the event loop sees of it. The function does not ask here, but at the [`server`].
struct SecretsCache {
    cache: Arc<Cache<Aws>>,
    prefetch: Vec<Wanted>,
}

impl Extension for SecretsCache {
    /// Lambda starts the function meanwhile. What it asks for now, it gets as soon as it is there.
    async fn on_init(&mut self, _: &Registration) -> Result<(), Error> {
        self.fill().await;
        Ok(())
    }

    /// What is in a snapshot is as old as the snapshot, the credentials too.
    async fn on_restore(&mut self, _: RestoreEvent) -> Result<(), Error> {
        self.cache.forget();
        self.cache.source().forget_credentials();
        self.fill().await;
        Ok(())
    }
}

impl SecretsCache {
    /// Fetches what is wanted in advance, all at once. What fails is tried again when the function asks for it.
    async fn fill(&self) {
        let mut fetches = tokio::task::JoinSet::new();
        for wanted in self.prefetch.clone() {
            let cache = Arc::clone(&self.cache);
            fetches.spawn(async move {
                if let Err(failure) = cache.get(&wanted).await {
                    warn!("{wanted} is not there yet: {failure}");
                }
            });
        }
        while fetches.join_next().await.is_some() {}
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // First, because the local Lambda runs what stands before this twice.
    let config = Config::from_env()?;
    lambda_extension::logging::init();
    let settings = Settings::from_env()?;
    // Before registering, which is what Lambda waits for before it starts the function: whoever connects from then on is
    // answered, even if it has to wait for the answer.
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, settings.port)).await;
    let listener = listener.map_err(|error| {
        format!(
            "listening on port {}: {error}; AWS's own extension takes 2773, and PARAMETERS_SECRETS_EXTENSION_HTTP_PORT names another",
            settings.port
        )
    })?;
    info!("listening on {}", listener.local_addr()?);
    let cache = Arc::new(Cache::new(Aws::new(&settings)?, &settings));
    tokio::spawn(server::serve(listener, Arc::clone(&cache), settings.token));
    // No invocation waits for an extension that is not told of it. Only a restore shows in the first of them.
    let config = if settings.snap_start { config } else { config.events([EventType::Shutdown]) };
    config.run(SecretsCache { cache, prefetch: settings.prefetch }).await?;
    Ok(())
}
