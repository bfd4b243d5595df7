//! The mix of prompts in the forecast traffic: from the suite, or from a CSV file.
//!
//! Owns the mapping of rows to prompts. Must not know where the file is. Invariant: every prompt has a share
//! above 0 or none, at least one has a share, and shares are relative; all errors of a file are reported at
//! once, with line and column.

use std::collections::HashMap;
use std::fmt;

use crate::suite::{BadRow, Row, Suite, each_record, named as match_names};

/// The number of problems that are listed: a file with more is probably not a mix at all.
const PROBLEMS_SHOWN: usize = 20;
/// The largest accepted share, so that no sum is infinite.
const MAX_SHARE: f64 = 1e15;

/// The share of each prompt in the traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// One per prompt, in the order of the suite, relative to each other; absent: none.
    pub shares: Vec<Option<f64>>,
    /// True if it was read from a file; otherwise these are the suite's weights.
    pub from_file: bool,
}

/// A problem of a mix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixProblem {
    /// Line of the file, from 1.
    pub line: usize,
    /// Name of the column, if it concerns one.
    pub column: Option<&'static str>,
    /// The problem and its remedy.
    pub message: String,
}

/// All problems of a mix, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixError {
    /// Name of the file in messages.
    pub file: String,
    /// At least one.
    pub problems: Vec<MixProblem>,
}

impl Mix {
    /// The weights of the suite.
    pub fn from_suite(suite: &Suite) -> Self {
        let weights = suite.prompts.iter().map(|prompt| Some(prompt.weight));
        Self {
            shares: weights.collect(),
            from_file: false,
        }
    }

    /// Reads CSV with a header: a column `prompt` (ids or globs) or `tag` (tags or globs), and a column `share`
    /// or `requests` with numbers above 0. Other columns are ignored. Prompts that match the same row divide
    /// its share by their weights in the suite.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn from_csv(text: &str, file: &str, suite: &Suite) -> Result<Self, MixError> {
        let mut reading = MixReader::new(suite);
        reading.records(text);
        if reading.problems.is_empty() {
            return Ok(Self {
                shares: reading.shares,
                from_file: true,
            });
        }
        Err(MixError {
            file: file.to_owned(),
            problems: reading.problems,
        })
    }
}

/// The state while a mix is read.
struct MixReader<'s> {
    suite: &'s Suite,
    index_by_id: HashMap<&'s str, usize>,
    shares: Vec<Option<f64>>,
    /// The line that gave each prompt its share.
    lines: Vec<Option<usize>>,
    /// True if the first share was a percentage, with its line: all others must match.
    percent: Option<(bool, usize)>,
    problems: Vec<MixProblem>,
}

/// The columns of a mix.
#[derive(Debug, Clone, Copy)]
struct Columns {
    /// `prompt` or `tag`.
    names: &'static str,
    /// `share` or `requests`.
    shares: &'static str,
}

impl<'s> MixReader<'s> {
    fn new(suite: &'s Suite) -> Self {
        let ids = suite.prompts.iter().enumerate();
        Self {
            suite,
            index_by_id: ids.map(|(at, prompt)| (prompt.id.as_str(), at)).collect(),
            shares: vec![None; suite.prompts.len()],
            lines: vec![None; suite.prompts.len()],
            percent: None,
            problems: Vec::new(),
        }
    }

    fn add_problem(&mut self, line: usize, column: Option<&'static str>, message: String) {
        self.problems.push(MixProblem {
            line,
            column,
            message,
        });
    }

    fn records(&mut self, text: &str) {
        let mut columns = None;
        each_record(text, |row| match row {
            Ok(row) => match columns.get_or_insert_with(|| columns_of(&row)) {
                Ok(columns) => self.row(&row, *columns),
                Err(message) if self.problems.is_empty() => {
                    self.problems.push(MixProblem {
                        line: 1,
                        column: None,
                        message: message.clone(),
                    });
                }
                Err(_) => {}
            },
            Err(BadRow { line, message }) => self.add_problem(line, None, message),
        });
        if columns.is_none() && self.problems.is_empty() {
            let message = "there is no row below a header such as `prompt,share`";
            self.add_problem(1, None, message.to_owned());
        }
    }

    fn row(&mut self, row: &Row<'_>, columns: Columns) {
        let line = row.line;
        let cell = |column| row.cell(column).unwrap_or_default().trim().to_owned();
        let indices = match self.matching_prompts(columns.names, &cell(columns.names)) {
            Ok(indices) => indices,
            Err(message) => return self.add_problem(line, Some(columns.names), message),
        };
        let written = cell(columns.shares);
        let share = match share(&written).and_then(|share| self.same_form(share, &written, line)) {
            Ok(share) => share,
            Err(message) => return self.add_problem(line, Some(columns.shares), message),
        };
        let weight = |at: &usize| self.suite.prompts[*at].weight;
        let all: f64 = indices.iter().map(weight).sum();
        for at in indices {
            let prompt = &self.suite.prompts[at];
            if let Some(before) = self.lines[at] {
                let id = &prompt.id;
                let message =
                    format!("`{id}` has a share already, by line {before}: name each prompt once");
                self.add_problem(line, Some(columns.names), message);
                continue;
            }
            self.lines[at] = Some(line);
            self.shares[at] = Some(share * (prompt.weight / all));
        }
    }

    /// The share, if it is written in the same form as the first one: `30%` next to `0.7` could mean 0.3 or 30.
    fn same_form(&mut self, share: Share, written: &str, line: usize) -> Result<f64, String> {
        let (percent, first) = *self.percent.get_or_insert((share.percent, line));
        if percent == share.percent {
            return Ok(share.number);
        }
        let (this, other) = if percent {
            ("no percentage", "one")
        } else {
            ("a percentage", "none")
        };
        Err(format!(
            "`{written}` is {this}, and the share of line {first} is {other}: write all of them alike"
        ))
    }

    /// The indices of the prompts that a cell names.
    fn matching_prompts(&self, column: &'static str, text: &str) -> Result<Vec<usize>, String> {
        let prompts = &self.suite.prompts;
        if text.is_empty() {
            return Err(format!("this row names no {column}"));
        }
        let indices = if column == "prompt" {
            let ids = prompts.iter().map(|prompt| prompt.id.as_str());
            let ids = match_names(column, text, ids).map_err(|error| error.to_string())?;
            ids.into_iter().map(|id| self.index_by_id[id]).collect()
        } else {
            let tags = prompts.iter().flat_map(|prompt| &prompt.tags);
            let tags = match_names(column, text, tags.map(String::as_str));
            let tags = tags.map_err(|error| error.to_string())?;
            let fits = |at: &usize| {
                let own = &prompts[*at].tags;
                own.iter().any(|tag| tags.contains(&tag.as_str()))
            };
            (0..prompts.len()).filter(fits).collect()
        };
        Ok(indices)
    }
}

/// Finds the two columns in the header of a row.
fn columns_of(row: &Row<'_>) -> Result<Columns, String> {
    let header = row.columns();
    let one_of = |names: [&'static str; 2]| {
        let [first, second] = names;
        match names.map(|name| header.contains(&name)) {
            [true, true] => Err(format!(
                "both `{first}` and `{second}` are columns: leave one of them out"
            )),
            [true, false] => Ok(first),
            [false, true] => Ok(second),
            [false, false] => Err(format!(
                "no column is called `{first}` or `{second}` (found: `{}`); begin with a line such as \
                 `prompt,share`",
                header.join("`, `").escape_debug()
            )),
        }
    };
    Ok(Columns {
        names: one_of(["prompt", "tag"])?,
        shares: one_of(["share", "requests"])?,
    })
}

/// A share as written in a cell.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// Above 0; for `30%` it is 0.3.
    number: f64,
    percent: bool,
}

/// Parses a share: a number above 0, with an optional percent sign.
fn share(text: &str) -> Result<Share, String> {
    let shown = text.escape_debug();
    let percent = text.ends_with('%');
    let digits = text.strip_suffix('%').unwrap_or(text).trim_end();
    match digits.parse::<f64>() {
        // The smallest positive number has no hundredth.
        Ok(number) if number / 100.0 > 0.0 && number <= MAX_SHARE => Ok(Share {
            number: if percent { number / 100.0 } else { number },
            percent,
        }),
        Ok(0.0) => Err("0 is no share: remove the row".to_owned()),
        Ok(_) => Err(format!(
            "`{text}` is not a number above 0 and up to {MAX_SHARE:e}"
        )),
        Err(_) => Err(format!(
            "`{shown}` is not a number: write 12, 0.5 or 30%, without separators of thousands"
        )),
    }
}

/// Format: `traffic.csv:3: column `share`: ...`, one line per problem.
impl fmt::Display for MixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().take(PROBLEMS_SHOWN).enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:{}: ", self.file, problem.line)?;
            if let Some(column) = problem.column {
                write!(f, "column `{column}`: ")?;
            }
            write!(f, "{}", problem.message)?;
        }
        if self.problems.len() > PROBLEMS_SHOWN {
            write!(f, "\n... and {} more", self.problems.len() - PROBLEMS_SHOWN)?;
        }
        Ok(())
    }
}

impl std::error::Error for MixError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::verdict::fixture;

    fn suite() -> Suite {
        let mut suite =
            fixture::manifest(&["a"], &["refund", "parcel-late", "parcel-lost"], 1).suite;
        *suite.prompts[0].tags = vec!["money".to_owned()];
        *suite.prompts[1].tags = vec!["post".to_owned()];
        *suite.prompts[2].tags = vec!["post".to_owned()];
        suite.prompts[2].weight = 3.0;
        suite
    }

    fn shares(text: &str) -> Vec<Option<f64>> {
        let mix = Mix::from_csv(text, "mix.csv", &suite()).unwrap();
        assert!(mix.from_file);
        mix.shares
    }

    #[test]
    fn rows_are_mapped_to_prompts() {
        // Ids, globs and tags; a row with several prompts is divided by the suite's weights.
        assert_eq!(
            shares("prompt,share\nrefund,2\nparcel-*,4\n"),
            [Some(2.0), Some(1.0), Some(3.0)]
        );
        assert_eq!(
            shares("\u{feff}day, requests ,tag\nmon, 100 , post\n"),
            [None, Some(25.0), Some(75.0)]
        );
        assert_eq!(
            shares("prompt,share\r\n\"refund\",30%\r\n"),
            [Some(0.3), None, None]
        );
    }

    #[test]
    fn percentages_and_numbers_do_not_mix() {
        // `30%` next to `0.7` would have weighed 43 times as much, and no total would have shown it.
        let text = "prompt,share\nrefund,30%\nparcel-late,0.6\nparcel-lost,10 %\n";
        let error = Mix::from_csv(text, "mix.csv", &suite()).unwrap_err();
        insta::assert_snapshot!(error, @"mix.csv:3: column `share`: `0.6` is no percentage, and the share of line 2 is one: write all of them alike");
        let text = "prompt,share\nrefund,0.7\nparcel-*,30%\n";
        let error = Mix::from_csv(text, "mix.csv", &suite()).unwrap_err();
        insta::assert_snapshot!(error, @"mix.csv:3: column `share`: `30%` is a percentage, and the share of line 2 is none: write all of them alike");
    }

    #[test]
    fn every_problem_is_reported_with_its_place() {
        // The author of the file can find each cell; nothing is guessed, nothing is counted twice.
        let text = "prompt,share\nrefnd,1\nrefund,-1\nrefund,NaN\nparcel-late,1\nparcel-*,2\n\
                    refund,0\nrefund,1.000,50\n,3\nrefund,\n[,1\n";
        let error = Mix::from_csv(text, "mix.csv", &suite()).unwrap_err();
        insta::assert_snapshot!(error, @"
        mix.csv:2: column `prompt`: no prompt of the suite matches `refnd`; did you mean `refund`?
        mix.csv:3: column `share`: `-1` is not a number above 0 and up to 1e15
        mix.csv:4: column `share`: `NaN` is not a number above 0 and up to 1e15
        mix.csv:6: column `prompt`: `parcel-late` has a share already, by line 5: name each prompt once
        mix.csv:7: column `share`: 0 is no share: remove the row
        mix.csv:8: this record has 3 fields, the header 2
        mix.csv:9: column `prompt`: this row names no prompt
        mix.csv:10: column `share`: `` is not a number: write 12, 0.5 or 30%, without separators of thousands
        mix.csv:11: column `prompt`: `[` is not a pattern: unclosed character class; missing ']'
        ");
        for (text, message) in [
            ("", "no row below a header"),
            (
                "prompt,shares\nrefund,1\n",
                "no column is called `share` or `requests`",
            ),
            ("prompt,tag,share\n", "no row below a header"),
            ("prompt,prompt,share\n", "`prompt` is duplicate"),
            (
                "id,share\nrefund,1\n",
                "no column is called `prompt` or `tag`",
            ),
            ("prompt,tag,share\nrefund,,1\n", "both `prompt` and `tag`"),
            ("prompt,share\n", "no row below a header"),
        ] {
            let error = Mix::from_csv(text, "mix.csv", &suite())
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("mix.csv:1: ") && error.contains(message),
                "{error}"
            );
        }
    }

    proptest! {
        // Arbitrary CSV is a mix or an error; a mix has a share above 0.
        #[test]
        fn arbitrary_text_never_panics(text in "(prompt,share\n)?[a-z*,0-9.%\"\n-]{0,40}\\PC?") {
            if let Ok(mix) = Mix::from_csv(&text, "m", &suite()) {
                prop_assert!(mix.shares.iter().flatten().all(|share| *share > 0.0));
                prop_assert!(mix.shares.iter().any(Option::is_some));
            }
        }
    }
}
