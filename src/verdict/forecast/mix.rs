//! The mix of prompts in somebody's traffic: of the suite, or of a CSV file.
//!
//! Owns how rows are laid over prompts. Must not know where the file lies. Invariant: every prompt has a
//! share above 0 or none, at least one has a share, and shares are relative; what a file says wrongly is
//! told with its line and column, all of it at once.

use std::collections::HashMap;
use std::fmt;

use crate::suite::{BadRow, Row, Suite, each_record, named};

/// Problems that are told one by one: a file with more is another file.
const PROBLEMS_TOLD: usize = 20;
/// The largest share that is believed, so that no sum is infinite.
const MOST: f64 = 1e15;

/// How much of the traffic looks like each prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// One a prompt, in the order of the suite, relative to each other; absent: none.
    pub shares: Vec<Option<f64>>,
    /// Whether it was read from a file; otherwise these are the suite's weights.
    pub from_file: bool,
}

/// What is wrong with a mix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixProblem {
    /// Line of the file, from 1.
    pub line: usize,
    /// Name of the column, where it is about one.
    pub column: Option<&'static str>,
    /// What is wrong and what to do.
    pub message: String,
}

/// Everything that is wrong with a mix, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixError {
    /// How the file is called in messages.
    pub file: String,
    /// At least one.
    pub problems: Vec<MixProblem>,
}

impl Mix {
    /// The weights of the suite.
    pub fn of_suite(suite: &Suite) -> Self {
        let weights = suite.prompts.iter().map(|prompt| Some(prompt.weight));
        Self {
            shares: weights.collect(),
            from_file: false,
        }
    }

    /// Reads CSV with a header: a column `prompt` (ids or globs) or `tag` (tags or globs), and a column
    /// `share` or `requests` with numbers above 0. Other columns are left alone. Prompts that fit one row
    /// divide its share by their weights in the suite.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(text: &str, file: &str, suite: &Suite) -> Result<Self, MixError> {
        let mut reading = Reading::new(suite);
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

/// A mix while it is read.
struct Reading<'s> {
    suite: &'s Suite,
    places: HashMap<&'s str, usize>,
    shares: Vec<Option<f64>>,
    /// The line that gave each prompt its share.
    lines: Vec<Option<usize>>,
    /// Whether the first share was a percentage, and its line: all others are what it is.
    percent: Option<(bool, usize)>,
    problems: Vec<MixProblem>,
}

/// The columns that a mix is made of.
#[derive(Debug, Clone, Copy)]
struct Columns {
    /// `prompt` or `tag`.
    names: &'static str,
    /// `share` or `requests`.
    shares: &'static str,
}

impl<'s> Reading<'s> {
    fn new(suite: &'s Suite) -> Self {
        let ids = suite.prompts.iter().enumerate();
        Self {
            suite,
            places: ids.map(|(at, prompt)| (prompt.id.as_str(), at)).collect(),
            shares: vec![None; suite.prompts.len()],
            lines: vec![None; suite.prompts.len()],
            percent: None,
            problems: Vec::new(),
        }
    }

    fn wrong(&mut self, line: usize, column: Option<&'static str>, message: String) {
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
            Err(BadRow { line, message }) => self.wrong(line, None, message),
        });
        if columns.is_none() && self.problems.is_empty() {
            let message = "there is no row below a header such as `prompt,share`";
            self.wrong(1, None, message.to_owned());
        }
    }

    fn row(&mut self, row: &Row<'_>, columns: Columns) {
        let line = row.line;
        let cell = |column| row.cell(column).unwrap_or_default().trim().to_owned();
        let places = match self.matched(columns.names, &cell(columns.names)) {
            Ok(places) => places,
            Err(message) => return self.wrong(line, Some(columns.names), message),
        };
        let written = cell(columns.shares);
        let share = match share(&written).and_then(|share| self.alike(share, &written, line)) {
            Ok(share) => share,
            Err(message) => return self.wrong(line, Some(columns.shares), message),
        };
        let weight = |at: &usize| self.suite.prompts[*at].weight;
        let all: f64 = places.iter().map(weight).sum();
        for at in places {
            let prompt = &self.suite.prompts[at];
            if let Some(before) = self.lines[at] {
                let id = &prompt.id;
                let message =
                    format!("`{id}` has a share already, by line {before}: name each prompt once");
                self.wrong(line, Some(columns.names), message);
                continue;
            }
            self.lines[at] = Some(line);
            self.shares[at] = Some(share * (prompt.weight / all));
        }
    }

    /// The share itself, where it is written as the first one is: `30%` beside `0.7` is 0.3 to one reader
    /// and 30 to another.
    fn alike(&mut self, share: Share, written: &str, line: usize) -> Result<f64, String> {
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

    /// The prompts that a cell names, by place.
    fn matched(&self, column: &'static str, text: &str) -> Result<Vec<usize>, String> {
        let prompts = &self.suite.prompts;
        if text.is_empty() {
            return Err(format!("this row names no {column}"));
        }
        let found = if column == "prompt" {
            let ids = prompts.iter().map(|prompt| prompt.id.as_str());
            let ids = named(column, text, ids).map_err(|error| error.to_string())?;
            ids.into_iter().map(|id| self.places[id]).collect()
        } else {
            let tags = prompts.iter().flat_map(|prompt| &prompt.tags);
            let tags = named(column, text, tags.map(String::as_str));
            let tags = tags.map_err(|error| error.to_string())?;
            let fits = |at: &usize| {
                let own = &prompts[*at].tags;
                own.iter().any(|tag| tags.contains(&tag.as_str()))
            };
            (0..prompts.len()).filter(fits).collect()
        };
        Ok(found)
    }
}

/// Finds the two columns in the header of a row.
fn columns_of(row: &Row<'_>) -> Result<Columns, String> {
    let there = row.columns();
    let one_of = |names: [&'static str; 2]| {
        let [first, second] = names;
        match names.map(|name| there.contains(&name)) {
            [true, true] => Err(format!(
                "both `{first}` and `{second}` are columns: leave one of them out"
            )),
            [true, false] => Ok(first),
            [false, true] => Ok(second),
            [false, false] => Err(format!(
                "no column is called `{first}` or `{second}` (found: `{}`); begin with a line such as \
                 `prompt,share`",
                there.join("`, `").escape_debug()
            )),
        }
    };
    Ok(Columns {
        names: one_of(["prompt", "tag"])?,
        shares: one_of(["share", "requests"])?,
    })
}

/// A share as a cell has it.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// Above 0; of `30%` it is 0.3.
    number: f64,
    percent: bool,
}

/// A share: a number above 0, with a percent sign if somebody likes.
fn share(text: &str) -> Result<Share, String> {
    let shown = text.escape_debug();
    let percent = text.ends_with('%');
    let digits = text.strip_suffix('%').unwrap_or(text).trim_end();
    match digits.parse::<f64>() {
        // The smallest number there is has no hundredth.
        Ok(number) if number / 100.0 > 0.0 && number <= MOST => Ok(Share {
            number: if percent { number / 100.0 } else { number },
            percent,
        }),
        Ok(0.0) => Err("0 is no share: leave the row out".to_owned()),
        Ok(_) => Err(format!(
            "`{text}` is not a number above 0 and up to {MOST:e}"
        )),
        Err(_) => Err(format!(
            "`{shown}` is not a number: write 12, 0.5 or 30%, without separators of thousands"
        )),
    }
}

/// `traffic.csv:3: column `share`: ...`, a line for each.
impl fmt::Display for MixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().take(PROBLEMS_TOLD).enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:{}: ", self.file, problem.line)?;
            if let Some(column) = problem.column {
                write!(f, "column `{column}`: ")?;
            }
            write!(f, "{}", problem.message)?;
        }
        if self.problems.len() > PROBLEMS_TOLD {
            write!(f, "\n... and {} more", self.problems.len() - PROBLEMS_TOLD)?;
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
        suite.prompts[0].tags = vec!["money".to_owned()];
        suite.prompts[1].tags = vec!["post".to_owned()];
        suite.prompts[2].tags = vec!["post".to_owned()];
        suite.prompts[2].weight = 3.0;
        suite
    }

    fn shares(text: &str) -> Vec<Option<f64>> {
        let mix = Mix::read(text, "mix.csv", &suite()).unwrap();
        assert!(mix.from_file);
        mix.shares
    }

    #[test]
    fn rows_are_laid_over_prompts() {
        // Ids, globs and tags; a row of several prompts is divided as the suite weighs them.
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
        // `30%` beside `0.7` would have weighed 43 times as much, and no total would have shown it.
        let text = "prompt,share\nrefund,30%\nparcel-late,0.6\nparcel-lost,10 %\n";
        let error = Mix::read(text, "mix.csv", &suite()).unwrap_err();
        insta::assert_snapshot!(error, @"mix.csv:3: column `share`: `0.6` is no percentage, and the share of line 2 is one: write all of them alike");
        let text = "prompt,share\nrefund,0.7\nparcel-*,30%\n";
        let error = Mix::read(text, "mix.csv", &suite()).unwrap_err();
        insta::assert_snapshot!(error, @"mix.csv:3: column `share`: `30%` is a percentage, and the share of line 2 is none: write all of them alike");
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        // Whoever wrote the file finds the cell; nothing is guessed, nothing is taken twice.
        let text = "prompt,share\nrefnd,1\nrefund,-1\nrefund,NaN\nparcel-late,1\nparcel-*,2\n\
                    refund,0\nrefund,1.000,50\n,3\nrefund,\n[,1\n";
        let error = Mix::read(text, "mix.csv", &suite()).unwrap_err();
        insta::assert_snapshot!(error, @"
        mix.csv:2: column `prompt`: no prompt of the suite matches `refnd`; did you mean `refund`?
        mix.csv:3: column `share`: `-1` is not a number above 0 and up to 1e15
        mix.csv:4: column `share`: `NaN` is not a number above 0 and up to 1e15
        mix.csv:6: column `prompt`: `parcel-late` has a share already, by line 5: name each prompt once
        mix.csv:7: column `share`: 0 is no share: leave the row out
        mix.csv:8: this record has 3 fields, the header 2
        mix.csv:9: column `prompt`: this row names no prompt
        mix.csv:10: column `share`: `` is not a number: write 12, 0.5 or 30%, without separators of thousands
        mix.csv:11: column `prompt`: `[` is not a pattern: unclosed character class; missing ']'
        ");
        for (text, told) in [
            ("", "no row below a header"),
            (
                "prompt,shares\nrefund,1\n",
                "no column is called `share` or `requests`",
            ),
            ("prompt,tag,share\n", "no row below a header"),
            ("prompt,prompt,share\n", "`prompt` is there twice"),
            (
                "id,share\nrefund,1\n",
                "no column is called `prompt` or `tag`",
            ),
            ("prompt,tag,share\nrefund,,1\n", "both `prompt` and `tag`"),
            ("prompt,share\n", "no row below a header"),
        ] {
            let error = Mix::read(text, "mix.csv", &suite())
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("mix.csv:1: ") && error.contains(told),
                "{error}"
            );
        }
    }

    proptest! {
        // Arbitrary bytes of CSV are a mix or an error; a mix has a share above 0.
        #[test]
        fn arbitrary_text_never_panics(text in "(prompt,share\n)?[a-z*,0-9.%\"\n-]{0,40}\\PC?") {
            if let Ok(mix) = Mix::read(&text, "m", &suite()) {
                prop_assert!(mix.shares.iter().flatten().all(|share| *share > 0.0));
                prop_assert!(mix.shares.iter().any(Option::is_some));
            }
        }
    }
}
