//! A check of a JSON document against a schema: the part of draft 7 that our own schemas use.
//!
//! Stricter than the draft in one thing: a key that the schema does not name is a problem, unless it
//! says what further keys may hold. A word of a schema that is not known here ends the test.

use serde_json::{Map, Value};

/// Words that say nothing about what fits.
const REMARKS: [&str; 7] = [
    "$schema",
    "title",
    "description",
    "default",
    "format",
    "definitions",
    "examples",
];

/// Lists what does not match in the document, with its place.
pub(crate) fn misfits(schema: &Value, document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, document, "", &mut found);
    found
}

fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let mut found = Vec::new();
    check(root, schema, value, "", &mut found);
    found.is_empty()
}

fn check(root: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let schema = schema.as_object().unwrap();
    let mut wrong = |what: String| found.push(format!("{place}: {what}: {value}"));
    for (word, rule) in schema {
        match word.as_str() {
            word if REMARKS.contains(&word) => {}
            "type" if !is_of_type(rule, value) => wrong(format!("is not of type {rule}")),
            "enum" if !rule.as_array().unwrap().contains(value) => {
                wrong(format!("is none of {rule}"));
            }
            "const" if rule != value => wrong(format!("is not {rule}")),
            "minimum" if value.is_number() && value.as_f64() < rule.as_f64() => {
                wrong(format!("is below {rule}"));
            }
            "anyOf" | "oneOf" => {
                let choices = rule.as_array().unwrap().iter();
                let fitting = choices.filter(|choice| fits(root, choice, value)).count();
                if fitting == 0 || (word == "oneOf" && fitting > 1) {
                    wrong(format!("fits {fitting} choices"));
                }
            }
            // Below, or passed above.
            "type"
            | "enum"
            | "const"
            | "minimum"
            | "$ref"
            | "allOf"
            | "items"
            | "properties"
            | "required"
            | "additionalProperties" => {}
            word => panic!("tests/it/support/schema.rs does not know `{word}`"),
        }
    }
    if let Some(target) = schema.get("$ref") {
        let pointer = target.as_str().unwrap().strip_prefix('#').unwrap();
        check(root, root.pointer(pointer).unwrap(), value, place, found);
    }
    for part in schema
        .get("allOf")
        .iter()
        .flat_map(|all| all.as_array().unwrap())
    {
        check(root, part, value, place, found);
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for (number, value) in values.iter().enumerate() {
            check(root, items, value, &format!("{place}/{number}"), found);
        }
    }
    let describes_keys = ["properties", "additionalProperties"]
        .iter()
        .any(|word| schema.contains_key(*word));
    if let (true, Some(object)) = (describes_keys, value.as_object()) {
        check_keys(root, schema, object, place, found);
    }
}

fn check_keys(
    root: &Value,
    schema: &Map<String, Value>,
    object: &Map<String, Value>,
    place: &str,
    found: &mut Vec<String>,
) {
    let required = schema.get("required").and_then(Value::as_array);
    for key in required.into_iter().flatten() {
        if !object.contains_key(key.as_str().unwrap()) {
            found.push(format!("{place}: {key} is missing"));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let others = schema
        .get("additionalProperties")
        .filter(|others| others.is_object());
    for (key, value) in object {
        let named = properties.and_then(|properties| properties.get(key));
        match named.or(others) {
            Some(rule) => check(root, rule, value, &format!("{place}/{key}"), found),
            None => found.push(format!("{place}: `{key}` is not in the schema")),
        }
    }
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("tests/it/support/schema.rs does not know the type `{other}`"),
    };
    rule.as_array()
        .map_or_else(|| is(rule), |names| names.iter().any(is))
}
