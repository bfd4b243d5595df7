//! The cost of a run by its records: samples, and the log of its requests.
//!
//! Owns which part of a request's cost its records leave open. Must not know who asks. Invariant: each request that
//! was sent counts once, with its cost or as one whose cost is open.

use std::collections::HashMap;
use std::path::Path;

use super::super::requests::{RequestHistory, TakenLog};
use super::super::{JournalError, Run, Sample};
use super::Spending;
use crate::units::{ModelId, Usd};

/// The cost of a run by its records.
#[derive(Debug, Clone, Default)]
pub struct RecordedCost {
    /// The known cost, and the number of requests whose cost is not.
    pub spending: Spending,
    /// Requests whose cost is open.
    open: Vec<OpenRequest>,
    /// Reserved by an earlier look, for requests whose lines may be lost.
    lost: Usd,
    /// True if no line of the log can be missing.
    pub is_whole: bool,
}

/// A request whose cost is open above the amount that counts as spent.
#[derive(Debug, Clone)]
struct OpenRequest {
    model: ModelId,
    spent: Usd,
    /// The most that it can cost, if that was known when it was sent.
    bound: Option<Usd>,
}

/// The part of a request's cost that its records leave open.
enum OpenCost {
    /// None: this is known, or it certainly cost nothing.
    Known,
    /// Up to its bound; so much of that is counted as spent.
    UpToBound(Usd),
}

impl RecordedCost {
    /// The cost of the run whose log was taken over.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn of_log(log: &TakenLog) -> Result<Self, JournalError> {
        Ok(Self::new(log.folder(), log.history()?))
    }

    /// The cost of the run in `folder`, whose requests these are.
    pub(super) fn new(folder: &Path, log: RequestHistory) -> Self {
        let mut cost = Self {
            lost: log.reserved.unwrap_or(Usd::ZERO),
            is_whole: log.is_whole,
            ..Self::default()
        };
        let mut settled = HashMap::new();
        let samples = Run::open(folder).and_then(|run| run.all_samples());
        // A sample that cannot be read leaves its requests unknown.
        for sample in samples.into_iter().flatten().flatten() {
            cost.spending.add_sample(&sample);
            settle_sample(&sample, &mut settled);
        }
        for (request_id, model, bound) in log.sent {
            let state = match (settled.remove(&request_id), log.ended.get(&request_id)) {
                (Some(state), _) => state,
                (None, Some(&(outcome, spent))) => {
                    cost.spending.add_untimed(&model, None, outcome, spent);
                    match spent {
                        Some(spent) if !outcome.is_whole() => OpenCost::UpToBound(spent),
                        None if !outcome.is_rejected() => OpenCost::UpToBound(Usd::ZERO),
                        Some(_) | None => OpenCost::Known,
                    }
                }
                (None, None) => {
                    cost.spending.add_unknown(&model);
                    OpenCost::UpToBound(Usd::ZERO)
                }
            };
            if let OpenCost::UpToBound(spent) = state {
                cost.open.push(OpenRequest {
                    model,
                    spent,
                    bound,
                });
            }
        }
        cost
    }

    /// Reserved by an earlier look, for requests whose lines may be lost.
    pub fn lost(&self) -> Usd {
        self.lost
    }

    /// The most that is open. A request without a bound of its own is bounded by `bound` of its model; `None` if
    /// that has none either.
    pub fn reserved(&self, bound: impl Fn(&ModelId) -> Option<Usd>) -> Option<Usd> {
        self.open.iter().try_fold(self.lost, |sum, request| {
            let max = request.bound.or_else(|| bound(&request.model))?;
            sum.plus(Usd(max.0 - request.spent.0).max(Usd::ZERO))
        })
    }
}

/// Notes what a sample's attempts leave open, by their request ids.
fn settle_sample(sample: &Sample, settled: &mut HashMap<String, OpenCost>) {
    let last = sample.attempts.len().saturating_sub(1);
    for (index, attempt) in sample.attempts.iter().enumerate() {
        let spent = sample.spent().filter(|_| index == last);
        let state = match spent {
            Some(_) if attempt.outcome.is_whole() => OpenCost::Known,
            Some(spent) => OpenCost::UpToBound(spent),
            None if attempt.outcome.costs_nothing(attempt.status) => OpenCost::Known,
            None => OpenCost::UpToBound(Usd::ZERO),
        };
        settled.insert(attempt.request_id.clone(), state);
    }
}
