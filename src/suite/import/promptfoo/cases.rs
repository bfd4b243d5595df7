//! Tests of promptfoo: variables and asserts, in the configuration or in files.
//!
//! Owns the formats of a file of tests, and the special columns of a table. Must not know the prompts. Invariant: a
//! test becomes a node of the configuration, whichever file it stands in.

use super::forms::{extension, text_of};
use super::nunjucks::{Vars, is_template, render};
use super::yaml::{self, Node, Yaml};
use crate::suite::import::OpenFiles;
use crate::suite::parse::rows::each_record;
use crate::suite::value::limits;
use crate::suite::value::text::quoted;

/// Types of asserts by the short names that tables have.
const SHORT_TYPES: [(&str, &str); 3] = [
    ("fn", "javascript"),
    ("eval", "javascript"),
    ("grade", "llm-rubric"),
];

/// The tests of a file.
pub(super) struct TestFile {
    /// Name in messages.
    pub(super) name: String,
    /// The tests, each with its line of the file.
    pub(super) tests: Vec<Node>,
    /// Rows that could not be read.
    pub(super) problems: Vec<(usize, String)>,
    /// The columns of a table whose rows are values and plain answers alone.
    pub(super) plain_columns: Option<Vec<String>>,
}

/// Reads the tests of the files that `path` names.
pub(super) fn test_files(path: &str, open: &OpenFiles<'_>) -> Result<Vec<TestFile>, String> {
    let path = path.strip_prefix("file://").unwrap_or(path);
    if path.contains("://") {
        return Err("tests on the web are not read: save them as a CSV file".to_owned());
    }
    let extension = extension(path).unwrap_or_default();
    if !["csv", "json", "jsonl", "yaml", "yml"].contains(&extension) {
        return Err(format!(
            "{} holds no tests that are read: only CSV, JSON, JSON lines and YAML are",
            quoted(path)
        ));
    }
    let files = open(path)?;
    let read = files.iter().map(|file| {
        let text = text_of(file)?;
        match extension {
            "csv" => Ok(table(file.name.clone(), text)),
            "jsonl" => Ok(lines(file.name.clone(), text)),
            _ => {
                let root = yaml::parse(text).map_err(|error| {
                    let line = error.line.unwrap_or(1);
                    format!("`{}`, line {line}: {}", file.name, error.message)
                })?;
                Ok(TestFile {
                    name: file.name.clone(),
                    tests: root.items().to_vec(),
                    problems: Vec::new(),
                    plain_columns: None,
                })
            }
        }
    });
    read.collect()
}

/// A test on each line.
fn lines(name: String, text: &str) -> TestFile {
    let (mut tests, mut problems) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match yaml::parse(line) {
            Ok(mut node) => {
                node.line = index + 1;
                tests.push(node);
            }
            Err(error) => problems.push((index + 1, error.message)),
        }
    }
    TestFile {
        name,
        tests,
        problems,
        plain_columns: None,
    }
}

/// A row for each test: variables, and columns that begin with two underscores.
fn table(name: String, text: &str) -> TestFile {
    let (mut tests, mut problems) = (Vec::new(), Vec::new());
    let mut columns: Vec<String> = Vec::new();
    let mut is_plain = true;
    each_record(text, |row| {
        let row = match row {
            Ok(row) => row,
            Err(bad) => return problems.push((bad.line, bad.message)),
        };
        if columns.is_empty() {
            columns = row.columns().into_iter().map(str::to_owned).collect();
        }
        let line = row.line;
        let (mut vars, mut asserts, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for column in &columns {
            let value = row.cell(column).unwrap_or_default();
            let Some(special) = column.strip_prefix("__") else {
                vars.push((column.clone(), Node::new_text(line, value)));
                continue;
            };
            if value.is_empty() {
                is_plain &= special != "expected";
                continue;
            }
            match special {
                "description" | "threshold" => {
                    keys.push((special.to_owned(), Node::new_text(line, value)));
                }
                special if special.starts_with("expected") => {
                    let assert = expected(line, &value);
                    is_plain &= special == "expected"
                        && assert.get("type").and_then(Node::text) == Some("equals");
                    asserts.push(assert);
                }
                _ => keys.push((column.clone(), Node::new_text(line, value))),
            }
        }
        keys.push(("vars".to_owned(), Node::new(line, Yaml::Map(vars))));
        keys.push(("assert".to_owned(), Node::new(line, Yaml::List(asserts))));
        tests.push(Node::new(line, Yaml::Map(keys)));
    });
    let is_known = |column: &String| !column.starts_with("__") || column == "__expected";
    is_plain &= problems.is_empty() && columns.iter().all(is_known);
    TestFile {
        name,
        tests,
        problems,
        plain_columns: is_plain.then_some(columns),
    }
}

/// An expected answer of a table: `type: value`, `type(threshold): value`, or the answer itself.
fn expected(line: usize, text: &str) -> Node {
    let (head, value) = match text.split_once(':') {
        Some((head, value)) => (head.trim(), value.trim()),
        None => (text.trim(), ""),
    };
    let (name, threshold) = match head.strip_suffix(')').and_then(|head| head.split_once('(')) {
        Some((name, threshold)) => (name, Some(threshold)),
        None => (head, None),
    };
    let short = SHORT_TYPES.iter().find(|(short, _)| *short == name);
    let kind = short.map_or(name, |(_, kind)| kind);
    let is_type = short.is_some() || super::asserts::is_type(kind);
    let plain = |text: &str| Node::new_text(line, text);
    let keys = if is_type {
        let mut keys = vec![("type", plain(kind))];
        if !value.is_empty() {
            let several = kind.ends_with("-any") || kind.ends_with("-all");
            keys.push((
                "value",
                if several {
                    let items = value.split(',').map(|item| plain(item.trim()));
                    Node::new(line, Yaml::List(items.collect()))
                } else {
                    plain(value)
                },
            ));
        }
        keys.extend(threshold.map(|number| ("threshold", plain(number))));
        keys
    } else {
        vec![("type", plain("equals")), ("value", plain(text))]
    };
    let keys = keys.into_iter().map(|(key, node)| (key.to_owned(), node));
    Node::new(line, Yaml::Map(keys.collect()))
}

/// Every choice of one value for each variable; the test's own win over the defaults. The error has its line.
pub(super) fn products(
    defaults: Option<&Node>,
    own: Option<&Node>,
    open: &OpenFiles<'_>,
) -> Result<Vec<Vars>, (usize, String)> {
    let mut values = std::collections::BTreeMap::new();
    for vars in [defaults, own].into_iter().flatten() {
        if vars.entries().is_empty() && !matches!(vars.value, Yaml::Map(_)) {
            return Err((vars.line, "its variables are in a separate file".to_owned()));
        }
        let entries = vars.entries().iter();
        values.extend(entries.map(|(name, value)| (name.as_str(), value)));
    }
    let mut sets = vec![Vars::new()];
    for (name, value) in values {
        // A list of strings is a choice, any other list one value.
        let is_choice = value
            .items()
            .first()
            .is_some_and(|item| item.json().is_string());
        let items = if is_choice {
            value.items()
        } else {
            std::slice::from_ref(value)
        };
        let mut choices = Vec::new();
        for item in items {
            choices.push(
                match item.text().and_then(|text| text.strip_prefix("file://")) {
                    Some(path) => of_file(path, open)
                        .map_err(|reason| (item.line, format!("the variable `{name}`: {reason}")))?
                        .into(),
                    None => item.json(),
                },
            );
        }
        if sets.len() * choices.len() > limits::PRODUCT {
            let max = limits::PRODUCT;
            return Err((
                value.line,
                format!("its lists make more than {max} prompts"),
            ));
        }
        let with = |set: &Vars, choice: &serde_json::Value| {
            let mut set = set.clone();
            set.insert(name.to_owned(), choice.clone());
            set
        };
        sets = sets
            .iter()
            .flat_map(|set| choices.iter().map(move |choice| with(set, choice)))
            .collect();
    }
    let line = own.or(defaults).map_or(1, |node| node.line);
    let resolved = sets
        .iter()
        .map(|set| resolved(set).map_err(|reason| (line, reason)));
    resolved.collect()
}

/// The text of a file that is the value of a variable.
fn of_file(path: &str, open: &OpenFiles<'_>) -> Result<String, String> {
    if let Some("js" | "cjs" | "mjs" | "ts" | "py") = extension(path) {
        return Err("code is not run".to_owned());
    }
    let files = open(path)?;
    let [file] = files.as_slice() else {
        return Err(format!("{} does not name a single file", quoted(path)));
    };
    Ok(text_of(file)?.trim_end().to_owned())
}

/// Fills values that are templates of the other variables, once.
fn resolved(set: &Vars) -> Result<Vars, String> {
    let mut filled = set.clone();
    for (name, value) in &mut filled {
        if let serde_json::Value::String(text) = value
            && is_template(text)
        {
            let rendered = render(text, set);
            *text = rendered.map_err(|reason| format!("the variable `{name}`: {reason}"))?;
        }
    }
    Ok(filled)
}
