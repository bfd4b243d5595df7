//! Prompt caching keys of a suite: the mode, the gateway's own marks, marks of the suite.
//!
//! Owns how a plan and a mark are read. Must not know how any of them is sent. Invariant: a wrong word is
//! reported, with the valid ones.

use super::fields::{non_empty_string, system_file, timeout};
use super::problem::Code;
use super::reader::{Table, Value};
use super::sources::FileResolver;
use crate::suite::model::cache::{CacheControl, CacheKind, CacheMode, CacheTtl, Reuse};
use crate::suite::model::suite::Variant;

/// Reads the mode as its word, or as a table that also sets the shared prefix and the span of its reuse.
pub(super) fn cache_plan(
    value: &Value<'_>,
    files: &FileResolver<'_>,
) -> Option<(CacheMode, Reuse)> {
    if value.is_table() {
        return value.table("`cache`", |table| plan(table, files))?;
    }
    if !value.is_string() {
        let expected =
            "\"as-is\", \"bust\", \"warm\" or a table such as { mode = \"warm\", within = \"5m\" }";
        value.report_wrong(Code::WrongType, expected, None);
        return None;
    }
    Some((value.word(&CacheMode::WORDS)?, Reuse::default()))
}

/// Reads the mode of one variant: its word alone, because the prefix is shared by all variants.
pub(super) fn cache_word(value: &Value<'_>) -> Option<CacheMode> {
    if value.is_table() {
        let help = "a variant sets only the mode; `within` and `prefix` are keys of the `cache` at the top of the suite, for all variants";
        let expected = "\"as-is\", \"bust\" or \"warm\"";
        value.report_wrong(Code::WrongType, expected, Some(help.to_owned()));
        return None;
    }
    value.word(&CacheMode::WORDS)
}

fn plan(table: &mut Table<'_>, files: &FileResolver<'_>) -> Option<(CacheMode, Reuse)> {
    let bounded_string = table.field("mode");
    let mode = match &bounded_string {
        Some(value) => value.word(&CacheMode::WORDS),
        None => Some(CacheMode::default()),
    };
    let within = table.field("within");
    let within_ns = within.as_ref().and_then(timeout);
    let prefix = match (table.field("prefix"), table.field("prefix_file")) {
        (Some(_), Some(file)) => {
            let message = "both `prefix` and `prefix_file` are set".to_owned();
            file.report(Code::Conflict, message, Some("keep one of them".to_owned()));
            None
        }
        (Some(value), None) => non_empty_string(&value).map(str::to_owned),
        (None, Some(value)) => system_file(&value, files),
        (None, None) => None,
    };
    Some((mode?, Reuse { prefix, within_ns }))
}

/// Reports a reuse span in a suite where no variant is warmed.
pub(super) fn check_reuse_window(table: &Table<'_>, mode: CacheMode, variants: &[Variant]) {
    let modes = variants.iter().map(|variant| variant.cache.unwrap_or(mode));
    let within = table.peek("cache").and_then(|cache| cache.inside("within"));
    if let Some(within) = within
        && !modes.into_iter().any(|mode| mode == CacheMode::Warm)
    {
        let message = "`within` is how long a warmed cache is trusted, and nothing is warmed here";
        let help = "add `mode = \"warm\"`, or omit `within`".to_owned();
        within.report(Code::Conflict, message.to_owned(), Some(help));
    }
}

/// Reads a mark, as its word or as the table of the API.
pub(super) fn cache_control(value: &Value<'_>) -> Option<CacheControl> {
    if value.is_string() {
        let kind = value.word(&CacheKind::WORDS)?;
        return Some(CacheControl { kind, ttl: None });
    }
    if !value.is_table() {
        let expected = "\"ephemeral\" or a table such as { type = \"ephemeral\", ttl = \"1h\" }";
        value.report_wrong(Code::WrongType, expected, None);
        return None;
    }
    value.table("a cache mark", mark)?
}

fn mark(table: &mut Table<'_>) -> Option<CacheControl> {
    let kind = table
        .required("type", "add `type = \"ephemeral\"`")
        .and_then(|value| value.word(&CacheKind::WORDS));
    let ttl = match table.field("ttl") {
        Some(value) => Some(value.word(&CacheTtl::WORDS)?),
        None => None,
    };
    Some(CacheControl { kind: kind?, ttl })
}
