//! One assert: its type, the keys that belong to it, and the places for columns in its texts.
//!
//! Owns the meaning of each key. Must not know to which prompts it applies. Invariant: a pattern or schema that
//! does not compile is reported here if no column fills it, and else for the row that filled it.

mod values;

use super::assert_schemas::{optional_schema, schema};
use super::fields::{dollars, identifier, timeout};
use super::problem::Code;
use super::reader::{Table, Value};
use super::sources::FileResolver;
use crate::suite::model::assert::{Assert, Check, Extract, TextCheck, TextsCheck};
use crate::suite::value::duration::parse_duration;
use crate::suite::value::pattern::compile_pattern;
use crate::suite::value::text::{nearest, quoted};
use crate::suite::value::{defaults, limits};
use crate::units::is_unsafe_char;
use values::{text_list, text_value, time};

/// An assert as the suite writes it: its texts may have places for columns.
pub(super) struct AssertSource<'a> {
    pub(super) assert: Assert,
    /// True if the suite gives its name.
    pub(super) is_named: bool,
    /// Only prompts with one of these have it; empty: all.
    pub(super) tags: Vec<String>,
    /// The extraction that the assert itself states.
    pub(super) extract: Option<StatedExtract>,
    /// True if a text has `{{`.
    pub(super) has_places: bool,
    /// Its list is written as one text with commas.
    splits: bool,
    pub(super) place: Value<'a>,
}

/// `extract` as a suite states it.
#[derive(Clone)]
pub(super) enum StatedExtract {
    /// `"all"`.
    Whole,
    /// Anything else.
    Part(Extract),
}

/// A problem of an assert's text that is filled.
pub(super) enum AssertFault {
    /// The row has no value in this column.
    Missing(String),
    /// Anything else, in words.
    Other(String),
}

/// Every type, without the prefix `not-`.
pub(in crate::suite) const TYPES: [&str; 26] = [
    "equals",
    "contains",
    "icontains",
    "contains-any",
    "icontains-any",
    "contains-all",
    "icontains-all",
    "starts-with",
    "regex",
    "is-json",
    "contains-json",
    "json-schema",
    "is-refusal",
    "word-count",
    "levenshtein",
    "rouge-n",
    "bleu",
    "tool-call",
    "finish-reason",
    "cost",
    "latency",
    "ttft",
    "max-output-tokens",
    "judge",
    "similar",
    "exec",
];

/// Types of other tools that need more than the answer.
const UNSUPPORTED: [&str; 5] = ["llm-rubric", "javascript", "python", "ruby", "webhook"];

/// The keys beside `type` that belong to some types alone.
struct Keys<'a> {
    value: Option<Value<'a>>,
    threshold: Option<Value<'a>>,
    ignore_case: Option<Value<'a>>,
    n: Option<Value<'a>>,
    rubric: Option<Value<'a>>,
    command: Option<Value<'a>>,
    timeout: Option<Value<'a>>,
}

/// A check with the places of its texts.
struct CheckSource {
    check: Check,
    splits: bool,
}

impl From<Check> for CheckSource {
    fn from(check: Check) -> Self {
        let splits = false;
        Self { check, splits }
    }
}

/// Reads one assert. `whole`: it is one of the suite's defaults.
pub(super) fn assert_source<'a>(
    table: &mut Table<'a>,
    item: &Value<'a>,
    files: &FileResolver<'_>,
    whole: bool,
) -> Option<AssertSource<'a>> {
    let kind = table.required("type", "add `type = \"contains\"`");
    let mut keys = Keys {
        value: table.field("value"),
        threshold: table.field("threshold"),
        ignore_case: table.field("ignore_case"),
        n: table.field("n"),
        rubric: table.field("rubric"),
        command: table.field("command"),
        timeout: table.field("timeout"),
    };
    let name = table.field("name").map(|value| assert_name(&value));
    let weight = table
        .field("weight")
        .map_or(Some(defaults::WEIGHT), |value| {
            let range = 0.0..=limits::WEIGHT_MAX;
            value.number("a number from 0 to 1e9", |weight| range.contains(&weight))
        });
    let extract_field = table.field("extract");
    let own_extract = extract_field.as_ref().map(extract);
    let tags = assert_tags(table, whole);
    let kind = kind?;
    let word = kind.string()?;
    let (negated, plain) = match word.strip_prefix("not-") {
        Some(plain) => (true, plain),
        None => (false, word),
    };
    if !TYPES.contains(&plain) {
        unknown_type(&kind, word, plain);
        return None;
    }
    let made = check(plain, &kind, &mut keys, files);
    keys.report_unused(plain);
    let CheckSource { mut check, splits } = made?;
    if let Some(value) = extract_field.filter(|_| !check.reads_text()) {
        let message = format!("`extract` stands beside `{word}`, which reads no text");
        value.report(Code::Conflict, message, None);
    }
    let is_named = name.is_some();
    let has_places = check.texts_mut().iter().any(|text| text.contains("{{"));
    let source = AssertSource {
        assert: Assert {
            name: name.unwrap_or_else(|| Some(word.to_owned()))?,
            check,
            negated,
            weight: weight?,
            extract: None,
        },
        is_named,
        tags: tags?,
        extract: match own_extract {
            Some(extract) => Some(extract?),
            None => None,
        },
        has_places,
        splits,
        place: item.clone(),
    };
    if !has_places && let Some(problem) = source.plain().problem() {
        item.report(Code::BadValue, problem, None);
        return None;
    }
    Some(source)
}

impl AssertSource<'_> {
    /// The assert with its list split.
    fn plain(&self) -> Assert {
        let mut assert = self.assert.clone();
        if let (true, Check::ContainsAny(texts) | Check::ContainsAll(texts)) =
            (self.splits, &mut assert.check)
        {
            let parts = texts.values.iter().flat_map(|text| text.split(','));
            let parts = parts.map(|part| part.trim().to_owned());
            texts.values = parts.filter(|part| !part.is_empty()).collect();
        }
        assert
    }

    /// The assert with its texts filled, and the extraction that it states.
    pub(super) fn filled(
        &self,
        fill: impl Fn(&str) -> Result<String, AssertFault>,
    ) -> Result<(Assert, Option<StatedExtract>), AssertFault> {
        if !self.has_places {
            return Ok((self.plain(), self.extract.clone()));
        }
        let mut filled = Self {
            assert: self.assert.clone(),
            tags: Vec::new(),
            extract: None,
            place: self.place.clone(),
            ..*self
        };
        for text in filled.assert.check.texts_mut() {
            *text = fill(text)?;
        }
        let assert = filled.plain();
        match assert.problem() {
            None => Ok((assert, self.extract.clone())),
            Some(problem) => Err(AssertFault::Other(problem)),
        }
    }
}

/// The name of a grade: a cell of tables.
fn assert_name(value: &Value<'_>) -> Option<String> {
    let text = value.bounded_string(limits::ID_CHARS)?;
    if text.contains(is_unsafe_char) || text.trim() != text {
        let expected = "one line without leading or trailing spaces";
        value.report_wrong(Code::BadValue, expected, None);
        return None;
    }
    Some(text.to_owned())
}

fn assert_tags(table: &mut Table<'_>, whole: bool) -> Option<Vec<String>> {
    let Some(value) = table.field("tags") else {
        return Some(Vec::new());
    };
    if !whole {
        let message = "`tags` belongs to the asserts of the suite, which apply to all prompts";
        value.report(Code::Conflict, message.to_owned(), None);
        return None;
    }
    let items = value.items(limits::TAGS, "an array of strings")?;
    let tags: Vec<_> = items.iter().map(identifier).collect();
    tags.into_iter().collect()
}

fn unknown_type(kind: &Value<'_>, word: &str, plain: &str) {
    let message = if UNSUPPORTED.contains(&plain) {
        format!("the assert type {} is not supported", quoted(word))
    } else {
        format!("{} is no type of assert", quoted(word))
    };
    let help = match nearest(plain, TYPES) {
        Some(near) if !UNSUPPORTED.contains(&plain) => format!("did you mean `{near}`?"),
        _ => format!("the types are {}, each also with `not-`", TYPES.join(", ")),
    };
    kind.report(Code::BadValue, message, Some(help));
}

/// Reads `extract`: `"json"`, `"last-line"`, `"all"`, or a pattern.
pub(super) fn extract(value: &Value<'_>) -> Option<StatedExtract> {
    let part = match value.bounded_string(limits::ASSERT_PATTERN_BYTES)? {
        "all" => return Some(StatedExtract::Whole),
        "json" => Extract::Json,
        "last-line" => Extract::LastLine,
        pattern => match compile_pattern(pattern) {
            Ok(_) => Extract::Regex(pattern.to_owned()),
            Err(reason) => {
                let help = "write \"json\", \"last-line\", \"all\" or a regular expression";
                let message = format!("`extract`: {reason}");
                value.report(Code::BadValue, message, Some(help.to_owned()));
                return None;
            }
        },
    };
    Some(StatedExtract::Part(part))
}

impl<'a> Keys<'a> {
    fn value(&mut self, kind: &Value<'_>, example: &str) -> Option<Value<'a>> {
        required(kind, "value", self.value.take(), example)
    }

    fn threshold(&mut self, kind: &Value<'_>, example: &str) -> Option<Value<'a>> {
        required(kind, "threshold", self.threshold.take(), example)
    }

    /// A threshold of a score.
    fn share(&mut self, default: f64) -> Option<f64> {
        let Some(value) = self.threshold.take() else {
            return Some(default);
        };
        value.number("a number from 0 to 1", |share| (0.0..=1.0).contains(&share))
    }

    fn ignore_case(&mut self) -> bool {
        let value = self.ignore_case.take();
        value.and_then(|value| value.boolean()).unwrap_or(false)
    }

    /// Reports the keys that the type does not have.
    fn report_unused(self, kind: &str) {
        let unused = [
            self.value,
            self.threshold,
            self.ignore_case,
            self.n,
            self.rubric,
            self.command,
            self.timeout,
        ];
        for value in unused.into_iter().flatten() {
            let message = format!("an assert of type `{kind}` has no {}", value.name());
            value.report(Code::Conflict, message, None);
        }
    }
}

/// The value of a key that this type of assert must have; reports its absence.
fn required<'a>(
    kind: &Value<'_>,
    key: &str,
    value: Option<Value<'a>>,
    example: &str,
) -> Option<Value<'a>> {
    if value.is_none() {
        let message = format!("the assert {} has no `{key}`", quoted(type_word(kind)));
        kind.report(Code::MissingKey, message, Some(format!("add `{example}`")));
    }
    value
}

fn type_word<'a>(kind: &Value<'a>) -> &'a str {
    kind.as_str().unwrap_or_default()
}

fn check(
    plain: &str,
    kind: &Value<'_>,
    keys: &mut Keys<'_>,
    files: &FileResolver<'_>,
) -> Option<CheckSource> {
    Some(match plain {
        "equals" => equals(kind, keys)?.into(),
        "contains" => Check::Contains(text_check(kind, keys, false)?).into(),
        "icontains" => Check::Contains(text_check(kind, keys, true)?).into(),
        "starts-with" => Check::StartsWith(text_check(kind, keys, false)?).into(),
        "contains-any" => texts_check(kind, keys, false, Check::ContainsAny)?,
        "icontains-any" => texts_check(kind, keys, true, Check::ContainsAny)?,
        "contains-all" => texts_check(kind, keys, false, Check::ContainsAll)?,
        "icontains-all" => texts_check(kind, keys, true, Check::ContainsAll)?,
        "regex" => {
            let value = keys.value(kind, "value = \"[0-9]+ days\"")?;
            let value = value
                .bounded_string(limits::ASSERT_PATTERN_BYTES)?
                .to_owned();
            Check::Regex { value }.into()
        }
        "is-json" => Check::IsJson {
            schema: optional_schema(keys.value.take(), files).ok()?,
        }
        .into(),
        "contains-json" => Check::ContainsJson {
            schema: optional_schema(keys.value.take(), files).ok()?,
        }
        .into(),
        "json-schema" => {
            let value = keys.value(kind, "value = { file = \"schema.json\" }")?;
            let schema = Some(schema(&value, files)?);
            Check::IsJson { schema }.into()
        }
        "is-refusal" => Check::IsRefusal.into(),
        "word-count" => word_count(kind, keys)?.into(),
        "levenshtein" => {
            let value = text_value(&keys.value(kind, "value = \"the expected text\"")?)?;
            let limit = limits::ASSERT_VALUE_BYTES as u64;
            let max = keys
                .threshold
                .take()
                .map_or(Some(defaults::EDITS), |value| value.integer(0..=limit));
            let max = max?;
            Check::Levenshtein { value, max }.into()
        }
        "rouge-n" => {
            let value = text_value(&keys.value(kind, "value = \"the expected text\"")?)?;
            let n = keys
                .n
                .take()
                .map_or(Some(1), |value| value.integer(1..=limits::ASSERT_NGRAM));
            let threshold = keys.share(defaults::ROUGE)?;
            let n = n?;
            Check::RougeN {
                value,
                n,
                threshold,
            }
            .into()
        }
        "bleu" => {
            let values = references(kind, keys)?;
            let threshold = keys.share(defaults::BLEU)?;
            Check::Bleu { values, threshold }.into()
        }
        "tool-call" => tool_call(&keys.value(kind, "value = \"name_of_the_tool\"")?, files)?.into(),
        "finish-reason" => {
            let value = text_value(&keys.value(kind, "value = \"stop\"")?)?;
            Check::FinishReason { value }.into()
        }
        "cost" => {
            let value = keys.threshold(kind, "threshold = \"$0.002\"")?;
            let max = dollars(&value, limits::SUM_USD)?;
            Check::Cost { max }.into()
        }
        "latency" => Check::Latency {
            max: time(&keys.threshold(kind, "threshold = \"2s\"")?)?,
        }
        .into(),
        "ttft" => Check::Ttft {
            max: time(&keys.threshold(kind, "threshold = \"500ms\"")?)?,
        }
        .into(),
        "judge" => judge(kind, keys)?.into(),
        "similar" => {
            let values = references(kind, keys)?;
            let threshold = keys.share(defaults::SIMILAR)?;
            Check::Similar { values, threshold }.into()
        }
        "exec" => exec(kind, keys)?.into(),
        _ => {
            let value = keys.value(kind, "value = 200")?;
            let max = value.integer(1..=limits::MAX_TOKENS)?;
            Check::MaxOutputTokens { max }.into()
        }
    })
}

fn equals(kind: &Value<'_>, keys: &mut Keys<'_>) -> Option<Check> {
    let example = "value = \"the whole answer\"";
    if keys.value.as_ref().is_some_and(Value::is_document) {
        let value = keys.value(kind, example)?.json()?;
        return Some(Check::EqualsJson { value });
    }
    let value = keys.value(kind, example)?;
    let ignore_case = keys.ignore_case();
    let value = text_value(&value)?;
    Some(Check::Equals(TextCheck { value, ignore_case }))
}

fn text_check(kind: &Value<'_>, keys: &mut Keys<'_>, always: bool) -> Option<TextCheck> {
    let value = keys.value(kind, "value = \"14 days\"");
    let ignore_case = always || keys.ignore_case();
    let value = text_value(&value?)?;
    Some(TextCheck { value, ignore_case })
}

fn texts_check(
    kind: &Value<'_>,
    keys: &mut Keys<'_>,
    always: bool,
    check: fn(TextsCheck) -> Check,
) -> Option<CheckSource> {
    let value = keys.value(kind, "value = [\"14 days\", \"two weeks\"]");
    let ignore_case = always || keys.ignore_case();
    let value = value?;
    let splits = value.is_string();
    let values = if splits {
        vec![text_value(&value)?]
    } else {
        text_list(&value)?
    };
    let check = check(TextsCheck {
        values,
        ignore_case,
    });
    Some(CheckSource { check, splits })
}

/// One text or several, to which an answer is compared.
fn references(kind: &Value<'_>, keys: &mut Keys<'_>) -> Option<Vec<String>> {
    let value = keys.value(kind, "value = \"the expected text\"")?;
    if value.is_string() {
        Some(vec![text_value(&value)?])
    } else {
        text_list(&value)
    }
}

fn judge(kind: &Value<'_>, keys: &mut Keys<'_>) -> Option<Check> {
    let rubric = keys.rubric.take();
    let rubric = required(kind, "rubric", rubric, "rubric = \"Polite, and right.\"");
    let threshold = keys.share(defaults::JUDGE)?;
    let rubric = text_value(&rubric?)?;
    Some(Check::Judge { rubric, threshold })
}

fn exec(kind: &Value<'_>, keys: &mut Keys<'_>) -> Option<Check> {
    let command = keys.command.take();
    let command = required(kind, "command", command, "command = [\"./grade.py\"]");
    let threshold = keys.share(defaults::EXEC)?;
    let timeout_ns = keys.timeout.take().map_or_else(
        || parse_duration(defaults::EXEC_TIMEOUT),
        |value| timeout(&value),
    )?;
    Some(Check::Exec {
        command: text_list(&command?)?,
        timeout_ns,
        threshold,
    })
}

fn word_count(kind: &Value<'_>, keys: &mut Keys<'_>) -> Option<Check> {
    let limit = limits::ASSERT_VALUE_BYTES as u64;
    let value = keys.value(kind, "value = { max = 100 }")?;
    if !value.is_table() {
        let exact = Some(value.integer(0..=limit)?);
        let (min, max) = (exact, exact);
        return Some(Check::WordCount { min, max });
    }
    let (min, max) = value.table("a word count", |table| {
        let mut bound = |key| table.field(key).map(|value| value.integer(0..=limit));
        let (min, max) = (bound("min"), bound("max"));
        if min.is_none() && max.is_none() {
            table.missing(&["min", "max"], "add `max = 100`");
        }
        (min, max)
    })?;
    let (min, max) = (min.flatten(), max.flatten());
    if let (Some(min), Some(greatest)) = (min, max)
        && min > greatest
    {
        let message = format!("`min` is {min}, more than `max`, {greatest}");
        value.report(Code::BadValue, message, None);
        return None;
    }
    Some(Check::WordCount { min, max })
}

fn tool_call(value: &Value<'_>, files: &FileResolver<'_>) -> Option<Check> {
    if !value.is_table() {
        let name = text_value(value)?;
        let arguments = None;
        return Some(Check::ToolCall { name, arguments });
    }
    value.table("a tool call of an assert", |table| {
        let name = table.required("name", "add the tool's `name`");
        let arguments = table.field("arguments");
        let arguments = optional_schema(arguments, files);
        Some(Check::ToolCall {
            name: text_value(&name?)?,
            arguments: arguments.ok()?,
        })
    })?
}
