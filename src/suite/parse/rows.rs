//! Files of prompts as rows: JSON lines, CSV, or one text.
//!
//! Owns the three formats and the line of every row. Must not know what becomes of a row.
//! Invariant: a row that cannot be read is reported with its line and hides no other.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter::Peekable;
use std::vec;

use serde_json::{Map, Value};

use crate::suite::value::limits;
use crate::suite::value::text::quoted;

/// Written by some editors before a text.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Bytes of a file that are freed at once while it is read.
const PIECE_BYTES: usize = 1 << 20;

/// The format of a file of prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::suite) enum RowFormat {
    /// An object on each line.
    Jsonl,
    /// A header, then a record for each prompt.
    Csv,
    /// The whole file is one text, in the column `text`.
    Text,
}

impl RowFormat {
    pub(super) const WORDS: [(&'static str, Self); 3] = [
        ("jsonl", Self::Jsonl),
        ("csv", Self::Csv),
        ("text", Self::Text),
    ];

    /// The format that a file's extension promises.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            "txt" | "md" => Some(Self::Text),
            _ => None,
        }
    }
}

/// One row: the values of its columns.
#[derive(Debug)]
pub struct Row<'a> {
    /// The line, from 1, on which it begins.
    pub line: usize,
    cells: Cells<'a>,
}

#[derive(Debug)]
enum Cells<'a> {
    Object(Map<String, Value>),
    Record(&'a HashMap<String, usize>, csv::StringRecord),
    Text(&'a str),
}

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The line, from 1.
    pub line: usize,
    /// The error, in words.
    pub message: String,
}

impl Row<'_> {
    /// The value in this column as text; absent where the row has none, or null.
    pub fn cell(&self, column: &str) -> Option<Cow<'_, str>> {
        match &self.cells {
            Cells::Object(object) => match object.get(column)? {
                Value::Null => None,
                Value::String(text) => Some(Cow::Borrowed(text)),
                other => Some(Cow::Owned(other.to_string())),
            },
            Cells::Record(header, record) => record.get(*header.get(column)?).map(Cow::Borrowed),
            Cells::Text(text) => (column == "text").then_some(Cow::Borrowed(*text)),
        }
    }

    /// The names of the columns, sorted, for messages.
    pub fn columns(&self) -> Vec<&str> {
        let mut names: Vec<&str> = match &self.cells {
            Cells::Object(object) => object.keys().map(String::as_str).collect(),
            Cells::Record(header, _) => header.keys().map(String::as_str).collect(),
            Cells::Text(_) => vec!["text"],
        };
        names.sort_unstable();
        names
    }
}

/// Hands every record of a CSV file with a header, good or bad, to `take`, in the file's order.
pub fn each_record(text: &str, take: impl FnMut(Result<Row<'_>, BadRow>)) {
    each_row(text.as_bytes(), RowFormat::Csv, take);
}

/// Hands every row of a file, good or bad, to `take`, in the file's order.
pub(in crate::suite) fn each_row(
    bytes: &[u8],
    format: RowFormat,
    mut take: impl FnMut(Result<Row<'_>, BadRow>),
) {
    let mark = BYTE_ORDER_MARK.as_bytes();
    let bytes = bytes.strip_prefix(mark).unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line = memchr::memchr_iter(b'\n', before).count() + 1;
            let message = "this line is not UTF-8 text".to_owned();
            return take(Err(BadRow { line, message }));
        }
    };
    match format {
        RowFormat::Jsonl => json_lines(text, 0, take),
        RowFormat::Csv => RecordReader::new(Quotes::of(text).faults).read(text, 0, take),
        RowFormat::Text => {
            let text = text.strip_suffix('\n').unwrap_or(text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            take(Ok(Row {
                line: 1,
                cells: Cells::Text(text),
            }));
        }
    }
}

/// The same of a file that is not needed afterwards: its memory is freed as it is read.
pub(in crate::suite) fn each_row_of_owned(
    mut bytes: Vec<u8>,
    format: RowFormat,
    mut take: impl FnMut(Result<Row<'_>, BadRow>),
) {
    if bytes.starts_with(BYTE_ORDER_MARK.as_bytes()) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    match (format, std::str::from_utf8(&bytes)) {
        (RowFormat::Jsonl, Ok(text)) => {
            let cuts = line_cuts(text);
            each_piece(bytes, &cuts, |text, lines| {
                json_lines(text, lines, &mut take);
            });
        }
        (RowFormat::Csv, Ok(text)) => {
            let Quotes { faults, cuts } = Quotes::of(text);
            let mut reader = RecordReader::new(faults);
            each_piece(bytes, &cuts, |text, lines| {
                reader.read(text, lines, &mut take);
            });
        }
        (RowFormat::Text, _) | (_, Err(_)) => each_row(&bytes, format, take),
    }
}

/// The ends of lines at which a text is cut into pieces.
fn line_cuts(text: &str) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut from = PIECE_BYTES;
    while let Some(newline) =
        (text.as_bytes().get(from..)).and_then(|rest| memchr::memchr(b'\n', rest))
    {
        let cut = from + newline + 1;
        cuts.push(cut);
        from = cut + PIECE_BYTES;
    }
    cuts
}

/// Hands the pieces of a UTF-8 text to `read`, in their order, each with the number of lines before it. The text is cut from
/// behind, so that it is never in memory twice.
fn each_piece(mut bytes: Vec<u8>, cuts: &[usize], mut read: impl FnMut(&str, usize)) {
    let mut pieces = Vec::with_capacity(cuts.len() + 1);
    for cut in cuts.iter().rev() {
        pieces.push(bytes.split_off(*cut));
        bytes.shrink_to_fit();
    }
    pieces.push(bytes);
    let mut lines = 0;
    for piece in pieces.into_iter().rev() {
        let text = std::str::from_utf8(&piece).expect("the whole is UTF-8, cut between lines");
        read(text, lines);
        lines += memchr::memchr_iter(b'\n', &piece).count();
    }
}

/// Hands every JSON line of a text with so many lines before it to `take`.
fn json_lines(text: &str, lines: usize, mut take: impl FnMut(Result<Row<'_>, BadRow>)) {
    for (index, line_text) in text.lines().enumerate() {
        let line = lines + index + 1;
        if line_text.trim().is_empty() {
            continue;
        }
        take(match serde_json::from_str(line_text) {
            Ok(Value::Object(object)) => Ok(Row {
                line,
                cells: Cells::Object(object),
            }),
            Ok(_) => Err(BadRow {
                line,
                message: "this line is not a JSON object".to_owned(),
            }),
            Err(error) => Err(BadRow {
                line,
                message: fault_of_line(&error),
            }),
        });
    }
}

/// The fault of a line of JSON, in words.
pub(in crate::suite) fn fault_of_line(error: &serde_json::Error) -> String {
    let message = error.to_string();
    // The parser counts lines from this one.
    let reason = message.split(" at line ").next().unwrap_or(&message);
    let column = error.column();
    format!("this line is not JSON: {reason} (column {column})")
}

/// Reads the records of a CSV text, which may come in pieces.
struct RecordReader {
    quote_faults: Peekable<vec::IntoIter<(usize, BadRow)>>,
    header: Option<HashMap<String, usize>>,
    /// True after a fault that makes all that follows unreadable.
    is_over: bool,
}

impl RecordReader {
    fn new(quote_faults: Vec<(usize, BadRow)>) -> Self {
        Self {
            quote_faults: quote_faults.into_iter().peekable(),
            header: None,
            is_over: false,
        }
    }

    /// Hands every record of the next piece, which has so many lines before it, to `take`.
    fn read(&mut self, text: &str, lines: usize, mut take: impl FnMut(Result<Row<'_>, BadRow>)) {
        // Lengths are compared here, so that one wrong record does not end the reading.
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .has_headers(false)
            .from_reader(text.as_bytes());
        let mut record = csv::StringRecord::new();
        while !self.is_over {
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    self.is_over = true;
                    let line = error.position().map_or(0, csv::Position::line);
                    let message = format!("this record is not CSV: {error}");
                    return take(Err(BadRow {
                        line: lines + to_line(line),
                        message,
                    }));
                }
            }
            let line = lines + first_line(text, record.position());
            if let Some(fault) = self.quote_fault(line) {
                self.is_over = self.header.is_none();
                take(Err(fault));
                continue;
            }
            let Some(header) = &self.header else {
                match columns_of(&record) {
                    Ok(columns) => self.header = Some(columns),
                    Err(message) => {
                        self.is_over = true;
                        take(Err(BadRow { line, message }));
                    }
                }
                continue;
            };
            take(if record.len() == header.len() {
                Ok(Row {
                    line,
                    cells: Cells::Record(header, record.clone()),
                })
            } else {
                let message = format!(
                    "this record has {} fields, the header {}",
                    record.len(),
                    header.len()
                );
                Err(BadRow { line, message })
            });
        }
    }

    /// The first fault of the quotation marks of the record on this line: its others follow from it.
    fn quote_fault(&mut self, line: usize) -> Option<BadRow> {
        let faults = &mut self.quote_faults;
        let of_record = || faults.next_if(|(record_line, _)| *record_line <= line);
        let faults = std::iter::from_fn(of_record).map(|(_, fault)| fault);
        faults.reduce(|first, _| first)
    }
}

/// The quotation marks of a CSV text.
#[derive(Debug, Default, PartialEq)]
struct Quotes {
    /// Those that break RFC 4180: one that is not closed, and text between a closing one and the end of its field. The reader
    /// accepts both, and makes another value of them than the file has. Each with the line on which its record begins, in
    /// the order of the text.
    faults: Vec<(usize, BadRow)>,
    /// Ends of lines outside of quoted fields, at which the text is cut into pieces.
    cuts: Vec<usize>,
}

impl Quotes {
    fn of(text: &str) -> Self {
        let mut quotes = Self::default();
        let (mut line, mut record_line) = (1, 1);
        let (mut begins_field, mut begins_record) = (true, true);
        let mut next_cut = PIECE_BYTES;
        let mut bytes = text.bytes().enumerate().peekable();
        while let Some((index, byte)) = bytes.next() {
            if begins_record && !b"\r\n".contains(&byte) {
                record_line = line;
                begins_record = false;
            }
            if byte == b'"' && begins_field {
                begins_field = false;
                let opened = line;
                let is_closed = loop {
                    match bytes.next() {
                        Some((_, b'"')) if bytes.next_if(|(_, after)| *after == b'"').is_none() => {
                            break true;
                        }
                        Some((_, b'\n')) => line += 1,
                        Some(_) => {}
                        None => break false,
                    }
                };
                let ends_field = |(_, after): &(usize, u8)| b",\r\n".contains(after);
                let fault = if !is_closed {
                    (
                        opened,
                        "the quotation mark that opens a field here is not closed",
                    )
                } else if bytes.peek().is_some_and(|after| !ends_field(after)) {
                    let message = "text follows the closing quotation mark of a field; in a quoted field, write a \
                                   quotation mark twice";
                    (line, message)
                } else {
                    continue;
                };
                let (line, message) = (fault.0, fault.1.to_owned());
                quotes.faults.push((record_line, BadRow { line, message }));
                continue;
            }
            if byte == b'\n' {
                line += 1;
                if index >= next_cut {
                    quotes.cuts.push(index + 1);
                    next_cut = index + 1 + PIECE_BYTES;
                }
            }
            begins_record |= b"\r\n".contains(&byte);
            begins_field = b",\r\n".contains(&byte);
        }
        quotes
    }
}

/// The line on which a record begins: the reader's position is before the blank lines above it.
fn first_line(text: &str, position: Option<&csv::Position>) -> usize {
    let Some(position) = position else { return 1 };
    let at = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let after = text.as_bytes().get(at..).unwrap_or_default();
    let blank = after.iter().take_while(|byte| b"\r\n".contains(byte));
    to_line(position.line()) + blank.filter(|byte| **byte == b'\n').count()
}

fn to_line(line: u64) -> usize {
    usize::try_from(line).unwrap_or(usize::MAX)
}

fn columns_of(header: &csv::StringRecord) -> Result<HashMap<String, usize>, String> {
    if header.len() > limits::COLUMNS {
        let max = limits::COLUMNS;
        return Err(format!(
            "the header has {} columns; at most {max} are allowed",
            header.len()
        ));
    }
    let mut columns = HashMap::new();
    for (index, name) in header.iter().enumerate() {
        if columns.insert(name.trim().to_owned(), index).is_some() {
            return Err(format!("the column {} is duplicate", quoted(name.trim())));
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines of good rows and of bad ones, with their first cell or message.
    fn read(text: &str) -> Vec<(usize, Result<String, String>)> {
        let mut rows = Vec::new();
        each_row(text.as_bytes(), RowFormat::Csv, |row| {
            rows.push(match row {
                Ok(row) => {
                    let first = row.cell("a").map(Cow::into_owned);
                    (row.line, Ok(first.unwrap_or_default()))
                }
                Err(bad) => (bad.line, Err(bad.message)),
            });
        });
        rows
    }

    #[test]
    fn a_quotation_mark_that_is_not_closed_is_an_error_at_its_line() {
        let rows = read("a,b\n1,2\n3,\"4\n5,6\n7,8\n");
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert_eq!(rows[0], (2, Ok("1".to_owned())));
        let (line, message) = (rows[1].0, rows[1].1.as_ref().unwrap_err());
        assert!(line == 3 && message.contains("not closed"), "{rows:?}");
        // Neighbours: in the header, after a field of several lines, at the very end.
        for (text, line) in [
            ("\"a,b\n1,2\n", 1),
            ("a\n\"x\ny\"\n\"z", 4),
            ("a\r\n1\r\n\"", 3),
        ] {
            let rows = read(text);
            let (at, last) = rows.last().unwrap();
            assert!(*at == line && last.is_err(), "{text:?}: {rows:?}");
        }
    }

    #[test]
    fn text_after_a_closing_quotation_mark_is_an_error_of_its_row_alone() {
        for cell in ["\"Hi\" said Bob", "\"one\" two \"three\"", "\"a\" "] {
            let rows = read(&format!("a\n0\n{cell}\n2\n"));
            let good = |index: usize| rows[index].1.is_ok();
            assert!(rows.len() == 3 && good(0) && good(2), "{cell}: {rows:?}");
            let message = rows[1].1.as_ref().unwrap_err();
            assert!(
                rows[1].0 == 3 && message.contains("closing"),
                "{cell}: {rows:?}"
            );
        }
    }

    /// The lines of the rows of a file, and the length of their first cell or their message; read as a whole, and in pieces.
    fn read_both_ways(text: &[u8], format: RowFormat) -> [Vec<(usize, String)>; 2] {
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        let note = |row: Result<Row<'_>, BadRow>| match row {
            Ok(row) => (row.line, row.cell("a").unwrap().len().to_string()),
            Err(bad) => (bad.line, bad.message),
        };
        each_row(text, format, |row| whole.push(note(row)));
        each_row_of_owned(text.to_vec(), format, |row| pieces.push(note(row)));
        [whole, pieces]
    }

    #[test]
    fn a_file_in_pieces_has_the_rows_of_the_whole() {
        // Lines longer and shorter than a piece, blank ones, invalid ones, both line ends, with and without a last one: the
        // same rows on the same lines.
        let long = |chars: usize| format!("{{\"a\": \"{}\"}}", "ä".repeat(chars));
        let lines = [
            long(PIECE_BYTES),
            "{\"a\": 1}\r".to_owned(),
            String::new(),
            "no JSON".to_owned(),
            long(PIECE_BYTES / 5),
            long(PIECE_BYTES / 5),
            long(10),
        ];
        let text = format!("\u{feff}{}", lines.join("\n").repeat(3));
        for text in [text.clone(), text + "\n"] {
            assert!(line_cuts(&text).len() > 1);
            let [whole, pieces] = read_both_ways(text.as_bytes(), RowFormat::Jsonl);
            assert!(whole.len() > 10, "{whole:?}");
            assert_eq!(pieces, whole);
        }
        // A byte that is not UTF-8 is reported at its line, as of the whole.
        let bad = [b"{}\n".repeat(PIECE_BYTES), b"\xff\n".to_vec()].concat();
        each_row_of_owned(bad, RowFormat::Jsonl, |row| {
            assert_eq!(row.unwrap_err().line, PIECE_BYTES + 1);
        });
    }

    #[test]
    fn records_in_pieces_are_those_of_the_whole() {
        // Fields of several lines are not cut, also where they are longer than a piece; faults keep their lines, and one in
        // the header ends the reading.
        let text_field = |lines: usize| format!("\"{}, \"\"ä\"\"\"", "line\r\n".repeat(lines));
        let records = [
            "1,2".to_owned(),
            format!("{},2", text_field(PIECE_BYTES / 3)),
            String::new(),
            "\"x\" y,2\r".to_owned(),
            "too,many,fields".to_owned(),
            format!("3,{}", text_field(PIECE_BYTES / 20)),
        ];
        let records = (records.join("\n") + "\n").repeat(3);
        for (header, rows) in [("\u{feff}a,b\n\n", 15), ("a,\"b\" c\n", 1), ("a,a\n", 1)] {
            for end in ["", "5,6", "\"not closed,\n1,2\n"] {
                let text = format!("{header}{records}{end}");
                assert!(Quotes::of(&text).cuts.len() > 1);
                let [whole, pieces] = read_both_ways(text.as_bytes(), RowFormat::Csv);
                assert!(whole.len() >= rows, "{whole:?}");
                assert_eq!(pieces, whole);
            }
        }
    }

    proptest! {
        // A text that a writer of CSV made has no fault, and a faulty text hides no row that stands before the fault.
        #[test]
        fn written_records_have_no_fault(cells in prop::collection::vec("[ab\",\r\n ]{0,6}", 1..8)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["a"]).unwrap();
            for cell in &cells {
                writer.write_record([cell]).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(Quotes::of(&text), Quotes::default());
            let values: Vec<_> = read(&text).into_iter().map(|(_, value)| value.unwrap()).collect();
            prop_assert_eq!(&values, &cells);
            let cut = read(&(text + "\"x"));
            prop_assert_eq!(cut.len(), cells.len() + 1);
            prop_assert!(cut[cells.len()].1.is_err());
        }
    }
}
