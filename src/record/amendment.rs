//! Amendments: facts about a trial that are learned after its sample was written, such as a bill or a score.
//!
//! Owns the line of `amendments.jsonl` and how it changes a sample. Must not know the source of an amendment.
//! Invariant: samples are never rewritten; of two amendments of one fact the later one wins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::units::Usd;

use super::Sample;

/// One line of `amendments.jsonl`. Absent means nothing new.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Amendment {
    /// Version of this format: [`Amendment::VERSION`].
    pub version: u32,
    /// Number of the trial in the plan.
    pub trial: u64,
    /// The amount that the gateway billed, as it reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed_usd: Option<Usd>,
    /// The list price, as the gateway reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market_usd: Option<Usd>,
    /// Scores by the name of the check; others stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<String, f64>,
}

impl Amendment {
    /// Version of the stored format.
    pub const VERSION: u32 = 1;

    fn add(&mut self, later: Self) {
        self.billed_usd = later.billed_usd.or(self.billed_usd);
        self.market_usd = later.market_usd.or(self.market_usd);
        self.scores.extend(later.scores);
    }
}

/// All amendments of a run, put together by trial.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Amendments(BTreeMap<u64, Amendment>);

impl Amendments {
    /// Adds one that was made after those already here.
    pub fn add(&mut self, later: Amendment) {
        self.0
            .entry(later.trial)
            .or_insert_with(|| Amendment {
                version: Amendment::VERSION,
                trial: later.trial,
                ..Amendment::default()
            })
            .add(later);
    }

    /// Applies the trial's amendment to `sample`.
    pub fn apply(&self, sample: &mut Sample) {
        let Some(amendment) = self.0.get(&sample.trial) else {
            return;
        };
        sample.billed_usd = amendment.billed_usd.or(sample.billed_usd);
        sample.market_usd = amendment.market_usd.or(sample.market_usd);
        let scores = amendment.scores.iter();
        sample
            .scores
            .extend(scores.map(|(name, score)| (name.clone(), *score)));
    }
}

#[cfg(test)]
mod tests;
