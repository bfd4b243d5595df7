//! The cost of runs, summed from the ledger.
//!
//! Owns the sums and their layout. Must not know where ledgers are stored. Invariant: simulated money is
//! never added to real money.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use super::aligned::{TableShape, align_columns};
use crate::record::ledger::LedgerLine;
use crate::units::Usd;

/// The grouping of sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum GroupBy {
    /// The suite's name.
    Suite,
    /// The model's id.
    Model,
    /// The variant's label, with its model's id where that differs.
    Variant,
    /// The day, UTC.
    Day,
    /// The folder of runs.
    Project,
}

impl GroupBy {
    /// The word for the grouping, also the heading of the first column.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// The row of runs without a cost per model: killed before a sample was recorded.
const NO_MODEL: &str = "(not known)";

/// One sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Sum")]
pub struct SpendSum {
    /// The suite, model, day or folder.
    pub name: String,
    /// Runs that contribute to it.
    pub runs: u64,
    /// Those of them that have not ended, or were killed.
    #[serde(skip_serializing_if = "is_zero")]
    pub open: u64,
    /// Requests, warm-up and retries included.
    pub requests: u64,
    /// Requests that may have cost something and have no known bill.
    pub unknown: u64,
    /// Known spending.
    #[schemars(with = "String")]
    pub spent_usd: Usd,
    /// Amount reserved by caps for unknown bills, in addition to `spent_usd`; it has no model.
    #[schemars(with = "String")]
    pub reserved_usd: Usd,
}

/// Sums of ledger lines by name, and their total.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpendTotals {
    /// Sorted by name.
    pub rows: Vec<SpendSum>,
    /// Total of all lines.
    pub total: SpendSum,
}

/// The document that `spend --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SpentDocument")]
pub struct SpendDocument<'a> {
    /// Version of this document.
    pub version: u32,
    /// The grouping of sums.
    pub by: &'static str,
    /// True for the simulator's invented money.
    pub simulated: bool,
    /// Lines of the ledger that cannot be read, in no sum; absent if there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable_lines: u64,
    /// Sorted by name.
    pub rows: &'a [SpendSum],
    /// Total of all lines.
    pub total: &'a SpendSum,
    /// The account's credits, if an endpoint was named and reports them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<CreditsDocument>,
}

/// The account's credits, as the endpoint reports them.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CreditsDocument {
    /// Remaining credits, USD.
    #[schemars(with = "String")]
    pub balance_usd: Usd,
    /// Used credits, USD.
    #[schemars(with = "String")]
    pub used_usd: Usd,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // The signature is serde's.
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Sums ledger lines, each with the folder it was read from.
pub fn sum_lines<'l>(
    lines: impl Iterator<Item = (&'l str, &'l LedgerLine)>,
    by: GroupBy,
) -> SpendTotals {
    let mut rows: BTreeMap<String, SpendSum> = BTreeMap::new();
    let mut total = SpendSum {
        name: "total".to_owned(),
        ..SpendSum::default()
    };
    for (project, line) in lines {
        let name = match by {
            GroupBy::Suite => Some(line.suite.clone()),
            GroupBy::Day => Some(line.started_at.to_zoned(TimeZone::UTC).date().to_string()),
            GroupBy::Project => Some(project.to_owned()),
            GroupBy::Model | GroupBy::Variant => None,
        };
        add(&mut total, line);
        if let Some(name) = name {
            add(rows.entry(name).or_default(), line);
            continue;
        }
        // The reservation of a cap cannot be attributed to one of its models.
        if line.models.is_empty() && (line.is_open() || line.reserved_usd.is_some()) {
            add(rows.entry(NO_MODEL.to_owned()).or_default(), line);
        }
        let mut counted = BTreeSet::new();
        for model in &line.models {
            let name = match &model.variant {
                Some(label) if by == GroupBy::Variant => format!("{label} ({})", model.model),
                _ => model.model.to_string(),
            };
            let row = rows.entry(name.clone()).or_default();
            // A model may have a row for each of its variants.
            if counted.insert(name) {
                row.runs += 1;
                row.open += u64::from(line.is_open());
            }
            row.requests += model.requests;
            row.unknown += model.unknown;
            row.spent_usd = plus(row.spent_usd, model.spent_usd);
        }
    }
    let rows = rows.into_iter().map(|(name, sum)| SpendSum { name, ..sum });
    SpendTotals {
        rows: rows.collect(),
        total,
    }
}

fn add(sum: &mut SpendSum, line: &LedgerLine) {
    sum.runs += 1;
    sum.open += u64::from(line.is_open());
    for model in &line.models {
        sum.requests += model.requests;
        sum.unknown += model.unknown;
    }
    sum.spent_usd = plus(sum.spent_usd, line.spent());
    sum.reserved_usd = plus(sum.reserved_usd, line.reserved_usd.unwrap_or(Usd::ZERO));
}

fn plus(a: Usd, b: Usd) -> Usd {
    [a, b].into_iter().sum()
}

/// Renders the sums as a table for people.
pub fn table(spent: &SpendTotals, by: GroupBy) -> String {
    let with_reserved = spent.total.reserved_usd > Usd::ZERO;
    let mut lines = vec![heading(by, with_reserved)];
    lines.extend(spent.rows.iter().map(|row| cells(row, with_reserved)));
    lines.push(cells(&spent.total, with_reserved));
    align_columns(&lines, TableShape::Figures, None)
}

fn heading(by: GroupBy, with_reserved: bool) -> Vec<String> {
    let mut heading = vec![by.word(), "runs", "requests", "bill unknown", "spent"];
    if with_reserved {
        heading.push("kept by caps");
    }
    heading.into_iter().map(str::to_owned).collect()
}

fn cells(sum: &SpendSum, with_reserved: bool) -> Vec<String> {
    let mut cells = vec![
        sum.name.clone(),
        sum.runs.to_string(),
        sum.requests.to_string(),
        sum.unknown.to_string(),
        format!("${}", sum.spent_usd),
    ];
    if with_reserved {
        cells.push(format!("${}", sum.reserved_usd));
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Status;
    use crate::record::ledger::ModelSpending;

    fn line(suite: &str, day: i64, spent: &[(&str, i128)], reserved: Option<i128>) -> LedgerLine {
        let model = |&(id, spent): &(&str, i128)| ModelSpending {
            model: id.parse().unwrap(),
            variant: None,
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
            resumed_at: None,
            endpoint: "vercel".to_owned(),
            simulated: false,
            status: Status::Complete,
            models: spent.iter().map(model).collect(),
            reserved_usd: reserved.map(|cents| Usd(cents * Usd::PICO / 100)),
            cap_usd: None,
            estimate_usd: None,
        }
    }

    #[test]
    fn a_run_of_which_no_sample_is_left_has_a_row_by_model() {
        // A run killed at once counts in the total: a table without a row for it would not add up.
        let killed = LedgerLine {
            status: Status::Running,
            ..line("a", 0, &[], Some(3))
        };
        let lines = [killed, line("a", 0, &[("m/x", 5)], None)];
        let spent = sum_lines(lines.iter().map(|line| ("reports", line)), GroupBy::Model);
        insta::assert_snapshot!(table(&spent, GroupBy::Model), @r"
        model        runs  requests  bill unknown  spent  kept by caps
        (not known)     1         0             0     $0         $0.03
        m/x             1        10             1  $0.05            $0
        total           2        10             1  $0.05         $0.03
        ");
    }

    #[test]
    fn variants_of_one_model_have_rows_of_their_own() {
        // Which effort costs how much is the question of a matrix; by model the run counts once.
        let mut run = line("a", 0, &[("m/x", 5), ("m/x", 7), ("m/y", 1)], None);
        for (row, label) in run.models.iter_mut().zip(["low", "high"]) {
            row.variant = Some(label.to_owned());
        }
        let sums = |by| table(&sum_lines([("reports", &run)].into_iter(), by), by);
        insta::assert_snapshot!(sums(GroupBy::Variant), @r"
        variant     runs  requests  bill unknown  spent
        high (m/x)     1        10             1  $0.07
        low (m/x)      1        10             1  $0.05
        m/y            1        10             1  $0.01
        total          1        30             3  $0.13
        ");
        insta::assert_snapshot!(sums(GroupBy::Model), @r"
        model  runs  requests  bill unknown  spent
        m/x       1        20             2  $0.12
        m/y       1        10             1  $0.01
        total     1        30             3  $0.13
        ");
    }

    #[test]
    fn every_sum_adds_up_to_the_same_total() {
        // A cent counted twice or not at all would make the report wrong for its owner.
        let lines = [
            line("a", 0, &[("m/x", 5), ("m/y", 7)], None),
            line("a", 1, &[("m/x", 11)], Some(3)),
            line("b", 1, &[("m/y", 13)], None),
        ];
        let mut shown = String::new();
        for by in [
            GroupBy::Suite,
            GroupBy::Model,
            GroupBy::Variant,
            GroupBy::Day,
            GroupBy::Project,
        ] {
            let spent = sum_lines(lines.iter().map(|line| ("reports", line)), by);
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
        variant  runs  requests  bill unknown  spent  kept by caps
        m/x         2        20             2  $0.16            $0
        m/y         2        20             2   $0.2            $0
        total       3        40             4  $0.36         $0.03
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
