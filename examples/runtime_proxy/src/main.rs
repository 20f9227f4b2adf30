//! A proxy between the function's runtime and Lambda, which sees and changes events and responses.
//!
//! `README.md` beside this package tells how to try, to configure, to chain and to deploy it. To make it yours, replace what
//! [`hook::Redact`] does.

mod chain;
mod hook;
mod proxy;

use chain::Chain;
use hook::Redact;
use lambda_extension::{extension_fn, Config, Error, ShutdownEvent};
use proxy::Proxy;
use tokio::net::TcpListener;
use tracing::{error, info};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // First, because the local Lambda runs what stands before this twice.
    let config = Config::from_env()?;
    lambda_extension::logging::init();
    // Before registering, which is what Lambda waits for before it starts the runtime.
    if let Err(error) = listen(config.extension_name()).await {
        error!("the function talks to Lambda without this proxy: {error}");
    }
    // An invocation is over when the runtime asks for the next one, and that goes through the proxy: there is nothing to wait
    // for besides, so the extension is not told of invocations.
    config.run(extension_fn(async |_: ShutdownEvent| Ok::<_, Error>(()))).await?;
    Ok(())
}

async fn listen(name: &str) -> Result<(), Error> {
    let chain = Chain::from_env(name)?;
    // Not to be found while nobody listens: a file may be left from the environment's life before a reset.
    chain.withdraw();
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    chain.publish(address)?;
    info!("listening on {address}");
    tokio::spawn(Proxy::new(Redact::from_env()).serve(listener, move || chain.upstream()));
    Ok(())
}
