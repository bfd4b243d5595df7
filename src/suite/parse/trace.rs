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
use super::reader::Value;
use super::rows::{Row, RowFormat, each_row};
use super::sources::{FileKind, FileResolver};
use crate::suite::model::assert::Asserts;
use crate::suite::model::suite::{Message, Parameters, Prompt, Role};
use crate::suite::value::duration::parse_duration;
use crate::suite::value::filler::{REQUEST, REQUEST_TOKENS, filler};
use crate::suite::value::text::quoted;
use crate::suite::value::{defaults, limits};
use crate::units::Nanos;

/// Tokens of a block of a prompt that `hash_ids` names.
const BLOCK_TOKENS: u32 = 512;
/// Group number of the texts of blocks, and of the own text of a request.
const BLOCK_GROUP: u64 = u64::MAX - 1;
const OWN_GROUP: u64 = u64::MAX - 2;
/// Mean rate per second above which a unit is wrong.
const RATE_MAX: f64 = 10_000.0;

/// One request of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TraceRequest {
    /// Since the first one.
    pub(super) at: Nanos,
    input_tokens: u32,
    output_tokens: u64,
    /// The blocks that it begins with; equal ones are equal texts.
    blocks: Vec<u64>,
}

/// The unit of numeric times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TraceUnit {
    Seconds,
    Milliseconds,
}

impl TraceUnit {
    pub(super) const WORDS: [(&'static str, Self); 2] =
        [("s", Self::Seconds), ("ms", Self::Milliseconds)];

    const fn word(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
        }
    }
}

/// The keys of a suite about its trace.
#[derive(Debug, Clone, Copy)]
pub(super) struct TraceOptions {
    pub(super) unit: Option<TraceUnit>,
    /// Factor by which it is replayed faster.
    pub(super) speed: f64,
    /// The most requests that are read.
    pub(super) rows: usize,
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

/// The requests of the trace file that a value names. Of a file that is not loaded yet: none.
pub(super) fn trace(
    value: &Value<'_>,
    files: &FileResolver<'_>,
    options: TraceOptions,
) -> Option<Vec<TraceRequest>> {
    let path = value.bounded_string(limits::PATH_CHARS)?;
    let wrong = |message: String| {
        value.report(Code::File, message, None);
        None
    };
    let file = match files.look_up(path, FileKind::Trace) {
        None => return Some(Vec::new()),
        Some(Ok([file])) => file,
        Some(Ok(_)) => return wrong(format!("{} does not name a single file", quoted(path))),
        Some(Err(problem)) => return wrong(problem.to_owned()),
    };
    let format = RowFormat::from_name(&file.name).filter(|format| *format != RowFormat::Text);
    let Some(format) = format else {
        return wrong(format!("`{}` is a trace only as .jsonl or .csv", file.name));
    };
    match requests(&file.bytes, format, options) {
        Ok(requests) => Some(requests),
        Err(TraceProblem { line, message }) => wrong(format!("{}:{line}: {message}", file.name)),
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
            request(&row, shape, options, &mut first).map_err(fault)
        });
        match taken {
            Ok(Some(request)) => {
                let is_earlier = read.last().is_some_and(|last| last.at > request.at);
                if is_earlier {
                    let message =
                        "earlier than the request before it: sort the trace by time".to_owned();
                    problem = Some(TraceProblem {
                        line: read.len() + 1,
                        message,
                    });
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
    let since = since.ok_or("earlier than the first request: sort the trace by time")?;
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
            "`{column}` is {}: this shape counts whole milliseconds. If these are seconds, add `trace_unit = \"s\"`, else \
             `trace_unit = \"ms\"`",
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
pub(super) fn trace_prompts(requests: &[TraceRequest], seed: u64) -> impl Iterator<Item = Prompt> {
    let numbered = (1_u64..).zip(requests);
    numbered.map(move |(number, request)| Prompt {
        id: format!("trace-{number:06}"),
        system: None,
        messages: vec![Message::text(
            Role::User,
            request_text(request, seed, number),
        )],
        weight: defaults::WEIGHT,
        tags: vec!["trace".to_owned()],
        metadata: serde_json::Map::new(),
        parameters: Parameters {
            max_tokens: Some(request.output_tokens),
            ..Parameters::default()
        },
        asserts: Asserts::default(),
        pass_threshold: None,
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
mod tests {
    use super::*;

    const PLAIN: TraceOptions = TraceOptions {
        unit: None,
        speed: 1.0,
        rows: 1_000,
    };

    fn read(text: &str, options: TraceOptions) -> Result<Vec<(u64, u32, u64)>, String> {
        let format = if text.starts_with('{') {
            RowFormat::Jsonl
        } else {
            RowFormat::Csv
        };
        let read = requests(text.as_bytes(), format, options);
        let read = read.map_err(|problem| format!("{}: {}", problem.line, problem.message))?;
        let rows = read
            .iter()
            .map(|one| (one.at.0 / 1_000, one.input_tokens, one.output_tokens));
        Ok(rows.collect())
    }

    #[test]
    fn the_common_shapes_have_their_own_units() {
        // The same three requests, two seconds apart, in milliseconds, seconds and dates.
        let expected = Ok(vec![(0, 655, 52), (2_000_000, 672, 26), (4_500_000, 40, 9)]);
        let mooncake = "{\"timestamp\": 10000, \"input_length\": 655, \"output_length\": 52, \"hash_ids\": [46, 47]}\n\
            {\"timestamp\": 12000, \"input_length\": 672, \"output_length\": 26, \"hash_ids\": [46, 48]}\n\
            {\"timestamp\": 14500, \"input_length\": 40, \"output_length\": 9, \"hash_ids\": []}\n";
        let burst = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
            5,ChatGPT,655,52,707,Conversation log\n6,GPT-4,0,0,0,API log\n7,ChatGPT,672,26,698,Conversation log\n\
            9.5,ChatGPT,40,9,49,Conversation log\n";
        let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.5000000,655,52\n\
            2023-11-16 18:15:48.5000000,672,26\n2023-11-16 18:15:51.0,40,9\n";
        let zoned = azure
            .replace(",655", "+00:00,655")
            .replace(",672", "+00:00,672")
            .replace(",40", "+00:00,40");
        for text in [mooncake, burst, azure, &zoned] {
            assert_eq!(read(text, PLAIN), expected, "{text}");
        }
        let faster = TraceOptions {
            speed: 2.0,
            rows: 2,
            ..PLAIN
        };
        assert_eq!(
            read(mooncake, faster),
            Ok(vec![(0, 655, 52), (1_000_000, 672, 26)])
        );
    }

    #[test]
    fn a_unit_is_checked() {
        // Seconds where the shape has milliseconds would send an hour of traffic within four seconds.
        let line = |at: f64| {
            format!("{{\"timestamp\": {at}, \"input_length\": 5, \"output_length\": 5}}\n")
        };
        let fractions = [0.25, 1.5].map(line).concat();
        let error = read(&fractions, PLAIN).unwrap_err();
        assert!(
            error.starts_with("1: ") && error.contains("trace_unit = \"s\""),
            "{error}"
        );
        let seconds = TraceOptions {
            unit: Some(TraceUnit::Seconds),
            ..PLAIN
        };
        assert_eq!(read(&fractions, seconds).unwrap()[1].0, 1_250_000);
        let dense: String = (0..500_u32).map(|at| line(f64::from(at / 100))).collect();
        assert!(
            read(&dense, PLAIN)
                .unwrap_err()
                .contains("`trace_unit` may be wrong")
        );
        let days = [0.0, 2e9].map(line).concat();
        assert!(read(&days, PLAIN).unwrap_err().contains("555.6 hours"));
    }

    #[test]
    fn a_trace_with_a_fault_names_its_line() {
        let good = "{\"timestamp\": 5, \"input_length\": 5, \"output_length\": 5}\n";
        for (bad, complaint) in [
            (
                "{\"timestamp\": 1, \"input_length\": 5, \"output_length\": 5}",
                "2: earlier",
            ),
            (
                "{\"timestamp\": -1, \"input_length\": 5, \"output_length\": 5}",
                "2: `timestamp` is `-1`",
            ),
            (
                "{\"timestamp\": 9, \"input_length\": 5.5, \"output_length\": 5}",
                "2: `input_length` is `5.5`",
            ),
            (
                "{\"timestamp\": 9, \"input_length\": 5}",
                "2: `output_length` is missing",
            ),
            (
                "{\"timestamp\": 9, \"input_length\": 5, \"output_length\": 5, \"hash_ids\": [\"a\"]}",
                "2: `hash_ids`",
            ),
            ("nonsense", "2: "),
        ] {
            let error = read(&format!("{good}{bad}"), PLAIN).unwrap_err();
            assert!(error.starts_with(complaint), "{error}");
        }
        assert!(
            read("{\"t\": 1}", PLAIN)
                .unwrap_err()
                .contains("no known trace")
        );
        assert!(
            read("a,b\n1,2\n", PLAIN)
                .unwrap_err()
                .contains("no known trace")
        );
        assert!(read("a,b\n", PLAIN).unwrap_err().contains("no request"));
    }

    #[test]
    fn equal_blocks_are_equal_prefixes() {
        // What a prompt cache could reuse in the traced system it can reuse here: one block of 512 tokens, not two.
        let trace = "{\"timestamp\": 0, \"input_length\": 700, \"output_length\": 52, \"hash_ids\": [46, 47]}\n\
            {\"timestamp\": 1, \"input_length\": 1200, \"output_length\": 26, \"hash_ids\": [46, 48, 49]}\n";
        let read = requests(trace.as_bytes(), RowFormat::Jsonl, PLAIN).unwrap();
        let prompts: Vec<Prompt> = trace_prompts(&read, 7).collect();
        let words = |prompt: &Prompt| -> Vec<String> {
            prompt.messages[0]
                .content
                .split_whitespace()
                .map(str::to_owned)
                .collect()
        };
        let (first, second) = (words(&prompts[0]), words(&prompts[1]));
        // The request has 11 words and 12 tokens.
        assert_eq!((first.len(), second.len()), (699, 1_199));
        let common = first
            .iter()
            .zip(&second)
            .take_while(|(a, b)| a == b)
            .count();
        assert!((512..520).contains(&common), "{common}");
        assert_eq!(prompts[1].parameters.max_tokens, Some(26));
    }
}
