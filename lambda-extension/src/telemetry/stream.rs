//! The stream of telemetry: a listener, the queue behind it, and the subscription that feeds it.

use crate::{
    client::{Client, Subscribed},
    error::ExtensionError,
    handle::Handle,
    id::ExtensionId,
    telemetry::{
        Category, Subscription,
        batch::Filter,
        intake::{self, Intake},
        listener::{Listener, Settings},
    },
    wire,
};

/// What is to be known of an extension before its stream can be opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    /// Its name, by which its own log lines are told.
    pub(crate) name: &'a str,
    /// Whether the ends of invocations are waited for, so that they must be reported, and soon.
    pub(crate) gated: bool,
    /// Whether this is on Managed Instances, where several invocations go on at once and only the newest schema is taken.
    pub(crate) managed: bool,
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
    /// The schemas to ask for, one after another.
    schemas: &'static [&'static str],
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
        let mut buffering = subscription.buffering.unwrap_or_default();
        if terms.gated {
            buffering = buffering.promptly();
        }
        subscription.buffering = Some(buffering);
        let settings = Settings {
            protocol: subscription.protocol,
            port: subscription.port,
            loopback: terms.loopback,
            max_bytes: buffering.max_bytes,
        };
        let filter = Filter::new(wanted.wanted, terms.name);
        let (sender, intake) = intake::queue(handle, filter, terms.managed);
        let listener = Listener::open(settings, sender)
            .await
            .map_err(|(address, source)| ExtensionError::Listen { address: address.to_string(), source })?;
        let schemas = if terms.managed { &wire::TELEMETRY_SCHEMAS[..1] } else { &wire::TELEMETRY_SCHEMAS };
        Ok(Self { listener, intake, reports_ends: terms.gated, subscription, schemas })
    }

    pub(crate) async fn subscribe(
        &self,
        client: &Client,
        id: &ExtensionId,
    ) -> Result<Subscribed, ExtensionError> {
        client.subscribe_as(id, &self.subscription, self.listener.port(), self.schemas).await
    }

    /// Ends it before anybody is handed anything: what has come is counted as dropped.
    pub(crate) async fn close(&mut self, handle: &Handle) {
        self.listener.close().await;
        self.intake.close(handle);
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
        net::TcpListener,
    };

    use super::*;

    /// Subscribes where every schema is refused, and gives the bodies that were sent.
    async fn refused(managed: bool) -> Vec<String> {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&server.local_addr().unwrap().to_string()).unwrap();
        let terms = Terms { name: "x", gated: false, managed, loopback: true };
        let wanted = Subscription::new([Category::Function]);
        let stream = Stream::open(&wanted, terms, Handle::default()).await.unwrap();
        let id = ExtensionId::from("1");
        let mut bodies = Vec::new();
        let refuse = async {
            loop {
                let mut connection = BufReader::new(server.accept().await.unwrap().0);
                let (mut line, mut length) = (String::new(), 0);
                while line != "\r\n" {
                    if let Some(value) = line.strip_prefix("content-length: ") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                    connection.read_line(&mut line).await.unwrap();
                }
                let mut body = vec![0; length];
                connection.read_exact(&mut body).await.unwrap();
                bodies.push(String::from_utf8(body).unwrap());
                let answer = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                connection.write_all(answer).await.unwrap();
            }
        };
        tokio::select! {
            result = stream.subscribe(&client, &id) => assert!(result.is_err()),
            () = refuse => {}
        }
        bodies
    }

    #[tokio::test]
    async fn managed_instances_are_asked_for_the_one_schema_they_know() {
        let bodies = refused(true).await;
        assert_eq!(bodies.len(), 1);
        assert!(bodies[0].contains(r#""schemaVersion":"2025-01-29""#), "{bodies:?}");
        assert_eq!(refused(false).await.len(), wire::TELEMETRY_SCHEMAS.len());
    }
}
