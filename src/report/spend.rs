//! What runs cost, summed from the ledger.
//!
//! Owns the sums and how they are told. Must not know where ledgers lie. Invariant: invented money is
//! never added to real money.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use crate::record::ledger::LedgerLine;
use crate::units::Usd;

/// What sums are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The suite's name.
    Suite,
    /// The model's id.
    Model,
    /// The day, UTC.
    Day,
    /// The folder of runs.
    Project,
}

impl By {
    /// The word for it, also the heading of the first column.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Suite => "suite",
            Self::Model => "model",
            Self::Day => "day",
            Self::Project => "project",
        }
    }
}

/// The row of runs that say of no model what it cost: killed before a sample was kept.
const NO_MODEL: &str = "(not known)";

/// One sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sum {
    /// The suite, model, day or folder.
    pub name: String,
    /// Runs that have a part in it.
    pub runs: u64,
    /// Of them: have not ended, or were killed.
    #[serde(skip_serializing_if = "is_zero")]
    pub open: u64,
    /// Requests, warm-up and retries included.
    pub requests: u64,
    /// Requests that may have cost something, and nobody said what.
    pub unknown: u64,
    /// Spent as far as it is known.
    #[schemars(with = "String")]
    pub spent_usd: Usd,
    /// Kept under caps for unknown bills, beside `spent_usd`; it has no model.
    #[schemars(with = "String")]
    pub kept_usd: Usd,
}

/// Sums of some lines, by name, and of all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent {
    /// Sorted by name.
    pub rows: Vec<Sum>,
    /// Of everything.
    pub total: Sum,
}

/// What `spend --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SpentDocument<'a> {
    /// Version of this document.
    pub version: u32,
    /// What sums are made by.
    pub by: &'static str,
    /// Whether it is the simulator's invented money.
    pub simulated: bool,
    /// Lines of the ledger that cannot be read, in no sum; absent: none.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable_lines: u64,
    /// Sorted by name.
    pub rows: &'a [Sum],
    /// Of everything.
    pub total: &'a Sum,
    /// The account's money, where an endpoint was named and tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<CreditsDocument>,
}

/// The account's money, as the endpoint tells it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CreditsDocument {
    /// What is left, USD.
    #[schemars(with = "String")]
    pub balance_usd: Usd,
    /// What was used in all, USD.
    #[schemars(with = "String")]
    pub used_usd: Usd,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // The signature is serde's.
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Sums lines, each with the folder it was read from.
pub fn spent<'l>(lines: impl Iterator<Item = (&'l str, &'l LedgerLine)>, by: By) -> Spent {
    let mut rows: BTreeMap<String, Sum> = BTreeMap::new();
    let mut total = Sum {
        name: "total".to_owned(),
        ..Sum::default()
    };
    for (project, line) in lines {
        let name = match by {
            By::Suite => Some(line.suite.clone()),
            By::Day => Some(line.started_at.to_zoned(TimeZone::UTC).date().to_string()),
            By::Project => Some(project.to_owned()),
            By::Model => None,
        };
        add(&mut total, line);
        if let Some(name) = name {
            add(rows.entry(name).or_default(), line);
            continue;
        }
        // Nobody knows which of its models had what its cap keeps.
        if line.models.is_empty() && (line.is_open() || line.kept_usd.is_some()) {
            add(rows.entry(NO_MODEL.to_owned()).or_default(), line);
        }
        for model in &line.models {
            let row = rows.entry(model.model.to_string()).or_default();
            row.runs += 1;
            row.open += u64::from(line.is_open());
            row.requests += model.requests;
            row.unknown += model.unknown;
            row.spent_usd = plus(row.spent_usd, model.spent_usd);
        }
    }
    let rows = rows.into_iter().map(|(name, sum)| Sum { name, ..sum });
    Spent {
        rows: rows.collect(),
        total,
    }
}

fn add(sum: &mut Sum, line: &LedgerLine) {
    sum.runs += 1;
    sum.open += u64::from(line.is_open());
    for model in &line.models {
        sum.requests += model.requests;
        sum.unknown += model.unknown;
    }
    sum.spent_usd = plus(sum.spent_usd, line.spent());
    sum.kept_usd = plus(sum.kept_usd, line.kept_usd.unwrap_or(Usd::ZERO));
}

fn plus(a: Usd, b: Usd) -> Usd {
    [a, b].into_iter().sum()
}

/// The sums as a table for people.
pub fn table(spent: &Spent, by: By) -> String {
    let kept = spent.total.kept_usd > Usd::ZERO;
    let mut lines = vec![heading(by, kept)];
    lines.extend(spent.rows.iter().map(|row| cells(row, kept)));
    lines.push(cells(&spent.total, kept));
    let columns = lines[0].len();
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let mut row = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let written = if column == 0 {
                write!(row, "{cell:<width$}")
            } else {
                write!(row, "  {cell:>width$}")
            };
            written.expect("a text takes everything");
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

fn heading(by: By, kept: bool) -> Vec<String> {
    let mut heading = vec![by.word(), "runs", "requests", "bill unknown", "spent"];
    if kept {
        heading.push("kept by caps");
    }
    heading.into_iter().map(str::to_owned).collect()
}

fn cells(sum: &Sum, kept: bool) -> Vec<String> {
    let mut cells = vec![
        sum.name.clone(),
        sum.runs.to_string(),
        sum.requests.to_string(),
        sum.unknown.to_string(),
        format!("${}", sum.spent_usd),
    ];
    if kept {
        cells.push(format!("${}", sum.kept_usd));
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Status;
    use crate::record::ledger::ModelSpending;

    fn line(suite: &str, day: i64, spent: &[(&str, i128)], kept: Option<i128>) -> LedgerLine {
        let model = |&(id, spent): &(&str, i128)| ModelSpending {
            model: id.parse().unwrap(),
            requests: 10,
            unknown: 1,
            spent_usd: Usd(spent * Usd::PICO / 100),
            list_usd: None,
            billed_usd: None,
            market_usd: None,
        };
        LedgerLine {
            version: 1,
            run: "r".to_owned(),
            suite: suite.to_owned(),
            started_at: jiff::Timestamp::from_second(day * 86_400 + 86_399).unwrap(),
            endpoint: "vercel".to_owned(),
            simulated: false,
            status: Status::Complete,
            models: spent.iter().map(model).collect(),
            kept_usd: kept.map(|kept| Usd(kept * Usd::PICO / 100)),
            cap_usd: None,
            estimate_usd: None,
        }
    }

    #[test]
    fn a_run_of_which_no_sample_is_left_has_a_row_by_model() {
        // Killed at once, it counts in the total: a table whose rows do not show it is a riddle.
        let killed = LedgerLine {
            status: Status::Running,
            ..line("a", 0, &[], Some(3))
        };
        let lines = [killed, line("a", 0, &[("m/x", 5)], None)];
        let spent = spent(lines.iter().map(|line| ("reports", line)), By::Model);
        insta::assert_snapshot!(table(&spent, By::Model), @r"
        model        runs  requests  bill unknown  spent  kept by caps
        (not known)     1         0             0     $0         $0.03
        m/x             1        10             1  $0.05            $0
        total           2        10             1  $0.05         $0.03
        ");
    }

    #[test]
    fn every_sum_adds_up_to_the_same_total() {
        // A cent that is counted twice or not at all would be somebody's.
        let lines = [
            line("a", 0, &[("m/x", 5), ("m/y", 7)], None),
            line("a", 1, &[("m/x", 11)], Some(3)),
            line("b", 1, &[("m/y", 13)], None),
        ];
        let mut shown = String::new();
        for by in [By::Suite, By::Model, By::Day, By::Project] {
            let spent = spent(lines.iter().map(|line| ("reports", line)), by);
            let sum: Usd = spent.rows.iter().map(|row| row.spent_usd).sum();
            assert_eq!(sum, spent.total.spent_usd);
            assert_eq!(spent.total.spent_usd, Usd(36 * Usd::PICO / 100));
            shown.push_str(&table(&spent, by));
        }
        insta::assert_snapshot!(shown, @"
        suite  runs  requests  bill unknown  spent  kept by caps
        a         2        30             3  $0.23         $0.03
        b         1        10             1  $0.13            $0
        total     3        40             4  $0.36         $0.03
        model  runs  requests  bill unknown  spent  kept by caps
        m/x       2        20             2  $0.16            $0
        m/y       2        20             2   $0.2            $0
        total     3        40             4  $0.36         $0.03
        day         runs  requests  bill unknown  spent  kept by caps
        1970-01-01     1        20             2  $0.12            $0
        1970-01-02     2        20             2  $0.24         $0.03
        total          3        40             4  $0.36         $0.03
        project  runs  requests  bill unknown  spent  kept by caps
        reports     3        40             4  $0.36         $0.03
        total       3        40             4  $0.36         $0.03
        ");
    }
}
