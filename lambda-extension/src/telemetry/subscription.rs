//! What to ask the Telemetry API for.

use std::{fmt, ops::RangeInclusive, pin::Pin, time::Duration};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::{
    error::ExtensionError,
    handle::Handle,
    telemetry::stream::{Stream, Terms},
};

/// A kind of telemetry, Lambda's `types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Category {
    /// What Lambda says of the environment and of its invocations: `platform.start`, `platform.report` and so on.
    Platform,
    /// What the function writes to stdout and stderr, internal extensions included.
    Function,
    /// What external extensions write, this one included.
    Extension,
}

impl Category {
    pub(crate) const ALL: [Self; 3] = [Self::Platform, Self::Function, Self::Extension];

    /// Lambda's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Function => "function",
            Self::Extension => "extension",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How Lambda delivers telemetry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// Batches as HTTP requests, which Lambda repeats until they are answered. The default, and AWS's advice.
    #[default]
    Http,
    /// One record a line over one TCP connection, without any acknowledgement.
    Tcp,
}

/// How much telemetry Lambda gathers before it delivers a batch: as soon as one of the three is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffering {
    pub(crate) max_items: u32,
    pub(crate) max_bytes: u32,
    /// `None` where nobody has chosen it: then it depends on whether the ends of invocations are waited for.
    timeout_ms: Option<u32>,
}

impl Buffering {
    /// AWS's range for the number of records in a batch.
    pub const MAX_ITEMS: RangeInclusive<u32> = 1_000..=10_000;
    /// AWS's range for the size of a batch, in bytes.
    pub const MAX_BYTES: RangeInclusive<u32> = 262_144..=1_048_576;
    /// AWS's range for how long a batch waits after its first record, in milliseconds.
    pub const TIMEOUT_MS: RangeInclusive<u32> = 25..=30_000;

    /// Buffering within AWS's ranges ("Telemetry API reference", `buffering`).
    ///
    /// # Errors
    ///
    /// [`ExtensionError::Config`], naming the range, when a value is outside of it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lambda_extension::telemetry::Buffering;
    ///
    /// assert!(Buffering::new(1_000, 262_144, Duration::from_millis(25)).is_ok());
    /// let error = Buffering::new(10, 262_144, Duration::from_secs(1)).unwrap_err();
    /// assert!(error.to_string().contains("1000 to 10000"));
    /// ```
    pub fn new(max_items: u32, max_bytes: u32, timeout: Duration) -> Result<Self, ExtensionError> {
        let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        for (what, value, range) in [
            ("max_items", max_items, Self::MAX_ITEMS),
            ("max_bytes", max_bytes, Self::MAX_BYTES),
            ("timeout (in milliseconds)", timeout_ms, Self::TIMEOUT_MS),
        ] {
            if !range.contains(&value) {
                let (least, most) = range.into_inner();
                return Err(ExtensionError::config(format!(
                    "buffering {what} is {value}, and Lambda takes {least} to {most}"
                )));
            }
        }
        Ok(Self { max_items, max_bytes, timeout_ms: Some(timeout_ms) })
    }

    /// Buffering of these sizes, or of Lambda's own, whose timeout is left to be chosen.
    pub(crate) fn of_sizes(max_items: Option<u32>, max_bytes: Option<u32>) -> Result<Self, ExtensionError> {
        let default = Self::default();
        let timeout = Duration::from_millis(Self::DEFAULT_TIMEOUT_MS.into());
        let sizes = Self::new(
            max_items.unwrap_or(default.max_items),
            max_bytes.unwrap_or(default.max_bytes),
            timeout,
        )?;
        Ok(Self { timeout_ms: None, ..sizes })
    }

    /// The same buffering with this timeout.
    pub(crate) fn timeout(self, timeout: Duration) -> Result<Self, ExtensionError> {
        Self::new(self.max_items, self.max_bytes, timeout)
    }

    /// Lambda's default, which is sent all the same.
    const DEFAULT_TIMEOUT_MS: u32 = 1_000;

    /// The same buffering, with the least timeout there is where none was chosen.
    pub(crate) fn promptly(self) -> Self {
        Self { timeout_ms: self.timeout_ms.or(Some(*Self::TIMEOUT_MS.start())), ..self }
    }
}

impl Default for Buffering {
    /// Lambda's own defaults. They are sent all the same, since its documents differ on them. The timeout is 25 ms instead of
    /// 1 s where the [`FlushStrategy`](crate::FlushStrategy) waits for the end of an invocation to be reported.
    fn default() -> Self {
        Self { max_items: 10_000, max_bytes: 262_144, timeout_ms: None }
    }
}

impl Serialize for Buffering {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Buffering", 3)?;
        fields.serialize_field("maxItems", &self.max_items)?;
        fields.serialize_field("maxBytes", &self.max_bytes)?;
        fields.serialize_field("timeoutMs", &self.timeout_ms.unwrap_or(Self::DEFAULT_TIMEOUT_MS))?;
        fields.end()
    }
}

type Open = for<'a> fn(
    &'a Subscription,
    Terms<'a>,
    Handle,
) -> Pin<Box<dyn Future<Output = Result<Stream, ExtensionError>> + Send + 'a>>;

/// What to have delivered, and how.
///
/// ```
/// use lambda_extension::telemetry::{Category, Subscription};
///
/// let logs = Subscription::new([Category::Function]).port(4243);
/// assert_eq!(logs.categories().collect::<Vec<_>>(), [Category::Function]);
/// ```
#[derive(Clone, Debug)]
pub struct Subscription {
    pub(crate) wanted: Categories,
    pub(crate) buffering: Option<Buffering>,
    pub(crate) port: Option<u16>,
    pub(crate) protocol: Protocol,
    /// Opens the stream for it. A pointer, so that a program that makes no subscription links no server.
    pub(crate) open: Open,
}

impl Subscription {
    /// A subscription to these categories, delivered by HTTP.
    ///
    /// Batches then wait 25 ms at most where the [`FlushStrategy`](crate::FlushStrategy) waits for the end of an invocation
    /// to be reported, and 1 s elsewhere.
    #[must_use]
    pub fn new(categories: impl IntoIterator<Item = Category>) -> Self {
        Self {
            wanted: categories.into_iter().collect(),
            buffering: None,
            port: None,
            protocol: Protocol::Http,
            open: |subscription, terms, handle| Box::pin(Stream::open(subscription, terms, handle)),
        }
    }

    /// The same subscription with this buffering.
    #[must_use]
    pub fn buffering(mut self, buffering: Buffering) -> Self {
        self.buffering = Some(buffering);
        self
    }

    /// The same subscription delivered to this port. Otherwise it is 4327, or any free one if that is taken.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The same subscription delivered by this protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// What is subscribed to, each category once.
    pub fn categories(&self) -> impl Iterator<Item = Category> + use<> {
        self.wanted.iter()
    }
}

/// A set of categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Categories(u8);

impl Categories {
    pub(crate) fn with(self, category: Category) -> Self {
        Self(self.0 | 1 << category as u8)
    }

    pub(crate) fn contains(self, category: Category) -> bool {
        self.0 & (1 << category as u8) != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Category> {
        Category::ALL.into_iter().filter(move |category| self.contains(*category))
    }
}

impl FromIterator<Category> for Categories {
    fn from_iter<I: IntoIterator<Item = Category>>(categories: I) -> Self {
        categories.into_iter().fold(Self::default(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(buffering: Buffering) -> serde_json::Value {
        serde_json::to_value(buffering).unwrap()["timeoutMs"].clone()
    }

    #[test]
    fn only_a_timeout_that_was_chosen_stands_in_the_way_of_haste() {
        let chosen = Buffering::new(1_000, 262_144, Duration::from_millis(500)).unwrap();
        let sizes = Buffering::of_sizes(Some(2_000), None).unwrap();
        assert_eq!((timeout(chosen), timeout(chosen.promptly())), (500.into(), 500.into()));
        for buffering in [sizes, Buffering::default()] {
            assert_eq!((timeout(buffering), timeout(buffering.promptly())), (1_000.into(), 25.into()));
        }
        assert_eq!((sizes.max_items, sizes.max_bytes), (2_000, 262_144));
        assert!(Buffering::of_sizes(Some(999), None).is_err());
    }
}
