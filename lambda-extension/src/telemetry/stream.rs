//! The stream of telemetry: a listener, the queue behind it, and the subscription that feeds it.

use crate::{
    client::{Client, Subscribed},
    error::ExtensionError,
    handle::Handle,
    id::ExtensionId,
    telemetry::{
        Buffering, Category, Subscription,
        batch::Filter,
        intake::{self, Intake},
        listener::{Listener, Settings},
    },
};

/// What is to be known of an extension before its stream can be opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    /// Its name, by which its own log lines are told.
    pub(crate) name: &'a str,
    /// Whether the ends of invocations are waited for, so that they must be reported, and soon.
    pub(crate) gated: bool,
    /// Whether several invocations go on at once.
    pub(crate) overlapping: bool,
    /// Whether only this machine may deliver.
    pub(crate) loopback: bool,
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) listener: Listener,
    pub(crate) intake: Intake,
    /// Whether the ends of invocations will be reported, since they are waited for.
    pub(crate) reports_ends: bool,
    /// As it is sent to Lambda.
    subscription: Subscription,
}

impl Stream {
    /// Opens the listener. Nothing comes before [`subscribe`](Self::subscribe).
    pub(crate) async fn open(
        wanted: &Subscription,
        terms: Terms<'_>,
        handle: Handle,
    ) -> Result<Self, ExtensionError> {
        let mut subscription = wanted.clone();
        if terms.gated {
            subscription.wanted = subscription.wanted.with(Category::Platform);
        }
        let default = if terms.gated { Buffering::prompt() } else { Buffering::default() };
        let buffering = *subscription.buffering.get_or_insert(default);
        let settings = Settings {
            protocol: subscription.protocol,
            port: subscription.port,
            loopback: terms.loopback,
            max_bytes: buffering.max_bytes,
        };
        let filter = Filter::new(wanted.wanted, terms.name);
        let (sender, intake) = intake::queue(handle, filter, terms.overlapping);
        let listener = Listener::open(settings, sender)
            .await
            .map_err(|(address, source)| ExtensionError::Listen { address: address.to_string(), source })?;
        Ok(Self { listener, intake, reports_ends: terms.gated, subscription })
    }

    pub(crate) async fn subscribe(
        &self,
        client: &Client,
        id: &ExtensionId,
    ) -> Result<Subscribed, ExtensionError> {
        client.subscribe(id, &self.subscription, self.listener.port()).await
    }
}
