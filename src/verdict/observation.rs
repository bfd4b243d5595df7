//! One sample as figures and verdicts read it.
//!
//! Owns which fields of a sample matter, and how time-outs are entered. Must not know the comparisons. Invariant: all
//! that is kept of a sample while a run is read, in at most 160 bytes.

use crate::record::{FailureKind, Flag, Outcome, Sample};
use crate::suite::Metric;
use crate::units::Nanos;

use super::compact::{OptionalCount, OptionalIndex, OptionalRate, OptionalSpan, OptionalUsd};
use super::tally::is_excluded_from_ttft;
use super::time_parts::{TimePart, parts_us};

/// The fields of one sample that matter to figures and verdicts. Times are those of the sample.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about one answer; none excludes another"
)]
pub struct Observation {
    /// Round, from 1.
    pub round: u32,
    /// Slot: observations of one slot were sent at the same moment.
    pub slot: u64,
    /// Send time of the answered (else the last) attempt, since the start of the run.
    pub sent_ns: Nanos,
    /// The moment at which its slot was due, since the start of the run.
    pub due_ns: Nanos,
    /// The delay of its first request after that moment; never absent.
    pub lag_ns: OptionalSpan,
    /// The parts of its time in microseconds, in the order of [`TimePart::ALL`].
    pub parts_us: [u32; TimePart::ALL.len()],
    /// The outcome of the trial.
    pub outcome: Outcome,
    /// TTFT of the answered attempt; for failed trials only if a token arrived.
    pub ttft_ns: OptionalSpan,
    /// Time to the first token of the answer, without reasoning.
    pub ttfa_ns: OptionalSpan,
    /// Time to the first useful unit of the answer.
    pub first_unit_ns: OptionalSpan,
    /// Time from the first attempt to the first token.
    pub experienced_ttft_ns: OptionalSpan,
    /// Time to the end of the answer.
    pub latency_ns: OptionalSpan,
    /// Mean gap between token-bearing chunks.
    pub mean_gap_ns: OptionalSpan,
    /// Completion tokens per second after the first chunk.
    pub output_rate: OptionalRate,
    /// Completion tokens, reasoning included.
    pub output_tokens: OptionalCount,
    /// Reasoning tokens among them.
    pub reasoning_tokens: OptionalCount,
    /// Characters in the answer.
    pub answer_chars: OptionalCount,
    /// Characters in readable reasoning.
    pub reasoning_chars: OptionalCount,
    /// List price: the catalog's, else the gateway's own.
    pub cost: OptionalUsd,
    /// Duration of the longest attempt that was not answered: the trial waited at least that long.
    pub longest_failed_ns: OptionalSpan,
    /// Excluded from times to a first token: buffered, cold or client-limited.
    pub excluded: bool,
    /// Number of attempts.
    pub attempts: u16,
    /// More than one attempt.
    pub retried: bool,
    /// This process did not run for a while during the attempt.
    pub paused: bool,
    /// Sent apart from its slot: it is in no pair.
    pub deferred: bool,
    /// True if tokens came from the prompt cache; absent where the server does not report it.
    pub cache_hit: Option<bool>,
    /// The same, by counts that contradict each other as well.
    pub cache_read: Option<bool>,
    /// Readable reasoning came before the answer.
    pub visible_reasoning: bool,
    /// Reasoning was hidden, summarised or encrypted.
    pub hidden_reasoning: bool,
    /// The provider that answered: an index into the providers of its `Evidence`.
    pub provider: OptionalIndex,
    /// True if the answer passed its checks; absent where nothing was graded, and of failed trials.
    pub passed: Option<bool>,
}

/// The value of a metric, as a comparison uses it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricValue {
    /// Value in the metric's unit (ns, tokens per second, tokens, pico-dollars); above 0.
    pub value: f64,
    /// True if the actual value is this or more: a deadline passed, or a failed attempt took longer.
    pub censored: bool,
}

impl Observation {
    /// A complete answer of which nothing else is known.
    pub const UNKNOWN: Self = Self {
        round: 1,
        slot: 0,
        sent_ns: Nanos::ZERO,
        due_ns: Nanos::ZERO,
        lag_ns: OptionalSpan::new(Nanos::ZERO),
        parts_us: [0; TimePart::ALL.len()],
        outcome: Outcome::Complete,
        ttft_ns: OptionalSpan::NONE,
        ttfa_ns: OptionalSpan::NONE,
        first_unit_ns: OptionalSpan::NONE,
        experienced_ttft_ns: OptionalSpan::NONE,
        latency_ns: OptionalSpan::NONE,
        mean_gap_ns: OptionalSpan::NONE,
        output_rate: OptionalRate::NONE,
        output_tokens: OptionalCount::NONE,
        reasoning_tokens: OptionalCount::NONE,
        answer_chars: OptionalCount::NONE,
        reasoning_chars: OptionalCount::NONE,
        cost: OptionalUsd::NONE,
        longest_failed_ns: OptionalSpan::NONE,
        excluded: false,
        attempts: 1,
        retried: false,
        paused: false,
        deferred: false,
        cache_hit: None,
        cache_read: None,
        visible_reasoning: false,
        hidden_reasoning: false,
        provider: OptionalIndex::NONE,
        passed: None,
    };

    /// The fields of a sample, with the index of its provider in [`Evidence::providers`](super::Evidence::providers).
    pub fn new(sample: &Sample, provider: Option<u32>) -> Self {
        let failed = sample.attempts.iter().rev().skip(1);
        let longest_failed = failed
            .map(|attempt| attempt.end_ns.since(attempt.sent_ns))
            .max();
        let usage = sample.known_usage().unwrap_or_default();
        Self {
            round: sample.round,
            slot: sample.slot,
            sent_ns: sample.sent_ns,
            due_ns: sample.scheduled_ns,
            lag_ns: OptionalSpan::new(sample.lag()),
            parts_us: parts_us(sample),
            outcome: sample.outcome,
            ttft_ns: sample.ttft_ns.into(),
            ttfa_ns: sample.ttfa_ns.into(),
            first_unit_ns: sample.first_unit_ns.into(),
            experienced_ttft_ns: sample.experienced_ttft_ns.into(),
            latency_ns: sample.latency_ns.into(),
            mean_gap_ns: sample.gaps.as_ref().and_then(|gaps| gaps.mean_ns).into(),
            output_rate: sample.output_rate().into(),
            output_tokens: usage.completion_tokens.into(),
            reasoning_tokens: usage.reasoning_tokens.into(),
            answer_chars: sample.answer_chars.into(),
            reasoning_chars: sample.reasoning_chars.into(),
            cost: sample.list_price().into(),
            longest_failed_ns: longest_failed.into(),
            excluded: is_excluded_from_ttft(sample),
            attempts: u16::try_from(sample.attempts.len()).unwrap_or(u16::MAX),
            retried: sample.attempts.len() > 1,
            paused: sample.has(Flag::ClientPaused),
            deferred: sample.has(Flag::Deferred),
            cache_hit: usage.cached_tokens.map(|tokens| tokens > 0),
            cache_read: (sample.cache_usage())
                .and_then(|usage| usage.cached_tokens)
                .map(|tokens| tokens > 0),
            visible_reasoning: sample.reasoning_chars.unwrap_or(0) > 0,
            hidden_reasoning: sample.has(Flag::HiddenReasoning),
            provider: provider.into(),
            passed: sample.passed(),
        }
    }

    /// Completion tokens a second over the whole latency.
    pub fn end_to_end_rate(&self) -> Option<f64> {
        let tokens = self.output_tokens.get()? as f64;
        let span = self.latency_ns.get()?.as_secs_f64();
        (span > 0.0).then(|| tokens / span)
    }

    /// Visible characters (reasoning and answer) a second over the whole latency.
    pub fn chars_per_second(&self) -> Option<f64> {
        let chars = self.answer_chars.get()? + self.reasoning_chars.get().unwrap_or(0);
        let span = self.latency_ns.get()?.as_secs_f64();
        (span > 0.0 && chars > 0).then(|| chars as f64 / span)
    }

    /// Returns true if the trial was answered to the end.
    pub fn answered(&self) -> bool {
        self.outcome.answered()
    }

    /// Returns true if the trial counts in the share of completed trials: a rate limit says nothing about the
    /// model.
    pub fn counts_toward_completion(&self) -> bool {
        self.outcome.failure() != Some(FailureKind::RateLimit)
    }

    /// The value of a metric on the ratio scale; `None` if this trial has none. A deadline that passed is
    /// entered as the time that had elapsed, so that the slowest requests do not drop out; the same holds for a
    /// failed attempt that took longer than the answered one.
    pub fn value(&self, metric: Metric) -> Option<MetricValue> {
        let plain = |value: f64| {
            (value > 0.0).then_some(MetricValue {
                value,
                censored: false,
            })
        };
        match metric {
            Metric::Ttft | Metric::TtftTail => self.time(self.ttft_ns.get()),
            Metric::Ttfa => self.time(self.ttfa_ns.get()),
            Metric::ExperiencedTtft => self.time(self.experienced_ttft_ns.get()),
            Metric::Latency => self.time(self.latency_ns.get()),
            Metric::InterTokenLatency if self.answered() => plain(self.mean_gap_ns.get()?.0 as f64),
            Metric::OutputRate if self.answered() => plain(self.output_rate.get()?),
            Metric::OutputTokens if self.answered() => {
                plain(self.output_tokens.get()?.max(1) as f64)
            }
            Metric::Cost if self.answered() => plain(self.cost.get()?.0 as f64),
            _ => None,
        }
    }

    /// A time of the answer, or its lower bound where a deadline passed. A time of 0 is a clock error and is
    /// entered as 1 us.
    fn time(&self, span: Option<Nanos>) -> Option<MetricValue> {
        const MIN_NS: u64 = 1_000;
        let waited = self.longest_failed_ns.get().map_or(0, |span| span.0);
        let (ns, censored) = if self.answered() {
            let ns = span?.0;
            (ns.max(waited), waited > ns)
        } else if self.outcome.failure() == Some(FailureKind::Timeout) {
            // Known only as a lower bound.
            (self.latency_ns.get()?.0.max(waited), true)
        } else {
            return None;
        };
        Some(MetricValue {
            value: ns.max(MIN_NS) as f64,
            censored,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_takes_little_memory() {
        // Nothing else grows with the samples of a run: a million of them must fit into what a small CI job has.
        assert!(
            size_of::<Observation>() <= 160,
            "{}",
            size_of::<Observation>()
        );
    }
}
