//! Labels of people: how far the graders of a run agree with them.
//!
//! Owns the columns of a file of labels and the printed table. Must not know how agreement is computed. Invariant: a file with
//! a bad line yields no table; nothing is stored.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::{index_trials, to_failure};
use crate::command::base::failure::Failure;
use crate::command::base::stdio::stdout;
use crate::command::base::{exit, files};
use crate::record::{Run, read_scores};
use crate::report::agreement_table;
use crate::stats::interval::Alpha;
use crate::stats::kappa::agreement;

/// Name of a label among the grades of an answer.
const LABEL: &str = "label";

/// Pairs of label and grade, by prompt.
type PairsByPrompt = BTreeMap<String, Vec<(bool, bool)>>;

/// Prints the agreement of each grader of the run with the labels of a file.
pub(super) fn compare(run: &Run, file: &Path) -> Result<u8, Failure> {
    let labels = read(run, file)?;
    let mut graders: BTreeMap<String, PairsByPrompt> = BTreeMap::new();
    let mut labelled = 0_usize;
    for sample in run.samples()?.flatten() {
        let Some(label) = labels.get(&sample.trial) else {
            continue;
        };
        labelled += 1;
        for grade in &sample.grades {
            let prompts = graders.entry(grade.name.clone()).or_default();
            let pairs = prompts.entry(sample.prompt.clone()).or_default();
            pairs.push((*label, grade.pass));
        }
    }
    if graders.is_empty() {
        return Err(Failure::usage(format!(
            "none of the {labelled} labelled answers has a grade: grade the run first, with `bakeoff score --suite`"
        )));
    }
    let agreements = graders.into_iter().filter_map(|(name, prompts)| {
        let prompts: Vec<_> = prompts.into_values().collect();
        Some((name, agreement(&prompts, Alpha::FIVE_PERCENT)?))
    });
    let agreements: Vec<_> = agreements.collect();
    write!(stdout(), "{}", agreement_table(&agreements))?;
    Ok(exit::DONE)
}

/// The labels of a file, by trial.
fn read(run: &Run, file: &Path) -> Result<BTreeMap<u64, bool>, Failure> {
    let text = files::text(file)?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let bad = |error: &csv::Error| Failure::usage(format!("`{}`: {error}", file.display()));
    let header = reader.headers().map_err(|error| bad(&error))?.clone();
    let known = ["trial", "prompt", "variant", "repetition", "pass"];
    let unknown = header.iter().find(|name| !known.contains(name));
    if unknown.is_some() || !header.iter().any(|name| name == "pass") {
        return Err(Failure::usage(format!(
            "`{}` must have the columns `trial` (or `prompt`, `variant` and `repetition`) and `pass`{}",
            file.display(),
            unknown.map_or_else(String::new, |name| format!(", not `{name}`"))
        )));
    }
    // As lines of a file of scores, whose reader finds their trials.
    let mut lines = String::new();
    for record in reader.records() {
        let record = record.map_err(|error| bad(&error))?;
        let mut line = Map::new();
        for (name, cell) in header.iter().zip(record.iter()) {
            let value = match name {
                "pass" => {
                    let score = serde_json::json!({ LABEL: value_of(cell) });
                    line.insert("scores".to_owned(), score);
                    continue;
                }
                "trial" | "repetition" => value_of(cell),
                _ => Value::from(cell),
            };
            line.insert(name.to_owned(), value);
        }
        lines.push_str(&Value::Object(line).to_string());
        lines.push('\n');
    }
    let read = read_scores(&lines, &index_trials(run)?, 1.0);
    let labels = read.map_err(|mut problems| {
        // The first line of the file is its header.
        for problem in &mut problems {
            problem.line += 1;
        }
        to_failure(file, &problems)
    })?;
    Ok(labels
        .amendments()
        .filter_map(|one| Some((one.trial, one.grades.first()?.pass)))
        .collect())
}

/// A number or boolean as such, anything else as text.
fn value_of(cell: &str) -> Value {
    let cell = cell.trim();
    let value: Option<Value> = serde_json::from_str(&cell.to_ascii_lowercase()).ok();
    value
        .filter(|value| value.is_number() || value.is_boolean())
        .unwrap_or_else(|| Value::from(cell))
}
