//! The split of a trial's time into the parts in which it passed.
//!
//! Owns where one part ends and the next begins. Must not know how parts are stored or drawn. Invariant: the parts of a
//! trial add up to the time from its due moment to its end, within a microsecond for each part.

use strum::VariantArray as _;

use crate::record::{Gaps, Outcome, Sample};
use crate::units::Nanos;

/// The longest gap of an answer is a stall from this length on ...
pub const STALL_MIN: Nanos = Nanos::from_millis(500);
/// ... if it is also at least this many times the median gap of the answer.
pub const STALL_GAPS: u64 = 10;

/// A part of the time of a trial, in the order in which they pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray)]
pub enum TimePart {
    /// This program was late: from the moment at which the slot was due to its first request, without rate limits.
    Client,
    /// Rate limits, failed attempts, and the waits between them.
    Retries,
    /// Opening a connection, without TLS.
    Connect,
    /// The TLS handshake of a connection.
    Tls,
    /// From the connection to the headers of the response: network, gateway and provider together.
    Headers,
    /// From the headers to the first token; reasoning that is not shown is in it.
    FirstToken,
    /// Readable reasoning.
    Reasoning,
    /// The answer, without its stall.
    Answer,
    /// The longest gap between two chunks, if it is a stall, or the silence that a deadline ended.
    Stall,
}

impl TimePart {
    /// Every part, in the order in which they pass.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.first_chunk().expect("as many");
}

/// A span in whole microseconds; one above 71 minutes is cut.
pub(super) fn micros(span: Nanos) -> u32 {
    u32::try_from(span.0 / 1_000).unwrap_or(u32::MAX)
}

/// The parts of a sample's time in microseconds, in the order of [`TimePart::ALL`].
pub(super) fn parts_us(sample: &Sample) -> [u32; TimePart::ALL.len()] {
    Marks::new(sample).parts_us()
}

/// The moments of a trial at which one part of its time ends and the next begins, since it was sent, and the spans that
/// have no such moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    /// The delay of this program before the first request.
    pub(super) own_delay: Nanos,
    /// Rate limits, failed attempts, and the waits between them.
    pub(super) retries: Nanos,
    /// Opening a connection, with TLS.
    pub(super) connect: Nanos,
    /// The TLS handshake.
    pub(super) tls: Nanos,
    /// The stall.
    pub(super) stall: Nanos,
    /// The end of the trial.
    pub(super) end: Nanos,
    /// The headers of the response.
    pub(super) headers: Option<Nanos>,
    /// The first token.
    pub(super) ttft: Option<Nanos>,
    /// The first token of the answer.
    pub(super) ttfa: Option<Nanos>,
    /// Readable reasoning came before the answer.
    pub(super) has_reasoning: bool,
}

impl Marks {
    fn new(sample: &Sample) -> Self {
        let retries =
            sample.sent_ns.since(sample.first_sent()).0 + sample.lag().since(sample.own_delay()).0;
        let last_end = sample.attempts.last().map(|attempt| attempt.end_ns);
        let end = last_end.map_or(Nanos::ZERO, |end| end.since(sample.sent_ns));
        let end = sample.latency_ns.unwrap_or(end);
        Self {
            own_delay: sample.own_delay(),
            retries: Nanos(retries),
            connect: sample.connect_ns.unwrap_or_default(),
            tls: sample.tls_ns.unwrap_or_default(),
            stall: stall(sample, end),
            end,
            headers: sample.headers_ns,
            ttft: sample.ttft_ns,
            ttfa: sample.ttfa_ns,
            has_reasoning: sample.reasoning_chars.unwrap_or(0) > 0,
        }
    }

    /// The parts in microseconds, in the order of [`TimePart::ALL`].
    pub(super) fn parts_us(&self) -> [u32; TimePart::ALL.len()] {
        self.parts().map(micros)
    }

    fn parts(&self) -> [Nanos; TimePart::ALL.len()] {
        let end = self.end;
        // Each mark lies between the one before it and the end, whatever a damaged record says.
        let connected = self.connect.min(end);
        let tls = self.tls.min(connected);
        let headers = self.headers.unwrap_or(end).clamp(connected, end);
        let first = self.ttft.unwrap_or(end).clamp(headers, end);
        let answer_begin = match self.ttfa {
            Some(span) => span.clamp(first, end),
            None if self.has_reasoning => end,
            None => first,
        };
        let (reasoning, answer) = (answer_begin.since(first), end.since(answer_begin));
        // The stall lies in the answer; what does not fit there lies in the reasoning.
        let stall = self.stall.min(Nanos(reasoning.0 + answer.0));
        let in_answer = stall.min(answer);
        [
            self.own_delay,
            self.retries,
            connected.since(tls),
            tls,
            headers.since(connected),
            first.since(headers),
            reasoning.since(stall.since(in_answer)),
            answer.since(in_answer),
            stall,
        ]
    }
}

/// The stall of a sample; zero if it has none.
fn stall(sample: &Sample, end: Nanos) -> Nanos {
    let silence = match (sample.outcome, sample.last_token_ns) {
        (Outcome::TimedOutGap, Some(last)) => end.since(last),
        _ => Nanos::ZERO,
    };
    let gap = sample.gaps.as_ref().and_then(longest_stall);
    gap.unwrap_or_default().max(silence)
}

fn longest_stall(gaps: &Gaps) -> Option<Nanos> {
    let usual = gaps.p50_ns?.0.saturating_mul(STALL_GAPS);
    let min = STALL_MIN.max(Nanos(usual));
    gaps.max_ns.filter(|longest| *longest >= min)
}
