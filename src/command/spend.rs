//! `bakeoff spend`: the cost of runs, from the ledgers of their folders.
//!
//! Owns which lines are summed. Must not know how sums are made. Invariant: the only request is the one for the
//! balance, if the user requests it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::gateway::account::Credits;
use crate::gateway::listing::{EndpointQuery, fetch};
use crate::record::ledger::{self, LedgerLine};
use crate::report::spend::{CreditsDocument, GroupBy, SpendDocument, sum_lines, table};
use crate::units::plural;
use jiff::{SignedDuration, Timestamp};

use super::base::closing;
use super::base::failure::Failure;
use super::base::json::print_json;
use super::base::runtime::runtime;
use super::base::stdio::{stderr, stdout};
use super::base::{endpoint, exit, files};
use super::runs::REPORTS;

/// The longest that the question for the balance may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Version of the document.
const VERSION: u32 = 2;

/// The options of `bakeoff spend`.
#[derive(Debug)]
#[allow(missing_docs)] // Each field is the flag of the same name, documented by `--help`.
pub struct Options {
    /// Empty: the one that runs go to where no other is named.
    pub folders: Vec<PathBuf>,
    pub since: Option<Since>,
    pub by: GroupBy,
    pub simulated: bool,
    pub endpoint: Option<String>,
    pub project: Option<PathBuf>,
    pub json: bool,
}

/// The start of the period in which runs count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Ago(SignedDuration),
    /// 00:00 UTC of this day.
    Day(jiff::civil::Date),
}

impl std::str::FromStr for Since {
    type Err = String;

    /// `12h`, `7d`, `2w`, or a date.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is neither a duration such as 7d nor a date such as 2026-11-01");
        if let Ok(day) = text.parse::<jiff::civil::Date>() {
            return Ok(Self::Day(day));
        }
        let unit = text.chars().last().ok_or_else(wrong)?;
        let hours = match unit {
            'h' => 1,
            'd' => 24,
            'w' => 7 * 24,
            _ => return Err(wrong()),
        };
        let count: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        // At most 2^32 weeks: far within the range of the type.
        Ok(Self::Ago(SignedDuration::from_hours(
            i64::from(count) * hours,
        )))
    }
}

impl Since {
    fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            // Before all time that there is: everything counts.
            Self::Ago(span) => now.checked_sub(span).unwrap_or(Timestamp::MIN),
            Self::Day(day) => (day.to_zoned(jiff::tz::TimeZone::UTC))
                .map_or(Timestamp::MIN, |zoned| zoned.timestamp()),
        }
    }
}

/// Carries out `bakeoff spend`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let since = options.since.map(|since| since.instant(Timestamp::now()));
    let mut lines = Vec::new();
    let (mut left_out, mut unreadable) = (0_u64, 0_u64);
    for folder in each_once(&options.folders)? {
        closing::close_ended(folder, false)?;
        let ledger = ledger::read(folder)?;
        let name = folder.display().to_string();
        for problem in &ledger.problems {
            writeln!(stderr(), "warning: {name}: {problem}; not counted")?;
            unreadable += 1;
        }
        for line in ledger.lines {
            if since.is_some_and(|since| line.started_at < since) {
                continue;
            }
            if line.simulated == options.simulated {
                lines.push((name.clone(), line));
            } else {
                left_out += 1;
            }
        }
    }
    let sums = sum_lines(
        lines.iter().map(|(name, line)| (name.as_str(), line)),
        options.by,
    );
    let credits = match &options.endpoint {
        Some(name) => credits(options, name)?,
        None => None,
    };
    let mut out = stdout();
    if options.json {
        let document = SpendDocument {
            version: VERSION,
            by: options.by.word(),
            simulated: options.simulated,
            unreadable_lines: unreadable,
            rows: &sums.rows,
            total: &sums.total,
            credits: credits.map(|credits| CreditsDocument {
                balance_usd: credits.balance,
                used_usd: credits.used,
            }),
        };
        print_json(&mut out, &document)?;
        return Ok(exit::DONE);
    }
    if sums.total.runs == 0 && left_out == 0 && unreadable == 0 {
        let since = options.since.map_or("yet", |_| "in this period");
        writeln!(out, "no runs {since}")?;
    } else {
        write!(out, "{}", table(&sums, options.by))?;
    }
    if sums.total.open > 0 {
        let open = sums.total.open;
        let (runs, whose) = if open == 1 {
            ("1 run is still running or was killed".to_owned(), "its")
        } else {
            (
                format!("{open} runs are still running or were killed"),
                "their",
            )
        };
        writeln!(
            out,
            "{runs}: counted with the cost of {whose} finished trials and the rest of {whose} cap"
        )?;
    }
    if unreadable > 0 {
        let lines = plural(unreadable, "line");
        writeln!(
            out,
            "not counted: {lines} of the ledger that cannot be read"
        )?;
    }
    if let Some(credits) = credits {
        writeln!(
            out,
            "balance ${}, ${} used in total",
            credits.balance, credits.used
        )?;
    }
    if left_out > 0 {
        let whose = if options.simulated {
            "on real endpoints"
        } else {
            "on the simulator (see --simulated)"
        };
        writeln!(out, "not counted: {} {whose}", plural(left_out, "run"))?;
    }
    Ok(exit::DONE)
}

/// The folders, each once however it is written: no run is counted twice. The one that is meant where none is
/// named need not be there yet.
fn each_once(named: &[PathBuf]) -> Result<Vec<&Path>, Failure> {
    if named.is_empty() {
        return Ok(vec![Path::new(REPORTS)]);
    }
    let mut seen = BTreeSet::new();
    let mut folders = Vec::new();
    for folder in named {
        let Ok(real) = folder.join(LedgerLine::FILE).canonicalize() else {
            return Err(Failure::usage(format!(
                "no ledger in `{}`: name the folder that `run --output` wrote to",
                folder.display()
            )));
        };
        if seen.insert(real) {
            folders.push(folder.as_path());
        }
    }
    Ok(folders)
}

/// The balance of the account at an endpoint, if it reports one.
fn credits(options: &Options, name: &str) -> Result<Option<Credits>, Failure> {
    let project = files::project(options.project.as_deref())?;
    let profile = endpoint::resolve(&project, name, None)?;
    let opened = endpoint::open_for_lists(&profile)?;
    let asking = fetch(&opened.endpoint, EndpointQuery::Credits, PATIENCE);
    let answer = runtime()?.block_on(asking);
    let read = answer
        .map_err(|error| error.to_string())
        .and_then(|answer| {
            Credits::from_json(&answer).ok_or_else(|| "the answer is not a balance".to_owned())
        });
    match read {
        Ok(credits) => Ok(Some(credits)),
        Err(why) => {
            writeln!(stderr(), "note: balance of `{name}` unknown: {why}")?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_dates_are_read() {
        // `7d` counts back from now, a date from its midnight.
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (text, from) in [
            ("12h", "2026-11-22T00:00:00Z"),
            ("7d", "2026-11-15T12:00:00Z"),
            ("2w", "2026-11-08T12:00:00Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
        ] {
            let since: Since = text.parse().unwrap();
            assert_eq!(since.instant(now), from.parse().unwrap(), "{text}");
        }
        for text in ["", "d", "7", "-7d", "7 d", "7é", "2026-13-01"] {
            assert!(text.parse::<Since>().is_err(), "{text}");
        }
        assert_eq!(
            "4000000000w".parse::<Since>().unwrap().instant(now),
            Timestamp::MIN
        );
    }
}
