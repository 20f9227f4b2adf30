//! Who is speaking: the environment, described by the semantic conventions for functions.

use lambda_extension::{telemetry::PlatformInitStart, Registration};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::{
    resource::{EnvResourceDetector, TelemetryResourceDetector},
    Resource,
};
use opentelemetry_semantic_conventions::attribute;

/// What made the data: this extension, in the platform's place.
pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).build()
}

/// What is known of this environment.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) function: String,
    version: String,
    account: Option<String>,
    arn: Option<String>,
    region: Option<String>,
    /// In bytes.
    memory: Option<i64>,
    instance: String,
}

impl Identity {
    pub(crate) fn new(registration: &Registration) -> Self {
        let memory = std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok();
        Self {
            function: registration.function_name.clone(),
            version: registration.function_version.clone(),
            account: registration.account_id.as_ref().map(ToString::to_string),
            arn: None,
            region: std::env::var("AWS_REGION").ok(),
            memory: memory
                .and_then(|megabytes| megabytes.parse::<i64>().ok())
                .map(|megabytes| megabytes << 20),
            // Until Lambda says the name of the log stream, which extensions do not see in their variables.
            instance: registration.extension_id.to_string(),
        }
    }

    /// Takes over what Lambda says when the environment starts.
    pub(crate) fn started(&mut self, start: &PlatformInitStart<'_>) {
        self.arn = start.function_arn.as_deref().map(str::to_owned).or(self.arn.take());
        self.writes_to(start.instance_id.as_deref());
    }

    /// The environment has this log stream. Metrics of two environments must not look like those of one.
    pub(crate) fn writes_to(&mut self, log_stream: Option<&str>) {
        if let Some(log_stream) = log_stream {
            log_stream.clone_into(&mut self.instance);
        }
    }

    /// `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` have the last word.
    pub(crate) fn resource(&self) -> Resource {
        let known = [
            ("service.name", Some(self.function.clone())),
            (attribute::CLOUD_PROVIDER, Some("aws".to_owned())),
            (attribute::CLOUD_PLATFORM, Some("aws_lambda".to_owned())),
            (attribute::CLOUD_REGION, self.region.clone()),
            (attribute::CLOUD_ACCOUNT_ID, self.account.clone()),
            (attribute::CLOUD_RESOURCE_ID, self.arn.clone()),
            (attribute::FAAS_NAME, Some(self.function.clone())),
            (attribute::FAAS_VERSION, Some(self.version.clone())),
            (attribute::FAAS_INSTANCE, Some(self.instance.clone())),
        ];
        let known = known.into_iter().filter_map(|(name, value)| Some(KeyValue::new(name, value?)));
        let memory = self.memory.map(|memory| KeyValue::new(attribute::FAAS_MAX_MEMORY, memory));
        let name = std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
        Resource::builder_empty()
            .with_attributes(known.chain(memory))
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_detector(Box::new(EnvResourceDetector::new()))
            .with_attributes(name.map(|name| KeyValue::new("service.name", name)))
            .build()
    }
}
