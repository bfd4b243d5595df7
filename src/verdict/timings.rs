//! The times of each trial, for charts and for the explanation of the slowest requests.
//!
//! Owns the order of trials and the choice of the slowest. Must not know how they are drawn. Invariant: nothing here is
//! kept per trial but its place in the order; the order in which samples were added changes nothing.

use std::cmp::Reverse;

use crate::stats::drift;
use crate::suite::Metric;
use crate::threads::Threads;
use crate::units::Nanos;

use super::evidence::Evidence;
use super::observation::Observation;
use super::time_parts::{TimePart, micros};
use crate::units::compact::OptionalSpan;

/// The times of one trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrialTiming<'a> {
    /// Index of the prompt in the suite.
    pub prompt: u32,
    /// Its observation.
    pub observation: &'a Observation,
}

/// The trials of one variant that ended, in the order in which they were due; abandoned ones are not among them.
#[derive(Debug, Clone, Copy)]
pub struct VariantTimings<'a> {
    prompts: &'a [Vec<Observation>],
    order: &'a [TimingPlace],
}

/// The times of all trials of a run.
#[derive(Debug, Clone, Default)]
pub struct RunTimings {
    evidence: Evidence,
    /// The order of the trials of each variant.
    orders: Vec<Vec<TimingPlace>>,
}

/// A trial of a variant: the index of its prompt, and its index among the prompt's.
type TimingPlace = (u32, u32);

/// A change of level of one metric during a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelDrift {
    /// The moment after which the level is another one.
    pub at: Nanos,
    /// The level after it, divided by the level before.
    pub ratio: f64,
}

impl RunTimings {
    /// The times of the trials that evidence holds.
    pub fn new(evidence: Evidence) -> Self {
        let orders =
            Threads::for_processors().map(&evidence.variants, |variant| order(&variant.prompts));
        Self { evidence, orders }
    }

    /// The evidence that they are made of.
    pub(super) const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The times of the variant at an index in the suite.
    pub fn variant(&self, index: usize) -> VariantTimings<'_> {
        VariantTimings {
            prompts: &self.evidence.variants[index].prompts,
            order: &self.orders[index],
        }
    }
}

/// The trials of these prompts in the order in which they were due.
fn order(prompts: &[Vec<Observation>]) -> Vec<TimingPlace> {
    let of_prompt = |(prompt, observations): (u32, &Vec<Observation>)| {
        let due = (0..).zip(observations);
        let due = due.map(|(index, one)| (one.due_ns, prompt, index));
        due.collect::<Vec<(Nanos, u32, u32)>>()
    };
    let mut due: Vec<_> = (0..).zip(prompts).flat_map(of_prompt).collect();
    let within = |&(_, prompt, index): &(Nanos, u32, u32)| {
        let one = &prompts[prompt as usize][index as usize];
        (one.round, one.parts_us())
    };
    due.sort_unstable_by(|a, b| {
        let by_place = (a.0, a.1).cmp(&(b.0, b.1));
        by_place.then_with(|| within(a).cmp(&within(b)))
    });
    due.into_iter()
        .map(|(_, prompt, index)| (prompt, index))
        .collect()
}

impl TrialTiming<'_> {
    /// The parts of its time, in the order of [`TimePart::ALL`].
    pub fn parts(&self) -> [Nanos; TimePart::ALL.len()] {
        let micros = self.observation.parts_us();
        micros.map(|micros| Nanos(u64::from(micros) * 1_000))
    }

    /// The time from its due moment to its end.
    pub fn total(&self) -> Nanos {
        Nanos(self.parts().iter().map(|part| part.0).sum())
    }

    /// The time to its end from the moment at which its last attempt was sent.
    pub fn latency(&self) -> Nanos {
        let mut parts = self.parts();
        for before in [TimePart::Client, TimePart::Retries] {
            parts[before as usize] = Nanos::ZERO;
        }
        Nanos(parts.iter().map(|part| part.0).sum())
    }

    /// Returns true if it took more than one attempt.
    pub fn is_retried(&self) -> bool {
        self.observation.attempts() > 1
    }

    /// The value that counts in the figures of a speed metric (TTFT, TTFA or latency): of an answered trial,
    /// excluded ones left out of times to a first token.
    pub fn speed(&self, metric: Metric) -> Option<Nanos> {
        let span = |span: OptionalSpan| {
            let micros = micros(span.get()?);
            (micros > 0).then(|| Nanos(u64::from(micros) * 1_000))
        };
        if !self.observation.answered() {
            return None;
        }
        match metric {
            Metric::Ttfa if !self.observation.excluded => span(self.observation.ttfa_ns),
            Metric::Ttft if !self.observation.excluded => span(self.observation.ttft_ns),
            Metric::Latency => Some(self.latency()),
            _ => None,
        }
    }
}

impl<'a> VariantTimings<'a> {
    /// The trials in the order in which they were due.
    pub fn trials(&self) -> impl ExactSizeIterator<Item = TrialTiming<'a>> + use<'a> {
        let Self { prompts, order } = *self;
        order.iter().map(|&(prompt, index)| {
            let observation = &prompts[prompt as usize][index as usize];
            TrialTiming {
                prompt,
                observation,
            }
        })
    }

    /// The trials of the prompt at an index in the suite, in no order.
    pub fn of_prompt(&self, prompt: usize) -> impl Iterator<Item = TrialTiming<'a>> + use<'a> {
        let observations = self.prompts.get(prompt).into_iter().flatten();
        let prompt = u32::try_from(prompt).unwrap_or(u32::MAX);
        observations.map(move |observation| TrialTiming {
            prompt,
            observation,
        })
    }

    /// The trial at a place in the order in which they were due.
    pub(super) fn trial(&self, place: usize) -> TrialTiming<'a> {
        let (prompt, index) = self.order[place];
        let observation = &self.prompts[prompt as usize][index as usize];
        TrialTiming {
            prompt,
            observation,
        }
    }

    /// The values of a speed metric, in ascending order.
    pub fn sorted(&self, metric: Metric) -> Vec<Nanos> {
        let mut values: Vec<Nanos> = self.trials().filter_map(|t| t.speed(metric)).collect();
        values.sort_unstable();
        values
    }

    /// The slowest trials, at most `count`, the slowest first.
    pub fn slowest(&self, count: usize) -> Vec<TrialTiming<'a>> {
        let totals = self.trials().enumerate();
        let mut totals: Vec<(Reverse<Nanos>, usize)> = totals
            .map(|(place, trial)| (Reverse(trial.total()), place))
            .collect();
        let count = count.min(totals.len());
        if count < totals.len() {
            totals.select_nth_unstable(count);
        }
        totals.truncate(count);
        totals.sort_unstable();
        totals
            .into_iter()
            .map(|(_, place)| self.trial(place))
            .collect()
    }

    /// The change of level of a speed metric during the run, where there is one beyond chance.
    pub fn drift(&self, metric: Metric) -> Option<LevelDrift> {
        let measured = self.trials().filter_map(|trial| {
            let value = trial.speed(metric)?.0.max(1) as f64;
            Some((
                trial.observation.due_ns,
                (trial.prompt as usize, value.ln()),
            ))
        });
        let (times, values): (Vec<Nanos>, Vec<_>) = measured.unzip();
        let drift = drift::check(&values).filter(drift::Drift::warns)?;
        Some(LevelDrift {
            at: *times.get(drift.after)?,
            ratio: drift.shift.exp(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::record::{Attempt, Outcome, Sample, example, summarize_gaps};
    use crate::verdict::{EvidenceFold, fixture};

    use super::*;

    fn millis(value: u64) -> Nanos {
        Nanos::from_millis(value)
    }

    fn split(sample: &Sample) -> [u64; TimePart::ALL.len()] {
        let observation = Observation::new(sample, None);
        let observation = &observation;
        let prompt = 0;
        let parts = TrialTiming {
            prompt,
            observation,
        }
        .parts();
        parts.map(|part| part.0 / 1_000_000)
    }

    #[test]
    fn every_part_of_a_trial_is_found() {
        // Due at 1 s, first sent 20 ms later, retried after 300 ms; connected in 10 ms, TLS in 20; reasoning from 150 to 400 ms, then an answer
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
        sample.tls_ns = Some(millis(20));
        sample.headers_ns = Some(millis(100));
        sample.ttfa_ns = Some(millis(400));
        sample.reasoning_chars = Some(9);
        sample.latency_ns = Some(millis(2_000));
        let mut gaps = vec![millis(10); 20];
        gaps.push(millis(800));
        sample.gaps = Some(summarize_gaps(&gaps, 0));
        assert_eq!(split(&sample), [20, 300, 10, 20, 70, 50, 250, 800, 800]);
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
        assert_eq!(split(&sample), [0, 0, 0, 0, 149, 1, 0, 100, 2_000]);
        sample.ttft_ns = None;
        sample.ttfa_ns = None;
        sample.last_token_ns = None;
        assert_eq!(split(&sample), [0, 0, 0, 0, 149, 2_101, 0, 0, 0]);
        sample.headers_ns = None;
        assert_eq!(split(&sample), [0, 0, 0, 0, 2_250, 0, 0, 0, 0]);
    }

    #[test]
    fn a_drift_is_found_where_it_begins() {
        // A level that doubles after half of the run, and one that stays.
        let run = fixture::manifest(&["a/b", "a/c"], &["p", "q"], 40);
        let mut fold = EvidenceFold::new(&run);
        for trial in 0..160 {
            let doubled = trial % 2 == 0 && trial >= 80;
            fold.add(&fixture::answered(
                &run,
                trial,
                if doubled { 400 } else { 200 } + trial % 7,
            ));
        }
        let timings = RunTimings::new(fold.finish());
        let drift = timings.variant(0).drift(Metric::Ttft).unwrap();
        assert_eq!(drift.at, millis(80_000));
        assert!((1.9..2.1).contains(&drift.ratio), "{drift:?}");
        assert_eq!(timings.variant(1).drift(Metric::Ttft), None);
    }

    proptest! {
        // Whatever a record holds, the parts add up to its time, and none is negative.
        #[test]
        fn parts_add_up(sample in example::sample()) {
            let observation = Observation::new(&sample, None);
            let (prompt, observation) = (0, &observation);
            let timing = TrialTiming { prompt, observation };
            let sent = sample.sent_ns.since(sample.scheduled_ns);
            let end = sample.latency_ns;
            if let Some(end) = end.filter(|end| sent.0.max(end.0) < 1_000_000_000_000) {
                let difference = timing.latency().0.abs_diff(end.0);
                prop_assert!(difference < 8_000, "{difference}");
            }
        }
    }
}
