//! Shares against shares: completed requests and passes, today and in the past together.
//!
//! Owns which prompts and counts enter and which of two procedures compares them. Must not know levels.
//! Invariant: a difference and its interval lie within -1 and 1.

use std::collections::BTreeMap;

use crate::record::HistoryVariant;
use crate::stats::MIN_PROMPTS;
use crate::stats::history::RUNS_MAX;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::rates::{Passes, newcombe_p_greater, newcombe_unpaired, paired_difference};
use crate::suite::{Bounds, Metric};

use super::super::compare::approach::p_beyond;
use super::super::compare::claim::{self, Line};
use super::super::judgement::{Comparison, Procedure, Reason, SampleSize, Tests};
use super::super::prompt_effects::EffectByPrompt;
use super::matching::same_variant;
use super::variant_history::VariantHistory;

/// (passed, total).
type PassCount = (u64, u64);

/// The deviation of a share from that of the past.
#[derive(Default)]
pub(super) struct RateDeviation {
    /// Past and today per prompt.
    prompts: Vec<(Passes, Passes)>,
    /// Sums over all prompts.
    past: PassCount,
    today: PassCount,
}

impl RateDeviation {
    /// Adds a prompt, and returns the difference of its shares.
    fn add(&mut self, then: PassCount, now: PassCount) -> Option<f64> {
        self.past = (self.past.0 + then.0, self.past.1 + then.1);
        self.today = (self.today.0 + now.0, self.today.1 + now.1);
        let passes = |(passed, total): PassCount| {
            Passes::new(u32::try_from(passed).ok()?, u32::try_from(total).ok()?)
        };
        let (then, now) = (passes(then)?, passes(now)?);
        self.prompts.push((then, now));
        Some(now.rate() - then.rate())
    }

    /// Returns true if the test is Student's t over prompt differences; otherwise counts are pooled.
    pub(super) fn is_paired(&self) -> bool {
        let differs =
            |(past, today): &(Passes, Passes)| past.rate().to_bits() != today.rate().to_bits();
        self.prompts.len() >= MIN_PROMPTS
            && paired_difference(&self.prompts, Alpha::FIVE_PERCENT)
                .is_some_and(|difference| !difference.equal_on_all)
            && self.prompts.iter().any(differs)
    }

    pub(super) fn effect(&self, alpha: Alpha) -> (f64, Interval) {
        if self.is_paired()
            && let Some(difference) = paired_difference(&self.prompts, alpha)
        {
            return (difference.mean.estimate, difference.interval);
        }
        let rate = |(passed, total): (u64, u64)| passed as f64 / total as f64;
        let estimate = rate(self.today) - rate(self.past);
        (estimate, newcombe_unpaired(self.today, self.past, alpha))
    }

    fn tests(&self, metric: Metric, bounds: Bounds) -> Option<Tests> {
        if self.is_paired() {
            let mean = paired_difference(&self.prompts, Alpha::FIVE_PERCENT)?.mean;
            return claim::tests(metric, bounds, |line| p_beyond(&mean, line.at, line.above));
        }
        let p = |line: Line| {
            if line.above {
                newcombe_p_greater(self.today, self.past, line.at)
            } else {
                newcombe_p_greater(self.past, self.today, -line.at)
            }
        };
        claim::tests(metric, bounds, |line| Some(p(line)))
    }
}

/// Counts of a variant by prompt digest.
fn pass_counts(variant: &HistoryVariant, metric: Metric) -> BTreeMap<&str, PassCount> {
    let mut pass_counts = BTreeMap::new();
    for prompt in &variant.prompts {
        let (passed, total) = match metric {
            Metric::PassRate => (prompt.passed, prompt.graded),
            _ => (prompt.completed, prompt.trials),
        };
        add(
            &mut pass_counts,
            &prompt.digest,
            (passed.into(), total.into()),
        );
    }
    pass_counts.retain(|_, (_, total)| *total > 0);
    pass_counts
}

fn add<'a>(pass_counts: &mut BTreeMap<&'a str, PassCount>, digest: &'a str, more: PassCount) {
    let (passed, total) = pass_counts.entry(digest).or_insert((0, 0));
    (*passed, *total) = (*passed + more.0, *total + more.1);
}

impl VariantHistory<'_> {
    /// Compares a share with that of all past runs together, on the prompts of both.
    ///
    /// # Errors
    /// The reason why there is nothing to compare.
    pub(super) fn rates(&self, blank: &Comparison) -> Result<(Comparison, RateDeviation), Reason> {
        let metric = blank.metric;
        let mut today = pass_counts(self.variant, metric);
        if today.is_empty() {
            return Err(Reason::NotMeasured);
        }
        let newest = self.matching.accepted.iter().rev();
        let newest = newest
            .filter_map(|run| run.variants.iter().find(|v| same_variant(v, self.variant)))
            .take(RUNS_MAX);
        let mut past = BTreeMap::new();
        let mut runs = 0;
        for then in newest {
            runs += 1;
            for (digest, more) in pass_counts(then, metric) {
                add(&mut past, digest, more);
            }
        }
        let mut rates = RateDeviation::default();
        // In the order of the suite; identical prompts were added up.
        let prompts = self.variant.prompts.iter().enumerate();
        let differences = prompts.filter_map(|(index, prompt)| {
            let then = *past.get(&*prompt.digest)?;
            let now = today.remove(&*prompt.digest)?;
            Some((index, rates.add(then, now)?))
        });
        let per_prompt = EffectByPrompt::new(&self.prompt_ids, differences);
        if rates.prompts.is_empty() {
            return Err(Reason::NoHistory);
        }
        Ok((
            Comparison {
                procedure: if rates.is_paired() {
                    Procedure::RateDifference
                } else {
                    Procedure::UnpairedRates
                },
                size: SampleSize {
                    prompts: rates.prompts.len() as u64,
                    reference: rates.past.1,
                    candidate: rates.today.1,
                    runs,
                },
                tests: rates.tests(metric, blank.bounds),
                reasons: self.caveats(metric),
                per_prompt,
                ..blank.clone()
            },
            rates,
        ))
    }
}
