//! Lists of tables that each set values for the models they name.
//!
//! Owns how such a table names its models. Must not know which values it sets.
//! Invariant: every name is a pattern, and none is duplicate.

use super::problem::Code;
use super::reader::{FirstLines, Table, Value};
use crate::suite::model::select::Pattern;
use crate::suite::value::limits;
use crate::suite::value::text::quoted;

/// Description of the tables of a list, for messages and limits.
pub(super) struct RuleKind {
    /// The key of the list in the table of an endpoint.
    pub list: &'static str,
    /// Noun for one of them.
    pub noun: &'static str,
    /// The same with its article.
    pub one: &'static str,
    /// The maximum length of the list.
    pub max: usize,
    /// The keys that set values; a table has at least one of them.
    pub rule_keys: [&'static str; 2],
}

/// Returns each table's model or glob, with the value that `read_rest` reads from the rest of it.
pub(super) fn rules<T>(
    value: &Value<'_>,
    kind: &RuleKind,
    read_rest: impl Fn(&mut Table<'_>) -> T,
) -> Option<Vec<(String, T)>> {
    let expected = format!("tables under `[[endpoints.NAME.{}]]`", kind.list);
    let items = value.items(kind.max, &expected)?;
    let mut first_lines = FirstLines::default();
    let read = items.iter().map(|item| {
        item.table(kind.one, |table| {
            rule(table, kind, &mut first_lines, &read_rest)
        })?
    });
    // All are read before the first invalid one ends the loop: each has its own problems to report.
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

fn rule<T>(
    table: &mut Table<'_>,
    kind: &RuleKind,
    first_lines: &mut FirstLines,
    read_rest: impl Fn(&mut Table<'_>) -> T,
) -> Option<(String, T)> {
    let help = "add `model = \"creator/model\"`, or a pattern such as \"creator/*\"";
    let value = table.required("model", help);
    if kind.rule_keys.iter().all(|key| table.peek(key).is_none()) {
        table.missing(&kind.rule_keys, "add one of them, or both");
    }
    let rest = read_rest(table);
    let value = value?;
    let model = value.bounded_string(limits::PATTERN_BYTES)?;
    if let Err(error) = Pattern::new(model) {
        value.report(Code::BadValue, error.to_string(), None);
        return None;
    }
    if let Some(first) = first_lines.note(model, &value) {
        let message = format!("the {} of {} is duplicate", kind.noun, quoted(model));
        let help = format!("the first is {first}");
        value.report(Code::Duplicate, message, Some(help));
    }
    Some((model.to_owned(), rest))
}
