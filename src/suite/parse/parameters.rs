//! Request parameters: the table that a suite, a prompt and a variant share.
//!
//! Owns the ranges of parameters and the keys that `extra` may not name. Must not know at which level the table
//! stands. Invariant: a request's key can be set in one way only.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::cache::cache_control;
use super::fields::tool_name;
use super::problem::Code;
use super::reader::{Table, Value};
use crate::suite::model::cache::Caching;
use crate::suite::model::parameters::{Parameters, ReasoningEffort, TokenLimitName, Tool};
use crate::suite::value::limits;
use crate::suite::value::text::quoted;

/// Keys of a request's body that `extra` may not name, and their replacements.
const OWN_KEYS: [(&str, &str); 15] = [
    ("model", "write it under `models`"),
    ("messages", "write it as the prompt's `messages`"),
    ("stream", "write it as `stream` at the top of the suite"),
    ("stream_options", "remove it: usage is always requested"),
    ("max_tokens", "write it as `max_tokens` beside `extra`"),
    (
        "max_completion_tokens",
        "write it as `max_tokens` beside `extra`, with `max_tokens_name = \"max_completion_tokens\"`",
    ),
    ("temperature", "write it as `temperature` beside `extra`"),
    ("top_p", "write it as `top_p` beside `extra`"),
    ("stop", "write it as `stop` beside `extra`"),
    ("seed", "write it as `seed` beside `extra`"),
    (
        "reasoning_effort",
        "write it as `reasoning_effort` beside `extra`",
    ),
    ("tools", "write it as `tools` beside `extra`"),
    (
        "response_format",
        "write it as `response_format` beside `extra`",
    ),
    (
        "providerOptions",
        "write it as `provider_options` beside `extra`",
    ),
    (
        "provider_options",
        "write it as `provider_options` beside `extra`",
    ),
];

/// The `parameters` of a suite or a prompt.
pub(super) fn parameters_of(owner: &mut Table<'_>) -> Parameters {
    owner
        .field("parameters")
        .and_then(|value| value.table("`parameters`", |table| read(table, false)))
        .unwrap_or_default()
}

/// One choice of a value from each list in the `parameters` of a variant.
#[derive(Clone, Default)]
pub(super) struct MatrixPoint {
    /// The chosen values, as labels have them.
    pub(super) chosen: Vec<String>,
    pub(super) parameters: Parameters,
}

/// The `parameters` of a variant: one point for each combination of listed values, one without lists.
pub(super) fn matrix_of(owner: &mut Table<'_>) -> Vec<MatrixPoint> {
    let Some(value) = owner.field("parameters") else {
        return vec![MatrixPoint::default()];
    };
    let points = value.table("`parameters`", |table| {
        let axes: Vec<_> = AXES
            .iter()
            .filter_map(|(key, read)| axis(&table.peek(key)?, key, *read))
            .collect();
        let first = MatrixPoint {
            chosen: Vec::new(),
            parameters: read(table, true),
        };
        axes.iter()
            .fold(vec![first], |all, axis| combine(&all, axis))
    });
    points.unwrap_or_default()
}

/// A parameter of its own, from one value of a list.
type ReadOne = fn(&Value<'_>) -> Option<Parameters>;

/// The parameters that may be lists.
const AXES: [(&str, ReadOne); 4] = [
    ("reasoning_effort", |value| {
        let reasoning_effort = Some(effort(value)?);
        Some(Parameters {
            reasoning_effort,
            ..Parameters::default()
        })
    }),
    ("temperature", |value| {
        let temperature = Some(temperature(value)?);
        Some(Parameters {
            temperature,
            ..Parameters::default()
        })
    }),
    ("top_p", |value| {
        let top_p = Some(top_p(value)?);
        Some(Parameters {
            top_p,
            ..Parameters::default()
        })
    }),
    ("max_tokens", |value| {
        let max_tokens = Some(max_tokens(value)?);
        Some(Parameters {
            max_tokens,
            ..Parameters::default()
        })
    }),
];

/// The points of one list; none if the value is none. A wrong item is reported and left out.
fn axis(value: &Value<'_>, key: &str, read: ReadOne) -> Option<Vec<MatrixPoint>> {
    if !value.is_list() {
        return None;
    }
    let items = value.items(limits::VARIANTS, "an array of values")?;
    if items.is_empty() {
        let message = format!("`{key}` is empty: no variant would be made");
        value.report(Code::BadValue, message, None);
    }
    let points = items.iter().filter_map(|item| {
        let parameters = read(item)?;
        let chosen = match (item.as_str(), item.bare_number()) {
            (Some(word), _) => word.to_owned(),
            (None, number) => format!("{key}={}", number?),
        };
        Some(MatrixPoint {
            chosen: vec![chosen],
            parameters,
        })
    });
    Some(points.collect())
}

/// Every point of `all` with every point of `axis`; not more than a suite may have variants.
fn combine(all: &[MatrixPoint], axis: &[MatrixPoint]) -> Vec<MatrixPoint> {
    let points = all.iter().flat_map(|point| {
        axis.iter().map(|added| MatrixPoint {
            chosen: [point.chosen.as_slice(), &added.chosen].concat(),
            parameters: added.parameters.over(&point.parameters),
        })
    });
    // One more than is allowed shows that there are too many.
    points.take(limits::VARIANTS + 1).collect()
}

fn max_tokens(value: &Value<'_>) -> Option<u64> {
    value.integer(1..=limits::MAX_TOKENS)
}

fn temperature(value: &Value<'_>) -> Option<f64> {
    value.number("a number from 0 to 2", |t| (0.0..=2.0).contains(&t))
}

fn top_p(value: &Value<'_>) -> Option<f64> {
    value.number("a number above 0 and up to 1", |p| p > 0.0 && p <= 1.0)
}

fn effort(value: &Value<'_>) -> Option<ReasoningEffort> {
    value.word(&ReasoningEffort::WORDS)
}

/// The value of a parameter that may be a list. A list is read as none; outside of a variant it is reported.
fn single<'a>(table: &mut Table<'a>, key: &'static str, in_matrix: bool) -> Option<Value<'a>> {
    let value = table.field(key)?;
    if !value.is_list() {
        return Some(value);
    }
    if !in_matrix {
        let help = format!(
            "an array of values makes variants: write it as `{{ model = \"...\", parameters = {{ {key} = [...] }} }}` in `models`"
        );
        value.report_wrong(Code::WrongType, "one value here", Some(help));
    }
    None
}

fn read(table: &mut Table<'_>, in_matrix: bool) -> Parameters {
    Parameters {
        max_tokens: single(table, "max_tokens", in_matrix).and_then(|value| max_tokens(&value)),
        max_tokens_name: table
            .field("max_tokens_name")
            .and_then(|value| value.word(&TokenLimitName::WORDS)),
        temperature: single(table, "temperature", in_matrix).and_then(|value| temperature(&value)),
        top_p: single(table, "top_p", in_matrix).and_then(|value| top_p(&value)),
        stop: table.field("stop").and_then(|value| stops(&value)),
        seed: table
            .field("seed")
            .and_then(|value| value.integer(i64::MIN..=i64::MAX)),
        reasoning_effort: single(table, "reasoning_effort", in_matrix)
            .and_then(|value| effort(&value)),
        tools: table.field("tools").and_then(|value| tools(&value)),
        response_format: table
            .field("response_format")
            .and_then(|value| response_format(&value)),
        caching: caching(table),
        system_cache_control: table
            .field("system_cache_control")
            .and_then(|value| cache_control(&value)),
        provider_options: provider_options(table),
        extra: table
            .field("extra")
            .and_then(|value| extra(&value))
            .unwrap_or_default(),
    }
}

fn stops(value: &Value<'_>) -> Option<Vec<String>> {
    // A stop text may well be blank, such as a line break; only an empty one means nothing.
    let stop = |value: &Value<'_>| {
        let text = value.string()?;
        if text.is_empty() || text.len() > limits::STOP_BYTES {
            let expected = format!("a string of 1 to {} bytes", limits::STOP_BYTES);
            value.report_wrong(Code::BadValue, &expected, None);
            return None;
        }
        Some(text.to_owned())
    };
    if value.is_string() {
        return stop(value).map(|text| vec![text]);
    }
    let items = value.items(limits::STOPS, "a string or an array of strings")?;
    Some(items.iter().filter_map(stop).collect())
}

fn tools(value: &Value<'_>) -> Option<Vec<Tool>> {
    let items = value.items(
        limits::TOOLS,
        "an array of tables with `name` and `parameters`",
    )?;
    let mut names = HashSet::new();
    let tools: Vec<_> = items
        .iter()
        .map(|item| {
            let tool = item.table("a tool", tool)??;
            if !names.insert(tool.name.clone()) {
                let message = format!("the tool {} is duplicate", quoted(&tool.name));
                item.report(Code::Duplicate, message, None);
                return None;
            }
            Some(tool)
        })
        .collect();
    tools.into_iter().collect()
}

fn tool(table: &mut Table<'_>) -> Option<Tool> {
    let name = table
        .required("name", "add the function's `name`")
        .and_then(|value| tool_name(&value));
    let description = table.field("description").and_then(|value| {
        value
            .bounded_string(limits::PROMPT_BYTES)
            .map(str::to_owned)
    });
    let parameters = match table.field("parameters") {
        Some(value) => object(&value).map(Json::Object),
        // The schema of a function without arguments.
        None => Some(serde_json::json!({ "type": "object", "properties": {} })),
    };
    Some(Tool {
        name: name?,
        description,
        parameters: parameters?,
    })
}

fn response_format(value: &Value<'_>) -> Option<Json> {
    let format = object(value)?;
    if !matches!(format.get("type"), Some(Json::String(_))) {
        let message = "`response_format` has no `type`".to_owned();
        let help = "add `type = \"json_object\"`, or `\"json_schema\"` with a `json_schema` table";
        value.report(Code::MissingKey, message, Some(help.to_owned()));
        return None;
    }
    Some(Json::Object(format))
}

fn caching(table: &mut Table<'_>) -> Option<Caching> {
    let value = table.field("caching")?;
    for key in ["provider_options", "providerOptions"] {
        let gateway = table
            .peek(key)
            .and_then(|options| options.inside("gateway"));
        if let Some(second) = gateway.and_then(|gateway| gateway.inside("caching")) {
            let message = format!("`caching` is set here and in `{key}`");
            second.report(Code::Conflict, message, Some("keep one of them".to_owned()));
        }
    }
    value.word(&Caching::WORDS)
}

fn provider_options(table: &mut Table<'_>) -> Map<String, Json> {
    let ours = table.field("provider_options");
    let wires = table.field("providerOptions");
    if let (Some(_), Some(second)) = (&ours, &wires) {
        second.report(
            Code::Conflict,
            "`providerOptions` and `provider_options` are the same key".to_owned(),
            Some("keep one of them".to_owned()),
        );
    }
    // Both are read, so that the problems of both are reported.
    let [ours, wires] = [ours, wires].map(|value| value.and_then(|value| object(&value)));
    ours.or(wires).unwrap_or_default()
}

fn extra(value: &Value<'_>) -> Option<Map<String, Json>> {
    value.free_table(|table| {
        for (key, _) in table.all() {
            let own = OWN_KEYS.iter().find(|(name, _)| *name == key.text);
            if let Some((_, instead)) = own {
                let message = format!("`extra` must not contain {}", quoted(key.text));
                key.report_wrong(Code::Conflict, message, Some((*instead).to_owned()));
            }
        }
    })?;
    object(value)
}

/// A table as JSON.
pub(super) fn object(value: &Value<'_>) -> Option<Map<String, Json>> {
    if !value.is_table() {
        value.report_wrong(Code::WrongType, "a table", None);
        return None;
    }
    match value.json()? {
        Json::Object(object) => Some(object),
        _ => None,
    }
}
