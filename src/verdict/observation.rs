//! One sample as figures and verdicts read it.
//!
//! Owns which fields of a sample matter, and how time-outs are entered. Must not know the comparisons. Invariant: all
//! that is stored of a sample while a run is read, in at most 112 bytes; a trial that was retried, held back, connected anew or
//! stalled takes 64 more.

use crate::record::{FailureKind, Flag, Outcome, Sample};
use crate::suite::Metric;
use crate::units::Nanos;

use super::tally::is_excluded_from_ttft;
use super::time_parts::{Marks, TimePart, parts_us};
use crate::units::compact::{
    OptionalCount, OptionalIndex, OptionalRate, OptionalSpan, OptionalUsd,
};

/// The fields of one sample that matter to figures and verdicts. Times are those of the sample.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about one answer; none excludes another"
)]
pub struct Observation {
    /// Round, from 1.
    pub round: u32,
    /// Slot: observations of one slot were sent at the same moment. A run has far fewer than 4.29e9.
    pub slot: u32,
    /// Send time of the answered (else the last) attempt, since the start of the run.
    pub sent_ns: Nanos,
    /// The moment at which its slot was due, since the start of the run.
    pub due_ns: Nanos,
    /// The outcome of the trial.
    pub outcome: Outcome,
    /// Time to the response's headers.
    pub headers_ns: OptionalSpan,
    /// TTFT of the answered attempt; for failed trials only if a token arrived.
    pub ttft_ns: OptionalSpan,
    /// Time to the first token of the answer, without reasoning.
    pub ttfa_ns: OptionalSpan,
    /// Time to the first useful unit of the answer.
    pub first_unit_ns: OptionalSpan,
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
    /// Excluded from times to a first token: buffered, cold or client-limited.
    pub excluded: bool,
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
    /// The times that do not follow from the others; absent where all of them do, as of most trials.
    pub unusual: Option<Box<UnusualTimes>>,
}

/// Times of a trial that follow from the others only if it had one attempt, on an open connection, without a stall.
#[derive(Debug, Clone, PartialEq)]
pub struct UnusualTimes {
    lag_ns: OptionalSpan,
    parts_us: [u32; TimePart::ALL.len()],
    experienced_ttft_ns: OptionalSpan,
    longest_failed_ns: OptionalSpan,
    attempts: u16,
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
        outcome: Outcome::Complete,
        headers_ns: OptionalSpan::NONE,
        ttft_ns: OptionalSpan::NONE,
        ttfa_ns: OptionalSpan::NONE,
        first_unit_ns: OptionalSpan::NONE,
        latency_ns: OptionalSpan::NONE,
        mean_gap_ns: OptionalSpan::NONE,
        output_rate: OptionalRate::NONE,
        output_tokens: OptionalCount::NONE,
        reasoning_tokens: OptionalCount::NONE,
        answer_chars: OptionalCount::NONE,
        reasoning_chars: OptionalCount::NONE,
        cost: OptionalUsd::NONE,
        excluded: false,
        retried: false,
        paused: false,
        deferred: false,
        cache_hit: None,
        cache_read: None,
        visible_reasoning: false,
        hidden_reasoning: false,
        provider: OptionalIndex::NONE,
        passed: None,
        unusual: None,
    };

    /// The fields of a sample, with the index of its provider in [`Evidence::providers`](super::Evidence::providers).
    pub fn new(sample: &Sample, provider: Option<u32>) -> Self {
        let usage = sample.known_usage().unwrap_or_default();
        let mut observation = Self {
            round: sample.round,
            slot: u32::try_from(sample.slot).unwrap_or(u32::MAX),
            sent_ns: sample.sent_ns,
            due_ns: sample.scheduled_ns,
            outcome: sample.outcome,
            headers_ns: sample.headers_ns.into(),
            ttft_ns: sample.ttft_ns.into(),
            ttfa_ns: sample.ttfa_ns.into(),
            first_unit_ns: sample.first_unit_ns.into(),
            latency_ns: sample.latency_ns.into(),
            mean_gap_ns: sample.gaps.as_ref().and_then(|gaps| gaps.mean_ns).into(),
            output_rate: sample.output_rate().into(),
            output_tokens: usage.completion_tokens.into(),
            reasoning_tokens: usage.reasoning_tokens.into(),
            answer_chars: sample.answer_chars.into(),
            reasoning_chars: sample.reasoning_chars.into(),
            cost: sample.list_price().into(),
            excluded: is_excluded_from_ttft(sample),
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
            unusual: None,
        };
        let times = UnusualTimes::new(sample);
        if times != observation.times() {
            observation.unusual = Some(Box::new(times));
        }
        observation
    }

    /// The times as they are where they follow from the others.
    fn times(&self) -> UnusualTimes {
        UnusualTimes {
            lag_ns: self.usual_lag(),
            parts_us: self.usual_parts(),
            experienced_ttft_ns: self.ttft_ns,
            longest_failed_ns: OptionalSpan::NONE,
            attempts: 1,
        }
    }

    fn usual_lag(&self) -> OptionalSpan {
        OptionalSpan::new(self.sent_ns.since(self.due_ns))
    }

    fn usual_parts(&self) -> [u32; TimePart::ALL.len()] {
        Marks {
            own_delay: self.sent_ns.since(self.due_ns),
            end: self.latency_ns.get().unwrap_or_default(),
            headers: self.headers_ns.get(),
            ttft: self.ttft_ns.get(),
            ttfa: self.ttfa_ns.get(),
            has_reasoning: self.visible_reasoning,
            ..Marks::default()
        }
        .parts_us()
    }

    /// The delay of its first request after the moment at which its slot was due.
    pub fn lag(&self) -> Nanos {
        let unusual = self.unusual.as_ref().map(|times| times.lag_ns);
        unusual
            .unwrap_or_else(|| self.usual_lag())
            .get()
            .unwrap_or_default()
    }

    /// The parts of its time in microseconds, in the order of [`TimePart::ALL`].
    pub fn parts_us(&self) -> [u32; TimePart::ALL.len()] {
        let unusual = self.unusual.as_ref().map(|times| times.parts_us);
        unusual.unwrap_or_else(|| self.usual_parts())
    }

    /// Time from the first attempt to the first token.
    pub fn experienced_ttft(&self) -> Option<Nanos> {
        let unusual = self.unusual.as_ref().map(|times| times.experienced_ttft_ns);
        unusual.unwrap_or(self.ttft_ns).get()
    }

    /// Duration of the longest attempt that was not answered: the trial waited at least that long.
    pub fn longest_failed(&self) -> Option<Nanos> {
        self.unusual.as_ref()?.longest_failed_ns.get()
    }

    /// Number of attempts.
    pub fn attempts(&self) -> u16 {
        self.unusual.as_ref().map_or(1, |times| times.attempts)
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
            Metric::ExperiencedTtft => self.time(self.experienced_ttft()),
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
        let waited = self.longest_failed().map_or(0, |span| span.0);
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

impl UnusualTimes {
    fn new(sample: &Sample) -> Self {
        let failed = sample.attempts.iter().rev().skip(1);
        let longest_failed = failed
            .map(|attempt| attempt.end_ns.since(attempt.sent_ns))
            .max();
        Self {
            lag_ns: OptionalSpan::new(sample.lag()),
            parts_us: parts_us(sample),
            experienced_ttft_ns: sample.experienced_ttft_ns.into(),
            longest_failed_ns: longest_failed.into(),
            attempts: u16::try_from(sample.attempts.len()).unwrap_or(u16::MAX),
        }
    }
}

#[cfg(test)]
impl Observation {
    /// Sets the time from the first attempt to the first token, and the duration of the longest attempt that failed.
    pub(in crate::verdict) fn set_retry_times(
        &mut self,
        experienced_ttft: Option<Nanos>,
        longest_failed: Option<Nanos>,
    ) {
        self.unusual = Some(Box::new(UnusualTimes {
            experienced_ttft_ns: experienced_ttft.into(),
            longest_failed_ns: longest_failed.into(),
            ..self.times()
        }));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::example;

    #[test]
    fn a_sample_takes_little_memory() {
        // Nothing else grows with the samples of a run: a million of them must fit into what a small CI job has.
        let sizes = (size_of::<Observation>(), size_of::<UnusualTimes>());
        assert!(sizes.0 <= 112 && sizes.1 <= 56, "{sizes:?}");
        let usual = example::plain_sample(3);
        assert_eq!(Observation::new(&usual, None).unusual, None);
    }

    proptest! {
        // Times that are not kept must be those of the sample, whatever it holds.
        #[test]
        fn times_are_those_of_the_sample(sample in example::sample()) {
            let observation = Observation::new(&sample, None);
            let times = UnusualTimes::new(&sample);
            prop_assert_eq!(Some(observation.lag()), times.lag_ns.get());
            prop_assert_eq!(observation.parts_us(), times.parts_us);
            prop_assert_eq!(observation.experienced_ttft(), times.experienced_ttft_ns.get());
            prop_assert_eq!(observation.longest_failed(), times.longest_failed_ns.get());
            prop_assert_eq!(observation.attempts(), times.attempts);
        }
    }
}
