//! What past runs teach about the next one's cost.
//!
//! Owns which past answers are like a prompt's, and how far estimates were off. Must not know where past
//! runs are kept. Invariant: what was never seen is not guessed here.

use std::collections::HashMap;

use crate::units::{ModelId, Usd};

/// What is known of earlier runs of a suite at an endpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// Completion tokens of answers.
    answers: HashMap<(Who, Class), Vec<u64>>,
    /// Prompt tokens a request: as counted, and as the server counted them.
    families: HashMap<String, (f64, f64)>,
    /// Actual cost over what was estimated, one a run whose answers were estimated by past ones.
    ratios: HashMap<Who, Vec<f64>>,
    /// The same of whole runs.
    run_ratios: Vec<f64>,
}

/// How many times as many prompt tokens as were counted, or as few, a vocabulary makes: what lies further
/// apart is an image, or a server that does not count.
const MOST_APART: f64 = 4.0;

/// A label and its model: a label may have stood for another model.
type Who = (String, ModelId);

/// What makes an answer like another, the most alike first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Class {
    /// The same prompt.
    Prompt(String),
    /// The same tags, at least one.
    Tags(Vec<String>),
    /// Any prompt.
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
    /// Reasoning included.
    pub completion_tokens: u64,
}

/// What was estimated for a variant of an earlier run, and what it came to.
#[derive(Debug, Clone, Copy)]
pub struct PastVariant<'a> {
    /// Its label.
    pub variant: &'a str,
    /// Its model.
    pub model: &'a ModelId,
    /// Requests that were estimated.
    pub requests: u64,
    /// Their prompt tokens as counted, before any correction.
    pub counted_prompt_tokens: u64,
    /// Those of them whose answers were expected to be as long as past ones.
    pub learned: u64,
    /// Their cost before any correction of sums; absent: no price was known.
    pub list: Option<Usd>,
    /// Requests whose cost is known, and their cost.
    pub costed: (u64, Usd),
    /// Requests whose prompt tokens are known, and those.
    pub measured: (u64, u64),
}

/// How much of the tags or prompt an answer's length was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// Answers to the same prompt.
    Prompt,
    /// Answers to prompts with the same tags.
    Tags,
    /// Answers to any prompt of the suite.
    Any,
}

impl Past {
    /// Learns how long an answer was.
    pub fn add_answer(&mut self, answer: &PastAnswer<'_>) {
        let who = || (answer.variant.to_owned(), answer.model.clone());
        let tags = (!answer.tags.is_empty()).then(|| tags_of(answer.tags));
        let classes = [
            Some(Class::Prompt(answer.prompt_digest.to_owned())),
            tags,
            Some(Class::Any),
        ];
        for class in classes.into_iter().flatten() {
            let lengths = self.answers.entry((who(), class)).or_default();
            lengths.push(answer.completion_tokens);
        }
    }

    /// Learns how far the estimate of a complete run was off. A run whose answers were guessed teaches how
    /// long they are, and that is all: what its guess was off is no matter of estimates that guess no more.
    pub fn add_run(&mut self, variants: &[PastVariant<'_>]) {
        let (mut estimated, mut actual, mut guessed) = (0.0, 0.0, false);
        for past in variants {
            if past.requests == 0 {
                continue;
            }
            let requests = past.requests as f64;
            let (measured, prompt_tokens) = past.measured;
            if measured > 0 {
                let counted = past.counted_prompt_tokens as f64 / requests;
                let told = prompt_tokens as f64 / measured as f64;
                if MOST_APART.recip() * counted <= told && told <= MOST_APART * counted {
                    let family = family(past.model).to_owned();
                    let sums = self.families.entry(family).or_default();
                    sums.0 += counted;
                    sums.1 += told;
                }
            }
            let (costed, cost) = past.costed;
            if let Some(list) = past.list
                && costed > 0
                && list > Usd::ZERO
            {
                if past.learned < past.requests {
                    guessed = true;
                    continue;
                }
                // Of a request whose cost nobody knows, the others' mean is the best guess.
                let whole = cost.as_f64() / costed as f64 * requests;
                estimated += list.as_f64();
                actual += whole;
                let who = (past.variant.to_owned(), past.model.clone());
                let ratios = self.ratios.entry(who).or_default();
                ratios.push(whole / list.as_f64());
            }
        }
        if estimated > 0.0 && !guessed {
            self.run_ratios.push(actual / estimated);
        }
    }

    /// The middle of each class of answers, between the two where they are even in number: with the upper
    /// one estimates would sink as answers become more, and the bound with them.
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

    /// By what to multiply a count of prompt tokens; 1 where the family was never measured.
    pub(super) fn correction(&self, model: &ModelId) -> f64 {
        let sums = self.families.get(family(model));
        sums.filter(|(counted, _)| *counted > 0.0)
            .map_or(1.0, |(counted, actual)| actual / counted)
    }

    /// Actual over estimated cost of a variant in past runs.
    pub(super) fn ratios(&self, variant: &str, model: &ModelId) -> &[f64] {
        let who = (variant.to_owned(), model.clone());
        self.ratios.get(&who).map_or(&[], Vec::as_slice)
    }

    /// Actual over estimated cost of past runs.
    pub(super) fn run_ratios(&self) -> &[f64] {
        &self.run_ratios
    }
}

/// How long past answers were.
pub(super) struct Medians(HashMap<(Who, Class), u64>);

impl Medians {
    /// The median length of past answers like this one, and how like they are.
    pub(super) fn answer(
        &self,
        (variant, model): (&str, &ModelId),
        prompt_digest: &str,
        tags: &[String],
    ) -> Option<(u64, Likeness)> {
        if self.0.is_empty() {
            return None;
        }
        let who = (variant.to_owned(), model.clone());
        let classes = [
            (Class::Prompt(prompt_digest.to_owned()), Likeness::Prompt),
            (tags_of(tags), Likeness::Tags),
            (Class::Any, Likeness::Any),
        ];
        let mut classes = classes.into_iter();
        classes.find_map(|(class, likeness)| {
            let median = self.0.get(&(who.clone(), class))?;
            Some((*median, likeness))
        })
    }
}

fn tags_of(tags: &[String]) -> Class {
    let mut tags = tags.to_vec();
    tags.sort_unstable();
    Class::Tags(tags)
}

/// Models that cut text alike: those of one maker.
fn family(model: &ModelId) -> &str {
    let id = model.as_str();
    id.split_once('/').map_or(id, |(maker, _)| maker)
}
