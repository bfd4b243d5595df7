//! Problems of a file: the error, its place, and its correction.
//!
//! Owns the problem, its sorted list and its rendering. Must not know TOML or what a suite is.
//! Invariants: a [`Problems`] holds at least one problem, sorted by place; what is rendered never
//! shows a secret that stands in the file.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use schemars::JsonSchema;
use serde::Serialize;

use crate::units::plural;

/// One thing that is wrong, with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Bytes of the file that are wrong; empty where something is missing between two bytes.
    pub span: Range<usize>,
    /// The class of the problem.
    pub code: Code,
    /// The error, one sentence without a full stop.
    pub message: String,
    /// The correction, if known.
    pub help: Option<String>,
    /// The place in another file, which the suite names at `span`.
    pub row: Option<RowPlace>,
}

/// A row of a file that a suite names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowPlace {
    /// Name of the file in messages.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
}

/// ``in `cases.jsonl`, line 3``.
impl fmt::Display for RowPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in `{}`, line {}", self.file, self.line)
    }
}

/// The closed list of what can be wrong with a file.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    JsonSchema,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Code {
    /// It is not TOML.
    Syntax,
    /// A key that means nothing here.
    UnknownKey,
    /// A key that must be given.
    MissingKey,
    /// A value of the wrong type, such as a string in place of a number.
    WrongType,
    /// The right type, but outside its range.
    OutOfRange,
    /// The right type, but not one of the values that mean something.
    BadValue,
    /// A duplicate.
    Duplicate,
    /// Two keys that exclude each other.
    Conflict,
    /// Above a limit on what is read.
    TooLarge,
    /// A secret, which belongs in the environment.
    Secret,
    /// A file that is named here and is not there, or is not what it should be.
    File,
}

/// One problem as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProblemDocument {
    /// The class of the problem.
    code: Code,
    /// Line in the suite, from 1.
    line: usize,
    /// Character in its line, from 1.
    column: usize,
    /// The error, one sentence without a full stop.
    message: String,
    /// The correction, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    /// The place in another file, which the suite names at that line.
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<RowDocument>,
}

/// A row of a file that a suite names, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
struct RowDocument {
    /// The file, as the suite calls it.
    file: String,
    /// Line, from 1.
    line: usize,
}

/// A place in a file: line and character, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Character in its line, from 1.
    pub column: usize,
}

/// Everything that is wrong with one file: at least one problem, sorted by place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    sorted: Vec<Problem>,
    left_out: usize,
}

impl Code {
    /// The stable word, for machines.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl Problem {
    /// The place in `text`, the file it was found in, at which the problem begins.
    pub fn place(&self, text: &str) -> Place {
        place_of(text, self.span.start)
    }

    /// The problem as JSON; `text` is the file it was found in.
    pub fn document(&self, text: &str) -> ProblemDocument {
        let Place { line, column } = self.place(text);
        ProblemDocument {
            code: self.code,
            line,
            column,
            message: self.message.clone(),
            help: self.help.clone(),
            row: self.row.as_ref().map(|row| RowDocument {
                file: row.file.to_string(),
                line: row.line,
            }),
        }
    }
}

impl Problems {
    /// Sorts `found` by place; `None` if it is empty. `left_out` counts the problems beyond the limit, which
    /// are not stored.
    pub(super) fn new(mut found: Vec<Problem>, left_out: usize) -> Option<Self> {
        found.sort_by(|a, b| {
            let key = |p: &'_ Problem| (p.span.start, p.span.end);
            (key(a), &a.row, &a.message).cmp(&(key(b), &b.row, &b.message))
        });
        (!found.is_empty()).then_some(Self {
            sorted: found,
            left_out,
        })
    }

    /// The stored problems, by place.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.sorted.iter()
    }

    /// Number of problems, including those beyond the limit; never 0.
    pub fn count(&self) -> usize {
        self.sorted.len() + self.left_out
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// `3 problems`.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plural(self.count(), "problem"))
    }
}

impl std::error::Error for Problems {}

/// All problems as text for people: message, `file:line:column`, the line with a mark under what
/// is wrong, and help. `text` is the file they were found in. Ends with a line break.
pub fn render(problems: &Problems, file: &str, text: &str, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let shown = without_secrets(problems, text);
    let mut all = String::new();
    for problem in problems {
        all.push_str(&render_one(problem, file, &shown, &renderer));
        all.push_str("\n\n");
    }
    if problems.left_out > 0 {
        let more = format!("... and {} more\n\n", problems.left_out);
        all.push_str(&more);
    }
    let count = format!("{file}: {problems}\n");
    all + &count
}

/// Characters of an excerpt on either side of the mark: a prompt may be one line of megabytes.
const EXCERPT_CHARS: usize = 100;

fn render_one(problem: &Problem, file: &str, text: &str, renderer: &Renderer) -> String {
    let place = place_of(text, problem.span.start);
    let (excerpt, mark, from_line_start) = excerpt(text, &problem.span);
    let title = Level::ERROR
        .primary_title(problem.message.as_str())
        .id(problem.code.word());
    let mut group = Group::with_title(title);
    if let Some(row) = &problem.row {
        let origin = Origin::path(row.file.as_ref()).line(row.line);
        let named = format!("{file}:{} names this file", place.line);
        group = group.element(origin).element(Level::NOTE.message(named));
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        return renderer.render(&[group]);
    }
    let mut snippet = Snippet::source(excerpt).line_start(place.line);
    if from_line_start {
        snippet = snippet.path(file);
    } else {
        // The column is not the one within the excerpt.
        let origin = Origin::path(file).line(place.line);
        group = group.element(origin.char_column(place.column));
    }
    group = group.element(snippet.annotation(AnnotationKind::Primary.span(mark)));
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// The line in which `span` begins, cut to the part near it, `span` within that, and true if it begins where
/// the line does.
fn excerpt<'t>(text: &'t str, span: &Range<usize>) -> (&'t str, Range<usize>, bool) {
    let start = floor_boundary(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line_end = line_start + text[line_start..line_end].trim_end_matches('\r').len();
    let start = start.min(line_end);
    let end = floor_boundary(text, span.end).clamp(start, line_end);
    let from = text[line_start..start]
        .char_indices()
        .rev()
        .nth(EXCERPT_CHARS)
        .map_or(line_start, |(at, _)| line_start + at);
    let to = text[start..line_end]
        .char_indices()
        .nth(EXCERPT_CHARS)
        .map_or(line_end, |(at, _)| start + at);
    (
        &text[from..to],
        start - from..end.min(to) - from,
        from == line_start,
    )
}

/// `text` with every secret that a problem names overwritten, byte for byte.
fn without_secrets<'t>(problems: &Problems, text: &'t str) -> Cow<'t, str> {
    let mut shown = Cow::Borrowed(text);
    for problem in problems.iter().filter(|p| p.code == Code::Secret) {
        let start = floor_boundary(text, problem.span.start);
        let end = floor_boundary(text, problem.span.end).max(start);
        let hidden: String = text[start..end]
            .chars()
            .map(|c| match c {
                '"' | '\'' | '\n' | '\r' => c.to_string(),
                _ => "*".repeat(c.len_utf8()),
            })
            .collect();
        shown.to_mut().replace_range(start..end, &hidden);
    }
    shown
}

/// The place of the byte `at`.
fn place_of(text: &str, at: usize) -> Place {
    let before = &text[..floor_boundary(text, at)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place {
        line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// The last boundary of a character at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}
