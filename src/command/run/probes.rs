//! Probes of a verification: tiny requests that show what a route makes of a request's parameters.
//!
//! Owns the probes and what their answers show. Must not know how they are sent or printed. Invariants: a verdict other than
//! [`ParameterVerdict::Unknown`] follows from an answer that would look different otherwise; a probe has a token limit, unless the
//! suite has none to bound its cost with.

use serde_json::{Value, json};

use crate::catalog::is_above_limit;
use crate::engine::unsupported_parameters;
use crate::record::{ErrorReport, Outcome, Sample};
use crate::report::{ParameterCheck, ParameterVerdict};
use crate::suite::{Message, Parameters, Prompt, ReasoningEffort, Role, Suite, Variant, Wording};

/// The token limit whose effect is observed: the smallest that every maker accepts (`OpenAI`'s Responses route refuses less).
const SMALL_LIMIT: u64 = 16;
/// The token limit of other probes: room for the reasoning of a model that cannot answer without.
const LIMIT: u64 = 256;
/// The token limit of probes of the reasoning effort.
const REASONING_LIMIT: u64 = 800;
/// Probes of each effort: one may be three times as long as another by chance.
const EFFORT_PROBES: usize = 2;
/// The least ratio of reasoning at high effort to that at low effort that shows an effect. Makers' own figures are 3 to 10.
const HONOURED_RATIO: u64 = 3;
/// The ratio, in halves, up to which it shows that there is none.
const IGNORED_RATIO_HALVES: u64 = 3;
/// Fewest tokens of reasoning whose ratio means anything.
const MIN_REASONING: u64 = 32;

/// A text of 80 tokens, of which every part is known.
const COUNT: &str = "Count from 1 to 40 in digits, separated by single spaces. Write nothing else.";
/// The last number of the count.
const LAST: &str = "40";
/// The number before which the count is stopped, and the one before that.
const STOP: (&str, &str) = ("7", "6");
/// The key that the schema of an answer requires.
const SCHEMA_KEY: &str = "city";

/// The checked parameters, by their names in the suite.
const PARAMETERS: [&str; 5] = [
    "max_tokens",
    "stop",
    "response_format",
    "seed",
    "reasoning_effort",
];

/// A probe of one parameter.
#[derive(Debug, Clone)]
struct Probe {
    parameter: &'static str,
    text: &'static str,
    parameters: Parameters,
}

fn probes() -> Vec<Probe> {
    let limited = |limit| Parameters {
        max_tokens: Some(limit),
        ..Parameters::default()
    };
    let probe = |parameter, text, parameters| Probe {
        parameter,
        text,
        parameters,
    };
    let format = json!({ "type": "json_schema", "json_schema": {
        "name": "capital", "strict": true, "schema": {
            "type": "object", "properties": { SCHEMA_KEY: { "type": "string" } },
            "required": [SCHEMA_KEY], "additionalProperties": false } } });
    let mut all = vec![
        probe("max_tokens", COUNT, limited(SMALL_LIMIT)),
        probe(
            "stop",
            COUNT,
            Parameters {
                stop: Some(vec![STOP.0.to_owned()]),
                ..limited(LIMIT)
            },
        ),
        probe(
            "response_format",
            "Which city is the capital of France? Answer in a sentence.",
            Parameters {
                response_format: Some(format),
                ..limited(LIMIT)
            },
        ),
    ];
    // The same seed twice, then another one: a model that always answers alike shows nothing.
    all.extend([11, 11, 12].map(|seed| {
        let text = "Invent a name for a small town and describe it in one sentence.";
        let parameters = Parameters {
            seed: Some(seed),
            ..limited(LIMIT)
        };
        probe("seed", text, parameters)
    }));
    let efforts = [ReasoningEffort::Low, ReasoningEffort::High];
    all.extend(efforts.into_iter().flat_map(|effort| {
        let text = "How many of the numbers from 1 to 60 are divisible by 3 or by 7, and not by 4? Answer with the number alone.";
        let parameters = Parameters {
            reasoning_effort: Some(effort),
            ..limited(REASONING_LIMIT)
        };
        vec![probe("reasoning_effort", text, parameters); EFFORT_PROBES]
    }));
    all
}

/// The suite of the probes of these variants, one prompt for each, and the parameters that the route cannot express.
pub(super) fn probe_suite(
    suite: &Suite,
    variants: Vec<Variant>,
    wording: Wording,
) -> (Suite, Vec<&'static str>) {
    // Of a variant's own parameters those count that decide who answers.
    let variants: Vec<Variant> = variants
        .into_iter()
        .map(|variant| {
            let own = &variant.parameters;
            let parameters = Parameters {
                max_tokens_name: own.max_tokens_name,
                provider_options: own.provider_options.clone(),
                extra: own.extra.clone(),
                ..Parameters::default()
            };
            Variant {
                parameters,
                system: None,
                ..variant
            }
        })
        .collect();
    let prompts = probes().into_iter().enumerate();
    let prompts = prompts.map(|(index, probe)| {
        let id = format!("{}-{index}", probe.parameter);
        Prompt {
            parameters: probe.parameters.into(),
            ..Prompt::new(id, vec![Message::text(Role::User, probe.text)])
        }
    });
    let parameters = Parameters {
        max_tokens: Some(LIMIT),
        max_tokens_name: suite.parameters.max_tokens_name,
        provider_options: suite.parameters.provider_options.clone(),
        extra: suite.parameters.extra.clone(),
        ..Parameters::default()
    };
    let probes = suite.with_own_requests(variants, parameters, prompts.collect());
    let is_expressible = |parameter: &str| {
        let of_parameter = |prompt: &&Prompt| parameter_of(&prompt.id) == Some(parameter);
        let prompts = probes
            .prompts
            .iter()
            .filter(of_parameter)
            .cloned()
            .collect();
        let alone = Suite {
            prompts,
            ..probes.clone()
        };
        unsupported_parameters(&alone, wording).is_empty()
    };
    let absent = PARAMETERS
        .into_iter()
        .filter(|parameter| !is_expressible(parameter));
    let absent: Vec<&'static str> = absent.collect();
    let is_sent = |prompt: &Prompt| {
        parameter_of(&prompt.id).is_some_and(|parameter| !absent.contains(&parameter))
    };
    let mut sent = probes.clone();
    sent.prompts.retain(is_sent);
    (sent, absent)
}

/// Returns true if the probe with this id is that of the token limit.
pub(super) fn is_limit_probe(prompt: &str) -> bool {
    parameter_of(prompt) == Some(PARAMETERS[0])
}

/// The place of a probe among all of them, by the id of its prompt.
fn place_of(prompt: &str) -> Option<usize> {
    prompt.rsplit_once('-')?.1.parse().ok()
}

/// The parameter that a probe is for, by the id of its prompt.
fn parameter_of(prompt: &str) -> Option<&'static str> {
    let (name, _) = prompt.rsplit_once('-')?;
    PARAMETERS.into_iter().find(|parameter| *parameter == name)
}

/// Returns the verdict of the probes on each parameter, by variant in this order; `absent` are those that were not sent.
pub(super) fn check_parameters(
    variants: &[Variant],
    absent: &[&'static str],
    samples: &[Sample],
) -> Vec<ParameterCheck> {
    let checks = variants.iter().flat_map(|variant| {
        let mut refusal_of_limit = None;
        PARAMETERS.map(|parameter| {
            let mut answers: Vec<&Sample> = samples
                .iter()
                .filter(|sample| sample.variant == variant.label)
                .filter(|sample| parameter_of(&sample.prompt) == Some(parameter))
                .collect();
            // The plan shuffles prompts.
            answers.sort_by_key(|sample| place_of(&sample.prompt));
            let is_limit = parameter == PARAMETERS[0];
            let (verdict, detail) = if absent.contains(&parameter) {
                (
                    ParameterVerdict::NotSent,
                    "the route has no such parameter".to_owned(),
                )
            } else {
                match judge(parameter, &answers) {
                    // Every probe has a token limit.
                    (ParameterVerdict::Refused, detail)
                        if refusal_of_limit.as_ref() == Some(&detail) =>
                    {
                        unknown("its probe was refused for `max_tokens`")
                    }
                    judged => judged,
                }
            };
            if is_limit && verdict == ParameterVerdict::Refused {
                refusal_of_limit = Some(detail.clone());
            }
            ParameterCheck {
                variant: variant.label.clone(),
                parameter,
                verdict,
                detail,
            }
        })
    });
    checks.collect()
}

/// The verdict on one parameter, and its reason.
fn judge(parameter: &'static str, answers: &[&Sample]) -> (ParameterVerdict, String) {
    let refused = answers.iter().find(|sample| is_refusal(sample));
    if let Some(refused) = refused {
        return (ParameterVerdict::Refused, words(refused.error.as_ref()));
    }
    if let Some(failed) = answers.iter().find(|sample| !sample.outcome.answered()) {
        let word = failed.outcome.word();
        return unknown(&format!("a probe ended with `{word}`"));
    }
    match (parameter, answers) {
        ("max_tokens", [answer]) => limit(answer),
        ("stop", [answer]) => stop(answer),
        ("response_format", [answer]) => format(answer),
        ("seed", [first, again, other]) => seed([first, again, other]),
        ("reasoning_effort", answers) if answers.len() == 2 * EFFORT_PROBES => effort(answers),
        _ => unknown("a probe was not sent"),
    }
}

/// Returns true if the server refused the request for what it says.
fn is_refusal(sample: &Sample) -> bool {
    sample.outcome == Outcome::Rejected
}

fn words(error: Option<&ErrorReport>) -> String {
    error.map_or_else(String::new, |error| error.message.clone())
}

fn unknown(why: &str) -> (ParameterVerdict, String) {
    (ParameterVerdict::Unknown, why.to_owned())
}

fn honoured(why: String) -> (ParameterVerdict, String) {
    (ParameterVerdict::Honoured, why)
}

fn ignored(why: String) -> (ParameterVerdict, String) {
    (ParameterVerdict::Ignored, why)
}

fn text(sample: &Sample) -> &str {
    sample.answer.as_deref().unwrap_or_default()
}

/// Returns true if a text has this number as a word of its own.
fn has_number(text: &str, number: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit())
        .any(|word| word == number)
}

fn limit(answer: &Sample) -> (ParameterVerdict, String) {
    let written = answer
        .known_usage()
        .and_then(|usage| usage.completion_tokens);
    let is_above = written.is_some_and(|written| is_above_limit(written, SMALL_LIMIT));
    let count = written.map_or_else(
        || "an unknown number of".to_owned(),
        |written| written.to_string(),
    );
    if is_above || has_number(text(answer), LAST) {
        return ignored(format!("{count} tokens at a limit of {SMALL_LIMIT}"));
    }
    if answer.outcome == Outcome::Length {
        return honoured(format!("{count} tokens at a limit of {SMALL_LIMIT}"));
    }
    unknown("the answer ended before its limit")
}

fn stop(answer: &Sample) -> (ParameterVerdict, String) {
    let (stop, before) = STOP;
    if text(answer).contains(stop) {
        return ignored(format!("the answer goes on behind `{stop}`"));
    }
    if answer.outcome == Outcome::Complete && has_number(text(answer), before) {
        return honoured(format!("the answer ends before `{stop}`"));
    }
    unknown("the answer does not reach the stop text")
}

fn format(answer: &Sample) -> (ParameterVerdict, String) {
    if answer.outcome == Outcome::Length {
        return unknown("the answer was cut by its limit");
    }
    match serde_json::from_str::<Value>(text(answer)) {
        Ok(value) if value[SCHEMA_KEY].is_string() => {
            honoured("an answer by the schema".to_owned())
        }
        Ok(_) => ignored("JSON, but not by the schema".to_owned()),
        Err(_) => ignored("an answer that is not JSON".to_owned()),
    }
}

fn seed([first, again, other]: [&Sample; 3]) -> (ParameterVerdict, String) {
    if [first, again, other]
        .iter()
        .any(|answer| text(answer).is_empty())
    {
        return unknown("an answer has no text");
    }
    match (text(first) == text(again), text(first) == text(other)) {
        (false, _) => ignored("one seed gave two answers".to_owned()),
        (true, false) => honoured("one seed gave one answer, another seed another one".to_owned()),
        (true, true) => unknown("every seed gave the same answer"),
    }
}

fn effort(answers: &[&Sample]) -> (ParameterVerdict, String) {
    let reasoning = |answers: &[&Sample]| {
        let tokens = answers.iter().map(|answer| {
            let usage = answer.known_usage()?;
            usage.reasoning_tokens
        });
        tokens.sum::<Option<u64>>()
    };
    let (low, high) = answers.split_at(EFFORT_PROBES);
    let (Some(low_tokens), Some(high_tokens)) = (reasoning(low), reasoning(high)) else {
        return unknown("no tokens of reasoning are reported");
    };
    let detail = format!("{low_tokens} tokens of reasoning at low effort, {high_tokens} at high");
    if high_tokens.max(low_tokens) < MIN_REASONING {
        return unknown(&detail);
    }
    // An answer that its limit cut would have reasoned longer, which matters only below.
    let is_cut = |answers: &[&Sample]| answers.iter().any(|one| one.outcome == Outcome::Length);
    if high_tokens >= low_tokens.saturating_mul(HONOURED_RATIO) && !is_cut(low) {
        return honoured(detail);
    }
    if 2 * high_tokens <= low_tokens.saturating_mul(IGNORED_RATIO_HALVES) && !is_cut(high) {
        return ignored(detail);
    }
    unknown(&detail)
}
