//! Suites made of other tools' files.
//!
//! Owns the formats that are understood and the text of the suite that is made. Must not read or write files.
//! Invariants: the suite that is made is valid; an item that is not carried over is reported with its line.

mod asserts;
mod chat;
mod draft;
mod lines;
mod promptfoo;
#[cfg(test)]
mod tests;
mod yaml;

use super::model::suite::Suite;
use super::parse::suite::parse_suite;
use super::value::limits;
use draft::{DraftModel, DraftPrompt, SuiteDraft};

/// A kind of file that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A promptfoo configuration, YAML or JSON.
    Promptfoo,
    /// Samples of `OpenAI` evals, JSON lines with `input` and `ideal`.
    OpenaiEvals,
    /// A `ShareGPT` array, with `conversations`.
    Sharegpt,
    /// JSON lines with `messages`, `prompt`, or one of the other usual keys.
    Jsonl,
}

/// A suite that was made, and what is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The suite's file.
    pub suite: String,
    /// Items that could not be carried over, by line.
    pub left_out: Vec<SkippedItem>,
}

/// Something of the source that is not in the suite.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SkippedItem {
    /// Line of the source, from 1.
    pub line: usize,
    /// The item, and the reason.
    pub what: String,
}

/// The reason why no suite could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ImportError {
    /// Line of the source, where one is to blame.
    pub line: Option<usize>,
    /// The error, in words.
    pub message: String,
    /// Items that were skipped before the error.
    pub left_out: Vec<SkippedItem>,
}

impl ImportError {
    fn new(line: Option<usize>, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
            left_out: Vec::new(),
        }
    }
}

/// Makes a suite of texts, one prompt each.
///
/// # Errors
/// If they make no valid suite.
pub fn suite_of_texts(texts: &[String], models: &[String]) -> Result<Suite, ImportError> {
    let mut draft = SuiteDraft::default();
    draft.models = models.iter().map(DraftModel::plain).collect();
    draft.cases = texts.iter().map(DraftPrompt::plain).collect();
    let made = draft.finish("prompt")?;
    parse_suite(&made.suite).map_err(|problems| ImportError::new(None, problems.to_string()))
}

/// Makes a suite of `bytes`, which were read from the file called `file`.
pub fn import(origin: Origin, file: &str, bytes: &[u8]) -> Result<Imported, ImportError> {
    if bytes.len() > limits::IMPORT_BYTES {
        let most = limits::IMPORT_BYTES >> 20;
        let message = format!("it is larger than {most} MiB, the maximum");
        return Err(ImportError::new(None, message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        ImportError::new(Some(line), "it is not UTF-8 text")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut draft = SuiteDraft::default();
    match origin {
        Origin::Promptfoo => promptfoo::read(text, &mut draft)?,
        Origin::OpenaiEvals => lines::openai_evals(text, &mut draft),
        Origin::Sharegpt => lines::sharegpt(text, &mut draft)?,
        Origin::Jsonl => lines::any(text, &mut draft),
    }
    draft.finish(file)
}
