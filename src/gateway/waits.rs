//! Waits that a server demands before the next attempt, wherever it writes them.
//!
//! Owns the names and spellings of waits, of which `docs/dialects.md` is a copy. Must not know the clock: dates are
//! resolved by the caller. Invariant: what is no wait is absent, never zero.

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{Span, SpanRelativeTo, Timestamp};
use serde_json::Value;

use super::finish::plain_word;
use super::recording::Response;
use crate::units::Nanos;

/// The longest wait that is honoured. Beyond it a trial fails visibly, and the wait is printed, instead of
/// holding its slot.
pub const HONOURED_WAIT_MAX: Nanos = Nanos::from_millis(60_000);

/// A wait that a server demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// A span.
    Span(Nanos),
    /// A date; it means something only against the wall clock.
    Date(Timestamp),
}

impl RetryAfter {
    /// The wait from `now` on; zero for a date in the past.
    pub fn wait(self, now: Timestamp) -> Nanos {
        match self {
            Self::Span(span) => span,
            Self::Date(date) => {
                let nanos = date.duration_since(now).as_nanos().max(0);
                Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        }
    }
}

/// The unit of a wait that is written as a bare number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds, or an instant in seconds or milliseconds since 1970 where the number is that large.
    SecondsOrEpoch,
}

/// A header that holds a wait.
#[derive(Debug, Clone, Copy)]
pub struct WaitHeader {
    /// Its name, in lower case.
    pub name: &'static str,
    /// The unit of a bare number. Durations (`1m30s`) and dates are understood in all of them.
    pub unit: WaitUnit,
    /// The header with what is left until then; a wait whose header says more than 0 is not the one in force.
    pub remaining: Option<&'static str>,
    /// The vendors that send it.
    pub source: &'static str,
}

/// A field in the body of an error that holds a wait, at any depth.
#[derive(Debug, Clone, Copy)]
pub struct WaitField {
    /// Its name; case and separators do not matter.
    pub name: &'static str,
    /// The unit of a bare number.
    pub unit: WaitUnit,
    /// The vendors that send it.
    pub source: &'static str,
}

/// Prefix under which `LiteLLM` passes on the headers of its upstream.
pub const UPSTREAM_PREFIX: &str = "llm_provider-";

const fn demand(name: &'static str, unit: WaitUnit, source: &'static str) -> WaitHeader {
    WaitHeader {
        name,
        unit,
        remaining: None,
        source,
    }
}

const fn reset(name: &'static str, remaining: &'static str, source: &'static str) -> WaitHeader {
    WaitHeader {
        name,
        unit: WaitUnit::SecondsOrEpoch,
        remaining: Some(remaining),
        source,
    }
}

const fn field(name: &'static str, unit: WaitUnit, source: &'static str) -> WaitField {
    WaitField { name, unit, source }
}

/// Headers that demand a wait, the most exact first. They count with every failure.
pub const DEMANDS: [WaitHeader; 4] = [
    demand(
        "retry-after-ms",
        WaitUnit::Milliseconds,
        "OpenAI, Azure (groq 1.7.0 has it, too)",
    ),
    demand(
        "x-ms-retry-after-ms",
        WaitUnit::Milliseconds,
        "Azure (unverified)",
    ),
    demand(
        "retry-after",
        WaitUnit::Seconds,
        "RFC 9110: seconds or a date",
    ),
    demand("x-retry-after", WaitUnit::SecondsOrEpoch, "unverified"),
];

/// Headers that say when a limit is lifted. They stand on answers as well, and count with a rate limit only.
pub const RESETS: [WaitHeader; 10] = [
    reset(
        "x-ratelimit-reset-requests",
        "x-ratelimit-remaining-requests",
        "OpenAI (`6m0s`), Groq (`2m59.56s`; litellm 1.110.2)",
    ),
    reset(
        "x-ratelimit-reset-tokens",
        "x-ratelimit-remaining-tokens",
        "OpenAI (`120ms`), Groq (litellm 1.110.2)",
    ),
    reset(
        "anthropic-ratelimit-requests-reset",
        "anthropic-ratelimit-requests-remaining",
        "Anthropic (RFC 3339; unverified)",
    ),
    reset(
        "anthropic-ratelimit-tokens-reset",
        "anthropic-ratelimit-tokens-remaining",
        "Anthropic (RFC 3339; unverified)",
    ),
    reset(
        "anthropic-ratelimit-input-tokens-reset",
        "anthropic-ratelimit-input-tokens-remaining",
        "Anthropic (RFC 3339; unverified)",
    ),
    reset(
        "anthropic-ratelimit-output-tokens-reset",
        "anthropic-ratelimit-output-tokens-remaining",
        "Anthropic (RFC 3339; unverified)",
    ),
    reset(
        "ratelimitbysize-reset",
        "ratelimitbysize-remaining",
        "Mistral (seconds; unverified)",
    ),
    reset(
        "x-ratelimit-reset-after",
        "x-ratelimit-remaining",
        "seconds (unverified)",
    ),
    reset(
        "x-ratelimit-reset",
        "x-ratelimit-remaining",
        "OpenRouter (ms since 1970; unverified)",
    ),
    reset(
        "ratelimit-reset",
        "ratelimit-remaining",
        "IETF draft: seconds",
    ),
];

/// Fields of error bodies that demand a wait.
pub const FIELDS: [WaitField; 9] = [
    field("retry_after_ms", WaitUnit::Milliseconds, "unverified"),
    field(
        "retry_after_seconds",
        WaitUnit::Seconds,
        "OpenRouter `metadata` (recorded body)",
    ),
    field("retry_after_secs", WaitUnit::Seconds, "unverified"),
    field("retry_after", WaitUnit::Seconds, "unverified"),
    field(
        "retryDelay",
        WaitUnit::Seconds,
        "Gemini `details[]` (`3.2s`; pydantic-ai-slim 2.68.0)",
    ),
    field("reset_after", WaitUnit::Seconds, "unverified"),
    field(
        "resets_in_seconds",
        WaitUnit::Seconds,
        "OpenAI Codex (unverified)",
    ),
    field(
        "resets_at",
        WaitUnit::SecondsOrEpoch,
        "OpenAI Codex (unverified)",
    ),
    field(
        "X-RateLimit-Reset",
        WaitUnit::SecondsOrEpoch,
        "OpenRouter `metadata.headers` (recorded body)",
    ),
];

/// Phrases of messages before a wait with its unit, in lower case.
pub const PHRASES: [&str; 6] = [
    "try again in ",
    "retry in ",
    "retry after ",
    "try again after ",
    "retry your request after ",
    "wait for ",
];

/// Most parts of a duration in a message: `1 minute 30 seconds`.
const DURATION_WORDS: usize = 4;
/// Depth to which fields of a body are searched.
const FIELD_DEPTH: u32 = 8;
/// Numbers from here on are instants in seconds since 1970: as spans they would be decades.
const EPOCH_SECONDS: f64 = 1e9;
/// Numbers from here on are instants in milliseconds.
const EPOCH_MILLIS: f64 = 1e11;

/// The wait that the headers demand with any failure; those that a proxy passes on from its upstream come last.
pub(super) fn of_headers(response: &Response) -> Option<RetryAfter> {
    own_or_upstream(|name| {
        DEMANDS.iter().find_map(|header| {
            let value = response.header(&name(header.name))?;
            parse(value, header.unit)
        })
    })
}

/// The wait until the limit in force is lifted: the longest of those of which nothing is left. Where something is
/// left of all of them the server counts otherwise, and the shortest one is taken.
pub(super) fn of_resets(response: &Response) -> Option<RetryAfter> {
    own_or_upstream(|name| {
        let mut waits = Vec::new();
        for header in &RESETS {
            let value = response.header(&name(header.name));
            let Some(wait) = value.and_then(|value| parse(value, header.unit)) else {
                continue;
            };
            let left = header
                .remaining
                .and_then(|left| response.header(&name(left)));
            let has_left = left
                .and_then(|left| left.trim().parse::<f64>().ok())
                .is_some_and(|left| left > 0.0);
            waits.push((has_left, wait));
        }
        // A server writes all of its limits in one spelling, so that spans and dates need not be compared.
        let nanos = |wait: &RetryAfter| match wait {
            RetryAfter::Span(span) => i128::from(span.0),
            RetryAfter::Date(date) => date.as_nanosecond(),
        };
        let in_force = waits.iter().filter(|(has_left, _)| !has_left);
        let longest = in_force.map(|(_, wait)| *wait).max_by_key(nanos);
        longest.or_else(|| waits.iter().map(|(_, wait)| *wait).min_by_key(nanos))
    })
}

/// Searches the server's own headers, then those of its upstream.
fn own_or_upstream(
    search: impl Fn(&dyn Fn(&str) -> String) -> Option<RetryAfter>,
) -> Option<RetryAfter> {
    search(&str::to_owned).or_else(|| search(&|name| format!("{UPSTREAM_PREFIX}{name}")))
}

/// The wait in an error's JSON, in one of its fields at any depth.
pub(super) fn of_json(value: &Value) -> Option<RetryAfter> {
    FIELDS.iter().find_map(|field| {
        let plain = plain_word(field.name);
        find_field(value, &plain, field.unit, FIELD_DEPTH)
    })
}

fn find_field(value: &Value, plain: &str, unit: WaitUnit, depth: u32) -> Option<RetryAfter> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let wait = match value {
                Value::String(text) if plain_word(name) == plain => parse(text, unit),
                Value::Number(number) if plain_word(name) == plain => {
                    of_number(number.as_f64()?, unit)
                }
                _ => None,
            };
            wait.or_else(|| find_field(value, plain, unit, depth))
        }),
        Value::Array(items) => (items.iter()).find_map(|item| find_field(item, plain, unit, depth)),
        _ => None,
    }
}

/// The wait in an error's message: `Please try again in 1m30s.`
pub(super) fn of_message(message: &str) -> Option<RetryAfter> {
    let lower = message.to_lowercase();
    PHRASES.iter().find_map(|phrase| {
        let after = &lower[lower.find(phrase)? + phrase.len()..];
        let words: Vec<&str> = after.split_whitespace().take(DURATION_WORDS).collect();
        (1..=words.len()).rev().find_map(|count| {
            let text = words[..count].join(" ");
            let text = text.trim_end_matches(['.', ',', ';', ')', '!']);
            // A bare number has no unit.
            let has_unit = text.contains(|c: char| c.is_ascii_alphabetic());
            has_unit.then(|| duration(text)).flatten()
        })
    })
}

/// Parses a wait: a number in this unit, a duration, an HTTP date or one of RFC 3339.
pub(super) fn parse(text: &str, unit: WaitUnit) -> Option<RetryAfter> {
    let text = text.trim();
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    if !text.is_empty() && text.chars().all(is_number) {
        return of_number(text.parse().ok()?, unit);
    }
    if let Ok(date) = DateTimeParser::new().parse_timestamp(text) {
        return Some(RetryAfter::Date(date));
    }
    if let Ok(date) = text.parse::<Timestamp>() {
        return Some(RetryAfter::Date(date));
    }
    duration(text)
}

/// A duration as people and ISO 8601 write it: `1m30s`, `250ms`, `20 seconds`, `PT20S`. Days have 24 hours.
fn duration(text: &str) -> Option<RetryAfter> {
    let span: Span = text.parse().ok()?;
    let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    let nanos = u64::try_from(span.as_nanos()).ok()?;
    Some(RetryAfter::Span(Nanos(nanos)))
}

fn of_number(number: f64, unit: WaitUnit) -> Option<RetryAfter> {
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    let epoch = unit == WaitUnit::SecondsOrEpoch && number >= EPOCH_SECONDS;
    let millis = match unit {
        WaitUnit::Milliseconds => number,
        WaitUnit::SecondsOrEpoch if number >= EPOCH_MILLIS => number,
        WaitUnit::Seconds | WaitUnit::SecondsOrEpoch => number * 1e3,
    };
    if epoch {
        #[allow(clippy::cast_possible_truncation)]
        // Saturating; what is no instant is rejected below.
        let instant = Timestamp::from_millisecond(millis as i64);
        return instant.ok().map(RetryAfter::Date);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // Not negative, and saturating.
    Some(RetryAfter::Span(Nanos((millis * 1e6).ceil() as u64)))
}

#[cfg(test)]
#[path = "waits_tests.rs"]
mod tests;
