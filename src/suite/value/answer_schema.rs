//! JSON schemas that grade answers, with a bound on their work.
//!
//! Owns which schemas are accepted, and the check of a value. Must not know where a value comes from. Invariants:
//! nothing is fetched, a schema refers to itself alone, and one that could take exponential time is an error
//! when it is read, not when an answer meets it.

use std::collections::HashMap;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use super::limits;
use super::text::quoted;

/// Nesting that the parser of JSON accepts.
const ANSWER_DEPTH: usize = 128;
/// Subschemas within each other, references included: the library recurses into them.
const SCHEMA_DEPTH: usize = 600;

/// A compiled schema.
#[derive(Debug)]
pub struct AnswerSchema {
    validator: Validator,
    /// The most subschemas that apply to one value.
    fan_out: u64,
}

impl AnswerSchema {
    /// Compiles a schema, or returns the reason why it is none.
    pub fn new(schema: &Value) -> Result<Self, String> {
        if !schema.is_object() && !schema.is_boolean() {
            return Err("the schema is not an object".to_owned());
        }
        if count_values(schema) > limits::ASSERT_SCHEMA_NODES as u64 {
            let max = limits::ASSERT_SCHEMA_NODES;
            return Err(format!("the schema has more than {max} values"));
        }
        let mut counter = FanOutCounter {
            root: schema,
            known: HashMap::new(),
            depth: 0,
        };
        let fan_out = counter.fan_out(schema, ANSWER_DEPTH)?;
        let patterns = PatternOptions::regex()
            .size_limit(limits::ASSERT_PATTERN_SIZE)
            .dfa_size_limit(limits::ASSERT_PATTERN_SIZE);
        let built = jsonschema::options()
            .with_pattern_options(patterns)
            .build(schema);
        let validator = built.map_err(|error| {
            let place = error.instance_path().to_string();
            match place.as_str() {
                "" => format!("the schema is not valid: {error}"),
                place => format!("the schema is not valid at {}: {error}", quoted(place)),
            }
        })?;
        Ok(Self { validator, fan_out })
    }

    /// Returns the first violation of the schema by `value`, in words.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let work = count_values(value).saturating_mul(self.fan_out);
        if work > limits::ASSERT_SCHEMA_WORK {
            return Err("the answer is too large for this schema".to_owned());
        }
        self.validator.validate(value).map_err(|error| {
            let place = error.instance_path().to_string();
            match place.as_str() {
                "" => error.to_string(),
                place => format!("at `{place}`: {error}"),
            }
        })
    }
}

/// The number of values in a document, itself included.
fn count_values(value: &Value) -> u64 {
    1 + match value {
        Value::Array(items) => items.iter().map(count_values).sum(),
        Value::Object(entries) => entries.values().map(count_values).sum(),
        _ => 0,
    }
}

/// Counts how many subschemas may apply to one value on the way from the root of an answer to any of its leaves.
struct FanOutCounter<'s> {
    root: &'s Value,
    /// By the address of a subschema and the depth that is left; absent in the value: still being counted.
    known: HashMap<(*const Value, usize), Option<u64>>,
    depth: usize,
}

impl<'s> FanOutCounter<'s> {
    fn fan_out(&mut self, schema: &'s Value, levels: usize) -> Result<u64, String> {
        let Value::Object(keywords) = schema else {
            return Ok(1);
        };
        let key = (std::ptr::from_ref(schema), levels);
        match self.known.get(&key) {
            Some(Some(count)) => return Ok(*count),
            Some(None) => return Err("the schema refers to itself without end".to_owned()),
            None => {}
        }
        if self.depth == SCHEMA_DEPTH {
            return Err(format!(
                "the schema nests more than {SCHEMA_DEPTH} subschemas"
            ));
        }
        self.known.insert(key, None);
        self.depth += 1;
        let count = self.count(schema, keywords, levels)?;
        self.depth -= 1;
        if count > limits::ASSERT_SCHEMA_FAN_OUT {
            return Err(format!(
                "the schema is too expensive: more than {} of its subschemas may apply to one value",
                limits::ASSERT_SCHEMA_FAN_OUT
            ));
        }
        self.known.insert(key, Some(count));
        Ok(count)
    }

    fn count(
        &mut self,
        schema: &'s Value,
        keywords: &'s Map<String, Value>,
        levels: usize,
    ) -> Result<u64, String> {
        let is_root = std::ptr::eq(schema, self.root);
        let mut same_value = 0_u64;
        let mut children = 0_u64;
        let mut looks_again = false;
        for (keyword, value) in keywords {
            match (keyword.as_str(), value) {
                ("$ref", Value::String(target)) => {
                    let target = self.target(target)?;
                    same_value = same_value.saturating_add(self.fan_out(target, levels)?);
                }
                ("$dynamicRef" | "$recursiveRef" | "$dynamicAnchor" | "$recursiveAnchor", _) => {
                    return Err(format!("the schema's `{keyword}` is not supported"));
                }
                ("$id" | "id", Value::String(_)) if !is_root => {
                    return Err(format!("a subschema's `{keyword}` is not supported"));
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => {
                    let sum = self.sum(all.iter(), levels)?;
                    same_value = same_value.saturating_add(sum);
                }
                ("not" | "if" | "then" | "else", one) => {
                    same_value = same_value.saturating_add(self.fan_out(one, levels)?);
                }
                ("dependentSchemas" | "dependencies", Value::Object(all)) => {
                    let sum = self.sum(all.values(), levels)?;
                    same_value = same_value.saturating_add(sum);
                }
                // Each applies to a value of its own.
                ("properties", Value::Object(all)) => {
                    let max = self.max(all.values(), levels)?;
                    children = children.saturating_add(max);
                }
                ("prefixItems" | "items", Value::Array(all)) => {
                    let max = self.max(all.iter(), levels)?;
                    children = children.saturating_add(max);
                }
                ("patternProperties", Value::Object(all)) if levels > 0 => {
                    let sum = self.sum(all.values(), levels - 1)?;
                    children = children.saturating_add(sum);
                }
                (
                    "items"
                    | "additionalItems"
                    | "additionalProperties"
                    | "unevaluatedItems"
                    | "unevaluatedProperties"
                    | "contains"
                    | "propertyNames",
                    one,
                ) => {
                    looks_again |= keyword.starts_with("unevaluated");
                    if levels > 0 {
                        children = children.saturating_add(self.fan_out(one, levels - 1)?);
                    }
                }
                _ => {}
            }
        }
        if looks_again {
            same_value = same_value.saturating_mul(2);
        }
        Ok(1_u64.saturating_add(same_value).saturating_add(children))
    }

    fn sum(
        &mut self,
        schemas: impl Iterator<Item = &'s Value>,
        levels: usize,
    ) -> Result<u64, String> {
        let mut sum = 0_u64;
        for schema in schemas {
            sum = sum.saturating_add(self.fan_out(schema, levels)?);
        }
        Ok(sum)
    }

    /// The largest count of schemas for the values one level below.
    fn max(
        &mut self,
        schemas: impl Iterator<Item = &'s Value>,
        levels: usize,
    ) -> Result<u64, String> {
        let mut max = 0;
        if levels == 0 {
            return Ok(max);
        }
        for schema in schemas {
            max = self.fan_out(schema, levels - 1)?.max(max);
        }
        Ok(max)
    }

    fn target(&self, reference: &str) -> Result<&'s Value, String> {
        let inside = reference.strip_prefix('#').filter(|pointer| {
            pointer.is_empty() || (pointer.starts_with('/') && !pointer.contains('%'))
        });
        inside
            .and_then(|pointer| self.root.pointer(pointer))
            .ok_or_else(|| {
                format!(
                    "the schema's reference {} points to nothing in it: nothing is fetched",
                    quoted(reference)
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(schema: &Value) -> String {
        AnswerSchema::new(schema).unwrap_err()
    }

    #[test]
    fn a_violation_names_its_place() {
        // A reason without a place sends its reader through the whole answer.
        let schema = json!({ "type": "object", "required": ["a"], "properties": { "a": { "items": { "type": "integer" } } } });
        let schema = AnswerSchema::new(&schema).unwrap();
        assert_eq!(schema.check(&json!({ "a": [1, 2] })), Ok(()));
        let wrong = schema.check(&json!({ "a": [1, "x"] })).unwrap_err();
        assert_eq!(wrong, "at `/a/1`: \"x\" is not of type \"integer\"");
        let missing = schema.check(&json!({})).unwrap_err();
        assert_eq!(missing, "\"a\" is a required property");
    }

    #[test]
    fn hostile_schemas_are_errors() {
        // Each would otherwise recurse without end, take exponential time, or ask the network.
        let doubling = |levels: usize| {
            let mut definitions = Map::new();
            for level in 0..levels {
                let next = format!("#/$defs/d{}", level + 1);
                let both = json!({ "anyOf": [{ "$ref": next }, { "$ref": next }] });
                definitions.insert(format!("d{level}"), both);
            }
            definitions.insert(format!("d{levels}"), json!({ "type": "string" }));
            json!({ "$ref": "#/$defs/d0", "$defs": definitions })
        };
        let branching = json!({ "anyOf": [
            { "properties": { "a": { "$ref": "#" } } },
            { "properties": { "a": { "$ref": "#" } } },
        ] });
        let chain = |length: usize| {
            (0..length).fold(
                json!({ "type": "null" }),
                |inner, _| json!({ "not": inner }),
            )
        };
        for (schema, reason) in [
            (json!({ "$ref": "#" }), "without end"),
            (json!({ "allOf": [{ "$ref": "#/allOf/0" }] }), "without end"),
            (doubling(40), "too expensive"),
            (branching, "too expensive"),
            (chain(2_000), "nests more than"),
            (json!({ "$ref": "https://example.com/a.json" }), "fetched"),
            (json!({ "$ref": "file:///etc/passwd" }), "fetched"),
            (json!({ "$dynamicRef": "#a" }), "not supported"),
            (json!({ "pattern": "(a{999}){999}" }), "not valid"),
            (json!({ "pattern": "(?=a)" }), "not valid"),
            (json!({ "type": "strin" }), "not valid"),
            (json!([1]), "not an object"),
        ] {
            let error = error(&schema);
            assert!(error.contains(reason), "{schema:.80}: {error}");
        }
    }

    #[test]
    fn a_recursive_schema_checks_the_deepest_answer() {
        // Trees are common, and neither the depth of an answer nor that of a schema may end the program.
        let tree = json!({
            "type": "object",
            "properties": { "left": { "$ref": "#" }, "right": { "$ref": "#" }, "value": { "type": "integer" } },
            "additionalProperties": false,
        });
        let schema = AnswerSchema::new(&tree).unwrap();
        let deep =
            |leaf: Value| (0..120).fold(leaf, |inner, _| json!({ "left": inner, "value": 1 }));
        assert_eq!(schema.check(&deep(json!({ "value": 1 }))), Ok(()));
        assert!(schema.check(&deep(json!({ "value": "x" }))).is_err());
        let nested = (0..500).fold(
            json!({ "type": "null" }),
            |inner, _| json!({ "allOf": [inner] }),
        );
        let nested = AnswerSchema::new(&nested).unwrap();
        assert!(nested.check(&json!(1)).is_err());
    }

    #[test]
    fn too_much_work_is_refused_and_not_done() {
        let all: Vec<Value> = (0..5_000).map(|n| json!({ "minimum": n })).collect();
        let schema = json!({ "items": { "allOf": all } });
        let schema = AnswerSchema::new(&schema).unwrap();
        let answer = Value::from(vec![9_999; 100_000]);
        assert!(schema.check(&answer).unwrap_err().contains("too large"));
        assert_eq!(schema.check(&json!([9_999])), Ok(()));
    }
}
