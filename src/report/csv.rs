//! `comparison.csv` and `samples.csv`.
//!
//! Owns their layout: one header line, then one row per variant or sample. Must not know how a
//! figure was computed. Invariant: a spreadsheet never evaluates a cell as a formula; answer texts stay in
//! `samples.jsonl`, so that a table can be shared without them.

use std::fmt::{Display, Write as _};
use std::io;

use crate::record::{ErrorReport, FailureKind, Gaps, Sample, Usage};
use crate::units::Nanos;

use super::figure::{Figure, FigureCell, Thousandths};
use super::table::{Column, FigureRow, FigureTable};
use super::text;
use super::verdicts::Verdicts;

/// Writes every column of a table, with a header line.
pub(super) fn write_table(table: &FigureTable, out: impl io::Write) -> io::Result<()> {
    write_tables([table], out)
}

/// Writes rows with the same columns, each when it is made.
pub(super) fn write_rows(
    rows: impl IntoIterator<Item = FigureRow>,
    out: impl io::Write,
) -> io::Result<()> {
    let mut writer = RowWriter::new(out);
    for row in rows {
        let (columns, cells) = row.finish();
        writer.write(&columns, &cells)?;
    }
    writer.rows.flush()
}

/// Writes the comparisons of every judgement, `comparisons.csv`.
pub(super) fn write_comparisons(verdicts: &Verdicts, out: impl io::Write) -> io::Result<()> {
    let sections = verdicts.sections.iter();
    write_tables(
        sections.flat_map(|section| [&section.primary, &section.exploratory]),
        out,
    )
}

/// Writes the rows of tables that share their columns.
fn write_tables<'a>(
    tables: impl IntoIterator<Item = &'a FigureTable>,
    out: impl io::Write,
) -> io::Result<()> {
    let mut writer = RowWriter::new(out);
    for table in tables {
        for cells in &table.rows {
            writer.write(&table.columns, cells)?;
        }
    }
    writer.rows.flush()
}

/// Writes rows that share their columns, the names of these before the first row.
struct RowWriter<W: io::Write> {
    rows: csv::Writer<W>,
    has_header: bool,
}

impl<W: io::Write> RowWriter<W> {
    fn new(out: W) -> Self {
        Self {
            rows: csv::Writer::from_writer(out),
            has_header: false,
        }
    }

    fn write(&mut self, columns: &[Column], cells: &[FigureCell]) -> io::Result<()> {
        if !std::mem::replace(&mut self.has_header, true) {
            let names = columns.iter().map(|column| column.name.as_bytes());
            self.rows.write_record(names).map_err(as_io)?;
        }
        let cells = cells.iter().map(cell_text);
        self.rows.write_record(cells).map_err(as_io)
    }
}

/// Returns the underlying I/O error. The crate's own conversion loses its kind, and a closed pipe
/// (`| head`) would look like a failure.
fn as_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// The text of a cell; text that a spreadsheet would evaluate is escaped.
fn cell_text(cell: &FigureCell) -> String {
    match &cell.figure {
        Figure::Text(words) | Figure::Label(words, _) => text::csv(words).into_owned(),
        Figure::Money(usd) => fraction(usd),
        number => number.plain(),
    }
}

/// A number of a fractional column: with a decimal point even where it is whole, because readers that infer a
/// column's type from its first rows would round later fractions.
fn fraction(number: impl Display) -> String {
    let mut text = number.to_string();
    if !text.contains('.') {
        text.push_str(".0");
    }
    text
}

/// The rows of `samples.csv`, in memory until they are taken: several threads make them, one writes them.
#[derive(Debug, Default)]
pub struct SampleRows {
    rows: RowText,
}

impl SampleRows {
    /// The header line, which a run without samples has too.
    pub fn header() -> String {
        let names = SAMPLE_COLUMNS.map(|(name, _)| name);
        format!("{}\n", names.join(","))
    }

    /// Adds the row of a sample.
    pub fn add(&mut self, sample: &Sample) {
        for (index, (_, write)) in SAMPLE_COLUMNS.iter().enumerate() {
            if index > 0 {
                self.rows.0.push(',');
            }
            write(sample, &mut self.rows);
        }
        self.rows.0.push('\n');
    }

    /// Takes the rows that were added since the last time.
    pub fn take(&mut self) -> String {
        let room = String::with_capacity(self.rows.0.capacity());
        std::mem::replace(&mut self.rows.0, room)
    }
}

/// Rows to which fields are added; a field is empty if the value is not known.
#[derive(Debug, Default)]
struct RowText(String);

impl RowText {
    /// Adds text, in quotes where the format asks for them.
    fn words(&mut self, text: &str) {
        if is_plain(text) {
            self.0.push_str(text);
            return;
        }
        let text = text::csv(text);
        let ends_field = |byte: u8| matches!(byte, b',' | b'"' | b'\r' | b'\n');
        if !text.bytes().any(ends_field) {
            self.0.push_str(&text);
            return;
        }
        self.0.push('"');
        for (index, part) in text.split('"').enumerate() {
            self.0.push_str(if index > 0 { "\"\"" } else { "" });
            self.0.push_str(part);
        }
        self.0.push('"');
    }

    fn optional_words(&mut self, text: Option<&String>) {
        self.words(text.map_or("", String::as_str));
    }

    /// Writes our own words, joined by semicolons.
    fn list<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        for (index, word) in words.enumerate() {
            self.0.push_str(if index > 0 { ";" } else { "" });
            self.0.push_str(word);
        }
    }

    fn integer(&mut self, number: impl itoa::Integer) {
        self.0.push_str(itoa::Buffer::new().format(number));
    }

    fn optional_integer(&mut self, number: Option<impl itoa::Integer>) {
        if let Some(number) = number {
            self.integer(number);
        }
    }

    fn truth(&mut self, truth: bool) {
        self.0.push_str(if truth { "true" } else { "false" });
    }

    fn optional_truth(&mut self, truth: Option<bool>) {
        if let Some(truth) = truth {
            self.truth(truth);
        }
    }

    /// Writes a number of a fractional column, as [`fraction`] does.
    fn fraction(&mut self, number: impl Display) {
        let begin = self.0.len();
        write!(self.0, "{number}").expect("a String can always grow");
        if !self.0[begin..].contains('.') {
            self.0.push_str(".0");
        }
    }

    /// Writes a weight; most are 1.
    fn weight(&mut self, weight: f64) {
        if weight.to_bits() == 1.0_f64.to_bits() {
            self.0.push_str("1.0");
        } else {
            self.fraction(weight);
        }
    }

    fn optional_fraction(&mut self, number: Option<impl Display>) {
        if let Some(number) = number {
            self.fraction(number);
        }
    }

    fn span(&mut self, span: Option<Nanos>) {
        self.optional_integer(span.map(|span| span.0));
    }

    fn rate(&mut self, rate: Option<f64>) {
        if let Some((whole, thousandths)) = rate.and_then(Thousandths::new).map(Thousandths::parts)
        {
            self.integer(whole);
            self.0.push('.');
            for digit in [thousandths / 100, thousandths / 10 % 10, thousandths % 10] {
                self.integer(digit);
            }
        }
    }
}

/// Returns true for text that needs neither escapes nor quotes, as most do.
fn is_plain(text: &str) -> bool {
    let is_plain_byte = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b',' && byte != b'"';
    // Every byte is looked at, so that many are at once.
    let is_plain = text
        .bytes()
        .fold(true, |plain, byte| plain & is_plain_byte(byte));
    is_plain
        && !text
            .trim_start_matches(' ')
            .starts_with(['=', '+', '-', '@'])
}

/// Writes one field of a sample.
type WriteField = fn(&Sample, &mut RowText);

/// The columns of `samples.csv`: the names of `samples.jsonl`, nested objects flattened with the
/// object's name as prefix, and derived values.
#[rustfmt::skip] // A table reads as a table.
const SAMPLE_COLUMNS: [(&str, WriteField); 61] = [
    ("trial", |s, f| f.integer(s.trial)),
    ("slot", |s, f| f.integer(s.slot)),
    ("round", |s, f| f.integer(s.round)),
    ("prompt", |s, f| f.words(&s.prompt)),
    ("prompt_digest", |s, f| f.words(&s.prompt_digest)),
    ("repetition", |s, f| f.integer(s.repetition)),
    ("variant", |s, f| f.words(&s.variant)),
    ("model", |s, f| f.words(s.model.as_str())),
    ("weight", |s, f| f.weight(s.weight)),
    ("tags", |s, f| f.words(&s.tags.join(";"))),
    ("outcome", |s, f| f.words(s.outcome.word())),
    ("answered", |s, f| f.truth(s.outcome.answered())),
    ("failure", |s, f| f.words(s.outcome.failure().map_or("", FailureKind::word))),
    ("error_status", |s, f| f.optional_integer(error(s).and_then(|e| e.status))),
    ("error_type", |s, f| f.optional_words(error(s).and_then(|e| e.kind.as_ref()))),
    ("error_message", |s, f| f.optional_words(error(s).map(|e| &e.message))),
    ("request_id", |s, f| f.words(&s.request_id)),
    ("sent_ns", |s, f| f.integer(s.sent_ns.0)),
    ("scheduled_ns", |s, f| f.integer(s.scheduled_ns.0)),
    ("lag_ns", |s, f| f.integer(s.lag().0)),
    ("connect_ns", |s, f| f.span(s.connect_ns)),
    ("tcp_ns", |s, f| f.span(s.tcp_ns)),
    ("tls_ns", |s, f| f.span(s.tls_ns)),
    ("headers_ns", |s, f| f.span(s.headers_ns)),
    ("ttft_ns", |s, f| f.span(s.ttft_ns)),
    ("ttfa_ns", |s, f| f.span(s.ttfa_ns)),
    ("first_unit_ns", |s, f| f.span(s.first_unit_ns)),
    ("last_token_ns", |s, f| f.span(s.last_token_ns)),
    ("latency_ns", |s, f| f.span(s.latency_ns)),
    ("experienced_ttft_ns", |s, f| f.span(s.experienced_ttft_ns)),
    ("gaps_count", |s, f| f.optional_integer(gaps(s).map(|g| g.count))),
    ("gaps_mean_ns", |s, f| f.span(gaps(s).and_then(|g| g.mean_ns))),
    ("gaps_p50_ns", |s, f| f.span(gaps(s).and_then(|g| g.p50_ns))),
    ("gaps_p95_ns", |s, f| f.span(gaps(s).and_then(|g| g.p95_ns))),
    ("gaps_max_ns", |s, f| f.span(gaps(s).and_then(|g| g.max_ns))),
    ("gaps_coalesced", |s, f| f.optional_integer(gaps(s).map(|g| g.coalesced))),
    ("answer_chars", |s, f| f.optional_integer(s.answer_chars)),
    ("reasoning_chars", |s, f| f.optional_integer(s.reasoning_chars)),
    ("first_chunk_chars", |s, f| f.optional_integer(s.first_chunk_chars)),
    ("prompt_tokens", |s, f| f.optional_integer(usage(s).prompt_tokens)),
    ("completion_tokens", |s, f| f.optional_integer(usage(s).completion_tokens)),
    ("reasoning_tokens", |s, f| f.optional_integer(usage(s).reasoning_tokens)),
    ("cached_tokens", |s, f| f.optional_integer(usage(s).cached_tokens)),
    ("cache_write_tokens", |s, f| f.optional_integer(usage(s).cache_write_tokens)),
    ("output_rate", |s, f| f.rate(s.output_rate())),
    ("end_to_end_rate", |s, f| f.rate(s.end_to_end_rate())),
    ("chars_per_second", |s, f| f.rate(s.chars_per_second())),
    ("finish_reason", |s, f| f.optional_words(s.finish_reason.as_ref())),
    ("cost_usd", |s, f| f.optional_fraction(s.cost_usd)),
    ("billed_usd", |s, f| f.optional_fraction(s.billed_usd)),
    ("surcharge_usd", |s, f| f.optional_fraction(s.surcharge_usd)),
    ("market_usd", |s, f| f.optional_fraction(s.market_usd)),
    ("provider", |s, f| f.optional_words(s.provider.as_ref())),
    ("served_model", |s, f| f.optional_words(s.served_model.as_ref())),
    ("generation_id", |s, f| f.optional_words(s.generation_id.as_ref())),
    ("flags", |s, f| f.list(s.flags.iter().map(|flag| flag.word()))),
    ("attempts", |s, f| f.integer(s.attempts.len())),
    ("passed", |s, f| f.optional_truth(s.passed())),
    ("score", |s, f| f.rate(s.score())),
    ("failed_checks", |s, f| f.words(&failed_checks(s))),
    ("metadata", |s, f| f.words(&metadata(s))),
];

/// The names of the checks that the answer did not pass.
fn failed_checks(sample: &Sample) -> String {
    let failed = sample.grades.iter().filter(|grade| !grade.pass);
    let names: Vec<&str> = failed.map(|grade| grade.name.as_str()).collect();
    names.join(";")
}

/// The user's own values as a JSON object; nothing where there are none.
fn metadata(sample: &Sample) -> String {
    let object = &sample.metadata;
    if object.is_empty() {
        return String::new();
    }
    serde_json::to_string(object).expect("an object of JSON can be written")
}

fn error(sample: &Sample) -> Option<&ErrorReport> {
    sample.error.as_ref()
}

fn gaps(sample: &Sample) -> Option<&Gaps> {
    sample.gaps.as_ref()
}

fn usage(sample: &Sample) -> Usage {
    sample.usage.unwrap_or_default()
}
