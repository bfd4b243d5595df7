//! Limits in words and figures.
//!
//! Owns the name of a limit and its sentence. Must not know how a limit is checked. Invariant: every sentence has the
//! bound, the estimate and its n.

use crate::suite::{Quantity, Unit};
use crate::verdict::{LimitCheck, LimitStatus};

use super::figure::{Figure, FigureCell, count, share};

/// The name of a limit, as a suite writes it: `ttft_p75`.
pub(super) fn word(quantity: Quantity) -> String {
    match quantity {
        Quantity::Within { time, .. } => format!("{} {time}", quantity.word()),
        _ => quantity.word(),
    }
}

/// The name of a limit, with the prompt of one that is checked per prompt: `ttft_p75 of prompt greet`.
pub(super) fn name(check: &LimitCheck) -> String {
    let word = word(check.quantity);
    match &check.prompt {
        Some(prompt) => format!("{word} of prompt {prompt}"),
        None => word,
    }
}

/// The figure of a limit's quantity.
pub(super) fn figure(quantity: Quantity) -> fn(f64) -> Figure {
    match quantity.unit() {
        Unit::Time => Figure::from_ns,
        Unit::Share => share,
        Unit::Usd => Figure::from_usd,
        Unit::Number => |number| Figure::from_option(Some(number), Figure::Mean),
        Unit::Trials => trials,
    }
}

/// The measured value of a limit; a fact of the run has no interval.
pub(super) fn cell(check: &LimitCheck) -> FigureCell {
    let make = figure(check.quantity);
    let estimate = check.estimate.map_or(Figure::Absent, make);
    let cell = FigureCell::within(estimate, check.interval, make);
    FigureCell {
        low_n: cell.low_n && !check.quantity.is_fact(),
        ..cell
    }
}

/// A number of trials, which is whole.
fn trials(number: f64) -> Figure {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of trials, or of a bound within the limits of suites"
    )]
    count(number.round() as u64)
}

/// A limit as one sentence.
pub(super) fn sentence(check: &LimitCheck) -> String {
    let bound = figure(check.quantity)(check.bound);
    let name = name(check);
    let min_or_max = if check.quantity.has_minimum() {
        "least"
    } else {
        "most"
    };
    let status = match check.status {
        LimitStatus::Within => "holds",
        LimitStatus::Exceeded => "is broken",
        LimitStatus::Inconclusive => "is inconclusive",
    };
    let estimate = if check.estimate.is_some() {
        cell(check).shown(true)
    } else {
        "no value".to_owned()
    };
    format!(
        "{}: the limit {name} of at {min_or_max} {} {status}: {estimate}, n {}.",
        check.variant,
        bound.shown(),
        check.n
    )
}
