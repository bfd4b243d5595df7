//! Shares against shares: how often answered, how often right, today and in the past together.
//!
//! Owns which prompts and counts enter and which of two procedures compares them. Must not know levels.
//! Invariant: a difference and its interval lie within -1 and 1.

use std::collections::BTreeMap;

use crate::record::HistoryVariant;
use crate::stats::FEWEST_PROMPTS;
use crate::stats::history::RUNS_MAX;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::rates::{Passes, newcombe_p_greater, newcombe_unpaired, paired_difference};
use crate::suite::{Bounds, Metric};

use super::super::compare::approach::p_beyond;
use super::super::compare::claim::{self, Line};
use super::super::judgement::{Comparison, Procedure, Reason, Size, Tests};
use super::matching::same_variant;
use super::screen::Subject;

/// Passed, out of.
type Counts = (u64, u64);

/// How far a share lies from that of the past.
#[derive(Default)]
pub(super) struct RateExcess {
    /// Past and today of each prompt.
    prompts: Vec<(Passes, Passes)>,
    /// Ids of these prompts.
    ids: Vec<String>,
    /// Of all prompts together.
    past: Counts,
    today: Counts,
}

impl RateExcess {
    fn add(&mut self, id: &str, then: Counts, now: Counts) {
        let passes = |(passed, of): Counts| {
            Passes::new(u32::try_from(passed).ok()?, u32::try_from(of).ok()?)
        };
        if let (Some(then), Some(now)) = (passes(then), passes(now)) {
            self.ids.push(id.to_owned());
            self.prompts.push((then, now));
        }
        self.past = (self.past.0 + then.0, self.past.1 + then.1);
        self.today = (self.today.0 + now.0, self.today.1 + now.1);
    }

    fn by_id(&self) -> Vec<(String, f64)> {
        let prompts = self.ids.iter().zip(&self.prompts);
        prompts
            .map(|(id, (then, now))| (id.clone(), now.rate() - then.rate()))
            .collect()
    }

    /// Whether the prompts decide, by Student's t over their differences; else all counts together.
    pub(super) fn by_prompt(&self) -> bool {
        let differs =
            |(past, today): &(Passes, Passes)| past.rate().to_bits() != today.rate().to_bits();
        self.prompts.len() >= FEWEST_PROMPTS
            && paired_difference(&self.prompts, Alpha::FIVE_PERCENT)
                .is_some_and(|difference| !difference.equal_on_all)
            && self.prompts.iter().any(differs)
    }

    pub(super) fn effect(&self, alpha: Alpha) -> (f64, Interval) {
        if self.by_prompt()
            && let Some(difference) = paired_difference(&self.prompts, alpha)
        {
            return (difference.mean.estimate, difference.interval);
        }
        let rate = |(passed, of): (u64, u64)| passed as f64 / of as f64;
        let estimate = rate(self.today) - rate(self.past);
        (estimate, newcombe_unpaired(self.today, self.past, alpha))
    }

    fn tests(&self, metric: Metric, bounds: Bounds) -> Option<Tests> {
        if self.by_prompt() {
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

/// Counts of a variant by what its prompts ask.
fn counts(variant: &HistoryVariant, metric: Metric) -> BTreeMap<&str, Counts> {
    let mut counts = BTreeMap::new();
    for prompt in &variant.prompts {
        let (passed, of) = match metric {
            Metric::PassRate => (prompt.passed, prompt.graded),
            _ => (prompt.completed, prompt.asked),
        };
        add(&mut counts, &prompt.digest, (passed.into(), of.into()));
    }
    counts.retain(|_, (_, of)| *of > 0);
    counts
}

fn add<'a>(counts: &mut BTreeMap<&'a str, Counts>, digest: &'a str, more: Counts) {
    let (passed, of) = counts.entry(digest).or_insert((0, 0));
    (*passed, *of) = (*passed + more.0, *of + more.1);
}

impl Subject<'_> {
    /// The comparison of a share with that of the past's runs together, on the prompts that both asked.
    ///
    /// # Errors
    /// Why there is nothing to compare.
    pub(super) fn rates(&self, blank: &Comparison) -> Result<(Comparison, RateExcess), Reason> {
        let metric = blank.metric;
        let mut today = counts(self.variant, metric);
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
            for (digest, more) in counts(then, metric) {
                add(&mut past, digest, more);
            }
        }
        let mut rates = RateExcess::default();
        // In the order of the suite; prompts that ask the same were added up.
        for prompt in &self.variant.prompts {
            let digest = prompt.digest.as_str();
            if let Some(&then) = past.get(digest)
                && let Some(now) = today.remove(digest)
            {
                rates.add(&prompt.prompt, then, now);
            }
        }
        if rates.prompts.is_empty() {
            return Err(Reason::NoPast);
        }
        Ok((
            Comparison {
                procedure: if rates.by_prompt() {
                    Procedure::RateDifference
                } else {
                    Procedure::UnpairedRates
                },
                size: Size {
                    prompts: rates.prompts.len() as u64,
                    reference: rates.past.1,
                    candidate: rates.today.1,
                    runs,
                },
                tests: rates.tests(metric, blank.bounds),
                reasons: self.beside(metric),
                per_prompt: rates.by_id(),
                ..blank.clone()
            },
            rates,
        ))
    }
}
