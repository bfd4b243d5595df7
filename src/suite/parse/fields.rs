//! Single values that several tables have: ids, times, percentages, amounts of money, URLs, texts.
//!
//! Owns how each is read and the message about a wrong one. Must not know which table it stands in. Invariant:
//! a wrong value is reported, and read as none.

use crate::suite::value::base_url::{BadUrl, BaseUrl};
use crate::suite::value::duration::parse_duration;
use crate::suite::value::limits;
use crate::suite::value::money::parse_dollars;
use crate::suite::value::percent::parse_percent;
use crate::suite::value::template::text_without_rows;
use crate::suite::value::text::quoted;
use crate::units::{ModelId, Nanos, Usd};

use super::problem::Code;
use super::reader::{Table, Value};
use super::sources::{FileKind, FileResolver};

/// An id, a tag or a profile's name: what can be typed after a flag without quotation marks.
pub(super) fn identifier(value: &Value<'_>) -> Option<String> {
    let text = value.bounded_string(limits::ID_CHARS)?;
    if is_identifier(text) {
        return Some(text.to_owned());
    }
    let expected = "made of letters, digits, `-`, `_`, `.`, `/` and `:`";
    value.report_wrong(Code::BadValue, expected, None);
    None
}

/// Returns true if `text` consists of the characters of ids, tags and profiles' names.
pub(super) fn is_identifier(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "-_./:".contains(c);
    !text.is_empty() && text.chars().all(fits) && text.chars().nth(limits::ID_CHARS).is_none()
}

pub(super) fn model_id(value: &Value<'_>) -> Option<ModelId> {
    let text = value.string()?;
    let id = text.parse();
    if id.is_err() {
        let expected = "a model's id, 1 to 200 visible characters without spaces";
        value.report_wrong(Code::BadValue, expected, None);
    }
    id.ok()
}

/// The name of a tool, as every endpoint takes it.
pub(super) fn tool_name(value: &Value<'_>) -> Option<String> {
    let name = value.bounded_string(limits::TOOL_NAME_CHARS)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !name.chars().all(fits) {
        let expected = "made of letters, digits, `-` and `_`";
        value.report_wrong(Code::BadValue, expected, None);
        return None;
    }
    Some(name.to_owned())
}

pub(super) fn timeout(value: &Value<'_>) -> Option<Nanos> {
    span_of_time(value, limits::TIMEOUT_NS, "1h")
}

/// A time above 0 and up to `max_ns`, which messages spell as `max`.
pub(super) fn span_of_time(value: &Value<'_>, max_ns: u64, max: &str) -> Option<Nanos> {
    let expected = "a duration such as \"250ms\", \"1.5s\" or \"2m\"";
    if !value.is_string() {
        let help = "write it in quotation marks, with its unit".to_owned();
        value.report_wrong(Code::WrongType, expected, Some(help));
        return None;
    }
    let Some(time) = parse_duration(value.string()?) else {
        let help = "the units are h, m, s, ms, us and ns".to_owned();
        value.report_wrong(Code::BadValue, expected, Some(help));
        return None;
    };
    if !(1..=max_ns).contains(&time.0) {
        let expected = format!("a time above 0 and up to \"{max}\"");
        value.report_wrong(Code::OutOfRange, &expected, None);
        return None;
    }
    Some(time)
}

/// Returns true for a time that a deadline may have.
fn is_in_range(time: Nanos) -> bool {
    (1..=limits::TIMEOUT_NS).contains(&time.0)
}

/// A time above 0 and up to an hour, as it is typed: `90s`, `5m`.
///
/// # Errors
/// Returns the expected form, if the text has another one.
pub fn parse_time(text: &str) -> Result<Nanos, String> {
    let time = parse_duration(text).filter(|time| is_in_range(*time));
    time.ok_or_else(|| "must be a time above 0 and up to 1h, such as `90s` or `5m`".to_owned())
}

/// Reads the length of a stage of a load that a flag gives.
///
/// # Errors
/// Returns the expected form, if the text has another one.
pub fn parse_load_time(text: &str) -> Result<Nanos, String> {
    let time = parse_duration(text).filter(|time| (1..=limits::LOAD_STAGE_NS).contains(&time.0));
    time.ok_or_else(|| "must be a time above 0 and up to 24h, such as `90s` or `5m`".to_owned())
}

/// The text of a message: not empty, and within the limit of a prompt.
pub(super) fn non_empty_string<'a>(value: &Value<'a>) -> Option<&'a str> {
    value.bounded_string(limits::PROMPT_BYTES)
}

/// The text of `system`, or of the file that `system_file` names.
/// `read` reads the text of `system`.
pub(super) fn system(
    table: &mut Table<'_>,
    files: &FileResolver<'_>,
    read: impl Fn(&Value<'_>) -> Option<String>,
) -> Option<String> {
    let bounded_string = table.field("system");
    let file = table.field("system_file");
    if let (Some(_), Some(file)) = (&bounded_string, &file) {
        let message = "both `system` and `system_file` are set".to_owned();
        file.report(Code::Conflict, message, Some("keep one of them".to_owned()));
    }
    match (bounded_string, file) {
        (Some(value), _) => read(&value),
        (None, Some(value)) => system_file(&value, files),
        (None, None) => None,
    }
}

/// A text of a prompt that no row fills; reports one that is blank or has a `{{name}}`.
pub(super) fn text_of_prompt(value: &Value<'_>) -> Option<String> {
    match text_without_rows(non_empty_string(value)?) {
        Ok(text) => Some(text),
        Err(place) => {
            let message = format!("nothing fills {}: this prompt has no rows", quoted(place));
            let help =
                format!("use `[[prompt_files]]`, or write `{{{{'{place}'}}}}` to send it as it is");
            value.report(Code::BadValue, message, Some(help));
            None
        }
    }
}

/// The text of a file without the line break at its end, which editors add.
pub(super) fn system_file(value: &Value<'_>, files: &FileResolver<'_>) -> Option<String> {
    let path = value.bounded_string(limits::PATH_CHARS)?;
    let wrong_file = |message: String| {
        value.report(Code::File, message, None);
        None
    };
    let file = match files.look_up(path, FileKind::System)? {
        Ok([file]) => file,
        Ok(_) => return wrong_file(format!("{} does not name a single file", quoted(path))),
        Err(problem) => return wrong_file(problem.to_owned()),
    };
    let Ok(text) = std::str::from_utf8(&file.bytes) else {
        return wrong_file(format!("`{}` is not UTF-8 text", file.name));
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.trim().is_empty() {
        return wrong_file(format!("`{}` is empty", file.name));
    }
    Some(text.to_owned())
}

/// A percentage for which `fits` holds, as a share; `expected` says the same in words.
pub(super) fn percent(
    value: &Value<'_>,
    expected: &str,
    fits: impl Fn(f64) -> bool,
) -> Option<f64> {
    let share = value.as_str().and_then(parse_percent);
    if let Some(share) = share {
        if fits(share) {
            return Some(share);
        }
        value.report_wrong(Code::OutOfRange, expected, None);
        return None;
    }
    let code = if value.is_string() {
        Code::BadValue
    } else {
        Code::WrongType
    };
    value.report_wrong(code, expected, value.bare_number().and_then(meant));
    None
}

/// Suggests the intended percentage for a number without the sign: below 1 it looks like a share.
fn meant(number: f64) -> Option<String> {
    /// Digits that a person writes.
    const TENTHS: f64 = 1e6;
    let shown = |number: f64| (number * TENTHS).round() / TENTHS;
    if !(0.0..1e6).contains(&number) {
        return None;
    }
    Some(if number > 0.0 && number < 1.0 {
        let percent = shown(number * 100.0);
        format!(
            "if {number} is a share of 1, that is \"{percent}%\"; write the sign, in quotation marks"
        )
    } else {
        format!("write \"{number}%\", with the sign and in quotation marks")
    })
}

/// An amount from 0 to `max` USD; reports any other value.
pub(super) fn dollars(value: &Value<'_>, max: u32) -> Option<Usd> {
    let expected = format!("an amount from 0 to {max} in USD, such as 0.25 or \"$0.25\"");
    let text = value.decimal(&expected)?;
    let max = Usd(i128::from(max) * Usd::PICO);
    match parse_dollars(text) {
        Ok(usd) if (Usd::ZERO..=max).contains(&usd) => Some(usd),
        Ok(_) => {
            value.report_wrong(Code::OutOfRange, &expected, None);
            None
        }
        Err(_) => {
            value.report_wrong(Code::BadValue, &expected, None);
            None
        }
    }
}

/// A checked base URL.
pub(super) fn base_url(value: &Value<'_>) -> Option<BaseUrl> {
    match BaseUrl::parse(value.bounded_string(limits::URL_BYTES)?) {
        Ok(url) => Some(url),
        Err(BadUrl {
            holds_secret,
            message,
            help,
        }) => {
            let code = if holds_secret {
                Code::Secret
            } else {
                Code::BadValue
            };
            value.report(code, message, help);
            None
        }
    }
}
