//! JSON schemas of what is read and printed.
//!
//! Owns their draft and what validators need. Must not know any table. Invariant: no schema has `null`, nor a format that the
//! specification does not define.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The JSON schema of what is read as a `T`.
pub(super) fn schema_of<T: JsonSchema>(title: &str) -> Value {
    schema_with::<T>(SchemaSettings::draft07(), title)
}

/// The JSON schema of what is printed of a `T`: keys that are always there are required, and absent
/// stands for what is not known.
pub fn printed_schema<T: JsonSchema>(title: &str) -> Value {
    schema_with::<T>(SchemaSettings::draft07().for_serialize(), title)
}

/// Draft 7: every editor's TOML plug-in understands it.
fn schema_with<T: JsonSchema>(settings: SchemaSettings, title: &str) -> Value {
    let settings = settings
        .with_transform(WithoutNull)
        .with_transform(WithoutRustFormats);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), Value::from(title));
    schema.to_value()
}

/// TOML has no null, and our JSON none either: an optional key is absent, so that `null` is taken out
/// of every type.
#[derive(Clone)]
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
            choices.retain(|choice| choice.get("type") != Some(&Value::from("null")));
            if let [Value::Object(only)] = choices.as_mut_slice() {
                let only = std::mem::take(only);
                schema.remove("anyOf");
                // Draft 7 ignores what stands beside a reference, hence `allOf`.
                schema.insert("allOf".to_owned(), Value::from(vec![Value::Object(only)]));
            }
        }
        transform_subschemas(self, schema);
    }
}

/// Validators know the formats of the specification alone, and some refuse a schema with another one (Ajv 8). The
/// bounds of a number stand in `minimum` and `maximum`.
#[derive(Clone)]
struct WithoutRustFormats;

impl Transform for WithoutRustFormats {
    fn transform(&mut self, schema: &mut Schema) {
        let numeric = ["uint", "int", "float", "double"];
        let is_rust = |format: &str| numeric.iter().any(|word| format.starts_with(word));
        if schema
            .get("format")
            .and_then(Value::as_str)
            .is_some_and(is_rust)
        {
            schema.remove("format");
        }
        transform_subschemas(self, schema);
    }
}
