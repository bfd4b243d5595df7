//! Amendments: facts about a trial that are learned after its sample was written, such as a bill or a grade.
//!
//! Owns the line of `amendments.jsonl` and how it changes a sample. Must not know the source of an amendment.
//! Invariant: samples are never rewritten; of two amendments of one fact the later one wins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::units::Usd;

use super::grade::merge;
use super::{Grade, Sample};

/// One line of `amendments.jsonl`. Absent means nothing new.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Amendment {
    /// Version of this format: [`Amendment::VERSION`].
    pub version: u32,
    /// Number of the trial in the plan.
    pub trial: u64,
    /// The `x-request-id` of the sample that it is about, if only that: a trial that was sent again has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The amount that the gateway billed, as it reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed_usd: Option<Usd>,
    /// The list price, as the gateway reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market_usd: Option<Usd>,
    /// Grades; earlier ones of other names stay.
    #[serde(
        default,
        alias = "scores",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "super::grade::rows_or_scores"
    )]
    pub grades: Vec<Grade>,
    /// The weighted score from which the answer passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_threshold: Option<f64>,
    /// True if the answer was graded anew by the suite's checks: earlier grades of the suite, and the threshold,
    /// are removed; those of other programs stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub regraded: bool,
}

impl Amendment {
    /// Version of the stored format.
    pub const VERSION: u32 = 2;

    fn add(&mut self, later: Self) {
        self.billed_usd = later.billed_usd.or(self.billed_usd);
        self.market_usd = later.market_usd.or(self.market_usd);
        if later.regraded {
            self.regraded = true;
            self.pass_threshold = None;
            self.grades.retain(|grade| grade.external);
        }
        self.pass_threshold = later.pass_threshold.or(self.pass_threshold);
        merge(&mut self.grades, later.grades);
    }
}

/// All amendments of a run, put together by trial and, where they name one, by request. A trial has one or two, in a list: a map
/// would take two kilobytes for each trial.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Amendments(BTreeMap<u64, Vec<Amendment>>);

impl Amendments {
    /// Adds one that was made after those already here.
    pub fn add(&mut self, later: Amendment) {
        let of_trial = self.0.entry(later.trial).or_default();
        let mut known = of_trial.iter_mut();
        if let Some(known) = known.find(|one| one.request_id == later.request_id) {
            return known.add(later);
        }
        let mut first = Amendment {
            version: Amendment::VERSION,
            trial: later.trial,
            request_id: later.request_id.clone(),
            ..Amendment::default()
        };
        first.add(later);
        first.grades.shrink_to_fit();
        of_trial.reserve_exact(1);
        of_trial.push(first);
    }

    /// Applies the amendments of the trial to `sample`: those of the trial as a whole, then those of its request.
    pub fn apply(&self, sample: &mut Sample) {
        let Some(of_trial) = self.0.get(&sample.trial) else {
            return;
        };
        let own = Some(sample.request_id.clone());
        let of = |id: &Option<String>| of_trial.iter().find(|one| one.request_id == *id);
        for amendment in [&None, &own].into_iter().filter_map(of) {
            sample.billed_usd = amendment.billed_usd.or(sample.billed_usd);
            sample.market_usd = amendment.market_usd.or(sample.market_usd);
            if amendment.regraded {
                sample.pass_threshold = None;
                sample.grades.retain(|grade| grade.external);
            }
            sample.pass_threshold = amendment.pass_threshold.or(sample.pass_threshold);
            merge(&mut sample.grades, amendment.grades.iter().cloned());
        }
    }
}

#[cfg(test)]
mod tests;
