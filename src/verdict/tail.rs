//! The explanation of the slowest requests: where they spent the time that the usual ones did not.
//!
//! Owns which requests are slow and which are usual. Must not know how it is worded. Invariant: the excess is the
//! difference of two means of the same parts, so that it adds up.

use crate::units::Nanos;

use super::time_parts::TimePart;
use super::timings::{TrialTiming, VariantTimings};

/// One in this many requests is among the slowest: 5 %.
const SLOWEST_ONE_IN: usize = 20;
/// With fewer requests there is no tail to explain.
const MIN_TRIALS: usize = 20;

/// The mean time of some requests, by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeanParts {
    /// Number of requests.
    pub trials: u64,
    /// Requests among them that failed.
    pub failed: u64,
    /// Mean of each part, in the order of [`TimePart::ALL`].
    pub parts: [Nanos; TimePart::ALL.len()],
}

/// The slowest requests of a variant against its usual ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TailExplanation {
    /// The middle half by total time.
    pub middle: MeanParts,
    /// The slowest 5 % by total time.
    pub slowest: MeanParts,
}

impl MeanParts {
    /// The mean parts of these trials; all zero without trials.
    pub fn of_trials<'a>(trials: impl IntoIterator<Item = TrialTiming<'a>>) -> Self {
        let (mut count, mut failed, mut sums) = (0, 0, [0_u64; TimePart::ALL.len()]);
        for trial in trials {
            count += 1;
            failed += u64::from(!trial.observation.outcome.answered());
            for (sum, part) in sums.iter_mut().zip(trial.parts()) {
                *sum = sum.saturating_add(part.0);
            }
        }
        Self {
            trials: count,
            failed,
            parts: sums.map(|sum| Nanos(sum / count.max(1))),
        }
    }

    /// The mean total time.
    pub fn total(&self) -> Nanos {
        Nanos(self.parts.iter().map(|part| part.0).sum())
    }
}

impl TailExplanation {
    /// Explains the tail of a variant; `None` with too few requests.
    pub fn new(timings: &VariantTimings<'_>) -> Option<Self> {
        // Of equal times in the order of the run.
        let totals = timings.trials().map(|trial| trial.total());
        let mut order: Vec<(Nanos, usize)> = totals.zip(0..).collect();
        let count = order.len();
        if count < MIN_TRIALS {
            return None;
        }
        // Each group in any order of its own: only their ends are looked for.
        let slowest = count - count.div_ceil(SLOWEST_ONE_IN);
        let (middle_from, middle_to) = (count / 4, count - count / 4);
        order.select_nth_unstable(slowest);
        order[..slowest].select_nth_unstable(middle_to);
        order[..middle_to].select_nth_unstable(middle_from);
        let trials = |order: &[(Nanos, usize)]| {
            MeanParts::of_trials(order.iter().map(|&(_, place)| timings.trial(place)))
        };
        Some(Self {
            middle: trials(&order[middle_from..middle_to]),
            slowest: trials(&order[slowest..]),
        })
    }

    /// The time that the slowest took longer, on average.
    pub fn excess(&self) -> Nanos {
        self.slowest.total().since(self.middle.total())
    }

    /// The part with the largest share of the excess, and that excess; `None` if no part took longer.
    pub fn largest_part(&self) -> Option<(TimePart, Nanos)> {
        let parts = TimePart::ALL.into_iter();
        let excess = parts.map(|part| {
            let index = part as usize;
            (
                part,
                self.slowest.parts[index].since(self.middle.parts[index]),
            )
        });
        // Of equal parts the first: `max_by_key` would return the last.
        let largest = excess.rev().max_by_key(|(_, excess)| *excess);
        largest.filter(|(_, excess)| *excess > Nanos::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use crate::record::{Attempt, Outcome, Sample, summarize_gaps};
    use crate::verdict::EvidenceFold;
    use crate::verdict::fixture;
    use crate::verdict::timings::RunTimings;

    use super::*;

    fn millis(value: u64) -> Nanos {
        Nanos::from_millis(value)
    }

    /// Delays a sample by two seconds in one part.
    fn plant(sample: &mut Sample, part: TimePart) {
        let later = |span: &mut Option<Nanos>| {
            if let Some(span) = span {
                span.0 += 2_000_000_000;
            }
        };
        if !matches!(part, TimePart::Client | TimePart::Retries) {
            later(&mut sample.latency_ns);
            later(&mut sample.last_token_ns);
        }
        match part {
            TimePart::Client => {
                sample.sent_ns.0 += 2_000_000_000;
                sample.attempts[0].sent_ns = sample.sent_ns;
            }
            TimePart::Retries => {
                let first = Attempt {
                    outcome: Outcome::RateLimited,
                    ..sample.attempts[0].clone()
                };
                sample.sent_ns.0 += 2_000_000_000;
                sample.attempts.insert(0, first);
            }
            TimePart::Connect | TimePart::Tls => {
                sample.connect_ns = Some(millis(2_000));
                sample.tls_ns = sample.connect_ns.filter(|_| part == TimePart::Tls);
                later(&mut sample.headers_ns);
                later(&mut sample.ttft_ns);
                later(&mut sample.ttfa_ns);
            }
            TimePart::Headers => {
                later(&mut sample.headers_ns);
                later(&mut sample.ttft_ns);
                later(&mut sample.ttfa_ns);
            }
            TimePart::FirstToken => {
                later(&mut sample.ttft_ns);
                later(&mut sample.ttfa_ns);
            }
            TimePart::Reasoning => {
                sample.reasoning_chars = Some(500);
                later(&mut sample.ttfa_ns);
            }
            TimePart::Answer => {}
            TimePart::Stall => {
                let mut gaps = vec![millis(10); 10];
                gaps.push(millis(2_000));
                sample.gaps = Some(summarize_gaps(&gaps, 0));
            }
        }
    }

    #[test]
    fn a_planted_cause_is_recovered() {
        // Whatever makes one request in twenty slow is what the explanation names, and by how much.
        for part in TimePart::ALL {
            let run = fixture::manifest(&["a/b"], &["p", "q"], 50);
            let mut fold = EvidenceFold::new(&run);
            for trial in 0..100 {
                let mut sample = fixture::answered(&run, trial, 200 + trial % 30);
                if trial % 20 == 7 {
                    plant(&mut sample, part);
                }
                fold.add(&sample);
            }
            let timings = RunTimings::new(fold.finish());
            let tail = TailExplanation::new(&timings.variant(0)).unwrap();
            assert_eq!((tail.middle.trials, tail.slowest.trials), (50, 5));
            let (largest, excess) = tail.largest_part().unwrap();
            assert_eq!(largest, part);
            assert!(
                excess.0.abs_diff(2_000_000_000) < 40_000_000,
                "{part:?}: {excess}"
            );
            assert!(tail.excess().0.abs_diff(excess.0) < 40_000_000, "{part:?}");
        }
    }

    #[test]
    fn few_requests_have_no_tail() {
        // The slowest 5 % of 19 would be one request, which explains nothing but itself.
        let run = fixture::manifest(&["a/b"], &["p"], 19);
        let mut fold = EvidenceFold::new(&run);
        for trial in 0..19 {
            fold.add(&fixture::answered(&run, trial, 200));
        }
        assert_eq!(
            TailExplanation::new(&RunTimings::new(fold.finish()).variant(0)),
            None
        );
    }
}
