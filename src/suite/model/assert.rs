//! Asserts: the checks that grade an answer.
//!
//! Owns their types and names. Must not know how an answer is graded. Invariant: the pattern or schema of an
//! assert of a suite that was read compiles, and the names of one prompt's asserts differ.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::suite::value::answer_schema::AnswerSchema;
use crate::suite::value::pattern::compile_pattern;
use crate::suite::value::text::quoted;
use crate::units::{Nanos, Usd};

/// One check of every answer to a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assert {
    /// Name of its grade.
    pub name: String,
    /// The check.
    pub check: Check,
    /// True if the answer passes where the check fails: the prefix `not-`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub negated: bool,
    /// Weight in the score of the answer; 0 reports the grade and decides nothing.
    pub weight: f64,
    /// Part of the answer that is graded; absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract: Option<Extract>,
}

/// The part of an answer that is graded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extract {
    /// The first JSON object or array.
    Json,
    /// The last line that is not blank, without spaces at its ends.
    LastLine,
    /// The first group of a pattern's first match, or the whole match if it has no group.
    Regex(String),
}

/// A check, without its negation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Check {
    /// The answer is this text.
    Equals(TextCheck),
    /// The answer is JSON equal to this value.
    EqualsJson {
        /// The value.
        value: Value,
    },
    /// The answer has this text in it.
    Contains(TextCheck),
    /// The answer has one of these texts in it.
    ContainsAny(TextsCheck),
    /// The answer has all of these texts in it.
    ContainsAll(TextsCheck),
    /// The answer begins with this text.
    StartsWith(TextCheck),
    /// The pattern matches somewhere in the answer.
    Regex {
        /// The pattern.
        value: String,
    },
    /// The answer is JSON, by a schema if there is one.
    IsJson {
        /// The schema.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schema: Option<Value>,
    },
    /// The answer has a JSON object or array in it, by a schema if there is one.
    ContainsJson {
        /// The schema.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schema: Option<Value>,
    },
    /// The model refused.
    IsRefusal,
    /// The number of words.
    WordCount {
        /// Fewest words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<u64>,
        /// Most words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u64>,
    },
    /// Edits between the answer and a text.
    Levenshtein {
        /// The text.
        value: String,
        /// Most edits.
        max: u64,
    },
    /// ROUGE-N of the answer by a reference.
    RougeN {
        /// The reference.
        value: String,
        /// Words of an n-gram.
        n: usize,
        /// Least score that passes.
        threshold: f64,
    },
    /// BLEU-4 of the answer by references.
    Bleu {
        /// The references.
        values: Vec<String>,
        /// Least score that passes.
        threshold: f64,
    },
    /// A tool was called.
    ToolCall {
        /// Its name.
        name: String,
        /// JSON schema of its arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Value>,
    },
    /// The finish reason is this word.
    FinishReason {
        /// The word.
        value: String,
    },
    /// The cost at list prices is at most this.
    Cost {
        /// The amount.
        max: Usd,
    },
    /// The latency is at most this.
    Latency {
        /// The time.
        max: Nanos,
    },
    /// The time to the first token is at most this.
    Ttft {
        /// The time.
        max: Nanos,
    },
    /// The answer has at most so many output tokens, reasoning included.
    MaxOutputTokens {
        /// The number.
        max: u64,
    },
    /// The suite's judge scores the answer by a rubric.
    Judge {
        /// The rubric.
        rubric: String,
        /// Least score that passes.
        threshold: f64,
    },
    /// Cosine similarity of the answer's embedding with that of one of some texts.
    Similar {
        /// The texts; the most similar one counts.
        values: Vec<String>,
        /// Least similarity that passes.
        threshold: f64,
    },
    /// A command of the user scores the sample.
    Exec {
        /// The program and its arguments; no shell reads them.
        command: Vec<String>,
        /// The time after which it is stopped.
        timeout_ns: Nanos,
        /// Least score that passes.
        threshold: f64,
    },
}

/// A comparison with one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextCheck {
    /// The text.
    pub value: String,
    /// Upper and lower case are the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

/// A comparison with several texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextsCheck {
    /// The texts.
    pub values: Vec<String>,
    /// Upper and lower case are the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

impl Check {
    /// Returns true if it reads the answer's text, so that a part of it can be extracted.
    pub fn reads_text(&self) -> bool {
        !matches!(
            self,
            Self::ToolCall { .. }
                | Self::FinishReason { .. }
                | Self::Cost { .. }
                | Self::Latency { .. }
                | Self::Ttft { .. }
                | Self::MaxOutputTokens { .. }
                | Self::Exec { .. }
        )
    }

    /// Returns true if it needs more than the sample, and is made after the requests of a run.
    pub fn is_deferred(&self) -> bool {
        matches!(
            self,
            Self::Judge { .. } | Self::Similar { .. } | Self::Exec { .. }
        )
    }

    /// Every text of it that may hold a row's columns, to be replaced.
    pub fn texts_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Equals(text) | Self::Contains(text) | Self::StartsWith(text) => {
                vec![&mut text.value]
            }
            Self::ContainsAny(texts) | Self::ContainsAll(texts) => {
                texts.values.iter_mut().collect()
            }
            Self::Regex { value }
            | Self::Levenshtein { value, .. }
            | Self::RougeN { value, .. }
            | Self::FinishReason { value }
            | Self::Judge { rubric: value, .. } => vec![value],
            Self::Bleu { values, .. } | Self::Similar { values, .. } => values.iter_mut().collect(),
            Self::Exec { command, .. } => command.iter_mut().collect(),
            Self::ToolCall { name, .. } => vec![name],
            Self::EqualsJson { .. }
            | Self::IsJson { .. }
            | Self::ContainsJson { .. }
            | Self::IsRefusal
            | Self::WordCount { .. }
            | Self::Cost { .. }
            | Self::Latency { .. }
            | Self::Ttft { .. }
            | Self::MaxOutputTokens { .. } => Vec::new(),
        }
    }

    /// The JSON schema that it holds an answer or arguments to.
    pub fn schema(&self) -> Option<&Value> {
        match self {
            Self::IsJson { schema } | Self::ContainsJson { schema } => schema.as_ref(),
            Self::ToolCall { arguments, .. } => arguments.as_ref(),
            _ => None,
        }
    }
}

impl Assert {
    /// Returns what is wrong with its pattern, schema or texts, in words.
    pub fn problem(&self) -> Option<String> {
        let blank = |text: &str| text.is_empty().then(|| "its text is empty".to_owned());
        let own = match &self.check {
            Check::Regex { value } => compile_pattern(value).err(),
            Check::Contains(text) | Check::StartsWith(text) => blank(&text.value),
            Check::ContainsAny(texts) | Check::ContainsAll(texts) => {
                texts.values.iter().find_map(|text| blank(text))
            }
            Check::Bleu { values, .. } | Check::Similar { values, .. } => {
                values.iter().find_map(|text| no_word(text))
            }
            Check::RougeN { value, .. } => no_word(value),
            Check::ToolCall { name: value, .. }
            | Check::FinishReason { value }
            | Check::Judge { rubric: value, .. } => blank(value.trim()),
            Check::Exec { command, .. } => blank(command.first().map_or("", |name| name.trim())),
            _ => None,
        };
        let schema = || AnswerSchema::new(self.check.schema()?).err();
        let extract = || match &self.extract {
            Some(Extract::Regex(pattern)) => compile_pattern(pattern).err(),
            _ => None,
        };
        let problem = own.or_else(schema).or_else(extract)?;
        Some(format!("the assert {}: {problem}", quoted(&self.name)))
    }
}

fn no_word(text: &str) -> Option<String> {
    text.trim()
        .is_empty()
        .then(|| "its text has no word".to_owned())
}

/// The asserts of a prompt; prompts with the same ones share them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asserts(Arc<[Assert]>);

impl Asserts {
    /// Returns true if nothing is graded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The asserts in their order.
    pub fn as_slice(&self) -> &[Assert] {
        &self.0
    }
}

impl From<Vec<Assert>> for Asserts {
    fn from(asserts: Vec<Assert>) -> Self {
        Self(asserts.into())
    }
}

impl Serialize for Asserts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0[..].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Asserts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}
