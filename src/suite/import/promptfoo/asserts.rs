//! Asserts of promptfoo as those of a suite.
//!
//! Owns which of their keys have a meaning here. Must not know YAML's syntax, nor where the assert will stand.
//! Invariant: what is carried over is read by the reader of suites; all else has a reason.

use serde_json::Value;

use super::ids::grader_id;
use super::nunjucks::{Vars, render};
use super::yaml::{Node, Yaml};
use crate::suite::import::draft::{GraderKind, text};
use crate::suite::parse::assert::TYPES;
use crate::suite::parse::suite::parse_suite;
use crate::suite::value::template::escape_places;
use crate::suite::value::text::quoted;

/// Types of promptfoo that run code.
const CODE: [&str; 4] = ["javascript", "python", "ruby", "webhook"];
/// Types that ask a model, and are carried over: their names here, and the models that grade.
const GRADED_BY: [(&str, &str, GraderKind); 3] = [
    ("llm-rubric", "judge", GraderKind::Judge),
    ("similar", "similar", GraderKind::EmbeddingModel),
    ("similar:cosine", "similar", GraderKind::EmbeddingModel),
];
/// Types that ask a model in ways that are not carried over.
const MODELS: [&str; 16] = [
    "similar:dot",
    "similar:euclidean",
    "agent-rubric",
    "search-rubric",
    "model-graded-closedqa",
    "model-graded-factuality",
    "factuality",
    "answer-relevance",
    "context-faithfulness",
    "context-recall",
    "context-relevance",
    "conversation-relevance",
    "g-eval",
    "select-best",
    "pi",
    "classifier",
];

/// An assert of a suite.
pub(super) struct CarriedAssert {
    /// An inline table.
    pub(super) table: String,
    /// The model that grades, if it is none of the assert's own: as the source names it, or absent where it does not.
    pub(super) grader: Option<(GraderKind, Option<String>)>,
}

/// One assert with the variables of its test; or the reason why it is none.
pub(super) fn carried_over(assert: &Node, vars: &Vars) -> Result<CarriedAssert, String> {
    let kind = assert.get("type").and_then(Node::text).unwrap_or_default();
    let plain = kind.strip_prefix("not-").unwrap_or(kind);
    if CODE.contains(&plain) {
        return Err("code is not run".to_owned());
    }
    if MODELS.contains(&plain) {
        return Err("of graders that are models, only `llm-rubric` and `similar` are".to_owned());
    }
    let carried = GRADED_BY.iter().find(|(theirs, ..)| *theirs == plain);
    let mut grader = carried.map(|(_, _, grader)| (*grader, None));
    let ours = carried.map_or(plain, |(_, ours, _)| ours);
    let not = if plain.len() < kind.len() { "not-" } else { "" };
    let mut keys = vec![format!("type = {}", text(&format!("{not}{ours}")))];
    for (key, node) in assert.entries() {
        match key.as_str() {
            "type" => {}
            "value" if ours == "judge" => {
                let rubric = node.text().ok_or("its rubric is not a string")?;
                if rubric.starts_with("file://") {
                    return Err("its value lies in a file".to_owned());
                }
                keys.push(format!("rubric = {}", filled(rubric, vars)?));
            }
            "value" => keys.extend(value_key(ours, node, vars)?),
            "provider" if grader.is_some() => {
                let own = grader_id(node);
                let own = own.ok_or("its `provider` is no model of a gateway")?;
                grader = grader.map(|(grader, _)| (grader, Some(own)));
            }
            "threshold" => keys.push(format!("threshold = {}", number(node)?)),
            "weight" => keys.push(format!("weight = {}", number(node)?)),
            "metric" => {
                let name = node.text().ok_or("its `metric` is not a string")?;
                keys.push(format!("name = {}", text(name)));
            }
            _ => return Err(format!("`{key}` of an assertion is not imported")),
        }
    }
    let table = format!("{{ {} }}", keys.join(", "));
    check(&format!("assert = [{table}]"))?;
    Ok(CarriedAssert { table, grader })
}

/// Returns true for the type of an assert, ours or not, with or without its prefix.
pub(super) fn is_type(kind: &str) -> bool {
    let plain = kind.strip_prefix("not-").unwrap_or(kind);
    let graded = GRADED_BY.iter().any(|(theirs, ..)| *theirs == plain);
    graded
        || [&TYPES[..], &CODE, &MODELS]
            .iter()
            .any(|types| types.contains(&plain))
}

/// Reads keys of a prompt as a suite would.
pub(super) fn check(keys: &str) -> Result<(), String> {
    let suite = format!(
        "name = \"x\"\nmodels = [\"x\"]\njudge = \"x\"\nembedding_model = \"x\"\n[[prompts]]\nid = \"x\"\nuser = \"x\"\n{keys}\n"
    );
    let Err(problems) = parse_suite(&suite) else {
        return Ok(());
    };
    let first = problems.iter().next();
    Err(first.map_or_else(String::new, |problem| problem.message.clone()))
}

fn number(node: &Node) -> Result<&str, String> {
    let text = node.text().unwrap_or_default();
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(text),
        _ => Err(format!("{} is not a number", quoted(text))),
    }
}

/// The key `value`, filled; none where the source leaves it empty.
fn value_key(kind: &str, node: &Node, vars: &Vars) -> Result<Option<String>, String> {
    let is_file = |node: &Node| node.text().is_some_and(|text| text.starts_with("file://"));
    if node.items().iter().any(is_file) {
        return Err("its value lies in a file".to_owned());
    }
    let is_schema = ["is-json", "contains-json"].contains(&kind);
    let written = match &node.value {
        Yaml::Null => return Ok(None),
        Yaml::Text(schema) if is_schema => text(schema),
        Yaml::Text(count) if kind == "word-count" => count.clone(),
        Yaml::Text(plain) => filled(plain, vars)?,
        Yaml::List(items) if kind != "equals" => {
            let texts: Result<Vec<String>, String> = items
                .iter()
                .map(|item| {
                    let text = item.text().ok_or("a value of its list is not a string")?;
                    filled(text, vars)
                })
                .collect();
            format!("[{}]", texts?.join(", "))
        }
        Yaml::Map(entries) if kind == "word-count" => {
            let bounds: Result<Vec<String>, String> = entries
                .iter()
                .map(|(key, node)| Ok(format!("{key} = {}", number(node)?)))
                .collect();
            format!("{{ {} }}", bounds?.join(", "))
        }
        // A text of JSON is read as a schema, and has what TOML lacks.
        Yaml::Map(_) if is_schema => text(&node.json().to_string()),
        Yaml::List(_) | Yaml::Map(_) => toml(&node.json())?,
    };
    Ok(Some(format!("value = {written}")))
}

/// A text with its variables filled, as TOML.
fn filled(plain: &str, vars: &Vars) -> Result<String, String> {
    Ok(text(&escape_places(&render(plain, vars)?)))
}

/// JSON as TOML, which has no null.
pub(super) fn toml(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::Null => return Err("its value has a null".to_owned()),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(plain) => text(plain),
        Value::Array(items) => {
            let items: Result<Vec<String>, String> = items.iter().map(toml).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Object(entries) => {
            let entries: Result<Vec<String>, String> = entries
                .iter()
                .map(|(key, value)| Ok(format!("{} = {}", text(key), toml(value)?)))
                .collect();
            format!("{{ {} }}", entries?.join(", "))
        }
    })
}
