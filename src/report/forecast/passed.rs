//! The columns of answers that pass.
//!
//! Owns their names. Must not compute. Invariant: without a grade both are empty.

use crate::report::figure::{Figure, FigureCell, share};
use crate::report::table::FigureRow;
use crate::stats::interval::Interval;
use crate::verdict::PassedForecast;

use super::money;

/// The meaning of the columns.
pub(super) const PASSED_NOTE: &str = "Passed: the cost of a month over its answers that pass, at the pass rates of the run; retries and wrong answers are paid for.";

/// Adds the pass rate and the cost of a thousand passed answers, under names that begin with `prefix`.
pub(super) fn put_passed(row: &mut FigureRow, prefix: &str, passed: Option<PassedForecast>) {
    let rate = passed.map_or_else(
        || FigureCell::within(Figure::Absent, Interval::NONE, share),
        |passed| FigureCell::within(share(passed.pass_rate), passed.pass_rate_interval, share),
    );
    row.put(format!("{prefix}pass_rate"), rate);
    let each = passed.and_then(|passed| passed.per_passed);
    let each = each.map_or(Figure::Absent, |usd| money(usd * 1000.0));
    let ends = passed.map_or(Interval::NONE, |passed| passed.per_passed_interval);
    let cell = FigureCell::within(each, ends.map(|end| end * 1000.0), money);
    row.put(format!("{prefix}per_1000_passed_usd"), cell);
}
