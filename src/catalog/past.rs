//! The cost history: what past runs say about the cost of the next one.
//!
//! Owns the matching of past answers to a prompt, and the errors of past estimates. Must not know where past
//! runs are stored. Invariant: nothing is extrapolated to a model or prompt without data.

use std::collections::HashMap;

use crate::units::{ModelId, Usd};

/// Facts from earlier runs of a suite at an endpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CostHistory {
    /// Completion tokens of answers.
    answers: HashMap<(VariantKey, AnswerClass), Vec<u64>>,
    /// Prompt tokens per request, by family: our count, and the server's.
    families: HashMap<String, (f64, f64)>,
    /// Actual over estimated cost, one per run whose answers were estimated from past ones.
    ratios: HashMap<VariantKey, Vec<f64>>,
    /// Actual over estimated cost of whole runs.
    run_ratios: Vec<f64>,
}

/// Maximum plausible factor between our count of prompt tokens and the server's, either way: beyond it
/// there is an image, or a server that does not count.
const MAX_COUNT_RATIO: f64 = 4.0;

/// The label of a variant and its model: a label may have stood for another model.
type VariantKey = (String, ModelId);

/// A class of similar answers, the most similar first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum AnswerClass {
    /// Answers to the same prompt.
    Prompt(String),
    /// Answers to prompts with the same tags, at least one.
    Tags(Vec<String>),
    /// Answers to any prompt.
    Any,
}

/// One answer of an earlier run.
#[derive(Debug, Clone, Copy)]
pub struct PastAnswer<'a> {
    /// Label of the variant that gave it.
    pub variant: &'a str,
    /// Its model.
    pub model: &'a ModelId,
    /// Digest of the prompt.
    pub prompt_digest: &'a str,
    /// The prompt's tags.
    pub tags: &'a [String],
    /// Completion tokens, reasoning included.
    pub completion_tokens: u64,
}

/// The estimate for a variant of an earlier run, and its actual cost.
#[derive(Debug, Clone, Copy)]
pub struct PastVariant<'a> {
    /// Its label.
    pub variant: &'a str,
    /// Its model.
    pub model: &'a ModelId,
    /// Number of estimated requests.
    pub requests: u64,
    /// Their prompt tokens by our count, before any correction; absent if they were not counted.
    pub counted_prompt_tokens: Option<u64>,
    /// Number of them whose answer length was estimated from past answers.
    pub learned: u64,
    /// Their cost before any correction; absent if no price was known.
    pub list: Option<Usd>,
    /// Number of requests with a known cost, and the sum of these costs.
    pub costed: (u64, Usd),
    /// Number of requests with known prompt tokens, and the sum of these tokens.
    pub measured: (u64, u64),
}

/// The class of past answers that an answer's length was estimated from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerMatch {
    /// Answers to the same prompt.
    Prompt,
    /// Answers to prompts with the same tags.
    Tags,
    /// Answers to any prompt of the suite.
    Any,
}

impl CostHistory {
    /// Returns true if the length of any answer is known.
    pub fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Adds the length of an answer.
    pub fn add_answer(&mut self, answer: &PastAnswer<'_>) {
        let key = || (answer.variant.to_owned(), answer.model.clone());
        let tags = (!answer.tags.is_empty()).then(|| tags_class(answer.tags));
        let classes = [
            Some(AnswerClass::Prompt(answer.prompt_digest.to_owned())),
            tags,
            Some(AnswerClass::Any),
        ];
        for class in classes.into_iter().flatten() {
            let lengths = self.answers.entry((key(), class)).or_default();
            lengths.push(answer.completion_tokens);
        }
    }

    /// Adds the error of the estimate of a complete run. A run whose answer lengths were guessed contributes only
    /// its answer lengths: the error of its guess says nothing about later estimates, which do not guess.
    pub fn add_run(&mut self, variants: &[PastVariant<'_>]) {
        let (mut estimated, mut actual, mut guessed) = (0.0, 0.0, false);
        for variant in variants {
            if variant.requests == 0 {
                continue;
            }
            let requests = variant.requests as f64;
            let (measured, prompt_tokens) = variant.measured;
            if let Some(counted) = variant.counted_prompt_tokens
                && measured > 0
            {
                let counted = counted as f64 / requests;
                let server_count = prompt_tokens as f64 / measured as f64;
                if MAX_COUNT_RATIO.recip() * counted <= server_count
                    && server_count <= MAX_COUNT_RATIO * counted
                {
                    let family = family(variant.model).to_owned();
                    let sums = self.families.entry(family).or_default();
                    sums.0 += counted;
                    sums.1 += server_count;
                }
            }
            let (costed, cost) = variant.costed;
            if let Some(list) = variant.list
                && costed > 0
                && list > Usd::ZERO
            {
                if variant.learned < variant.requests {
                    guessed = true;
                    continue;
                }
                // For requests with an unknown cost, the mean of the others is the best guess.
                let whole = cost.as_f64() / costed as f64 * requests;
                estimated += list.as_f64();
                actual += whole;
                let key = (variant.variant.to_owned(), variant.model.clone());
                let ratios = self.ratios.entry(key).or_default();
                ratios.push(whole / list.as_f64());
            }
        }
        if estimated > 0.0 && !guessed {
            self.run_ratios.push(actual / estimated);
        }
    }

    /// The median length of each class of answers, the midpoint of the two middle ones for an even count: with the
    /// upper one, estimates would sink with more answers, and the bound with them.
    pub(super) fn medians(&self) -> Medians {
        let median = |lengths: &Vec<u64>| {
            let mut lengths = lengths.clone();
            let middle = lengths.len() / 2;
            let even = lengths.len().is_multiple_of(2);
            let (below, upper, _) = lengths.select_nth_unstable(middle);
            let lower = below.iter().max().filter(|_| even).unwrap_or(upper);
            lower.midpoint(*upper)
        };
        let all = self.answers.iter();
        Medians(
            all.map(|(class, lengths)| (class.clone(), median(lengths)))
                .collect(),
        )
    }

    /// The correction factor for a count of prompt tokens; 1 for a family without data.
    pub(super) fn correction(&self, model: &ModelId) -> f64 {
        let sums = self.families.get(family(model));
        sums.filter(|(counted, _)| *counted > 0.0)
            .map_or(1.0, |(counted, actual)| actual / counted)
    }

    /// Actual over estimated cost of a variant in past runs.
    pub(super) fn ratios(&self, variant: &str, model: &ModelId) -> &[f64] {
        let key = (variant.to_owned(), model.clone());
        self.ratios.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Actual over estimated cost of past runs.
    pub(super) fn run_ratios(&self) -> &[f64] {
        &self.run_ratios
    }
}

/// The median lengths of past answers.
pub(super) struct Medians(HashMap<(VariantKey, AnswerClass), u64>);

impl Medians {
    /// The median length of similar past answers, and their class.
    pub(super) fn answer(
        &self,
        (variant, model): (&str, &ModelId),
        prompt_digest: &str,
        tags: &[String],
    ) -> Option<(u64, AnswerMatch)> {
        if self.0.is_empty() {
            return None;
        }
        let key = (variant.to_owned(), model.clone());
        let classes = [
            (
                AnswerClass::Prompt(prompt_digest.to_owned()),
                AnswerMatch::Prompt,
            ),
            (tags_class(tags), AnswerMatch::Tags),
            (AnswerClass::Any, AnswerMatch::Any),
        ];
        let mut classes = classes.into_iter();
        classes.find_map(|(class, answer_match)| {
            let median = self.0.get(&(key.clone(), class))?;
            Some((*median, answer_match))
        })
    }
}

fn tags_class(tags: &[String]) -> AnswerClass {
    let mut tags = tags.to_vec();
    tags.sort_unstable();
    AnswerClass::Tags(tags)
}

/// The family of a model: models of one maker share a tokenizer.
fn family(model: &ModelId) -> &str {
    let id = model.as_str();
    id.split_once('/').map_or(id, |(maker, _)| maker)
}
