//! Checks, compiled, and what each finds in an answer.
//!
//! Owns the reading of a sample by each type of assert. Must not know negations, weights or names. Invariant:
//! patterns and schemas are compiled once; one that does not compile makes its grade fail with that reason.

use std::borrow::Cow;

use regex::Regex;
use serde_json::Value;

use super::extract::Extractor;
use super::finding::CheckFinding;
use super::json::json_values;
use super::overlap::{Edits, bleu, edits, rouge_n};
use super::refusal::refusing_phrase;
use crate::record::{Outcome, Sample, ToolCall};
use crate::suite::{AnswerSchema, Assert, Check, Extract, TextsCheck, compile_pattern};
use crate::units::{Nanos, plural};

/// Bytes of an answer whose text is graded.
const TEXT_BYTES: usize = 4 << 20;
/// Characters of a text that a reason quotes.
const QUOTED_CHARS: usize = 60;

/// An assert that is ready to be applied.
#[derive(Debug)]
pub(super) struct CompiledAssert {
    check: Check,
    extractor: Result<Extractor, String>,
    engine: Result<Engine, String>,
}

/// The compiled part of a check.
#[derive(Debug)]
enum Engine {
    None,
    Regex(Regex),
    Schema(Box<AnswerSchema>),
}

impl CompiledAssert {
    pub(super) fn new(assert: &Assert) -> Self {
        let extractor = match &assert.extract {
            None => Ok(Extractor::Whole),
            Some(Extract::Json) => Ok(Extractor::Json),
            Some(Extract::LastLine) => Ok(Extractor::LastLine),
            Some(Extract::Regex(pattern)) => compile_pattern(pattern).map(Extractor::Regex),
        };
        let engine = match (&assert.check, assert.check.schema()) {
            (Check::Regex { value }, _) => compile_pattern(value).map(Engine::Regex),
            (_, Some(schema)) => {
                AnswerSchema::new(schema).map(|schema| Engine::Schema(Box::new(schema)))
            }
            _ => Ok(Engine::None),
        };
        Self {
            check: assert.check.clone(),
            extractor,
            engine,
        }
    }

    /// Applies the check to a sample.
    pub(super) fn find(&self, sample: &Sample) -> CheckFinding {
        let engine = match &self.engine {
            Ok(engine) => engine,
            Err(problem) => return CheckFinding::Unknown(problem.clone()),
        };
        if !self.check.reads_text() {
            return self.find_facts(sample, engine);
        }
        let found = if self.check == Check::IsRefusal {
            text_of(sample).map(|text| refusal(sample, text))
        } else {
            self.part(sample)
                .map(|part| self.find_in_text(part, engine))
        };
        found.unwrap_or_else(CheckFinding::Unknown)
    }

    /// The part of an answer that the check reads.
    pub(super) fn part<'a>(&self, sample: &'a Sample) -> Result<&'a str, String> {
        let extractor = self.extractor.as_ref().map_err(Clone::clone)?;
        extractor.part(text_of(sample)?)
    }

    fn find_in_text(&self, text: &str, engine: &Engine) -> CheckFinding {
        match &self.check {
            Check::Equals(expected) => {
                let holds = folded(text, expected.ignore_case)
                    == folded(&expected.value, expected.ignore_case);
                let is = if holds { "is" } else { "is not" };
                CheckFinding::decided(holds, format!("the answer {is} {}", quote(&expected.value)))
            }
            Check::EqualsJson { value } => match serde_json::from_str::<Value>(text) {
                Ok(found) => {
                    let holds = found == *value;
                    let is = if holds { "equals" } else { "differs from" };
                    CheckFinding::decided(holds, format!("the JSON {is} the value"))
                }
                Err(error) => {
                    CheckFinding::decided(false, format!("the answer is not JSON: {error}"))
                }
            },
            Check::Contains(expected) => {
                let holds = folded(text, expected.ignore_case)
                    .contains(&*folded(&expected.value, expected.ignore_case));
                let has = if holds { "has" } else { "does not have" };
                CheckFinding::decided(
                    holds,
                    format!("the answer {has} {} in it", quote(&expected.value)),
                )
            }
            Check::StartsWith(expected) => {
                let holds = folded(text, expected.ignore_case)
                    .starts_with(&*folded(&expected.value, expected.ignore_case));
                let begins = if holds { "begins" } else { "does not begin" };
                CheckFinding::decided(
                    holds,
                    format!("the answer {begins} with {}", quote(&expected.value)),
                )
            }
            Check::ContainsAny(expected) => contains_any(text, expected),
            Check::ContainsAll(expected) => contains_all(text, expected),
            Check::Regex { .. } => regex(text, engine),
            Check::IsJson { .. } => match serde_json::from_str(text) {
                Ok(value) => by_schema(&value, engine),
                Err(error) => {
                    CheckFinding::decided(false, format!("the answer is not JSON: {error}"))
                }
            },
            Check::ContainsJson { .. } => contains_json(text, engine),
            Check::WordCount { min, max } => word_count(text, *min, *max),
            Check::Levenshtein { value, max } => levenshtein(text, value, *max),
            Check::RougeN {
                value,
                n,
                threshold,
            } => scored(&format!("ROUGE-{n}"), rouge_n(text, value, *n), *threshold),
            Check::Bleu { values, threshold } => scored("BLEU", bleu(text, values), *threshold),
            Check::IsRefusal
            | Check::Judge { .. }
            | Check::Similar { .. }
            | Check::Exec { .. }
            | Check::ToolCall { .. }
            | Check::FinishReason { .. }
            | Check::Cost { .. }
            | Check::Latency { .. }
            | Check::Ttft { .. }
            | Check::MaxOutputTokens { .. } => {
                CheckFinding::Unknown("this check reads no text".to_owned())
            }
        }
    }

    /// Applies a check that reads other facts than the text.
    fn find_facts(&self, sample: &Sample, engine: &Engine) -> CheckFinding {
        match &self.check {
            Check::ToolCall { name, .. } => tool_call(&sample.tool_calls, name, engine),
            Check::FinishReason { value } => finish_reason(sample, value),
            Check::Cost { max } => match sample.list_price() {
                Some(cost) => at_most(
                    cost <= *max,
                    "costs",
                    &format!("${cost}"),
                    &format!("${max}"),
                ),
                None => CheckFinding::Unknown("the cost of the answer is not known".to_owned()),
            },
            Check::Latency { max } => time("latency", sample.latency_ns, *max),
            Check::Ttft { max } => time("TTFT", sample.ttft_ns, *max),
            Check::MaxOutputTokens { max } => {
                let usage = sample.known_usage();
                match usage.and_then(|usage| usage.completion_tokens) {
                    Some(tokens) => {
                        let tokens_text = plural(tokens, "output token");
                        at_most(tokens <= *max, "has", &tokens_text, &max.to_string())
                    }
                    None => CheckFinding::Unknown("the output tokens are not known".to_owned()),
                }
            }
            _ => CheckFinding::Unknown("this check reads text".to_owned()),
        }
    }
}

/// The answer, if it is not too long to be graded.
fn text_of(sample: &Sample) -> Result<&str, String> {
    let text = sample.answer.as_deref().unwrap_or_default();
    if text.len() > TEXT_BYTES {
        let max = TEXT_BYTES >> 20;
        return Err(format!("the answer has more than {max} MiB"));
    }
    Ok(text)
}

fn folded(text: &str, ignore_case: bool) -> Cow<'_, str> {
    if ignore_case {
        Cow::Owned(text.to_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// A text in a reason: cut, in backticks.
fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTED_CHARS).collect();
    if text.chars().nth(QUOTED_CHARS).is_some() {
        quoted.push('…');
    }
    format!("`{quoted}`")
}

fn quote_all(texts: &[&String]) -> String {
    let quoted: Vec<String> = texts.iter().take(5).map(|text| quote(text)).collect();
    let more = texts.len().saturating_sub(quoted.len());
    let all = quoted.join(", ");
    if more > 0 {
        format!("{all} and {more} more")
    } else {
        all
    }
}

fn contains_any(text: &str, expected: &TextsCheck) -> CheckFinding {
    let text = folded(text, expected.ignore_case);
    let is_there = |value: &&String| text.contains(&*folded(value, expected.ignore_case));
    if let Some(found) = expected.values.iter().find(is_there) {
        return CheckFinding::decided(true, format!("the answer has {} in it", quote(found)));
    }
    let all: Vec<&String> = expected.values.iter().collect();
    CheckFinding::decided(false, format!("the answer has none of {}", quote_all(&all)))
}

fn contains_all(text: &str, expected: &TextsCheck) -> CheckFinding {
    let text = folded(text, expected.ignore_case);
    let is_missing = |value: &&String| !text.contains(&*folded(value, expected.ignore_case));
    let missing: Vec<&String> = expected.values.iter().filter(is_missing).collect();
    if missing.is_empty() {
        let count = plural(expected.values.len() as u64, "text");
        return CheckFinding::decided(true, format!("the answer has all {count} in it"));
    }
    let fact = format!("the answer does not have {}", quote_all(&missing));
    CheckFinding::decided(false, fact)
}

fn regex(text: &str, engine: &Engine) -> CheckFinding {
    let Engine::Regex(pattern) = engine else {
        return CheckFinding::Unknown("there is no pattern".to_owned());
    };
    match pattern.find(text) {
        Some(found) => CheckFinding::decided(
            true,
            format!("the pattern matches {}", quote(found.as_str())),
        ),
        None => CheckFinding::decided(false, "the pattern matches nothing"),
    }
}

fn by_schema(value: &Value, engine: &Engine) -> CheckFinding {
    let Engine::Schema(schema) = engine else {
        return CheckFinding::decided(true, "the answer is JSON");
    };
    match schema.check(value) {
        Ok(()) => CheckFinding::decided(true, "the JSON fits the schema"),
        Err(reason) => {
            CheckFinding::decided(false, format!("the JSON does not fit the schema: {reason}"))
        }
    }
}

fn contains_json(text: &str, engine: &Engine) -> CheckFinding {
    let mut first_problem = None;
    for found in json_values(text) {
        match by_schema(&found.value, engine) {
            CheckFinding::Decided { holds: false, fact } => {
                first_problem.get_or_insert(fact);
            }
            holds => return holds,
        }
    }
    let fact = first_problem.unwrap_or_else(|| "there is no JSON in the answer".to_owned());
    CheckFinding::decided(false, fact)
}

fn refusal(sample: &Sample, text: &str) -> CheckFinding {
    if sample.outcome == Outcome::Refused {
        return CheckFinding::decided(true, "the model refused");
    }
    if let Some(phrase) = refusing_phrase(text) {
        return CheckFinding::decided(true, format!("the answer says `{phrase}`"));
    }
    if text.trim().is_empty() && sample.tool_calls.is_empty() {
        return CheckFinding::decided(true, "the answer is empty");
    }
    CheckFinding::decided(false, "the answer is no refusal")
}

fn word_count(text: &str, min: Option<u64>, max: Option<u64>) -> CheckFinding {
    let words = text.split_whitespace().count() as u64;
    let enough = min.is_none_or(|min| words >= min);
    let few = max.is_none_or(|max| words <= max);
    let range = match (min, max) {
        (Some(min), Some(max)) if min == max => format!("not {min}"),
        (Some(min), Some(max)) => format!("not {min} to {max}"),
        (Some(min), None) => format!("fewer than {min}"),
        (None, Some(max)) => format!("more than {max}"),
        (None, None) => String::new(),
    };
    let count = plural(words, "word");
    let fact = if enough && few {
        format!("the answer has {count}")
    } else {
        format!("the answer has {count}, {range}")
    };
    CheckFinding::decided(enough && few, fact)
}

fn levenshtein(text: &str, value: &str, max: u64) -> CheckFinding {
    let (edits, at_least) = match edits(text, value, max) {
        Edits::Exactly(edits) => (edits, ""),
        Edits::AtLeast(edits) => (edits, "at least "),
        Edits::TooLong => {
            return CheckFinding::Unknown("the texts are too long to count edits".to_owned());
        }
    };
    let fact = format!("{at_least}{}, the limit is {max}", plural(edits, "edit"));
    CheckFinding::decided(edits <= max, fact)
}

fn scored(name: &str, score: f64, threshold: f64) -> CheckFinding {
    CheckFinding::Scored {
        score,
        holds: score >= threshold,
        fact: format!("{name} is {score:.3}, the threshold {threshold}"),
    }
}

fn at_most(holds: bool, verb: &str, value: &str, max: &str) -> CheckFinding {
    CheckFinding::decided(
        holds,
        format!("the answer {verb} {value}, the limit is {max}"),
    )
}

fn time(name: &str, time: Option<Nanos>, max: Nanos) -> CheckFinding {
    let Some(time) = time else {
        return CheckFinding::Unknown(format!("the answer has no {name}"));
    };
    let millis = |time: Nanos| format!("{:.0} ms", time.as_millis_f64());
    let fact = format!("{name} is {}, the limit is {}", millis(time), millis(max));
    CheckFinding::decided(time <= max, fact)
}

fn finish_reason(sample: &Sample, expected: &str) -> CheckFinding {
    let Some(word) = sample.finish_reason.as_deref() else {
        return CheckFinding::Unknown("the answer has no finish reason".to_owned());
    };
    // Dialects have words of their own; these four are those of the chat route.
    let calls = !sample.tool_calls.is_empty();
    let common = match sample.outcome {
        Outcome::Complete if calls => "tool_calls",
        Outcome::Complete => "stop",
        Outcome::Length => "length",
        Outcome::Filtered => "content_filter",
        _ => word,
    };
    let holds = [word, common]
        .iter()
        .any(|reason| reason.eq_ignore_ascii_case(expected));
    CheckFinding::decided(holds, format!("the finish reason is {}", quote(word)))
}

fn tool_call(calls: &[ToolCall], name: &str, engine: &Engine) -> CheckFinding {
    let mut problem = None;
    for call in calls.iter().filter(|call| call.name == name) {
        let Engine::Schema(schema) = engine else {
            return CheckFinding::decided(true, format!("the answer calls {}", quote(name)));
        };
        let arguments = match call.arguments.trim() {
            "" => "{}",
            text => text,
        };
        let checked = match serde_json::from_str(arguments) {
            Ok(arguments) => schema.check(&arguments),
            Err(error) => Err(format!("they are not JSON: {error}")),
        };
        match checked {
            Ok(()) => {
                let fact = format!("the arguments of {} fit the schema", quote(name));
                return CheckFinding::decided(true, fact);
            }
            Err(reason) => {
                problem.get_or_insert(format!(
                    "the arguments of {} do not fit the schema: {reason}",
                    quote(name)
                ));
            }
        }
    }
    let fact = problem.unwrap_or_else(|| {
        let others: Vec<&String> = calls.iter().map(|call| &call.name).collect();
        if others.is_empty() {
            "the answer calls no tool".to_owned()
        } else {
            let others = quote_all(&others);
            format!("the answer does not call {}, but {others}", quote(name))
        }
    });
    CheckFinding::decided(false, fact)
}
