//! Traces of requests: the instants and token counts of a file, in the shapes that are common.
//!
//! Owns the shapes, their units, and the prompts that stand for their requests. Must not know when anything is sent.
//! Invariant: a unit is never guessed: it belongs to the shape, or the suite states it.
//!
//! | shape | columns | time |
//! | --- | --- | --- |
//! | Mooncake (JSON lines) | `timestamp`, `input_length`, `output_length`, `hash_ids` (prompt blocks of 512 tokens) | milliseconds |
//! | `BurstGPT` (CSV) | `Timestamp`, `Request tokens`, `Response tokens` (0: a failed call) | seconds |
//! | Azure LLM inference (CSV) | `TIMESTAMP`, `ContextTokens`, `GeneratedTokens` | date and time |

use super::problem::Code;
use super::prompts::IdRegistry;
use super::reader::Value;
use super::rows::{Row, RowFormat, each_row};
use super::sources::{FileKind, FileResolver};
use crate::suite::model::load::TraceStage;
use crate::suite::model::prompt::{MadeKind, Prompt};
use crate::suite::value::duration::parse_duration;
use crate::suite::value::filler::{REQUEST, REQUEST_TOKENS, filler};
use crate::suite::value::limits;
use crate::suite::value::text::quoted;
use crate::units::Nanos;

/// Tokens of a block of a prompt that `hash_ids` names.
const BLOCK_TOKENS: u32 = 512;
/// Group number of the texts of blocks, and of the own text of a request.
const BLOCK_GROUP: u64 = u64::MAX - 1;
const OWN_GROUP: u64 = u64::MAX - 2;
/// Mean rate per second above which a unit is wrong.
const RATE_MAX: f64 = 10_000.0;

/// A trace that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTrace {
    /// The file, as the user names it.
    file: String,
    requests: Vec<TraceRequest>,
}

/// One request of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TraceRequest {
    /// Since the first one.
    at: Nanos,
    input_tokens: u32,
    output_tokens: u64,
    /// The blocks that it begins with; equal ones are equal texts.
    blocks: Vec<u64>,
}

/// The unit of numeric times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

impl TraceUnit {
    /// Every unit by its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("s", Self::Seconds),
        ("ms", Self::Milliseconds),
        ("us", Self::Microseconds),
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
        }
    }
}

/// The reading of a trace: its unit, speed and length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceOptions {
    /// Unit of its times; absent: that of its shape.
    pub unit: Option<TraceUnit>,
    /// Factor by which it is replayed faster.
    pub speed: f64,
    /// The most requests that are read.
    pub rows: usize,
}

impl TraceOptions {
    /// The form of a speed, for messages.
    pub const SPEED_FORM: &'static str = "a number from 0.001 to 1000";

    /// Returns true if a trace may be replayed so many times faster.
    pub fn is_speed(speed: f64) -> bool {
        (0.001..=1_000.0).contains(&speed)
    }
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self {
            unit: None,
            speed: 1.0,
            rows: limits::PROMPTS,
        }
    }
}

impl RequestTrace {
    /// Reads a trace: CSV or JSON lines, by the extension of the file or, without one of these, by its first character.
    ///
    /// # Errors
    /// If it has no known shape, an invalid row, or an implausible length, as `FILE:LINE: MESSAGE`.
    pub fn read(file: &str, bytes: &[u8], options: TraceOptions) -> Result<Self, String> {
        let named = RowFormat::from_name(file).filter(|format| *format != RowFormat::Text);
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        let format = named.unwrap_or(match first {
            Some(b'{') => RowFormat::Jsonl,
            _ => RowFormat::Csv,
        });
        let requests = requests(bytes, format, options)
            .map_err(|TraceProblem { line, message }| format!("{file}:{line}: {message}"))?;
        Ok(Self {
            file: file.to_owned(),
            requests,
        })
    }

    /// Its instants, as the stage of a load.
    pub fn stage(&self) -> TraceStage {
        TraceStage {
            file: self.file.clone(),
            instants_ns: self.requests.iter().map(|request| request.at).collect(),
            has_prompts: false,
        }
    }

    /// The prompts that stand for its requests, in order, drawn by the seed of a suite.
    ///
    /// # Errors
    /// If they are more than a suite can hold.
    pub fn prompts(&self, seed: u64) -> Result<Vec<Prompt>, String> {
        let mut registry = IdRegistry::default();
        let prompts = trace_prompts(&self.requests, seed);
        let admitted = prompts.map(|prompt| registry.admit(&prompt).map(|()| prompt));
        admitted.collect()
    }
}

/// The columns and the unit of a shape.
struct TraceShape {
    time: &'static str,
    input: &'static str,
    output: &'static str,
    /// `None`: date and time.
    unit: Option<TraceUnit>,
}

const SHAPES: [TraceShape; 3] = [
    TraceShape {
        time: "timestamp",
        input: "input_length",
        output: "output_length",
        unit: Some(TraceUnit::Milliseconds),
    },
    TraceShape {
        time: "Timestamp",
        input: "Request tokens",
        output: "Response tokens",
        unit: Some(TraceUnit::Seconds),
    },
    TraceShape {
        time: "TIMESTAMP",
        input: "ContextTokens",
        output: "GeneratedTokens",
        unit: None,
    },
];

/// The trace that a value names. Of a file that is not loaded yet: an empty one.
pub(super) fn trace(
    value: &Value<'_>,
    files: &FileResolver<'_>,
    options: TraceOptions,
) -> Option<RequestTrace> {
    let path = value.bounded_string(limits::PATH_CHARS)?;
    let wrong = |message: String| {
        value.report(Code::File, message, None);
        None
    };
    let file = match files.look_up(path, FileKind::Trace) {
        None => {
            return Some(RequestTrace {
                file: path.to_owned(),
                requests: Vec::new(),
            });
        }
        Some(Ok([file])) => file,
        Some(Ok(_)) => return wrong(format!("{} does not name a single file", quoted(path))),
        Some(Err(problem)) => return wrong(problem.to_owned()),
    };
    match RequestTrace::read(&file.name, &file.bytes, options) {
        Ok(trace) => Some(RequestTrace {
            file: path.to_owned(),
            ..trace
        }),
        Err(message) => wrong(message),
    }
}

/// The problem of a trace, and the line.
#[derive(Debug, PartialEq, Eq)]
struct TraceProblem {
    line: usize,
    message: String,
}

/// The requests of a file, counted from the first one.
fn requests(
    bytes: &[u8],
    format: RowFormat,
    options: TraceOptions,
) -> Result<Vec<TraceRequest>, TraceProblem> {
    let mut read: Vec<TraceRequest> = Vec::new();
    let mut shape: Option<&TraceShape> = None;
    let mut first: Option<Nanos> = None;
    let mut problem: Option<TraceProblem> = None;
    each_row(bytes, format, |row| {
        if problem.is_some() || read.len() >= options.rows {
            return;
        }
        let taken = row.map_err(|bad| TraceProblem {
            line: bad.line,
            message: bad.message,
        });
        let taken = taken.and_then(|row| {
            let fault = |message| TraceProblem {
                line: row.line,
                message,
            };
            let shape = match shape {
                Some(shape) => shape,
                None => *shape.insert(shape_of(&row).ok_or_else(|| fault(unknown_shape()))?),
            };
            let request = request(&row, shape, options, &mut first).map_err(fault)?;
            Ok(request.map(|request| (row.line, request)))
        });
        match taken {
            Ok(Some((line, request))) => {
                if read.last().is_some_and(|last| last.at > request.at) {
                    let message =
                        "earlier than the request before it: sort the trace by time".to_owned();
                    problem = Some(TraceProblem { line, message });
                }
                read.push(request);
            }
            Ok(None) => {}
            Err(fault) => problem = Some(fault),
        }
    });
    match problem {
        Some(problem) => Err(problem),
        None => check_span(read),
    }
}

fn shape_of(row: &Row<'_>) -> Option<&'static TraceShape> {
    let has = |column: &str| row.cell(column).is_some();
    SHAPES
        .iter()
        .find(|shape| has(shape.time) && has(shape.input) && has(shape.output))
}

fn unknown_shape() -> String {
    let shapes = SHAPES.iter();
    let shapes =
        shapes.map(|shape| format!("`{}`, `{}` and `{}`", shape.time, shape.input, shape.output));
    format!(
        "no known trace: the columns are {}",
        shapes.collect::<Vec<_>>().join(", or ")
    )
}

/// The request of a row; `None` for a failed call, which has no tokens. `first` is the instant of the first one.
fn request(
    row: &Row<'_>,
    shape: &TraceShape,
    options: TraceOptions,
    first: &mut Option<Nanos>,
) -> Result<Option<TraceRequest>, String> {
    let cell = |column: &'static str| {
        row.cell(column)
            .ok_or_else(|| format!("`{column}` is missing"))
    };
    let tokens = |column: &'static str| -> Result<u32, String> {
        let text = cell(column)?;
        let count = text
            .trim()
            .parse::<u32>()
            .ok()
            .filter(|count| *count <= limits::INPUT_TOKENS);
        let max = limits::INPUT_TOKENS;
        count.ok_or_else(|| {
            format!(
                "`{column}` is {}, not a number of tokens up to {max}",
                quoted(&text)
            )
        })
    };
    let at = instant(cell(shape.time)?.trim(), shape, options.unit)?;
    let (input_tokens, output) = (tokens(shape.input)?, tokens(shape.output)?);
    if input_tokens == 0 || output == 0 {
        return Ok(None);
    }
    let blocks = match row.cell("hash_ids") {
        None => Vec::new(),
        Some(text) => serde_json::from_str(&text)
            .map_err(|_| "`hash_ids` is not an array of integers".to_owned())?,
    };
    let since = at.0.checked_sub(first.get_or_insert(at).0);
    let since = since.ok_or("earlier than the request before it: sort the trace by time")?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number; a cast saturates"
    )]
    let scaled = (since as f64 / options.speed).round() as u64;
    Ok(Some(TraceRequest {
        at: Nanos(scaled),
        input_tokens,
        output_tokens: u64::from(output),
        blocks,
    }))
}

/// An instant on the trace's own clock.
fn instant(text: &str, shape: &TraceShape, stated: Option<TraceUnit>) -> Result<Nanos, String> {
    let column = shape.time;
    let Some(unit) = shape.unit else {
        let zoned = text.parse::<jiff::Timestamp>();
        let local = || {
            text.parse::<jiff::civil::DateTime>()
                .ok()?
                .to_zoned(jiff::tz::TimeZone::UTC)
                .ok()
        };
        let at = zoned.ok().or_else(|| Some(local()?.timestamp()));
        let nanos = at.and_then(|at| u64::try_from(at.as_nanosecond()).ok());
        return nanos
            .map(Nanos)
            .ok_or_else(|| format!("`{column}` is {}, not a date and time", quoted(text)));
    };
    let is_number = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let of =
        |unit: TraceUnit| parse_duration(&format!("{text}{}", unit.word())).filter(|_| is_number);
    let at = of(stated.unwrap_or(unit)).ok_or_else(|| {
        format!(
            "`{column}` is {}, not a time in {}",
            quoted(text),
            unit.word()
        )
    })?;
    let is_fraction = text
        .split_once('.')
        .is_some_and(|(_, fraction)| fraction.contains(|c| c != '0'));
    if stated.is_none() && unit == TraceUnit::Milliseconds && is_fraction {
        return Err(format!(
            "`{column}` is {}: this shape counts whole milliseconds. State the unit: `trace_unit` is \"s\", \"ms\" or \"us\"",
            quoted(text)
        ));
    }
    Ok(at)
}

/// Refuses a trace whose length shows that its unit is wrong, or that is too long to replay.
fn check_span(requests: Vec<TraceRequest>) -> Result<Vec<TraceRequest>, TraceProblem> {
    let Some(last) = requests.last() else {
        let message = "no request with input and output tokens".to_owned();
        return Err(TraceProblem { line: 1, message });
    };
    let line = requests.len();
    let span = last.at.as_secs_f64();
    if requests.len() > 100 && requests.len() as f64 / span > RATE_MAX {
        let message = format!(
            "{line} requests within {}: `trace_unit` may be wrong",
            last.at
        );
        return Err(TraceProblem { line, message });
    }
    if last.at.0 > limits::LOAD_STAGE_NS {
        let message = format!(
            "the trace lasts {:.1} hours, and a stage at most 24: read fewer rows by `trace_rows`, raise `trace_speed`, or \
             check `trace_unit`",
            span / 3_600.0
        );
        return Err(TraceProblem { line, message });
    }
    Ok(requests)
}

/// The prompts that stand for the requests, in order.
fn trace_prompts(requests: &[TraceRequest], seed: u64) -> impl Iterator<Item = Prompt> {
    let numbered = (1_u64..).zip(requests);
    numbered.map(move |(number, request)| {
        Prompt::of_length(
            MadeKind::Trace,
            &format!("{number:06}"),
            request_text(request, seed, number),
            Some(request.output_tokens),
        )
    })
}

/// The words of its blocks, then own ones, then the request to write.
fn request_text(request: &TraceRequest, seed: u64, number: u64) -> String {
    let mut left = request.input_tokens.saturating_sub(REQUEST_TOKENS);
    let mut parts = Vec::new();
    for block in &request.blocks {
        let words = left.min(BLOCK_TOKENS);
        if words > 0 {
            parts.push(filler(seed, (BLOCK_GROUP, *block), words));
        }
        left -= words;
    }
    if left > 0 {
        parts.push(filler(seed, (OWN_GROUP, number), left));
    }
    parts.push(REQUEST.to_owned());
    parts.join(" ")
}

#[cfg(test)]
mod tests;
