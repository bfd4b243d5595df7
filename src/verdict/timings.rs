//! The parts of each trial's time, for charts and for the explanation of the slowest requests.
//!
//! Owns the split of a trial's time. Must not know how it is drawn. Invariant: the parts of a trial add up to the
//! time from its due moment to its end, within a microsecond for each part; the order in which samples are added
//! changes nothing.

use std::collections::HashMap;
use std::num::NonZeroU32;

use crate::record::{Flag, Gaps, Manifest, Outcome, Sample};
use crate::stats::drift;
use crate::suite::Metric;
use crate::units::Nanos;

/// The longest gap of an answer is a stall from this length on ...
pub const STALL_MIN: Nanos = Nanos::from_millis(500);
/// ... if it is also at least this many times the median gap of the answer.
pub const STALL_GAPS: u64 = 10;

/// A part of the time of a trial, in the order in which they pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimePart {
    /// This program was late: from the moment at which the slot was due to its first request, without rate limits.
    Client,
    /// Rate limits, failed attempts, and the waits between them.
    Retries,
    /// Opening a connection.
    Connect,
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
    pub const ALL: [Self; 8] = [
        Self::Client,
        Self::Retries,
        Self::Connect,
        Self::Headers,
        Self::FirstToken,
        Self::Reasoning,
        Self::Answer,
        Self::Stall,
    ];
}

/// The times of one trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrialTiming {
    /// Index of the prompt in the suite.
    pub prompt: u32,
    /// Round, from 1.
    pub round: u32,
    /// The moment at which its slot was due, since the start of the run.
    pub due: Nanos,
    /// Its outcome.
    pub outcome: Outcome,
    /// Number of its attempts.
    pub attempts: u16,
    /// Excluded from times to a first token.
    pub excluded: bool,
    /// This process did not run for a while during the attempt.
    pub paused: bool,
    /// The parts in microseconds, in the order of [`TimePart::ALL`].
    parts_us: [u32; TimePart::ALL.len()],
    ttft_us: Option<NonZeroU32>,
    ttfa_us: Option<NonZeroU32>,
}

/// The trials of one variant.
#[derive(Debug, Clone, Default)]
pub struct VariantTimings {
    /// Trials that ended, in the order in which they were due; abandoned ones are not among them.
    pub trials: Vec<TrialTiming>,
}

/// The times of all trials of a run, variants in the order of the suite.
#[derive(Debug, Clone, Default)]
pub struct RunTimings {
    /// One entry per variant.
    pub variants: Vec<VariantTimings>,
}

/// A change of level of one metric during a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelDrift {
    /// The moment after which the level is another one.
    pub at: Nanos,
    /// The level after it, divided by the level before.
    pub ratio: f64,
}

/// The fold: created from a manifest, fed with samples, finished into [`RunTimings`].
pub struct TimingFold {
    variant_indices: HashMap<String, usize>,
    prompt_indices: HashMap<String, u32>,
    variants: Vec<VariantTimings>,
}

impl TimingFold {
    /// An empty fold for the variants and prompts of this run.
    pub fn new(manifest: &Manifest) -> Self {
        let suite = &manifest.suite;
        let variants = suite.variants.iter().enumerate();
        let prompts = (0..).zip(&suite.prompts);
        Self {
            variants: vec![VariantTimings::default(); suite.variants.len()],
            variant_indices: variants
                .map(|(index, variant)| (variant.label.clone(), index))
                .collect(),
            prompt_indices: prompts
                .map(|(index, prompt)| (prompt.id.clone(), index))
                .collect(),
        }
    }

    /// Adds a sample; one that the manifest does not name is skipped, and so is an abandoned one.
    pub fn add(&mut self, sample: &Sample) {
        let variant = self.variant_indices.get(&sample.variant);
        let prompt = self.prompt_indices.get(&sample.prompt);
        if let (Some(&variant), Some(&prompt)) = (variant, prompt)
            && !sample.outcome.is_abandoned()
        {
            let timing = TrialTiming::new(sample, prompt);
            self.variants[variant].trials.push(timing);
        }
    }

    /// The times of all trials that were added.
    pub fn finish(mut self) -> RunTimings {
        for variant in &mut self.variants {
            variant.trials.shrink_to_fit();
            variant.trials.sort_unstable_by_key(|trial| {
                (trial.due, trial.prompt, trial.round, trial.parts_us)
            });
        }
        RunTimings {
            variants: self.variants,
        }
    }
}

impl TrialTiming {
    fn new(sample: &Sample, prompt: u32) -> Self {
        Self {
            prompt,
            round: sample.round,
            due: sample.scheduled_ns,
            outcome: sample.outcome,
            attempts: u16::try_from(sample.attempts.len()).unwrap_or(u16::MAX),
            excluded: sample.flags.iter().any(|flag| flag.is_excluding()),
            paused: sample.has(Flag::ClientPaused),
            parts_us: parts(sample).map(micros),
            ttft_us: sample
                .ttft_ns
                .and_then(|span| NonZeroU32::new(micros(span))),
            ttfa_us: sample
                .ttfa_ns
                .and_then(|span| NonZeroU32::new(micros(span))),
        }
    }

    /// One part of its time.
    pub const fn part(&self, part: TimePart) -> Nanos {
        Nanos(self.parts_us[part as usize] as u64 * 1_000)
    }

    /// The time from its due moment to its end.
    pub fn total(&self) -> Nanos {
        let micros = self.parts_us.iter().map(|&part| u64::from(part));
        Nanos(micros.sum::<u64>() * 1_000)
    }

    /// The time to its end from the moment at which its last attempt was sent.
    pub fn latency(&self) -> Nanos {
        let before = [TimePart::Client, TimePart::Retries].map(|part| self.part(part).0);
        Nanos(self.total().0 - before.iter().sum::<u64>())
    }

    /// Returns true if it took more than one attempt.
    pub const fn is_retried(&self) -> bool {
        self.attempts > 1
    }

    /// The value that counts in the figures of a speed metric (TTFT, TTFA or latency): of an answered trial,
    /// excluded ones left out of times to a first token.
    pub fn speed(&self, metric: Metric) -> Option<Nanos> {
        let span = |micros: Option<NonZeroU32>| Some(Nanos(u64::from(micros?.get()) * 1_000));
        if !self.outcome.answered() {
            return None;
        }
        match metric {
            Metric::Ttfa if !self.excluded => span(self.ttfa_us),
            Metric::Ttft if !self.excluded => span(self.ttft_us),
            Metric::Latency => Some(self.latency()),
            _ => None,
        }
    }
}

impl VariantTimings {
    /// The values of a speed metric, in ascending order.
    pub fn sorted(&self, metric: Metric) -> Vec<Nanos> {
        let mut values: Vec<Nanos> = self.trials.iter().filter_map(|t| t.speed(metric)).collect();
        values.sort_unstable();
        values
    }

    /// The change of level of a speed metric during the run, where there is one beyond chance.
    pub fn drift(&self, metric: Metric) -> Option<LevelDrift> {
        let measured = self.trials.iter().filter_map(|trial| {
            let value = trial.speed(metric)?.0.max(1) as f64;
            Some((trial.due, (trial.prompt as usize, value.ln())))
        });
        let (times, values): (Vec<Nanos>, Vec<_>) = measured.unzip();
        let drift = drift::check(&values).filter(drift::Drift::warns)?;
        Some(LevelDrift {
            at: *times.get(drift.after)?,
            ratio: drift.shift.exp(),
        })
    }
}

/// A span in whole microseconds; one above 71 minutes is cut.
fn micros(span: Nanos) -> u32 {
    u32::try_from(span.0 / 1_000).unwrap_or(u32::MAX)
}

/// The parts of a sample's time, in the order of [`TimePart::ALL`].
fn parts(sample: &Sample) -> [Nanos; TimePart::ALL.len()] {
    let first_sent = sample
        .attempts
        .first()
        .map_or(sample.sent_ns, |a| a.sent_ns);
    let retries = sample.sent_ns.since(first_sent).0 + sample.lag().since(sample.own_delay()).0;
    let last_end = sample.attempts.last().map(|attempt| attempt.end_ns);
    let end = last_end.map_or(Nanos::ZERO, |end| end.since(sample.sent_ns));
    let end = sample.latency_ns.unwrap_or(end);
    // Each mark lies between the one before it and the end, whatever a damaged record says.
    let connected = sample.connect_ns.unwrap_or_default().min(end);
    let headers = sample.headers_ns.unwrap_or(end).clamp(connected, end);
    let first = sample.ttft_ns.unwrap_or(end).clamp(headers, end);
    let has_reasoning = sample.reasoning_chars.unwrap_or(0) > 0;
    let answer_begin = match sample.ttfa_ns {
        Some(span) => span.clamp(first, end),
        None if has_reasoning => end,
        None => first,
    };
    let (reasoning, answer) = (answer_begin.since(first), end.since(answer_begin));
    // The stall lies in the answer; what does not fit there lies in the reasoning.
    let stall = stall(sample, end).min(Nanos(reasoning.0 + answer.0));
    let in_answer = stall.min(answer);
    [
        sample.own_delay(),
        Nanos(retries),
        connected,
        headers.since(connected),
        first.since(headers),
        reasoning.since(stall.since(in_answer)),
        answer.since(in_answer),
        stall,
    ]
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
    let least = STALL_MIN.max(Nanos(usual));
    gaps.max_ns.filter(|longest| *longest >= least)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::record::{Attempt, example, summarize_gaps};
    use crate::verdict::fixture;

    use super::*;

    fn millis(value: u64) -> Nanos {
        Nanos::from_millis(value)
    }

    fn split(sample: &Sample) -> [u64; 8] {
        let timing = TrialTiming::new(sample, 0);
        TimePart::ALL.map(|part| timing.part(part).0 / 1_000_000)
    }

    #[test]
    fn every_part_of_a_trial_is_found() {
        // Due at 1 s, first sent 20 ms later, retried after 300 ms; reasoning from 150 to 400 ms, then an answer
        // with a stall of 800 ms.
        let run = fixture::manifest(&["a/b"], &["p"], 1);
        let mut sample = fixture::answered(&run, 0, 150);
        sample.scheduled_ns = millis(1_000);
        sample.sent_ns = millis(1_320);
        let attempt = |sent, end| Attempt {
            sent_ns: millis(sent),
            end_ns: millis(end),
            ..sample.attempts[0].clone()
        };
        sample.attempts = vec![attempt(1_020, 1_100), attempt(1_320, 3_320)];
        sample.connect_ns = Some(millis(30));
        sample.headers_ns = Some(millis(100));
        sample.ttfa_ns = Some(millis(400));
        sample.reasoning_chars = Some(9);
        sample.latency_ns = Some(millis(2_000));
        let mut gaps = vec![millis(10); 20];
        gaps.push(millis(800));
        sample.gaps = Some(summarize_gaps(&gaps, 0));
        assert_eq!(split(&sample), [20, 300, 30, 70, 50, 250, 800, 800]);
        sample.throttled_ns = Some(millis(15));
        assert_eq!(split(&sample)[..2], [5, 315]);
    }

    #[test]
    fn a_failure_ends_in_the_part_that_it_waited_in() {
        // What a deadline ended was waiting for something: headers, a first token, or the next chunk.
        let run = fixture::manifest(&["a/b"], &["p"], 1);
        let mut sample = fixture::answered(&run, 0, 150);
        sample.outcome = Outcome::TimedOutGap;
        sample.latency_ns = Some(millis(2_250));
        assert_eq!(split(&sample), [0, 0, 0, 149, 1, 0, 100, 2_000]);
        sample.ttft_ns = None;
        sample.ttfa_ns = None;
        sample.last_token_ns = None;
        assert_eq!(split(&sample), [0, 0, 0, 149, 2_101, 0, 0, 0]);
        sample.headers_ns = None;
        assert_eq!(split(&sample), [0, 0, 0, 2_250, 0, 0, 0, 0]);
    }

    #[test]
    fn a_drift_is_found_where_it_begins() {
        // A level that doubles after half of the run, and one that stays.
        let run = fixture::manifest(&["a/b", "a/c"], &["p", "q"], 40);
        let mut fold = TimingFold::new(&run);
        for trial in 0..160 {
            let doubled = trial % 2 == 0 && trial >= 80;
            fold.add(&fixture::answered(
                &run,
                trial,
                if doubled { 400 } else { 200 } + trial % 7,
            ));
        }
        let timings = fold.finish();
        let drift = timings.variants[0].drift(Metric::Ttft).unwrap();
        assert_eq!(drift.at, millis(80_000));
        assert!((1.9..2.1).contains(&drift.ratio), "{drift:?}");
        assert_eq!(timings.variants[1].drift(Metric::Ttft), None);
    }

    proptest! {
        // Whatever a record holds, the parts add up to its time, and none is negative.
        #[test]
        fn parts_add_up(sample in example::sample()) {
            let timing = TrialTiming::new(&sample, 0);
            let sent = sample.sent_ns.since(sample.scheduled_ns);
            let end = sample.latency_ns;
            if let Some(end) = end.filter(|end| sent.0.max(end.0) < 1_000_000_000_000) {
                let difference = timing.latency().0.abs_diff(end.0);
                prop_assert!(difference < 8_000, "{difference}");
            }
        }
    }
}
