//! X-Ray's trace header, in OpenTelemetry's terms: the same trace has the same id in both.

use lambda_extension::{telemetry::Tracing, Error, TraceContext};
use opentelemetry::trace::{SpanId, TraceId};

/// Where an invocation stands in a trace that began elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Origin {
    pub(crate) trace: TraceId,
    /// Who caused the invocation; invalid if nobody says.
    pub(crate) parent: SpanId,
    /// The function's own segment, whose children the function's own spans are; invalid if nobody says.
    pub(crate) segment: SpanId,
    /// Whether X-Ray records the trace; `None` if that is not decided.
    pub(crate) sampled: Option<bool>,
}

impl Origin {
    /// Reads `Root=1-62e900b2-710d76f009d6e7785905449a;Parent=0efbd19962d95b05;Sampled=1`, where there is a root.
    pub(crate) fn of(tracing: &Tracing<'_>) -> Option<Self> {
        let header = TraceContext::new(tracing.value.as_deref()?);
        let (time, random) = header.root()?.strip_prefix("1-")?.split_once('-')?;
        let span =
            |hex: Option<&str>| hex.and_then(|hex| SpanId::from_hex(hex).ok()).unwrap_or(SpanId::INVALID);
        Some(Self {
            trace: TraceId::from_hex(&format!("{time}{random}")).ok()?,
            parent: span(header.parent()),
            segment: span(tracing.span_id.as_deref()),
            sampled: header.sampled(),
        })
    }
}

/// Which invocations become spans, by the words of `OTEL_TRACES_SAMPLER`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sampler {
    /// Those that X-Ray records, or has not decided on.
    ParentBased,
    All,
    None,
}

impl Sampler {
    pub(crate) fn from_word(word: Option<&str>) -> Result<Self, Error> {
        match word {
            None | Some("" | "parentbased_always_on") => Ok(Self::ParentBased),
            Some("always_on") => Ok(Self::All),
            Some("always_off") => Ok(Self::None),
            Some(other) => Err(format!(
                "OTEL_TRACES_SAMPLER is `{other}`: write parentbased_always_on, always_on or always_off"
            )
            .into()),
        }
    }

    pub(crate) fn takes(self, sampled: Option<bool>) -> bool {
        match self {
            Self::ParentBased => sampled != Some(false),
            Self::All => true,
            Self::None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(value: &str) -> Option<Origin> {
        let mut tracing = Tracing::default();
        tracing.value = Some(value.to_owned().into());
        tracing.span_id = Some("54565fb41ac79632".into());
        Origin::of(&tracing)
    }

    #[test]
    fn a_header_becomes_a_place_in_the_trace() {
        let whole =
            "Root=1-62e900b2-710d76f009d6e7785905449a;Parent=0efbd19962d95b05;Sampled=1;Lineage=1:2:3";
        let read = origin(whole).unwrap();
        assert_eq!(read.trace.to_string(), "62e900b2710d76f009d6e7785905449a");
        assert_eq!(read.parent.to_string(), "0efbd19962d95b05");
        assert_eq!(read.segment.to_string(), "54565fb41ac79632");
        assert_eq!(read.sampled, Some(true));
        let short = origin("Root=1-62e900b2-710d76f009d6e7785905449a").unwrap();
        assert_eq!((short.parent, short.sampled), (SpanId::INVALID, None));
    }

    #[test]
    fn what_is_no_header_is_no_place() {
        for value in
            ["", "Root=", "Root=1-62e900b2", "Root=2-62e900b2-710d76f009d6e7785905449a", "Root=1-x-y"]
        {
            assert_eq!(origin(value), None, "{value}");
        }
    }

    #[test]
    fn a_sampler_takes_what_its_word_says() {
        let takes = |word: &str| {
            let sampler = Sampler::from_word(Some(word)).unwrap();
            [Some(true), Some(false), None].map(|sampled| sampler.takes(sampled))
        };
        assert_eq!(takes(""), [true, false, true]);
        assert_eq!(takes("always_on"), [true, true, true]);
        assert_eq!(takes("always_off"), [false, false, false]);
        assert!(Sampler::from_word(Some("xray")).is_err());
    }
}
