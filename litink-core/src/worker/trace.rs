//! Where an execution stands in a distributed trace (W3C Trace Context, level 1).

use std::fmt;

use crate::queue::Job;

/// A W3C `traceparent`: which trace, which span in it, and whether it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Of the trace: 16 bytes, not all 0.
    pub trace_id: u128,
    /// Of the span: 8 bytes, not all 0.
    pub span_id: u64,
    /// Bit 0: recorded.
    pub flags: u8,
}

impl TraceParent {
    /// Reads the header's value; `None` for what is none, as the standard demands: whoever gets it
    /// begins a trace of its own.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length)?;
            let lower = |it: u8| it.is_ascii_digit() || (b'a'..=b'f').contains(&it);
            part.bytes().all(lower).then_some(part)
        };
        let version = part(2).filter(|version| *version != "ff")?;
        let trace_id = u128::from_str_radix(part(32)?, 16).ok()?;
        let span_id = u64::from_str_radix(part(16)?, 16).ok()?;
        let flags = u8::from_str_radix(part(2)?, 16).ok()?;
        // A later version may have more to say, behind a dash.
        let more = version == "00" && parts.next().is_some();
        (trace_id != 0 && span_id != 0 && !more).then_some(Self {
            trace_id,
            span_id,
            flags,
        })
    }

    /// A new trace, recorded.
    #[must_use]
    pub fn root() -> Self {
        Self {
            trace_id: uuid::Uuid::new_v4().as_u128(),
            span_id: new_span(),
            flags: 1,
        }
    }

    /// A new span of the same trace.
    #[must_use]
    pub fn child(self) -> Self {
        Self {
            span_id: new_span(),
            ..self
        }
    }
}

fn new_span() -> u64 {
    rand::random::<u64>().max(1)
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            span_id,
            flags,
        } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{flags:02x}")
    }
}

/// The parent of an execution's span, if its job has one, and the execution's own place.
pub(super) fn place(job: &Job) -> (Option<TraceParent>, TraceParent) {
    let parent = job.trace.as_deref().and_then(TraceParent::parse);
    (
        parent,
        parent.map_or_else(TraceParent::root, TraceParent::child),
    )
}

/// The default span of an execution.
pub(super) fn span(job: &Job, trace: &TraceParent) -> tracing::Span {
    let parent = job.trace.as_deref().and_then(TraceParent::parse);
    let parent = parent.map(|parent| format!("{:016x}", parent.span_id));
    tracing::info_span!(
        "job",
        otel.kind = "consumer",
        messaging.message.id = %job.id,
        kind = job.kind,
        attempt = job.attempt,
        trace_id = format!("{:032x}", trace.trace_id),
        parent_span_id = parent,
        span_id = format!("{:016x}", trace.span_id),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read_and_written() {
        let given = TraceParent::parse(GIVEN).unwrap();
        assert_eq!(given.to_string(), GIVEN);
        let child = given.child();
        assert_eq!((child.trace_id, child.flags), (given.trace_id, 1));
        assert_ne!(child.span_id, given.span_id);
        assert_eq!(TraceParent::parse(&child.to_string()), Some(child));
        // A later version with more to say.
        let later = GIVEN.replacen("00", "01", 1) + "-more";
        assert_eq!(TraceParent::parse(&later), Some(given));
    }

    #[test]
    fn what_is_none_is_told() {
        let zeros = "0".repeat(32);
        for bad in [
            "",
            "00",
            &GIVEN.to_uppercase(),
            &GIVEN.replacen("00", "ff", 1),
            &format!("{GIVEN}-more"),
            &GIVEN.replace("0af7651916cd43dd8448eb211c80319c", &zeros),
            &GIVEN.replace("b7ad6b7169203331", "0000000000000000"),
            &GIVEN.replace("b7ad", "+7ad"),
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}
