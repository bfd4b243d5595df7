//! Suites made of other tools' files.
//!
//! Owns the formats that are understood and the text of the suite that is made. Must not read or write files.
//! Invariants: the suite that is made is valid; an item that is not carried over is reported with its line.

mod chat;
mod draft;
mod evals;
mod lines;
mod promptfoo;
#[cfg(test)]
mod tests;

use super::model::suite::Suite;
use super::parse::sources::LoadedFile;
use super::parse::suite::parse_suite;
use super::value::limits;
use draft::{DraftModel, DraftPrompt, SuiteDraft};
use lines::Rows;

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

/// Reads the files that a path of the source names, relative to the source's folder.
pub type OpenFiles<'f> = dyn Fn(&str) -> Result<Vec<LoadedFile>, String> + 'f;

/// A file to import.
pub struct ImportSource<'f> {
    /// Its name, without its folder.
    pub file: &'f str,
    /// Its bytes; with `take` the first are enough.
    pub bytes: &'f [u8],
    /// Only the first so many prompts; absent: all.
    pub take: Option<usize>,
    /// The way from the folder of the suite to that of the source, empty or with a slash at its end.
    pub folder: &'f str,
    /// Reads what it names.
    pub open: &'f OpenFiles<'f>,
}

impl<'f> ImportSource<'f> {
    /// A file that names no others.
    pub fn alone(file: &'f str, bytes: &'f [u8]) -> Self {
        Self {
            file,
            bytes,
            take: None,
            folder: "",
            open: &|path| Err(format!("`{path}` is not read here")),
        }
    }
}

/// Makes a suite of texts, one prompt each.
///
/// # Errors
/// If they make no valid suite.
pub fn suite_of_texts(texts: &[String], models: &[String]) -> Result<Suite, ImportError> {
    let mut draft = SuiteDraft::default();
    draft.models = models.iter().map(|id| DraftModel::plain(id)).collect();
    draft.cases = texts.iter().map(|text| DraftPrompt::plain(text)).collect();
    let made = draft.finish(&ImportSource::alone("prompt", b""))?;
    parse_suite(&made.suite).map_err(|problems| ImportError::new(None, problems.to_string()))
}

/// Makes a suite of a file.
///
/// # Errors
/// If nothing of it can be carried over.
pub fn import(origin: Origin, source: &ImportSource<'_>) -> Result<Imported, ImportError> {
    let mut bytes = source.bytes;
    if bytes.len() > limits::IMPORT_BYTES {
        if source.take.is_none() {
            let max = limits::IMPORT_BYTES >> 20;
            let message = format!(
                "it is larger than {max} MiB, the maximum: `--take N` takes the first prompts only"
            );
            return Err(ImportError::new(None, message));
        }
        bytes = whole_characters(&bytes[..limits::IMPORT_BYTES]);
    }
    let is_cut = bytes.len() < source.bytes.len();
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        ImportError::new(Some(line), "it is not UTF-8 text")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rows = Rows {
        text,
        is_cut,
        take: source.take.unwrap_or(usize::MAX),
    };
    let mut draft = SuiteDraft::default();
    match origin {
        Origin::Promptfoo if source.take.is_some() => {
            let message =
                "--take is for files of rows; select prompts of the suite with `run --prompt`";
            return Err(ImportError::new(None, message));
        }
        Origin::Promptfoo => promptfoo::read(text, source.open, &mut draft)?,
        Origin::OpenaiEvals => lines::openai_evals(rows, &mut draft),
        Origin::Sharegpt => lines::sharegpt(rows, &mut draft)?,
        Origin::Jsonl => lines::any(rows, &mut draft),
    }
    if let Some(take) = source.take
        && draft.cases.len() < take
        && is_cut
    {
        let (max, count) = (limits::IMPORT_BYTES >> 20, draft.cases.len());
        let message =
            format!("the first {max} MiB, which are read, hold {count} prompts: take no more");
        return Err(ImportError::new(None, message));
    }
    draft.finish(source)
}

/// The bytes without a character at their end that is cut.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}
