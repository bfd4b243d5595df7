//! The asserts of a suite, its prompts and their files: defaults, places for columns, and names.
//!
//! Owns which asserts a prompt has in the end. Must not know the keys of a single assert ([`super::assert`]).
//! Invariant: a prompt's own assert replaces a default of the same `name`, and nothing with a place that no
//! column fills is kept.

use std::borrow::Cow;
use std::collections::HashSet;

use super::assert::{AssertFault, AssertSource, StatedExtract, assert_source, extract};
use super::problem::Code;
use super::reader::{Table, Value};
use super::sources::FileResolver;
use crate::suite::model::assert::{Assert, Asserts};
use crate::suite::value::limits;
use crate::suite::value::template::{FillError, Template, text_without_rows};
use crate::suite::value::text::quoted;

/// The keys about grading of one table: the suite's, a prompt's, or a file's.
#[derive(Default)]
pub(super) struct GradingSource<'a> {
    asserts: Vec<AssertSource<'a>>,
    extract: Option<StatedExtract>,
    pass_threshold: Option<f64>,
}

/// The grading of one prompt.
#[derive(Clone, Default)]
pub(super) struct PromptGrading {
    pub(super) asserts: Asserts,
    pub(super) pass_threshold: Option<f64>,
}

/// Reads `assert`, `extract` and `pass_threshold` of a table. `whole`: the table is the suite's.
pub(super) fn grading<'a>(
    table: &mut Table<'a>,
    files: &FileResolver<'_>,
    whole: bool,
) -> Option<GradingSource<'a>> {
    let asserts = table.field("assert");
    let extract_field = table.field("extract");
    let pass_threshold = table
        .field("pass_threshold")
        .map(|value| value.number("a number from 0 to 1", |share| (0.0..=1.0).contains(&share)));
    let asserts = asserts.map_or(Some(Vec::new()), |value| sources(&value, files, whole));
    let extract = extract_field.map(|value| extract(&value));
    Some(GradingSource {
        asserts: asserts?,
        extract: match extract {
            Some(extract) => Some(extract?),
            None => None,
        },
        pass_threshold: match pass_threshold {
            Some(threshold) => Some(threshold?),
            None => None,
        },
    })
}

fn sources<'a>(
    value: &Value<'a>,
    files: &FileResolver<'_>,
    whole: bool,
) -> Option<Vec<AssertSource<'a>>> {
    let items = value.items(limits::ASSERTS, "an array of tables with `type`")?;
    let mut names = HashSet::new();
    let sources: Vec<_> = items
        .iter()
        .map(|item| {
            let source = item.table("an assert", |table| {
                assert_source(table, item, files, whole)
            })??;
            if source.is_named && !names.insert(source.assert.name.clone()) {
                let name = quoted(&source.assert.name);
                let message = format!("two asserts of one list have the name {name}");
                let help = "give each `name` once, or leave it out".to_owned();
                item.report(Code::Duplicate, message, Some(help));
                return None;
            }
            Some(source)
        })
        .collect();
    sources.into_iter().collect()
}

impl<'a> GradingSource<'a> {
    /// The grading of a prompt without rows; reports what nothing fills. `self` is the suite's.
    pub(super) fn of_prompt(&self, own: &Self, tags: &[String]) -> Option<PromptGrading> {
        let filled = self.applicable(own, tags).into_iter().map(|source| {
            let filled = source.filled(|text| match text_without_rows(text) {
                Ok(text) => Ok(text),
                Err(place) => {
                    let message = format!("nothing fills {}: a prompt has no rows", quoted(place));
                    Err(AssertFault::Other(message))
                }
            });
            match filled {
                Ok(assert) => Some(self.extracting(own, assert)),
                Err(AssertFault::Missing(message) | AssertFault::Other(message)) => {
                    let help =
                        "use `[[prompt_files]]`, or give the assert `tags` of prompts with rows";
                    source
                        .place
                        .report(Code::BadValue, message, Some(help.to_owned()));
                    None
                }
            }
        });
        let filled: Vec<Option<Assert>> = filled.collect();
        let asserts = filled.into_iter().collect::<Option<Vec<_>>>()?;
        Some(self.grading(own, asserts))
    }

    /// The grading of a row's prompt, whose columns `cell` returns. `self` is the suite's.
    pub(super) fn of_row<'c>(
        &self,
        own: &Self,
        tags: &[String],
        cell: impl Fn(&str) -> Option<Cow<'c, str>>,
    ) -> Result<PromptGrading, AssertFault> {
        let mut asserts = Vec::new();
        for source in self.applicable(own, tags) {
            let assert = source.filled(|text| {
                let template =
                    Template::parse(text).map_err(|error| AssertFault::Other(error.to_string()))?;
                let filled = template.fill(&cell, limits::ASSERT_VALUE_BYTES);
                filled.map_err(|error| match error {
                    FillError::Missing(column) => AssertFault::Missing(column),
                    FillError::TooLong(max) => {
                        AssertFault::Other(format!("an assert's text has more than {max} bytes"))
                    }
                })
            })?;
            asserts.push(self.extracting(own, assert));
        }
        Ok(self.grading(own, asserts))
    }

    /// Returns true if every row of a file has the same grading.
    pub(super) fn is_constant(&self, own: &Self, tags: &[String]) -> bool {
        let all = self.applicable(own, tags);
        all.iter().all(|source| !source.has_places)
    }

    /// The defaults for a prompt with these tags, without those that it replaces, then its own.
    fn applicable<'s>(&'s self, own: &'s Self, tags: &[String]) -> Vec<&'s AssertSource<'a>> {
        let is_replaced = |default: &AssertSource<'_>| {
            default.is_named
                && own
                    .asserts
                    .iter()
                    .any(|other| other.is_named && other.assert.name == default.assert.name)
        };
        let applies = |default: &&AssertSource<'_>| {
            let tagged = default.tags.iter().any(|tag| tags.contains(tag));
            (default.tags.is_empty() || tagged) && !is_replaced(default)
        };
        let defaults = self.asserts.iter().filter(applies);
        defaults.chain(&own.asserts).collect()
    }

    fn extracting(&self, own: &Self, assert: (Assert, Option<StatedExtract>)) -> Assert {
        let (mut assert, set) = assert;
        if assert.check.reads_text() {
            let levels = [set, own.extract.clone(), self.extract.clone()];
            assert.extract = match levels.into_iter().flatten().next() {
                Some(StatedExtract::Part(part)) => Some(part),
                Some(StatedExtract::Whole) | None => None,
            };
        }
        assert
    }

    fn grading(&self, own: &Self, mut asserts: Vec<Assert>) -> PromptGrading {
        number_names(&mut asserts);
        PromptGrading {
            pass_threshold: own.pass_threshold.or(self.pass_threshold),
            asserts: asserts.into(),
        }
    }
}

/// Appends numbers to names that are there already.
fn number_names(asserts: &mut [Assert]) {
    let mut taken = HashSet::new();
    for assert in asserts {
        let plain = assert.name.clone();
        let mut number = 2_usize;
        while !taken.insert(assert.name.clone()) {
            assert.name = format!("{plain}-{number}");
            number += 1;
        }
    }
}
