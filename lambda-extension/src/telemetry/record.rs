//! What the records of telemetry say, one struct for each documented type.
//!
//! The fields are those of the Telemetry API's schema `2025-01-29` ("Lambda Telemetry API Event schema reference" in the AWS
//! Lambda Developer Guide) and of what AWS's emulator and production were seen to send besides. Durations are in
//! milliseconds. Every field may be missing: older schemas, SnapStart and Managed Instances each leave some out.

use std::{borrow::Cow, fmt, time::SystemTime};

use serde::Deserialize;

use crate::{
    clock::timestamp,
    id::RequestId,
    telemetry::{
        Category,
        lenient::{FromRaw, lenient},
        line::{LogLine, Text},
    },
};

/// Reads an object. Derived code would take an array for a struct too.
fn object<'a, T: Deserialize<'a>>(raw: &'a str) -> Option<T> {
    if raw.starts_with('{') { serde_json::from_str(raw).ok() } else { None }
}

/// Makes a value independent of the batch it was read from.
trait IntoStatic {
    type Static;
    fn into_static(self) -> Self::Static;
}

impl IntoStatic for Cow<'_, str> {
    type Static = Cow<'static, str>;
    fn into_static(self) -> Self::Static {
        Cow::Owned(self.into_owned())
    }
}

impl IntoStatic for f64 {
    type Static = Self;
    fn into_static(self) -> Self {
        self
    }
}

impl IntoStatic for u64 {
    type Static = Self;
    fn into_static(self) -> Self {
        self
    }
}

impl<T: IntoStatic> IntoStatic for Option<T> {
    type Static = Option<T::Static>;
    fn into_static(self) -> Self::Static {
        self.map(T::into_static)
    }
}

impl<T: IntoStatic> IntoStatic for Vec<T> {
    type Static = Vec<T::Static>;
    fn into_static(self) -> Self::Static {
        self.into_iter().map(T::into_static).collect()
    }
}

/// A struct whose every field is read leniently, from the key that is its name in camel case.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
        #[non_exhaustive]
        pub struct $name<'a> {
            $(
                $(#[$field_doc])*
                #[serde(deserialize_with = "lenient")]
                pub $field: $type,
            )*
        }

        impl IntoStatic for $name<'_> {
            type Static = $name<'static>;
            fn into_static(self) -> $name<'static> {
                $name { $($field: self.$field.into_static(),)* }
            }
        }

        impl<'de: 'a, 'a> FromRaw<'de> for $name<'a> {
            fn from_raw(raw: &'de str) -> Option<Self> {
                object(raw)
            }
        }
    };
}

/// A struct of numbers, likewise.
macro_rules! metrics {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[$field_doc])*
                #[serde(deserialize_with = "lenient")]
                pub $field: $type,
            )*
        }

        impl IntoStatic for $name {
            type Static = Self;
            fn into_static(self) -> Self {
                self
            }
        }

        impl FromRaw<'_> for $name {
            fn from_raw(raw: &str) -> Option<Self> {
                object(raw)
            }
        }
    };
}

/// A closed set of words that AWS opens now and then: an unknown one is kept.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name<'a> {
            $($(#[$word_doc])* $variant,)*
            /// A word this version does not know, as it was sent.
            Other(Cow<'a, str>),
        }

        impl $name<'_> {
            /// Lambda's word for it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl<'de: 'a, 'a> FromRaw<'de> for $name<'a> {
            fn from_raw(raw: &'de str) -> Option<Self> {
                let word = Cow::from_raw(raw)?;
                Some(match &*word {
                    $($word => Self::$variant,)*
                    _ => Self::Other(word),
                })
            }
        }

        impl IntoStatic for $name<'_> {
            type Static = $name<'static>;
            fn into_static(self) -> $name<'static> {
                match self {
                    $(Self::$variant => $name::$variant,)*
                    Self::Other(word) => $name::Other(word.into_static()),
                }
            }
        }
    };
}

words! {
    /// How an environment came to be initialised.
    InitType {
        /// For an invocation that was waiting.
        OnDemand = "on-demand",
        /// Ahead of time, for provisioned concurrency.
        ProvisionedConcurrency = "provisioned-concurrency",
        /// For a SnapStart snapshot.
        SnapStart = "snap-start",
        /// On Lambda Managed Instances.
        ManagedInstances = "lambda-managed-instances",
    }
}

words! {
    /// In which phase an initialisation took place.
    InitPhase {
        /// In its own, before the first invocation.
        Init = "init",
        /// Inside of an invocation, after an earlier one had failed.
        Invoke = "invoke",
        /// While a SnapStart snapshot was made.
        SnapStart = "snap-start",
    }
}

words! {
    /// How something ended.
    Status {
        /// Well.
        Success = "success",
        /// By a fault of the function's or of an extension's.
        Error = "error",
        /// By a fault of Lambda's.
        Failure = "failure",
        /// At its deadline.
        Timeout = "timeout",
    }
}

record! {
    /// A part of the time an event took.
    Span {
        /// `responseLatency`, `responseDuration`, `runtimeOverhead` or `extensionOverhead`.
        name: Option<Cow<'a, str>>,
        /// When it began, as sent.
        start: Option<Cow<'a, str>>,
        /// How long it took.
        duration_ms: Option<f64>,
    }
}

impl Span<'_> {
    /// [`start`](Self::start) as a time; `None` if that is missing, or cannot be read as one.
    ///
    /// ```
    /// use lambda_extension::telemetry::{Batch, Record};
    /// # let batch = Batch::from_json(r#"[{"time":"2026-07-28T19:02:11.816Z","type":"platform.runtimeDone","record":{"requestId":"1",
    /// #   "spans":[{"name":"responseLatency","start":"2026-07-28T19:02:11.803Z","durationMs":12.5}]}}]"#);
    ///
    /// for event in batch.events() {
    ///     let Record::PlatformRuntimeDone(done) = &event.record else { continue };
    ///     for span in &done.spans {
    ///         let before_the_end = event.timestamp().unwrap().duration_since(span.timestamp().unwrap()).unwrap();
    ///         assert_eq!((span.name.as_deref(), before_the_end.as_millis()), (Some("responseLatency"), 13));
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn timestamp(&self) -> Option<SystemTime> {
        timestamp(self.start.as_deref()?)
    }
}

record! {
    /// The X-Ray trace an event is part of.
    Tracing {
        /// The segment, sixteen hexadecimal digits.
        span_id: Option<Cow<'a, str>>,
        /// Which header `value` belongs to: `X-Amzn-Trace-Id`.
        #[serde(rename = "type")]
        kind: Option<Cow<'a, str>>,
        /// `Root=…;Parent=…;Sampled=…`.
        value: Option<Cow<'a, str>>,
    }
}

record! {
    /// `platform.initStart`: an environment is being initialised.
    PlatformInitStart {
        /// Why: for an invocation that waits, or ahead of time.
        initialization_type: Option<InitType<'a>>,
        /// Whether in a phase of its own or inside an invocation, because an earlier one had failed.
        phase: Option<InitPhase<'a>>,
        /// The function's name.
        function_name: Option<Cow<'a, str>>,
        /// The function's version.
        function_version: Option<Cow<'a, str>>,
        /// Such as `provided:al2023.AmazonLinux2023.v147`; missing for container images.
        runtime_version: Option<Cow<'a, str>>,
        /// The ARN of that version.
        runtime_version_arn: Option<Cow<'a, str>>,
        /// The name of the environment's log stream.
        instance_id: Option<Cow<'a, str>>,
        /// The environment's memory in bytes.
        instance_max_memory: Option<u64>,
        /// The function's ARN.
        function_arn: Option<Cow<'a, str>>,
        /// The X-Ray trace, where the function is traced.
        tracing: Option<Tracing<'a>>,
    }
}

record! {
    /// `platform.initRuntimeDone`: the function's runtime is initialised.
    PlatformInitRuntimeDone {
        /// Why it was initialised.
        initialization_type: Option<InitType<'a>>,
        /// Whether in a phase of its own or inside an invocation, because an earlier one had failed.
        phase: Option<InitPhase<'a>>,
        /// How it ended.
        status: Option<Status<'a>>,
        /// What went wrong, such as `Runtime.ExitError`.
        error_type: Option<Cow<'a, str>>,
        /// What the time was spent on.
        spans: Vec<Span<'a>>,
        /// The X-Ray trace, where the function is traced.
        tracing: Option<Tracing<'a>>,
    }
}

record! {
    /// `platform.initReport`: the environment is initialised, extensions included.
    PlatformInitReport {
        /// Why it was initialised.
        initialization_type: Option<InitType<'a>>,
        /// Whether in a phase of its own or inside an invocation, because an earlier one had failed.
        phase: Option<InitPhase<'a>>,
        /// How it ended.
        status: Option<Status<'a>>,
        /// What went wrong, such as `Extension.Crash`.
        error_type: Option<Cow<'a, str>>,
        /// How long it took.
        metrics: Option<DurationMetrics>,
        /// What the time was spent on.
        spans: Vec<Span<'a>>,
        /// The X-Ray trace, where the function is traced.
        tracing: Option<Tracing<'a>>,
    }
}

metrics! {
    /// The metrics of an initialisation or a restore.
    DurationMetrics {
        /// How long it took.
        duration_ms: Option<f64>,
    }
}

record! {
    /// `platform.extension`: an extension at the end of Init.
    PlatformExtension {
        /// The extension's name.
        name: Option<Cow<'a, str>>,
        /// `Ready` if all went well.
        state: Option<Cow<'a, str>>,
        /// What it is registered for.
        events: Vec<Cow<'a, str>>,
        /// What went wrong, in Lambda's form `Category.Reason`; none where nothing did.
        error_type: Option<Cow<'a, str>>,
    }
}

record! {
    /// `platform.telemetrySubscription`: an extension subscribed to the Telemetry API.
    PlatformTelemetrySubscription {
        /// The extension's name.
        name: Option<Cow<'a, str>>,
        /// `Subscribed`.
        state: Option<Cow<'a, str>>,
        /// What it subscribed to.
        types: Vec<Cow<'a, str>>,
    }
}

record! {
    /// `platform.logsSubscription`: an extension subscribed to the legacy Logs API.
    PlatformLogsSubscription {
        /// The extension's name.
        name: Option<Cow<'a, str>>,
        /// `Subscribed`.
        state: Option<Cow<'a, str>>,
        /// What it subscribed to.
        types: Vec<Cow<'a, str>>,
    }
}

record! {
    /// `platform.start`: an invocation begins.
    PlatformStart {
        /// The invocation.
        request_id: Option<Cow<'a, str>>,
        /// The function's version.
        version: Option<Cow<'a, str>>,
        /// The function's ARN.
        function_arn: Option<Cow<'a, str>>,
        /// The tenant, where the function isolates tenants.
        tenant_id: Option<Cow<'a, str>>,
        /// The X-Ray trace, where the function is traced.
        tracing: Option<Tracing<'a>>,
    }
}

record! {
    /// `platform.runtimeDone`: the function is done with an invocation. Never sent on Managed Instances.
    PlatformRuntimeDone {
        /// The invocation.
        request_id: Option<Cow<'a, str>>,
        /// How it ended.
        status: Option<Status<'a>>,
        /// What went wrong, such as `Runtime.ExitError`.
        error_type: Option<Cow<'a, str>>,
        /// How long it took, and how much it answered.
        metrics: Option<RuntimeDoneMetrics>,
        /// What the time was spent on.
        spans: Vec<Span<'a>>,
        /// The tenant, where the function isolates tenants.
        tenant_id: Option<Cow<'a, str>>,
        /// The X-Ray trace, where the function is traced.
        tracing: Option<Tracing<'a>>,
    }
}

metrics! {
    /// The metrics of `platform.runtimeDone`.
    RuntimeDoneMetrics {
        /// How long the function took.
        duration_ms: Option<f64>,
        /// The size of its answer; 0 if it never answered.
        produced_bytes: Option<u64>,
    }
}

record! {
    /// `platform.report`: an invocation is over, extensions included. It comes with the next invocation, or in SHUTDOWN.
    PlatformReport {
        /// The invocation.
        request_id: Option<Cow<'a, str>>,
        /// How it ended.
        status: Option<Status<'a>>,
        /// What went wrong, in Lambda's form `Category.Reason`; none where nothing did.
        error_type: Option<Cow<'a, str>>,
        /// What it took.
        metrics: Option<ReportMetrics>,
        /// What the time was spent on: `extensionOverhead`.
        spans: Vec<Span<'a>>,
        /// The tenant, where the function isolates tenants.
        tenant_id: Option<Cow<'a, str>>,
        /// The X-Ray trace, where the function is traced.
        tracing: Option<Tracing<'a>>,
    }
}

metrics! {
    /// The metrics of `platform.report`. On Managed Instances there is only the duration.
    ReportMetrics {
        /// How long the invocation took, extensions included.
        duration_ms: Option<f64>,
        /// What is billed for it, initialisation included.
        billed_duration_ms: Option<u64>,
        /// The function's memory in MB.
        #[serde(rename = "memorySizeMB")]
        memory_size_mb: Option<u64>,
        /// The most memory that was used, in MB.
        #[serde(rename = "maxMemoryUsedMB")]
        max_memory_used_mb: Option<u64>,
        /// How long initialisation took, in the first invocation after one.
        init_duration_ms: Option<f64>,
        /// How long a SnapStart restore took, in the first invocation after one.
        restore_duration_ms: Option<f64>,
    }
}

record! {
    /// `platform.restoreStart`: an environment is being restored from a SnapStart snapshot.
    PlatformRestoreStart {
        /// The function's name.
        function_name: Option<Cow<'a, str>>,
        /// The function's version.
        function_version: Option<Cow<'a, str>>,
        /// The name of the environment's log stream.
        instance_id: Option<Cow<'a, str>>,
        /// The environment's memory.
        instance_max_memory: Option<u64>,
        /// Such as `java:21.v40`.
        runtime_version: Option<Cow<'a, str>>,
        /// The ARN of that version.
        runtime_version_arn: Option<Cow<'a, str>>,
    }
}

record! {
    /// `platform.restoreRuntimeDone`: the function's runtime is restored.
    PlatformRestoreRuntimeDone {
        /// How it ended.
        status: Option<Status<'a>>,
        /// What went wrong, in Lambda's form `Category.Reason`; none where nothing did.
        error_type: Option<Cow<'a, str>>,
        /// What the time was spent on.
        spans: Vec<Span<'a>>,
        /// The X-Ray trace, where the function is traced.
        tracing: Option<Tracing<'a>>,
    }
}

record! {
    /// `platform.restoreReport`: the environment is restored.
    PlatformRestoreReport {
        /// How it ended.
        status: Option<Status<'a>>,
        /// What went wrong, in Lambda's form `Category.Reason`; none where nothing did.
        error_type: Option<Cow<'a, str>>,
        /// How long it took.
        metrics: Option<DurationMetrics>,
        /// What the time was spent on.
        spans: Vec<Span<'a>>,
        /// The X-Ray trace, where the function is traced.
        tracing: Option<Tracing<'a>>,
    }
}

record! {
    /// `platform.logsDropped`: Lambda could not deliver everything.
    PlatformLogsDropped {
        /// Why, in a sentence of Lambda's: usually that whoever gets the telemetry is slower than what writes it.
        reason: Option<Cow<'a, str>>,
        /// How many records were lost.
        dropped_records: Option<u64>,
        /// How many bytes were lost.
        dropped_bytes: Option<u64>,
    }
}

record! {
    /// `platform.end`, of the legacy Logs API: an invocation is over.
    PlatformEnd {
        /// The invocation.
        request_id: Option<Cow<'a, str>>,
    }
}

/// Declares [`Record`] and everything that has a case for each of its types.
macro_rules! records {
    ($($(#[$doc:meta])* $kind:literal = $variant:ident,)*) => {
        /// What happened: a line that was written, or an event of the platform's.
        ///
        /// ```
        /// use lambda_extension::telemetry::{Batch, Record};
        ///
        /// let batch = Batch::from_json(
        ///     r#"[{"time":"2026-07-28T19:02:12.307Z","type":"platform.report",
        ///          "record":{"requestId":"8f60e725","metrics":{"durationMs":503.84,"billedDurationMs":635}}}]"#,
        /// );
        /// for event in batch.events() {
        ///     if let Record::PlatformReport(report) = &event.record {
        ///         let metrics = report.metrics.unwrap_or_default();
        ///         assert_eq!(metrics.billed_duration_ms, Some(635));
        ///     }
        /// }
        /// ```
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum Record<'a> {
            /// `function`: a line the function wrote, or an internal extension.
            Function(LogLine<'a>),
            /// `extension`: a line an extension wrote.
            Extension(LogLine<'a>),
            $($(#[$doc])* $variant($variant<'a>),)*
            /// `platform.fault`, of the legacy Logs API: the function failed. A line of text.
            PlatformFault(Text<'a>),
            /// A type this version does not know, or a record that is not what its type promises.
            /// [`Event::raw`](crate::telemetry::Event::raw) has it whole.
            Unknown {
                /// The type, as it was sent; empty if none was.
                kind: Cow<'a, str>,
            },
            /// Bytes that are no JSON, or no UTF-8, as they were sent.
            Malformed(Cow<'a, [u8]>),
        }

        impl<'a> Record<'a> {
            /// Reads a record by the type its event names.
            pub(crate) fn read(kind: Cow<'a, str>, record: Option<&'a str>) -> Self {
                let known = record.and_then(|record| match &*kind {
                    "function" => LogLine::read(record).map(Self::Function),
                    "extension" => LogLine::read(record).map(Self::Extension),
                    $($kind => $variant::from_raw(record).map(Self::$variant),)*
                    "platform.fault" => Text::read(record).map(Self::PlatformFault),
                    _ => None,
                });
                known.unwrap_or(Self::Unknown { kind })
            }

            /// Lambda's word for the type; empty where there is none.
            #[must_use]
            pub fn kind(&self) -> &str {
                match self {
                    Self::Function(_) => "function",
                    Self::Extension(_) => "extension",
                    $(Self::$variant(_) => $kind,)*
                    Self::PlatformFault(_) => "platform.fault",
                    Self::Unknown { kind } => kind,
                    Self::Malformed(_) => "",
                }
            }

            pub(crate) fn into_static(self) -> Record<'static> {
                match self {
                    Self::Function(line) => Record::Function(line.into_static()),
                    Self::Extension(line) => Record::Extension(line.into_static()),
                    $(Self::$variant(record) => Record::$variant(record.into_static()),)*
                    Self::PlatformFault(text) => Record::PlatformFault(text.into_static()),
                    Self::Unknown { kind } => Record::Unknown { kind: kind.into_static() },
                    Self::Malformed(bytes) => Record::Malformed(Cow::Owned(bytes.into_owned())),
                }
            }
        }
    };
}

records! {
    /// An environment is being initialised.
    "platform.initStart" = PlatformInitStart,
    /// The function's runtime is initialised.
    "platform.initRuntimeDone" = PlatformInitRuntimeDone,
    /// The environment is initialised.
    "platform.initReport" = PlatformInitReport,
    /// An extension at the end of Init.
    "platform.extension" = PlatformExtension,
    /// An extension subscribed to telemetry.
    "platform.telemetrySubscription" = PlatformTelemetrySubscription,
    /// An extension subscribed to the legacy Logs API.
    "platform.logsSubscription" = PlatformLogsSubscription,
    /// An invocation begins.
    "platform.start" = PlatformStart,
    /// The function is done with an invocation.
    "platform.runtimeDone" = PlatformRuntimeDone,
    /// An invocation is over, by the legacy Logs API.
    "platform.end" = PlatformEnd,
    /// An invocation is over, extensions included.
    "platform.report" = PlatformReport,
    /// An environment is being restored from a snapshot.
    "platform.restoreStart" = PlatformRestoreStart,
    /// The function's runtime is restored.
    "platform.restoreRuntimeDone" = PlatformRestoreRuntimeDone,
    /// The environment is restored.
    "platform.restoreReport" = PlatformRestoreReport,
    /// Lambda could not deliver everything.
    "platform.logsDropped" = PlatformLogsDropped,
}

impl Record<'_> {
    /// What category of telemetry the record belongs to; `None` for what is malformed or of an unknown kind outside
    /// of `platform`.
    #[must_use]
    pub fn category(&self) -> Option<Category> {
        category(self.kind())
    }

    /// The invocation the record itself names.
    pub(crate) fn request_id(&self) -> Option<RequestId> {
        let request_id = match self {
            Self::PlatformStart(record) => record.request_id.as_deref()?,
            Self::PlatformRuntimeDone(record) => record.request_id.as_deref()?,
            Self::PlatformReport(record) => record.request_id.as_deref()?,
            Self::PlatformEnd(record) => record.request_id.as_deref()?,
            Self::Function(LogLine::Json(json)) | Self::Extension(LogLine::Json(json)) => {
                return object::<Correlated<'_>>(json.get())?.request_id();
            }
            _ => return None,
        };
        Some(RequestId::from(request_id))
    }
}

/// The category of a type of record.
pub(crate) fn category(kind: &str) -> Option<Category> {
    match kind {
        "function" => Some(Category::Function),
        "extension" => Some(Category::Extension),
        _ => kind.starts_with("platform.").then_some(Category::Platform),
    }
}

/// The keys by which managed runtimes and their logging libraries name the invocation in a JSON line.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Correlated<'a> {
    #[serde(borrow, rename = "requestId", deserialize_with = "lenient")]
    request_id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "AWSRequestId", deserialize_with = "lenient")]
    aws_request_id: Option<Cow<'a, str>>,
}

impl Correlated<'_> {
    fn request_id(&self) -> Option<RequestId> {
        self.request_id.as_deref().or(self.aws_request_id.as_deref()).map(RequestId::from)
    }
}
