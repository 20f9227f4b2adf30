//! Invocations as spans: one for the invocation itself, and below it one for each part that Lambda measures.

use std::{
    borrow::Cow,
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use lambda_extension::telemetry::{PlatformStart, Span, Status as Outcome, Tracing};
use opentelemetry::{
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState},
    KeyValue,
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use opentelemetry_semantic_conventions::attribute;

use crate::{
    resource,
    xray::{Origin, Sampler},
};

/// How many invocations are remembered, the one under way included: lines may come after their invocation's end.
const REMEMBERED: usize = 64;

/// An invocation that began.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    request_id: String,
    pub(crate) context: SpanContext,
    parent: SpanId,
    start: SystemTime,
    cold: bool,
    ended: bool,
}

/// How an invocation ended.
pub(crate) struct End<'a> {
    pub(crate) time: SystemTime,
    pub(crate) outcome: Option<&'a Outcome<'a>>,
    pub(crate) error: Option<&'a str>,
}

pub(crate) struct Invocations {
    function: String,
    sampler: Sampler,
    known: VecDeque<Invocation>,
    /// What was prepared for the next invocation, and until when: its trace shows it.
    preparation: Option<(&'static str, SystemTime, SystemTime)>,
    /// The next invocation is the first one.
    cold: bool,
}

impl Invocations {
    pub(crate) fn new(function: String, sampler: Sampler) -> Self {
        Self { function, sampler, known: VecDeque::new(), preparation: None, cold: false }
    }

    pub(crate) fn find(&self, request_id: &str) -> Option<&Invocation> {
        self.known.iter().rev().find(|invocation| invocation.request_id == request_id)
    }

    /// The environment was prepared: initialised, or restored from a snapshot.
    pub(crate) fn prepared(&mut self, what: &'static str, took: Option<f64>, end: SystemTime) {
        let took = took.and_then(milliseconds).unwrap_or_default();
        self.preparation = Some((what, end - took, end));
        self.cold = true;
    }

    /// An invocation begins; what was prepared for it is a span of its trace.
    pub(crate) fn started(&mut self, start: &PlatformStart<'_>, time: SystemTime) -> Option<SpanData> {
        let request_id = start.request_id.as_deref()?;
        if self.find(request_id).is_some() {
            // Delivered again.
            return None;
        }
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        let (context, parent) = self.place(start.tracing.as_ref());
        let cold = std::mem::take(&mut self.cold);
        let request_id = request_id.to_owned();
        let invocation = Invocation { request_id, context, parent, start: time, cold, ended: false };
        let preparation = self.preparation.take();
        let span = preparation.and_then(|(what, start, end)| span(&invocation, what, start, end));
        self.known.push_back(invocation);
        span
    }

    /// Where an invocation stands: in the trace that X-Ray says, or else in one of its own.
    fn place(&self, tracing: Option<&Tracing<'_>>) -> (SpanContext, SpanId) {
        let random = RandomIdGenerator::default();
        let origin = tracing.and_then(Origin::of).unwrap_or_else(|| Origin {
            trace: random.new_trace_id(),
            parent: SpanId::INVALID,
            segment: SpanId::INVALID,
            sampled: None,
        });
        let span = if origin.segment == SpanId::INVALID { random.new_span_id() } else { origin.segment };
        let sampled = self.sampler.takes(origin.sampled);
        let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        (SpanContext::new(origin.trace, span, flags, false, TraceState::default()), origin.parent)
    }

    /// The invocation's span, once: its end may be told twice, or only by the report.
    pub(crate) fn ended(&mut self, request_id: &str, end: &End<'_>) -> Option<SpanData> {
        let mut known = self.known.iter_mut();
        let invocation = known.find(|one| one.request_id == request_id && !one.ended)?;
        invocation.ended = true;
        let invocation = invocation.clone();
        let mut span = span(&invocation, self.function.clone(), invocation.start, end.time)?;
        span.span_kind = SpanKind::Server;
        span.span_context = invocation.context;
        span.parent_span_id = invocation.parent;
        span.parent_span_is_remote = invocation.parent != SpanId::INVALID;
        span.attributes.push(KeyValue::new(attribute::FAAS_COLDSTART, invocation.cold));
        span.attributes.push(KeyValue::new(attribute::FAAS_INVOCATION_ID, invocation.request_id));
        if !matches!(end.outcome, None | Some(Outcome::Success)) {
            let what = end.error.or(end.outcome.map(Outcome::as_str)).unwrap_or_default().to_owned();
            span.attributes.push(KeyValue::new(attribute::ERROR_TYPE, what.clone()));
            span.status = Status::error(what);
        }
        Some(span)
    }

    /// The spans of what Lambda measured within an invocation.
    pub(crate) fn parts(&self, request_id: &str, parts: &[Span<'_>]) -> Vec<SpanData> {
        let Some(invocation) = self.find(request_id) else { return Vec::new() };
        let part = |part: &Span<'_>| {
            let (start, took) = (part.timestamp()?, milliseconds(part.duration_ms?)?);
            span(invocation, part.name.clone()?.into_owned(), start, start + took)
        };
        parts.iter().filter_map(part).collect()
    }
}

/// A span below an invocation's, if its trace is recorded.
fn span(
    of: &Invocation,
    name: impl Into<Cow<'static, str>>,
    start_time: SystemTime,
    end_time: SystemTime,
) -> Option<SpanData> {
    let (trace, flags) = (of.context.trace_id(), of.context.trace_flags());
    let own = RandomIdGenerator::default().new_span_id();
    flags.is_sampled().then(|| SpanData {
        span_context: SpanContext::new(trace, own, flags, false, TraceState::default()),
        parent_span_id: of.context.span_id(),
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time,
        end_time,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: resource::scope(),
    })
}

/// As Lambda says durations; `None` for what is none.
fn milliseconds(duration: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(duration / 1_000.0).ok()
}

#[cfg(test)]
mod tests {
    use lambda_extension::telemetry::{Batch, Record};

    use super::*;

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    fn start(invocations: &mut Invocations, request_id: &str, trace: &str) -> Option<SpanData> {
        let tracing =
            format!(r#"{{"spanId":"54565fb41ac79632","type":"X-Amzn-Trace-Id","value":"{trace}"}}"#);
        let record = format!(r#"{{"requestId":"{request_id}","tracing":{tracing}}}"#);
        let batch = Batch::from_json(format!(r#"[{{"time":"","type":"platform.start","record":{record}}}]"#));
        let event = batch.events().next().unwrap();
        let Record::PlatformStart(record) = &event.record else { panic!("a start") };
        invocations.started(record, START)
    }

    fn end(invocations: &mut Invocations, request_id: &str, outcome: &Outcome<'_>) -> Option<SpanData> {
        let time = START + Duration::from_secs(1);
        invocations.ended(request_id, &End { time, outcome: Some(outcome), error: None })
    }

    const TRACE: &str = "Root=1-62e900b2-710d76f009d6e7785905449a;Parent=0efbd19962d95b05;Sampled=1";

    #[test]
    fn an_invocation_is_one_span_in_xrays_trace() {
        let mut invocations = Invocations::new("orders".to_owned(), Sampler::ParentBased);
        invocations.prepared("init", Some(120.0), START);
        let init = start(&mut invocations, "a", TRACE).expect("a cold start");
        assert!(start(&mut invocations, "a", TRACE).is_none(), "it was delivered again");
        let span = end(&mut invocations, "a", &Outcome::Success).unwrap();
        assert!(end(&mut invocations, "a", &Outcome::Success).is_none(), "it has ended");
        assert_eq!(span.span_context.trace_id().to_string(), "62e900b2710d76f009d6e7785905449a");
        assert_eq!(span.span_context.span_id().to_string(), "54565fb41ac79632");
        assert_eq!(span.parent_span_id.to_string(), "0efbd19962d95b05");
        assert_eq!(init.parent_span_id, span.span_context.span_id());
        assert_eq!(START.duration_since(init.start_time).unwrap(), Duration::from_millis(120));
        assert!(span.attributes.contains(&KeyValue::new(attribute::FAAS_COLDSTART, true)));
        assert!(start(&mut invocations, "b", TRACE).is_none(), "a warm start");
        let span = end(&mut invocations, "b", &Outcome::Timeout).unwrap();
        assert!(span.attributes.contains(&KeyValue::new(attribute::FAAS_COLDSTART, false)));
        assert_eq!(span.status, Status::error("timeout"));
    }

    #[test]
    fn what_xray_leaves_out_is_left_out() {
        let mut invocations = Invocations::new("orders".to_owned(), Sampler::ParentBased);
        start(&mut invocations, "a", &TRACE.replace("Sampled=1", "Sampled=0"));
        assert!(end(&mut invocations, "a", &Outcome::Success).is_none());
        assert!(invocations.find("a").is_some(), "its log lines still have their trace");
    }

    #[test]
    fn only_so_many_invocations_are_remembered() {
        let mut invocations = Invocations::new("orders".to_owned(), Sampler::All);
        for number in 0..=REMEMBERED {
            start(&mut invocations, &number.to_string(), TRACE);
        }
        assert!(invocations.find("0").is_none());
        assert!(invocations.find("1").is_some());
    }
}
