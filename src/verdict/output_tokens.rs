//! How much longer answers are: output tokens of a candidate against those of its reference, before and
//! after a change of model, and what they were spent on.
//!
//! Owns which answers and prompts take part, and the parts that an output is divided into. Must not know
//! how it is told, nor judge: verdicts on `output_tokens` are those of `compare`. Invariant: swapping the
//! sides inverts every ratio and its interval; a count that a server does not tell is never taken for 0.
//!
//! A prompt counts by the ratio of its two *mean* counts: a bill adds tokens up, so that a few long answers
//! weigh as much as they cost, which the ranks of the verdict's procedure would hide. Over prompts the mean of
//! the logarithms has Student's t, with prompts as the units: repetitions of one say nothing of the next.

use std::collections::HashMap;

use crate::record::Outcome;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::mean::{Mean, Weights};
use crate::units::ModelId;

use super::evidence::{Evidence, Observation, VariantEvidence};
use super::judgement::Situation;
use super::past::Comparable;

/// The output of a candidate against its reference's.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputChange {
    /// Which two are compared: variants of one run, or one variant before and after.
    pub situation: Situation,
    /// Label of the candidate, and its model.
    pub candidate: (String, ModelId),
    /// The same of the reference; across two runs, of the run before.
    pub reference: (String, ModelId),
    /// Of the output tokens, reasoning included: what is paid.
    pub tokens: Option<Change>,
    /// Of the output tokens that are no reasoning, where both sides tell how many are.
    pub visible_tokens: Option<Change>,
    /// Of the characters of the answer: the length that does not depend on a tokenizer.
    pub answer_chars: Option<Change>,
    /// Of the reasoning tokens, on the prompts where both sides reason.
    pub reasoning_tokens: Option<Change>,
    /// Of the list price of a request, its prompt included.
    pub request_cost: Option<Change>,
    /// What the candidate's output was.
    pub candidate_output: Output,
    /// What the reference's output was.
    pub reference_output: Output,
    /// The ratio of output tokens on each prompt, the largest change first.
    pub prompts: Vec<(String, f64)>,
}

/// A ratio, candidate over reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Weighted geometric mean over prompts.
    pub ratio: f64,
    /// Its 95 % interval, for prompts like these; no ends of a single prompt.
    pub interval: Interval,
    /// Prompts with values on both sides.
    pub prompts: u64,
    /// Whether the interval leaves 1 out, on prompts enough to stand on.
    pub beyond_noise: bool,
}

/// What one side's output was made of, over its answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Output {
    /// Answers to the end.
    pub answered: u64,
    /// Of them: with a count of output tokens.
    pub answers: u64,
    /// Their output tokens.
    pub tokens: u64,
    /// Of them: answers that tell how many of these are reasoning.
    pub told: u64,
    /// Output tokens of the answers that tell it.
    pub told_tokens: u64,
    /// Of these: reasoning.
    pub reasoning_tokens: u64,
    /// Answers whose reasoning was hidden, summarised or encrypted.
    pub hidden: u64,
    /// Reasoning tokens of such answers, where they are told and no more than the answer's output.
    pub hidden_tokens: u64,
    /// Of such answers: those with more reasoning than output, whose counts say nothing.
    pub hidden_contradicting: u64,
    /// Answers that the token limit ended: they would have been longer.
    pub cut: u64,
}

impl OutputChange {
    /// Whether any length differs beyond the noise.
    pub fn is_notable(&self) -> bool {
        let beyond = |change: Option<Change>| change.is_some_and(|change| change.beyond_noise);
        beyond(self.tokens)
            || beyond(self.visible_tokens)
            || beyond(self.answer_chars)
            || beyond(self.reasoning_tokens)
    }
}

impl Output {
    /// Share of the output that is reasoning; `None` where no answer tells it.
    pub fn reasoning_share(&self) -> Option<f64> {
        (self.told_tokens > 0).then(|| self.reasoning_tokens as f64 / self.told_tokens as f64)
    }

    /// Output tokens of an answer, on average.
    pub fn mean_tokens(&self) -> Option<f64> {
        (self.answers > 0).then(|| self.tokens as f64 / self.answers as f64)
    }

    fn add(&mut self, observed: &Observation) {
        if !observed.answered() {
            return;
        }
        self.answered += 1;
        self.cut += u64::from(observed.outcome == Outcome::Length);
        if observed.hidden_reasoning {
            self.hidden += 1;
            let tokens = observed.reasoning_tokens.unwrap_or(0);
            if observed.output_tokens.is_some_and(|all| tokens > all) {
                self.hidden_contradicting += 1;
            } else {
                self.hidden_tokens = self.hidden_tokens.saturating_add(tokens);
            }
        }
        let Some(tokens) = observed.output_tokens else {
            return;
        };
        self.answers += 1;
        self.tokens = self.tokens.saturating_add(tokens);
        // More reasoning than output is no division of it.
        if let Some(reasoning) = observed.reasoning_tokens.filter(|part| *part <= tokens) {
            self.told += 1;
            self.told_tokens = self.told_tokens.saturating_add(tokens);
            self.reasoning_tokens = self.reasoning_tokens.saturating_add(reasoning);
        }
    }
}

/// One prompt, as both sides answered it.
struct Pair<'a> {
    id: &'a str,
    weight: f64,
    reference: &'a [Observation],
    candidate: &'a [Observation],
}

/// Every other variant of a run against its reference, in the order of the suite.
pub fn outputs_within(evidence: &Evidence, reference: &str) -> Vec<OutputChange> {
    let Some(base) = evidence.variant(reference) else {
        return Vec::new();
    };
    let others = evidence
        .variants
        .iter()
        .filter(|one| one.label != reference);
    others
        .map(|candidate| {
            let keys = evidence.prompts.iter();
            let both = base.prompts.iter().zip(&candidate.prompts);
            let pairs = keys.zip(both).map(|(key, (reference, candidate))| Pair {
                id: &key.id,
                weight: key.weight,
                reference,
                candidate,
            });
            changed(
                Situation::Interleaved,
                base,
                candidate,
                &pairs.collect::<Vec<_>>(),
            )
        })
        .collect()
}

/// Every variant of a run against the variant of an earlier run that it was laid beside.
pub fn outputs_between(
    before: &Evidence,
    after: &Evidence,
    comparable: &Comparable,
) -> Vec<OutputChange> {
    // Of each prompt of the run before, by the digest it has now; of several alike the first.
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (place, key) in before.prompts.iter().enumerate() {
        let now = comparable.prompts.get(&key.digest).unwrap_or(&key.digest);
        if !now.is_empty() {
            places.entry(now).or_insert(place);
        }
    }
    let one = |(then, now): &(String, String)| {
        let (then, now) = (before.variant(then)?, after.variant(now)?);
        let pairs = after.prompts.iter().zip(&now.prompts);
        let pairs = pairs.filter_map(|(key, candidate)| {
            Some(Pair {
                id: &key.id,
                weight: key.weight,
                reference: then.prompts.get(*places.get(key.digest.as_str())?)?,
                candidate,
            })
        });
        Some(changed(
            Situation::TwoRuns,
            then,
            now,
            &pairs.collect::<Vec<_>>(),
        ))
    };
    comparable.variants.iter().filter_map(one).collect()
}

fn changed(
    situation: Situation,
    reference: &VariantEvidence,
    candidate: &VariantEvidence,
    pairs: &[Pair<'_>],
) -> OutputChange {
    let output = |side: for<'p> fn(&'p Pair<'_>) -> &'p [Observation]| {
        let mut output = Output::default();
        for observed in pairs.iter().flat_map(|pair| side(pair)) {
            output.add(observed);
        }
        output
    };
    let tokens = ratios(pairs, |one| Some(one.output_tokens?.max(1)));
    let mut prompts: Vec<(String, f64)> = (tokens.iter())
        .map(|(pair, log)| (pair.id.to_owned(), log.exp()))
        .collect();
    // Both directions alike: a third as long is as much of a change as three times as long.
    let size = |ratio: f64| ratio.ln().abs();
    prompts.sort_by(|a, b| size(b.1).total_cmp(&size(a.1)).then_with(|| a.0.cmp(&b.0)));
    OutputChange {
        situation,
        candidate: (candidate.label.clone(), candidate.model.clone()),
        reference: (reference.label.clone(), reference.model.clone()),
        tokens: change(&tokens),
        visible_tokens: change(&ratios(pairs, |one| {
            let visible = one.output_tokens?.checked_sub(one.reasoning_tokens?)?;
            Some(visible.max(1))
        })),
        // An answer that was cut before its first character has no length to compare.
        answer_chars: change(&ratios(pairs, |one| one.answer_chars)),
        reasoning_tokens: change(&ratios(pairs, |one| one.reasoning_tokens)),
        request_cost: change(&ratios(pairs, |one| u64::try_from(one.cost?.0).ok())),
        candidate_output: output(|pair| pair.candidate),
        reference_output: output(|pair| pair.reference),
        prompts,
    }
}

/// Of each prompt with a positive mean on both sides, the logarithm of their ratio.
fn ratios<'p, 'a>(
    pairs: &'p [Pair<'a>],
    value: impl Fn(&Observation) -> Option<u64>,
) -> Vec<(&'p Pair<'a>, f64)> {
    let mean = |observed: &[Observation]| {
        let answered = observed.iter().filter(|one| one.answered());
        let (mut sum, mut n) = (0_u128, 0_u64);
        for value in answered.filter_map(&value) {
            sum += u128::from(value);
            n += 1;
        }
        (n > 0 && sum > 0).then(|| sum as f64 / n as f64)
    };
    let log = |pair: &'p Pair<'a>| {
        let (reference, candidate) = (mean(pair.reference)?, mean(pair.candidate)?);
        Some((pair, candidate.ln() - reference.ln()))
    };
    pairs.iter().filter_map(log).collect()
}

fn change(ratios: &[(&Pair<'_>, f64)]) -> Option<Change> {
    let (weights, logs): (Vec<f64>, Vec<f64>) =
        ratios.iter().map(|(pair, log)| (pair.weight, *log)).unzip();
    let mean = Mean::weighted(&logs, &Weights::new(&weights)?)?;
    let interval = mean.interval(Alpha::FIVE_PERCENT);
    Some(Change {
        ratio: mean.estimate.exp(),
        beyond_noise: mean.decides() && !interval.contains(0.0),
        interval: interval.map(f64::exp),
        prompts: logs.len() as u64,
    })
}

#[cfg(test)]
mod tests;
