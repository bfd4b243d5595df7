//! The length of answers: output tokens of a candidate against its reference, before and after a change of
//! model, and their division into reasoning and answer.
//!
//! Owns which answers and prompts take part, and the parts that an output is divided into. Must not know how it
//! is shown, nor judge: verdicts on `output_tokens` belong to `compare`. Invariant: swapping the sides inverts
//! every ratio and its interval; a count that a server does not report is never treated as 0.
//!
//! A prompt counts by the ratio of its two *mean* counts: a bill sums up tokens, so a few long answers weigh as
//! much as they cost, which the ranks of the verdict's procedure would hide. Over prompts, the mean of the
//! logarithms has Student's t with prompts as the units: repetitions of one prompt say nothing about the next.

use std::collections::HashMap;
use std::sync::Arc;

use crate::record::Outcome;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::{Mean, Weights};
use crate::threads::Threads;
use crate::units::ModelId;

use super::evidence::{Evidence, VariantEvidence};
use super::judgement::ComparisonDesign;
use super::observation::Observation;
use super::past::RunPair;

/// The output of a candidate compared with its reference's.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputChange {
    /// The design of the comparison: variants of one run, or one variant before and after.
    pub design: ComparisonDesign,
    /// Label and model of the candidate.
    pub candidate: (String, ModelId),
    /// Label and model of the reference; across two runs, of the earlier run.
    pub reference: (String, ModelId),
    /// Ratio of output tokens, including reasoning: the billed amount.
    pub tokens: Option<RatioChange>,
    /// Ratio of output tokens without reasoning, where both sides report reasoning tokens.
    pub visible_tokens: Option<RatioChange>,
    /// Ratio of characters in the answer: a length that does not depend on a tokenizer.
    pub answer_chars: Option<RatioChange>,
    /// Ratio of reasoning tokens, on the prompts where both sides reason.
    pub reasoning_tokens: Option<RatioChange>,
    /// Ratio of the list price per request, including its prompt.
    pub request_cost: Option<RatioChange>,
    /// Output totals of the candidate.
    pub candidate_output: OutputTotals,
    /// Output totals of the reference.
    pub reference_output: OutputTotals,
    /// The ratio of output tokens on each prompt, largest change first.
    pub prompts: Arc<[(Arc<str>, f64)]>,
}

/// A ratio candidate / reference, with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioChange {
    /// Weighted geometric mean over prompts.
    pub ratio: f64,
    /// Its 95 % interval, for prompts like these; without ends for a single prompt.
    pub interval: Interval,
    /// Prompts with values on both sides.
    pub prompts: u64,
    /// True if the interval excludes 1, on enough prompts for a verdict.
    pub beyond_noise: bool,
}

/// Totals of one side's output, over its answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutputTotals {
    /// Trials answered to the end.
    pub answered: u64,
    /// Answers with a count of output tokens.
    pub answers: u64,
    /// Output tokens of these answers.
    pub tokens: u64,
    /// Answers that report how many of their output tokens are reasoning.
    pub reporting: u64,
    /// Output tokens of the reporting answers.
    pub reporting_tokens: u64,
    /// Reasoning tokens of the reporting answers.
    pub reasoning_tokens: u64,
    /// Answers whose reasoning was hidden, summarised or encrypted.
    pub hidden: u64,
    /// Reasoning tokens of such answers, where reported and not more than the answer's output.
    pub hidden_tokens: u64,
    /// Such answers with more reasoning than output tokens: their counts are unusable.
    pub hidden_contradicting: u64,
    /// Answers that ended at the token limit: they would have been longer.
    pub truncated: u64,
}

impl OutputChange {
    /// Returns true if any length differs beyond the noise.
    pub fn is_notable(&self) -> bool {
        let beyond = |ratio_change: Option<RatioChange>| {
            ratio_change.is_some_and(|ratio_change| ratio_change.beyond_noise)
        };
        beyond(self.tokens)
            || beyond(self.visible_tokens)
            || beyond(self.answer_chars)
            || beyond(self.reasoning_tokens)
    }
}

impl OutputTotals {
    /// Share of reasoning in the output; `None` where no answer reports it.
    pub fn reasoning_share(&self) -> Option<f64> {
        (self.reporting_tokens > 0)
            .then(|| self.reasoning_tokens as f64 / self.reporting_tokens as f64)
    }

    /// Mean output tokens per answer.
    pub fn mean_tokens(&self) -> Option<f64> {
        (self.answers > 0).then(|| self.tokens as f64 / self.answers as f64)
    }

    fn add(&mut self, observed: &Observation) {
        if !observed.answered() {
            return;
        }
        self.answered += 1;
        self.truncated += u64::from(observed.outcome == Outcome::Length);
        if observed.hidden_reasoning {
            self.hidden += 1;
            let tokens = observed.reasoning_tokens.get().unwrap_or(0);
            if observed.output_tokens.get().is_some_and(|all| tokens > all) {
                self.hidden_contradicting += 1;
            } else {
                self.hidden_tokens = self.hidden_tokens.saturating_add(tokens);
            }
        }
        let Some(tokens) = observed.output_tokens.get() else {
            return;
        };
        self.answers += 1;
        self.tokens = self.tokens.saturating_add(tokens);
        // A count of reasoning above the output is not a part of it.
        if let Some(reasoning) = observed
            .reasoning_tokens
            .get()
            .filter(|part| *part <= tokens)
        {
            self.reporting += 1;
            self.reporting_tokens = self.reporting_tokens.saturating_add(tokens);
            self.reasoning_tokens = self.reasoning_tokens.saturating_add(reasoning);
        }
    }
}

/// One prompt with the answers of both sides.
struct PromptPair<'a> {
    id: &'a Arc<str>,
    weight: f64,
    reference: &'a [Observation],
    candidate: &'a [Observation],
}

/// Compares every other variant of a run with its reference, in the order of the suite.
pub fn output_changes_within_run(evidence: &Evidence, reference: &str) -> Vec<OutputChange> {
    let Some(base) = evidence.variant(reference) else {
        return Vec::new();
    };
    let others = evidence
        .variants
        .iter()
        .filter(|one| one.label != reference);
    let others: Vec<&VariantEvidence> = others.collect();
    Threads::for_processors().map(others, |candidate| {
        let keys = evidence.prompts.iter();
        let both = base.prompts.iter().zip(&candidate.prompts);
        let pairs = keys
            .zip(both)
            .map(|(key, (reference, candidate))| PromptPair {
                id: &key.id,
                weight: key.weight,
                reference,
                candidate,
            });
        output_change(
            ComparisonDesign::Interleaved,
            base,
            candidate,
            &pairs.collect::<Vec<_>>(),
        )
    })
}

/// Compares every variant of a run with its counterpart in an earlier run.
pub fn output_changes_between_runs(
    before: &Evidence,
    after: &Evidence,
    comparable: &RunPair,
) -> Vec<OutputChange> {
    // The earlier run's prompts by the digest they have now; the first of several equal ones.
    let mut index_by_digest: HashMap<&str, usize> = HashMap::new();
    for (index, key) in before.prompts.iter().enumerate() {
        let now = comparable.prompts.get(&key.digest).unwrap_or(&key.digest);
        if !now.is_empty() {
            index_by_digest.entry(now).or_insert(index);
        }
    }
    let one = |(then, now): &(String, String)| {
        let (then, now) = (before.variant(then)?, after.variant(now)?);
        let pairs = after.prompts.iter().zip(&now.prompts);
        let pairs = pairs.filter_map(|(key, candidate)| {
            Some(PromptPair {
                id: &key.id,
                weight: key.weight,
                reference: then.prompts.get(*index_by_digest.get(&*key.digest)?)?,
                candidate,
            })
        });
        Some(output_change(
            ComparisonDesign::TwoRuns,
            then,
            now,
            &pairs.collect::<Vec<_>>(),
        ))
    };
    comparable.variants.iter().filter_map(one).collect()
}

fn output_change(
    design: ComparisonDesign,
    reference: &VariantEvidence,
    candidate: &VariantEvidence,
    pairs: &[PromptPair<'_>],
) -> OutputChange {
    let output = |side: for<'p> fn(&'p PromptPair<'_>) -> &'p [Observation]| {
        let mut output = OutputTotals::default();
        for observed in pairs.iter().flat_map(|pair| side(pair)) {
            output.add(observed);
        }
        output
    };
    let tokens = log_ratios(pairs, |one| Some(one.output_tokens.get()?.max(1)));
    let mut prompts: Vec<(Arc<str>, f64)> = (tokens.iter())
        .map(|(pair, log)| (Arc::clone(pair.id), log.exp()))
        .collect();
    // Symmetric: a third as long is as large a change as three times as long.
    let size = |ratio: f64| ratio.ln().abs();
    prompts.sort_by(|a, b| size(b.1).total_cmp(&size(a.1)).then_with(|| a.0.cmp(&b.0)));
    OutputChange {
        design,
        candidate: (candidate.label.clone(), candidate.model.clone()),
        reference: (reference.label.clone(), reference.model.clone()),
        tokens: ratio_change(&tokens),
        visible_tokens: ratio_change(&log_ratios(pairs, |one| {
            let visible = one
                .output_tokens
                .get()?
                .checked_sub(one.reasoning_tokens.get()?)?;
            Some(visible.max(1))
        })),
        // An answer truncated before its first character has no length to compare.
        answer_chars: ratio_change(&log_ratios(pairs, |one| one.answer_chars.get())),
        reasoning_tokens: ratio_change(&log_ratios(pairs, |one| one.reasoning_tokens.get())),
        request_cost: ratio_change(&log_ratios(pairs, |one| {
            u64::try_from(one.cost.get()?.0).ok()
        })),
        candidate_output: output(|pair| pair.candidate),
        reference_output: output(|pair| pair.reference),
        prompts: prompts.into(),
    }
}

/// The logarithm of the ratio of means, for each prompt with a positive mean on both sides.
fn log_ratios<'p, 'a>(
    pairs: &'p [PromptPair<'a>],
    value: impl Fn(&Observation) -> Option<u64>,
) -> Vec<(&'p PromptPair<'a>, f64)> {
    let mean = |observed: &[Observation]| {
        let answered = observed.iter().filter(|one| one.answered());
        let (mut sum, mut n) = (0_u128, 0_u64);
        for value in answered.filter_map(&value) {
            sum += u128::from(value);
            n += 1;
        }
        (n > 0 && sum > 0).then(|| sum as f64 / n as f64)
    };
    let log = |pair: &'p PromptPair<'a>| {
        let (reference, candidate) = (mean(pair.reference)?, mean(pair.candidate)?);
        Some((pair, candidate.ln() - reference.ln()))
    };
    pairs.iter().filter_map(log).collect()
}

fn ratio_change(log_ratios: &[(&PromptPair<'_>, f64)]) -> Option<RatioChange> {
    let (weights, logs): (Vec<f64>, Vec<f64>) = log_ratios
        .iter()
        .map(|(pair, log)| (pair.weight, *log))
        .unzip();
    let mean = Mean::weighted(&logs, &Weights::new(&weights)?)?;
    let interval = mean.interval(Alpha::FIVE_PERCENT);
    Some(RatioChange {
        ratio: mean.estimate.exp(),
        beyond_noise: mean.is_decisive() && !interval.contains(0.0),
        interval: interval.map(f64::exp),
        prompts: logs.len() as u64,
    })
}

#[cfg(test)]
mod tests;
