//! Parameters that an endpoint ignored, as far as the answers of a verification show it.
//!
//! Owns when an answer shows that. Must not know how it is printed. Invariant: an answer that would look the same if the parameter
//! were honoured is no evidence.

use std::collections::BTreeMap;

use crate::record::{Outcome, Sample};
use crate::report::IgnoredParameter;
use crate::suite::{Parameters, ReasoningEffort, Suite};

/// Returns the ignored parameters of each variant, in the suite's order of variants, then by name.
pub(super) fn ignored_parameters(suite: &Suite, samples: &[Sample]) -> Vec<IgnoredParameter> {
    let mut ignored: BTreeMap<(usize, &'static str), (u64, u64)> = BTreeMap::new();
    for sample in samples {
        let variants = suite.variants.iter().enumerate();
        let mut variants = variants.filter(|(_, variant)| variant.label == sample.variant);
        let prompt = suite
            .prompts
            .iter()
            .find(|prompt| prompt.id == sample.prompt);
        if let (Some((index, variant)), Some(prompt)) = (variants.next(), prompt) {
            for (name, is_ignored) in evidence(sample, &suite.parameters_of(prompt, variant)) {
                let counts = ignored.entry((index, name)).or_default();
                counts.0 += u64::from(is_ignored);
                counts.1 += 1;
            }
        }
    }
    let ignored = ignored.into_iter().filter(|(_, (count, _))| *count > 0);
    ignored
        .map(|((index, parameter), (count, answers))| IgnoredParameter {
            variant: suite.variants[index].label.clone(),
            parameter,
            ignored: count,
            answers,
        })
        .collect()
}

/// The parameters about which the answer can say something, each with true if it was ignored.
fn evidence(sample: &Sample, parameters: &Parameters) -> Vec<(&'static str, bool)> {
    if !sample.outcome.answered() {
        return Vec::new();
    }
    let usage = sample.known_usage().unwrap_or_default();
    let limit = parameters.max_tokens.zip(usage.completion_tokens);
    let limit = limit.map(|(limit, written)| written > limit);
    let answer = sample.answer.as_deref();
    let stop = parameters.stop.as_ref().zip(answer);
    let stop = stop.map(|(stop, answer)| stop.iter().any(|text| answer.contains(text.as_str())));
    let format = parameters.response_format.as_ref();
    let kind = format.and_then(|format| format.get("type")?.as_str());
    // An answer that its limit cut is no whole JSON.
    let is_whole = sample.outcome == Outcome::Complete;
    let format = (is_whole && matches!(kind, Some("json_schema" | "json_object" | "json")))
        .then(|| answer.map(|answer| serde_json::from_str::<serde_json::Value>(answer).is_err()))
        .flatten();
    let effort = (parameters.reasoning_effort == Some(ReasoningEffort::None))
        .then(|| usage.reasoning_tokens.map(|tokens| tokens > 0))
        .flatten();
    let shown = [
        ("max_tokens", limit),
        ("stop", stop),
        ("response_format", format),
        ("reasoning_effort", effort),
    ];
    let shown = shown.into_iter();
    shown
        .filter_map(|(name, ignored)| Some((name, ignored?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::Usage;

    /// The ignored parameters by name, of an answer with this text and so many completion and reasoning tokens.
    fn ignored(
        parameters: &Parameters,
        answer: &str,
        completion: u64,
        reasoning: u64,
    ) -> Vec<&'static str> {
        let run = crate::verdict::fixture::manifest(&["a/x"], &["p"], 1);
        let mut sample = crate::verdict::fixture::answered(&run, 0, 400);
        sample.answer = Some(answer.to_owned());
        sample.usage = Some(Usage {
            prompt_tokens: Some(9),
            completion_tokens: Some(completion),
            reasoning_tokens: Some(reasoning),
            ..Usage::default()
        });
        let shown = evidence(&sample, parameters).into_iter();
        shown
            .filter(|(_, ignored)| *ignored)
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn ignored_parameters_are_known_by_the_answer() {
        // A route that ignores a limit costs more than its bound, and one that ignores a schema breaks a program.
        let parameters = Parameters {
            max_tokens: Some(5),
            stop: Some(vec!["END".to_owned()]),
            response_format: Some(json!({ "type": "json_object" })),
            reasoning_effort: Some(ReasoningEffort::None),
            ..Parameters::default()
        };
        assert_eq!(ignored(&parameters, "{}", 5, 0), Vec::<&str>::new());
        assert_eq!(ignored(&parameters, "{}", 6, 0), ["max_tokens"]);
        assert_eq!(ignored(&parameters, "\"END\"", 5, 0), ["stop"]);
        assert_eq!(ignored(&parameters, "Sure!", 5, 0), ["response_format"]);
        assert_eq!(ignored(&parameters, "{}", 5, 1), ["reasoning_effort"]);
        assert_eq!(
            ignored(&Parameters::default(), "Sure! END", 500, 9),
            Vec::<&str>::new()
        );
    }
}
