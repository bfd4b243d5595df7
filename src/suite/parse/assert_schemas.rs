//! JSON schemas of asserts: as tables, as texts, or in files.
//!
//! Owns the three ways to write one. Must not know what is checked against it. Invariant: a file that is not
//! loaded yet stands for the schema that everything fits.

use serde_json::Value as Json;

use super::problem::Code;
use super::reader::Value;
use super::sources::{FileKind, FileResolver};
use crate::suite::value::limits;
use crate::suite::value::text::quoted;

/// The schema of a key that may be absent; `Err` for one that was reported as invalid.
pub(super) fn optional_schema(
    value: Option<Value<'_>>,
    files: &FileResolver<'_>,
) -> Result<Option<Json>, Reported> {
    match value {
        Some(value) => schema(&value, files).map(Some).ok_or(Reported),
        None => Ok(None),
    }
}

/// A value was reported as invalid.
pub(super) struct Reported;

/// A schema as a table, as JSON in a text, or in the file that `{ file = "..." }` names.
pub(super) fn schema(value: &Value<'_>, files: &FileResolver<'_>) -> Option<Json> {
    let file = value.inside("file").filter(Value::is_string);
    if let Some(file) = file {
        return schema_file(&file, files);
    }
    let Some(text) = value.as_str() else {
        return value.json();
    };
    let parsed = serde_json::from_str(text);
    if let Err(error) = &parsed {
        let help = "write it as a table, or as `{ file = \"schema.json\" }`".to_owned();
        let message = format!("{} is not JSON: {error}", value.name());
        value.report(Code::BadValue, message, Some(help));
    }
    parsed.ok()
}

fn schema_file(value: &Value<'_>, files: &FileResolver<'_>) -> Option<Json> {
    let path = value.bounded_string(limits::PATH_CHARS)?;
    let wrong_file = |message: String| {
        value.report(Code::File, message, None);
        None
    };
    // Not loaded yet: the result of this pass is discarded.
    let Some(answer) = files.look_up(path, FileKind::Schema) else {
        return Some(Json::Bool(true));
    };
    let file = match answer {
        Ok([file]) => file,
        Ok(_) => return wrong_file(format!("{} does not name a single file", quoted(path))),
        Err(problem) => return wrong_file(problem.to_owned()),
    };
    let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf");
    match serde_json::from_slice(bytes.unwrap_or(&file.bytes)) {
        Ok(schema) => Some(schema),
        Err(error) => wrong_file(format!("`{}` is not JSON: {error}", file.name)),
    }
}
