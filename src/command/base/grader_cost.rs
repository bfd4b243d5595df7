//! The expected cost of the models that grade answers: the judge, and the model of embeddings.
//!
//! Owns the count of their requests and tokens. Must not know who prints them. Invariant: what grades nothing is not in the list, and
//! a model without a price has no cost, not 0.

use std::collections::HashMap;

use crate::catalog::{
    Catalog, CostEstimate, CostHistory, CountedPrompts, EstimateInputs, GraderEstimate,
    TokenCounts, TokenPrices, Vocabularies, WorstCase, cost, expected_reasoning, prompt_tokens,
};
use crate::grade::judge_request;
use crate::suite::{Check, Message, Prompt, Role, Suite, Variant};
use crate::units::{ModelId, Usd};

/// Tokens of a verdict: a number and a short sentence.
const VERDICT_TOKENS: u64 = 80;
/// One verdict of so many is requested a second time.
pub(in crate::command) const REPEAT_EVERY: u64 = 10;

/// The graders of a suite, by an estimate of its answers.
pub(in crate::command) fn graders(
    suite: &Suite,
    catalog: &Catalog,
    answers: &CostEstimate,
) -> Vec<GraderEstimate> {
    let judge = suite.judge.as_ref();
    let judge = judge.and_then(|judge| judge_estimate(suite, judge, catalog, answers));
    let model = suite.embedding_model.as_ref();
    let model = model.and_then(|model| embedding_estimate(suite, model, catalog, answers));
    [judge, model].into_iter().flatten().collect()
}

/// The graders of a suite of which no past run is known.
pub(in crate::command) fn graders_before_runs(
    suite: &Suite,
    catalog: &Catalog,
) -> Vec<GraderEstimate> {
    if suite.judge.is_none() && suite.embedding_model.is_none() {
        return Vec::new();
    }
    let answers = EstimateInputs {
        suite,
        vocabularies: &Vocabularies::default(),
        counted: CountedPrompts::None,
        prompt_digests: &[],
        repetitions: &vec![suite.repetitions; suite.prompts.len()],
        catalog,
        past: &CostHistory::default(),
        // What the answers cost at most is not used.
        worst: WorstCase::new(suite, |_, _| Ok(Usd::ZERO)),
    }
    .estimate();
    graders(suite, catalog, &answers)
}

fn judge_estimate(
    suite: &Suite,
    judge: &Variant,
    catalog: &Catalog,
    answers: &CostEstimate,
) -> Option<GraderEstimate> {
    let rubrics = |prompt: &Prompt| -> Vec<String> {
        let checks = prompt.asserts.as_slice().iter();
        let rubrics = checks.filter_map(|assert| match &assert.check {
            Check::Judge { rubric, .. } => Some(rubric.clone()),
            _ => None,
        });
        rubrics.collect()
    };
    let verdict = VERDICT_TOKENS + u64::from(expected_reasoning(judge.parameters.reasoning_effort));
    let max = judge.parameters.max_tokens.unwrap_or(verdict);
    let mut sums = GraderSums::new(&judge.model, catalog);
    for (index, prompt) in suite.prompts.iter().enumerate() {
        for rubric in rubrics(prompt) {
            let request = judge_request(suite.system.as_deref(), prompt, "", &rubric);
            let shown =
                sums.tokens(Role::User, &request.text) + sums.tokens(Role::System, &request.system);
            for (count, tokens) in answers_to(answers, index) {
                sums.add(count, shown + tokens, verdict.min(max));
            }
        }
    }
    sums.into_estimate("judge", REPEAT_EVERY)
}

fn embedding_estimate(
    suite: &Suite,
    model: &ModelId,
    catalog: &Catalog,
    answers: &CostEstimate,
) -> Option<GraderEstimate> {
    let mut sums = GraderSums::new(model, catalog);
    // Equal texts are sent once.
    let mut texts: HashMap<String, u64> = HashMap::new();
    for (index, prompt) in suite.prompts.iter().enumerate() {
        for assert in prompt.asserts.as_slice() {
            let Check::Similar { values, .. } = &assert.check else {
                continue;
            };
            for value in values {
                let count = || sums.tokens(Role::User, value);
                texts.entry(value.clone()).or_insert_with(count);
            }
            for (count, tokens) in answers_to(answers, index) {
                sums.add(count, tokens, 0);
            }
        }
    }
    sums.add_tokens(texts.into_values().sum());
    sums.into_estimate("embedding_model", u64::MAX)
}

/// The number of answers of each variant to the prompt at this index, and the expected tokens of one.
fn answers_to(answers: &CostEstimate, index: usize) -> impl Iterator<Item = (u64, u64)> {
    let variants = answers.variants.iter();
    let prompts = variants.filter_map(move |of| of.prompts.get(index));
    prompts.map(|one| (one.requests.into(), one.answer_tokens()))
}

/// The requests to one grader.
struct GraderSums<'c> {
    model: ModelId,
    prices: Option<&'c TokenPrices>,
    vocabularies: Vocabularies,
    gradings: u64,
    expected: Option<Usd>,
}

impl<'c> GraderSums<'c> {
    fn new(model: &ModelId, catalog: &'c Catalog) -> Self {
        Self {
            model: model.clone(),
            prices: catalog.get(model).and_then(|listed| listed.prices.as_ref()),
            vocabularies: Vocabularies::default(),
            gradings: 0,
            expected: Some(Usd::ZERO),
        }
    }

    /// The tokens of a message; 0 without a price, where no count is used.
    fn tokens(&self, role: Role, text: &str) -> u64 {
        let message = [Message::text(role, text)];
        let count = || prompt_tokens(&self.vocabularies, &self.model, &message, &[]).tokens;
        self.prices.map_or(0, |_| count())
    }

    /// Adds so many gradings with these tokens each.
    fn add(&mut self, gradings: u64, prompt: u64, completion: u64) {
        self.gradings += gradings;
        self.add_cost(gradings, prompt, completion);
    }

    /// Adds prompt tokens that belong to no single grading.
    fn add_tokens(&mut self, prompt: u64) {
        self.add_cost(1, prompt, 0);
    }

    fn add_cost(&mut self, count: u64, prompt: u64, completion: u64) {
        let counts = TokenCounts {
            prompt,
            completion,
            ..TokenCounts::default()
        };
        let each = self.prices.and_then(|prices| cost(prices, &counts));
        let all = each.and_then(|each| each.times(count));
        self.expected = self.expected.zip(all).and_then(|(sum, all)| sum.plus(all));
    }

    fn into_estimate(self, key: &'static str, repeat_every: u64) -> Option<GraderEstimate> {
        let again = |usd: Usd| Usd(usd.0 + usd.0 / i128::from(repeat_every));
        (self.gradings > 0).then(|| GraderEstimate {
            key,
            model: self.model,
            gradings: self.gradings,
            expected: self.expected.map(again),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::parse_suite;

    const SUITE: &str = r#"
name = "x"
models = ["openai/gpt-5-mini", "openai/gpt-4.1-nano"]
judge = "anthropic/claude-haiku-4.5"
embedding_model = "openai/text-embedding-3-small"
repetitions = 5
[parameters]
max_tokens = 400
[[prompts]]
id = "graded"
user = "Hello?"
assert = [{ type = "judge", rubric = "Polite." }, { type = "similar", value = "Hello." }]
[[prompts]]
id = "plain"
user = "Hello?"
"#;

    #[test]
    fn graders_are_paid_for_each_answer_that_they_grade() {
        // Two models, five repetitions, one of two prompts: ten verdicts, of which one is requested twice.
        let catalog = Catalog::snapshot();
        let found = graders_before_runs(&parse_suite(SUITE).unwrap(), &catalog);
        let [judge, embedding] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!((judge.key, judge.gradings), ("judge", 10));
        assert_eq!((embedding.key, embedding.gradings), ("embedding_model", 10));
        // At $1 and $5 a million tokens: some 300 tokens of instructions, 100 of an answer, 80 of a verdict.
        let usd = judge.expected.unwrap().as_f64();
        assert!((0.007..0.012).contains(&usd), "{usd}");
        let twice = SUITE.replace("repetitions = 5", "repetitions = 10");
        let twice = graders_before_runs(&parse_suite(&twice).unwrap(), &catalog);
        assert_eq!(twice[0].expected, judge.expected.unwrap().times(2));
        let without = SUITE.replace("{ type = \"judge\", rubric = \"Polite.\" }, ", "");
        let without = graders_before_runs(&parse_suite(&without).unwrap(), &catalog);
        assert_eq!(without.len(), 1);
    }
}
