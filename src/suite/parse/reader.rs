//! A cursor over the spanned TOML tree that reads typed values and collects every problem.
//!
//! Owns the parse, type and range problems, and unknown keys. Must not know suites or projects. Invariants:
//! nothing is reported twice, a wrong value hides no other, and a file with a problem never yields a value.
//!
//! After a problem, a stand-in replaces the wrong value; [`read`] discards the result, so that it is never
//! used.

mod json;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Code, Problem, Problems, RowPlace};
use super::syntax::{find_faults, readable};
use crate::suite::value::limits;
use crate::suite::value::text::{list_of_keys, nearest, quoted};

/// A kind of file, for messages and limits.
pub(super) struct File {
    /// `the suite`.
    pub(super) what: &'static str,
    /// The most bytes it may have.
    pub(super) max_bytes: usize,
    /// Returns the place to which a key in the wrong table belongs, in words.
    pub(super) home: fn(&str) -> Option<&'static str>,
}

/// Parses `text` and builds a value from its root table, or says everything that is wrong.
pub(super) fn read<T>(
    text: &str,
    file: &File,
    build: impl FnOnce(&mut Table<'_>) -> Option<T>,
) -> Result<T, Problems> {
    let mut log = ProblemLog::new(text, file.home);
    if text.len() > file.max_bytes {
        let message = format!(
            "{} is larger than {} bytes, the maximum",
            file.what, file.max_bytes
        );
        log.report(0..0, Code::TooLarge, message, None);
        return log.finish(None);
    }
    let recovers = text.len() <= limits::RECOVERED_BYTES;
    if !recovers && let Err(error) = DeTable::parse(text) {
        log.faults(&DeTable::new(), &[error]);
        return log.finish(None);
    }
    let (readable, mut errors) = if recovers {
        readable(text)
    } else {
        (Cow::Borrowed(text), Vec::new())
    };
    let (root, later_errors) = DeTable::parse_recoverable(&readable);
    errors.extend(later_errors);
    log.faults(root.get_ref(), &errors);
    let mut table = Table::new(&log, file.what, 0..0, root.get_ref());
    let value = build(&mut table);
    table.finish();
    log.finish(value)
}

/// The problems reported so far.
pub(super) struct ProblemLog<'a> {
    text: &'a str,
    home: fn(&str) -> Option<&'static str>,
    /// Bytes that are not TOML, sorted: what was recovered there is not worth a word.
    broken: Vec<Range<usize>>,
    problems: RefCell<Vec<Problem>>,
    left_out: Cell<usize>,
    /// Bytes at which lines begin, made when first needed.
    lines: OnceCell<Vec<usize>>,
}

impl<'a> ProblemLog<'a> {
    fn new(text: &'a str, home: fn(&str) -> Option<&'static str>) -> Self {
        Self {
            text,
            home,
            broken: Vec::new(),
            problems: RefCell::default(),
            left_out: Cell::default(),
            lines: OnceCell::new(),
        }
    }

    fn faults(&mut self, root: &DeTable<'_>, errors: &[toml::de::Error]) {
        let faults = find_faults(self.text, root, errors);
        self.broken = faults.broken;
        for problem in faults.problems {
            self.keep(problem);
        }
    }

    /// Reports that `span` is wrong, unless the file is not even TOML on these lines.
    fn report(&self, span: Range<usize>, code: Code, message: String, help: Option<String>) {
        if !self.is_broken(&span) {
            self.keep(Problem {
                span,
                code,
                message,
                help,
                row: None,
            });
        }
    }

    fn is_broken(&self, span: &Range<usize>) -> bool {
        if self.broken.is_empty() {
            return false;
        }
        // The parser's stand-in for a value that it could not read has no place.
        if *span == (0..0) {
            return true;
        }
        let next = self.broken.partition_point(|line| line.end < span.start);
        self.broken
            .get(next)
            .is_some_and(|line| line.start <= span.end)
    }

    fn keep(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < limits::PROBLEMS {
            problems.push(problem);
        } else {
            self.left_out.set(self.left_out.get() + 1);
        }
    }

    /// The line, from 1, of the byte `at`.
    fn line_of(&self, at: usize) -> usize {
        let starts = self.lines.get_or_init(|| {
            let after_breaks = self.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after_breaks).collect()
        });
        starts.partition_point(|&start| start <= at)
    }

    fn finish<T>(self, value: Option<T>) -> Result<T, Problems> {
        let problems = Problems::new(self.problems.into_inner(), self.left_out.into_inner());
        match (problems, value) {
            (Some(problems), _) => Err(problems),
            (None, Some(value)) => Ok(value),
            (None, None) => unreachable!("a value is only missing when a problem was said"),
        }
    }
}

/// A table that is being read. It remembers the keys that were looked up: those are the known ones.
pub(super) struct Table<'a> {
    log: &'a ProblemLog<'a>,
    what: &'static str,
    place: Range<usize>,
    entries: &'a DeTable<'a>,
    known: Vec<Cow<'static, str>>,
    missing: Vec<MissingKeys>,
}

/// Keys of which one must be given, and none is.
struct MissingKeys {
    keys: Vec<&'static str>,
    help: &'static str,
}

impl<'a> Table<'a> {
    fn new(
        log: &'a ProblemLog<'a>,
        what: &'static str,
        place: Range<usize>,
        entries: &'a DeTable<'a>,
    ) -> Self {
        Self {
            log,
            what,
            place,
            entries,
            known: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// The value of `key`, if it is given.
    pub(super) fn field(&mut self, key: impl Into<Cow<'static, str>>) -> Option<Value<'a>> {
        self.known.push(key.into());
        self.peek(&self.known[self.known.len() - 1])
    }

    /// The value of `key`, if it is given, without making it one of the known ones.
    pub(super) fn peek(&self, key: &str) -> Option<Value<'a>> {
        self.entries.get(key).map(|value| Value {
            log: self.log,
            name: format!("`{key}`"),
            spanned: value,
        })
    }

    /// The value of `key`; reports a missing one.
    pub(super) fn required(&mut self, key: &'static str, help: &'static str) -> Option<Value<'a>> {
        let value = self.field(key);
        if value.is_none() {
            self.missing(&[key], help);
        }
        value
    }

    /// Records that one of `keys` must be given; reported at the end, unless an unknown key is one misspelt.
    pub(super) fn missing(&mut self, keys: &[&'static str], help: &'static str) {
        let keys = keys.to_vec();
        self.missing.push(MissingKeys { keys, help });
    }

    /// The bytes from the table's header to the next one's; of an inline table, its own.
    fn extent(&self) -> Range<usize> {
        let text = self.log.text;
        if self.place.is_empty() || text.as_bytes().get(self.place.start) != Some(&b'[') {
            return self.place.clone();
        }
        let end = text[self.place.end..].find("\n[");
        self.place.start..end.map_or(text.len(), |at| self.place.end + at)
    }

    /// Reports that the table as a whole is wrong.
    pub(super) fn report_wrong(&self, code: Code, message: String, help: Option<String>) {
        self.log.report(self.place.clone(), code, message, help);
    }

    /// Every key with its value in the order of the file: for tables whose keys are free.
    pub(super) fn all(&self) -> Vec<(Key<'a>, Value<'a>)> {
        let mut all: Vec<_> = self.entries.iter().collect();
        all.sort_by_key(|(key, _)| key.span().start);
        all.into_iter()
            .map(|(key, value)| {
                let name = Key {
                    log: self.log,
                    text: key.get_ref(),
                    span: key.span(),
                };
                let value = Value {
                    log: self.log,
                    name: quoted(key.get_ref()),
                    spanned: value,
                };
                (name, value)
            })
            .collect()
    }

    /// Reports the keys that were never looked up, and those that are missing.
    fn finish(self) {
        let mut meant = HashSet::new();
        for key in self.entries.keys() {
            let name = key.get_ref().as_ref();
            if self.known.iter().any(|one| one == name) {
                continue;
            }
            let help = if let Some(home) = (self.log.home)(name) {
                format!("`{name}` belongs {home}")
            } else if let Some(known) = nearest(name, self.known.iter().map(Cow::as_ref)) {
                meant.insert(known);
                format!("did you mean `{known}`?")
            } else {
                list_of_keys(&self.known)
            };
            let message = format!("unknown key {} in {}", quoted(name), self.what);
            self.log
                .report(key.span(), Code::UnknownKey, message, Some(help));
        }
        // A missing key may well stand where the table is not TOML.
        if self.missing.is_empty() || self.log.is_broken(&self.extent()) {
            return;
        }
        for MissingKeys { keys, help } in &self.missing {
            if !keys.iter().any(|key| meant.contains(key)) {
                let names = keys.join("` and no `");
                let message = format!("{} has no `{names}`", self.what);
                self.report_wrong(Code::MissingKey, message, Some((*help).to_owned()));
            }
        }
    }
}

/// A key of a table whose keys are free.
pub(super) struct Key<'a> {
    log: &'a ProblemLog<'a>,
    pub(super) text: &'a str,
    span: Range<usize>,
}

impl Key<'_> {
    /// Reports that the key itself is wrong.
    pub(super) fn report_wrong(&self, code: Code, message: String, help: Option<String>) {
        self.log.report(self.span.clone(), code, message, help);
    }
}

/// Names that must be unique, each with the place at which it was first used.
#[derive(Default)]
pub(super) struct FirstLines(HashMap<String, FirstPlace>);

/// The place at which a name was first used.
#[derive(Clone)]
pub(super) enum FirstPlace {
    /// A line of the file itself.
    Line(usize),
    /// A row of a file that it names.
    RowPlace(RowPlace),
}

impl fmt::Display for FirstPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "on line {line}"),
            Self::RowPlace(row) => row.fmt(f),
        }
    }
}

impl FirstLines {
    /// Records that `name` stands at `value`; returns the place of its first use, if it is a duplicate.
    pub(super) fn note(&mut self, name: &str, value: &Value<'_>) -> Option<FirstPlace> {
        let line = || value.log.line_of(value.spanned.span().start);
        self.note_at(name, || FirstPlace::Line(line()))
    }

    /// Records a name in a row of another file, as [`Self::note`] does.
    pub(super) fn note_row(&mut self, name: &str, row: &RowPlace) -> Option<FirstPlace> {
        self.note_at(name, || FirstPlace::RowPlace(row.clone()))
    }

    fn note_at(&mut self, name: &str, place: impl Fn() -> FirstPlace) -> Option<FirstPlace> {
        if let Some(first) = self.0.get(name) {
            return Some(first.clone());
        }
        self.0.insert(name.to_owned(), place());
        None
    }
}

/// One value with its place.
#[derive(Clone)]
pub(super) struct Value<'a> {
    log: &'a ProblemLog<'a>,
    name: String,
    spanned: &'a Spanned<DeValue<'a>>,
}

impl<'a> Value<'a> {
    /// Reports that the value is not `expected`: the message names the key, the expectation and the value.
    pub(super) fn report_wrong(&self, code: Code, expected: &str, help: Option<String>) {
        let message = format!("{} must be {expected}, not {}", self.name, self.describe());
        self.report(code, message, help);
    }

    /// Reports a problem of this value in the caller's words.
    pub(super) fn report(&self, code: Code, message: String, help: Option<String>) {
        self.log.report(self.spanned.span(), code, message, help);
    }

    /// Reports a problem of a row in the file that this value names.
    pub(super) fn report_row(
        &self,
        row: RowPlace,
        code: Code,
        message: String,
        help: Option<String>,
    ) {
        self.log.keep(Problem {
            span: self.spanned.span(),
            code,
            message,
            help,
            row: Some(row),
        });
    }

    /// Calls [`Self::report`], unless a problem of this value or its file was reported already.
    pub(super) fn report_if_first(&self, code: Code, message: String) {
        let span = self.spanned.span();
        if !self.log.problems.borrow().iter().any(|p| p.span == span) {
            self.report(code, message, None);
        }
    }

    /// The name of the value in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The value as a message shows it.
    fn describe(&self) -> String {
        match self.spanned.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => "a blank string".to_owned(),
            DeValue::String(text) => format!("the string {}", quoted(text)),
            DeValue::Integer(number) => quoted(&number.to_string()).replace('`', ""),
            DeValue::Float(number) => quoted(number.as_str()).replace('`', ""),
            DeValue::Boolean(boolean) => boolean.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "an array".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        }
    }

    pub(super) fn is_string(&self) -> bool {
        self.as_str().is_some()
    }

    /// The string, if it is one; reports nothing.
    pub(super) fn as_str(&self) -> Option<&'a str> {
        self.spanned.get_ref().as_str()
    }

    pub(super) fn is_table(&self) -> bool {
        self.spanned.get_ref().is_table()
    }

    /// The value under `key`, if this is a table that has it; reports nothing.
    pub(super) fn inside(&self, key: &str) -> Option<Self> {
        let inner = self.spanned.get_ref().as_table()?.get(key)?;
        Some(Value {
            log: self.log,
            name: format!("`{key}`"),
            spanned: inner,
        })
    }

    /// Any string.
    pub(super) fn string(&self) -> Option<&'a str> {
        let text = self.as_str();
        if text.is_none() {
            self.report_wrong(Code::WrongType, "a string", None);
        }
        text
    }

    /// A non-blank string of at most `max_chars` characters.
    pub(super) fn bounded_string(&self, max_chars: usize) -> Option<&'a str> {
        let text = self.string()?;
        if text.trim().is_empty() {
            self.report_wrong(Code::BadValue, "a non-empty string", None);
            return None;
        }
        if text.chars().nth(max_chars).is_some() {
            let message = format!("{} is longer than {max_chars} characters", self.name);
            self.report(Code::TooLarge, message, None);
            return None;
        }
        Some(text)
    }

    /// A boolean.
    pub(super) fn boolean(&self) -> Option<bool> {
        let boolean = self.spanned.get_ref().as_bool();
        if boolean.is_none() {
            self.report_wrong(Code::WrongType, "true or false", self.unquoted_help());
        }
        boolean
    }

    /// An integer within `range`.
    pub(super) fn integer<N>(&self, range: RangeInclusive<N>) -> Option<N>
    where
        N: Copy + PartialOrd + std::fmt::Display + TryFrom<i128>,
    {
        let expected = format!("an integer from {} to {}", range.start(), range.end());
        let DeValue::Integer(number) = self.spanned.get_ref() else {
            self.report_wrong(Code::WrongType, &expected, self.unquoted_help());
            return None;
        };
        let number = i128::from_str_radix(number.as_str(), number.radix())
            .ok()
            .and_then(|number| N::try_from(number).ok())
            .filter(|number| range.contains(number));
        if number.is_none() {
            self.report_wrong(Code::OutOfRange, &expected, None);
        }
        number
    }

    /// A number, whole or not, for which `is_valid` holds; `expected` says the same in words.
    pub(super) fn number(&self, expected: &str, is_valid: impl Fn(f64) -> bool) -> Option<f64> {
        let number = match self.spanned.get_ref() {
            DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
                .ok()
                .map(|number| number as f64),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => {
                self.report_wrong(Code::WrongType, expected, self.unquoted_help());
                return None;
            }
        };
        let number = number.filter(|number| number.is_finite() && is_valid(*number));
        if number.is_none() {
            self.report_wrong(Code::OutOfRange, expected, None);
        }
        number
    }

    /// The decimal digits of a number, or of a string that holds one, as written in the file.
    pub(super) fn decimal(&self, expected: &str) -> Option<&'a str> {
        match self.spanned.get_ref() {
            DeValue::String(text) => Some(text),
            DeValue::Float(number) => Some(number.as_str()),
            DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str()),
            _ => {
                self.report_wrong(Code::WrongType, expected, None);
                None
            }
        }
    }

    /// One of `words`, as its meaning.
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.string()?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help =
            nearest(text, names.iter().copied()).map(|word| format!("did you mean `{word}`?"));
        let expected = format!("one of {}", names.join(", "));
        self.report_wrong(Code::BadValue, &expected, help);
        None
    }

    /// The items of an array of at most `max`.
    pub(super) fn items(&self, max: usize, expected: &str) -> Option<Vec<Value<'a>>> {
        let DeValue::Array(items) = self.spanned.get_ref() else {
            let help = self
                .is_table()
                .then(|| "write the header with two brackets, `[[...]]`".to_owned());
            self.report_wrong(Code::WrongType, expected, help);
            return None;
        };
        if items.len() > max {
            let message = format!(
                "{} has {} items; at most {max} are allowed",
                self.name,
                items.len()
            );
            self.report(Code::TooLarge, message, None);
            return None;
        }
        let items = items.iter().map(|item| Value {
            log: self.log,
            name: format!("an item of {}", self.name),
            spanned: item,
        });
        Some(items.collect())
    }

    /// A table, read by `build`; its unknown keys are reported after that.
    pub(super) fn table<T>(
        &self,
        what: &'static str,
        build: impl FnOnce(&mut Table<'a>) -> T,
    ) -> Option<T> {
        let DeValue::Table(entries) = self.spanned.get_ref() else {
            self.report_wrong(Code::WrongType, "a table", None);
            return None;
        };
        let mut table = Table::new(self.log, what, self.spanned.span(), entries);
        let value = build(&mut table);
        table.finish();
        Some(value)
    }

    /// A table whose keys are free, read by `build`.
    pub(super) fn free_table<T>(&self, build: impl FnOnce(&Table<'a>) -> T) -> Option<T> {
        let DeValue::Table(entries) = self.spanned.get_ref() else {
            self.report_wrong(Code::WrongType, "a table", None);
            return None;
        };
        let table = Table::new(self.log, "", self.spanned.span(), entries);
        Some(build(&table))
    }

    /// The number, with or without quotation marks; reports nothing.
    pub(super) fn bare_number(&self) -> Option<f64> {
        match self.spanned.get_ref() {
            DeValue::String(text) => text.trim().parse().ok(),
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok(),
            _ => None,
        }
    }

    /// Help for a number or boolean in quotation marks.
    fn unquoted_help(&self) -> Option<String> {
        let text = self.as_str()?;
        let bare = text.parse::<f64>().is_ok() || text.parse::<bool>().is_ok();
        bare.then(|| format!("write {text} without quotation marks"))
    }
}
