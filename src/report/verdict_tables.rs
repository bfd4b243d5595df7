//! The tables of verdicts: the name of each field of a comparison.
//!
//! Owns the columns of `comparisons.csv` and of the related tables. Must not know how a table is
//! rendered. Invariant: a name never changes its meaning; every row of a table has the same columns.

use std::sync::Arc;

use crate::suite::{Direction, Metric, Scale};
use crate::verdict::{
    Comparison, ComparisonDesign, Effect, Judgement, LimitCheck, LimitStatus, RouteComparison,
    Verdict,
};

use super::figure::{Figure, FigureCell, Probability, count, share};
use super::table::{FigureRow, FigureTable};
use super::{limit_wording, wording};

fn probability(p: Option<f64>) -> Figure {
    let probability = p.and_then(Probability::new);
    probability.map_or(Figure::Absent, Figure::Probability)
}

fn words(words: &str) -> Figure {
    Figure::Text(words.to_owned())
}

pub(super) fn comparisons(design: ComparisonDesign, comparisons: &[&Comparison]) -> FigureTable {
    let rows = comparisons.iter();
    FigureTable::from_rows(rows.map(|comparison| comparison_row(design, comparison)))
}

/// The row of a comparison, with every field.
fn comparison_row(design: ComparisonDesign, comparison: &Comparison) -> FigureRow {
    let mut row = FigureRow::default();
    row.put_figure("design", words(design.word()));
    row.put_figure("candidate", words(&comparison.candidate));
    row.put_figure("reference", words(&comparison.reference));
    row.put_figure("metric", words(comparison.metric.word()));
    row.put_figure("primary", Figure::Bool(comparison.primary));
    row.put_figure("procedure", words(comparison.procedure.word()));
    row.put_figure("tolerance", share(comparison.bounds.tolerance));
    row.put_figure("margin", share(comparison.bounds.margin));
    let floor = wording::floor_figure(comparison.bounds.floor_ns);
    row.put_figure("floor_ms", floor);
    put_effect(&mut row, comparison.metric, comparison.effect.as_ref());
    row.put_figure("prompts", count(comparison.size.prompts));
    row.put_figure("candidate_n", count(comparison.size.candidate));
    row.put_figure("reference_n", count(comparison.size.reference));
    row.put_figure("past_runs", count(comparison.size.runs));
    put_tests(&mut row, comparison);
    row.put_figure("verdict", Figure::Verdict(comparison.verdict, design));
    row.put_figure("meaning", Figure::Text(wording::meaning(comparison)));
    put_reasons(&mut row, design, comparison);
    row.show("candidate", "candidate", 0);
    row.show("metric", "metric", 0);
    row.show_within("effect", "effect", 0, 2);
    row.show("level", "CI", 9);
    row.show("prompts", "prompts", 5);
    row.show("candidate_n", "n", 7);
    row.show("reference_n", "n ref", 10);
    row.show("verdict", "verdict", 0);
    row.show("meaning", "in words", 8);
    row.show("detectable", "detectable", 4);
    row.show("needed", "would need", 6);
    row
}

/// Adds an effect with its interval, and the interval's level.
fn put_effect(row: &mut FigureRow, metric: Metric, effect: Option<&Effect>) {
    let scale = metric.scale();
    let cell = effect.map_or_else(
        || FigureCell::bounded(None, wording::effect_figure(scale)),
        |effect| wording::effect_cell(scale, effect),
    );
    row.put("effect", cell);
    let level = effect.map(|effect| wording::printed_level(effect.level));
    row.put_figure("level", level.map_or(Figure::Absent, share));
}

fn put_tests(row: &mut FigureRow, comparison: &Comparison) {
    let tests = comparison.tests.as_ref();
    row.put_figure("p_worse", probability(tests.map(|tests| tests.worse)));
    row.put_figure("p_better", probability(tests.map(|tests| tests.better)));
    let within = tests.map(|tests| tests.within_margin);
    row.put_figure("p_within_margin", probability(within));
}

/// Adds the reasons, the detectable change and the influential prompts.
fn put_reasons(row: &mut FigureRow, design: ComparisonDesign, comparison: &Comparison) {
    let reasons: Vec<&str> = comparison
        .reasons
        .iter()
        .map(wording::reason_word)
        .collect();
    row.put_figure("reasons", Figure::Text(reasons.join(";")));
    let explanation = wording::remarks(design, comparison).join(" ");
    row.put_figure("explanation", Figure::Text(explanation));
    let inconclusive = comparison.verdict == Verdict::Inconclusive;
    let scale = comparison.metric.scale();
    let detectable = comparison.detectable_change.filter(|_| inconclusive);
    let detectable = detectable.map_or(Figure::Absent, |change| {
        wording::change_figure(scale, change)
    });
    row.put_figure("detectable", detectable);
    let needed = comparison.required_size.filter(|_| inconclusive);
    let needed = needed.map_or(Figure::Absent, |needed| {
        Figure::Plan(needed.prompts, needed.repetitions)
    });
    row.put_figure("needed", needed);
    let directions = EffectDirections::from_comparison(comparison);
    row.put_figure("prompts_worse", count(directions.worse));
    row.put_figure("prompts_better", count(directions.better));
    let influence = comparison.influence.as_ref();
    let prompt = influence.map(|influence| influence.prompt.clone());
    row.put_figure(
        "influential_prompt",
        prompt.map_or(Figure::Absent, Figure::Text),
    );
    let without = influence.map(|influence| influence.verdict_without);
    let without = without.map_or(Figure::Absent, |verdict| Figure::Verdict(verdict, design));
    row.put_figure("verdict_without", without);
    let is_decisive = influence.map_or(Figure::Absent, |one| Figure::Bool(one.is_decisive));
    row.put_figure("one_prompt_decides", is_decisive);
}

/// Numbers of prompts by the direction of their effect.
#[derive(Default)]
struct EffectDirections {
    worse: u64,
    equal: u64,
    better: u64,
}

impl EffectDirections {
    fn from_comparison(comparison: &Comparison) -> Self {
        let mut directions = Self::default();
        for (_, effect) in comparison.per_prompt.iter() {
            let badness = badness(comparison.metric, effect);
            directions.worse += u64::from(badness > 0.0);
            directions.equal += u64::from(badness == 0.0);
            directions.better += u64::from(badness < 0.0);
        }
        directions
    }
}

/// Measures how much worse the candidate is: above 0 if it is worse.
fn badness(metric: Metric, effect: f64) -> f64 {
    let more = match metric.scale() {
        Scale::Ratio => effect - 1.0,
        Scale::Points => effect,
    };
    match metric.direction() {
        Direction::LowerIsBetter => more,
        Direction::HigherIsBetter => -more,
    }
}

pub(super) fn extremes_row(comparison: &Comparison) -> Option<FigureRow> {
    let badness = |of: &(&Arc<str>, f64)| badness(comparison.metric, of.1);
    let by_badness = |a: &(&Arc<str>, f64), b: &(&Arc<str>, f64)| badness(a).total_cmp(&badness(b));
    let worst = comparison.per_prompt.iter().max_by(by_badness)?;
    let best = comparison.per_prompt.iter().min_by(by_badness)?;
    let figure = wording::effect_figure(comparison.metric.scale());
    let directions = EffectDirections::from_comparison(comparison);
    let mut row = FigureRow::default();
    row.put_figure("candidate", words(&comparison.candidate));
    row.put_figure("metric", words(comparison.metric.word()));
    row.put_figure("prompts_worse", count(directions.worse));
    row.put_figure("prompts_equal", count(directions.equal));
    row.put_figure("prompts_better", count(directions.better));
    row.put_figure("worst_prompt", words(worst.0));
    row.put_figure("worst_effect", figure(worst.1));
    row.put_figure("best_prompt", words(best.0));
    row.put_figure("best_effect", figure(best.1));
    row.show("candidate", "candidate", 0);
    row.show("metric", "metric", 0);
    row.show("prompts_worse", "worse on", 0);
    row.show("prompts_equal", "equal on", 3);
    row.show("prompts_better", "better on", 0);
    row.show("worst_prompt", "worst prompt", 1);
    row.show("worst_effect", "there", 1);
    row.show("best_prompt", "best prompt", 2);
    row.show("best_effect", "there", 2);
    Some(row)
}

pub(super) fn routes(judgement: &Judgement) -> FigureTable {
    let rows = judgement.comparisons.iter().flat_map(|comparison| {
        let routes = comparison.routes.iter();
        routes.map(move |route| route_row(judgement.design, comparison, route))
    });
    FigureTable::from_rows(rows)
}

fn route_row(
    design: ComparisonDesign,
    comparison: &Comparison,
    route: &RouteComparison,
) -> FigureRow {
    let mut row = FigureRow::default();
    row.put_figure("candidate", words(&comparison.candidate));
    row.put_figure("metric", words(comparison.metric.word()));
    row.put_figure("provider", words(&route.provider));
    row.put_figure("share_reference", share(route.share_reference));
    row.put_figure("share_candidate", share(route.share_candidate));
    put_effect(&mut row, comparison.metric, route.effect.as_ref());
    row.put_figure("verdict", Figure::Verdict(route.verdict, design));
    row.show("candidate", "candidate", 0);
    row.show("metric", "metric", 0);
    row.show("provider", "provider", 0);
    let (reference, candidate) = match design {
        ComparisonDesign::Interleaved => ("of the reference", "of the candidate"),
        ComparisonDesign::TwoRuns | ComparisonDesign::History => ("before", "now"),
    };
    row.show("share_reference", reference, 2);
    row.show("share_candidate", candidate, 2);
    row.show_within("effect", "effect", 0, 1);
    row.show("verdict", "verdict", 0);
    row
}

/// One row per variant and limit, and per prompt of a limit that is checked for each.
pub(super) fn limits(checks: &[LimitCheck]) -> FigureTable {
    let has_prompts = checks.iter().any(|check| check.prompt.is_some());
    FigureTable::from_rows(checks.iter().map(|check| {
        let figure = limit_wording::figure(check.quantity);
        let mut row = FigureRow::default();
        row.put_figure("variant", words(&check.variant));
        row.put_figure("limit", Figure::Text(limit_wording::word(check.quantity)));
        let prompt = check.prompt.as_deref().map_or(Figure::Absent, words);
        row.put_figure("prompt", prompt);
        row.put_figure("bound", figure(check.bound));
        row.put("estimate", limit_wording::cell(check));
        row.put_figure("n", count(check.n));
        row.put_figure("holds", words(holds_word(check.status)));
        row.show("variant", "variant", 0);
        row.show("limit", "limit", 0);
        if has_prompts {
            row.show("prompt", "prompt", 0);
        }
        row.show("bound", "bound", 0);
        row.show_within("estimate", "measured", 0, 1);
        row.show("n", "n", 2);
        row.show("holds", "holds", 0);
        row
    }))
}

/// The word that CSV and JSON store for the status of a limit.
const fn holds_word(holds: LimitStatus) -> &'static str {
    match holds {
        LimitStatus::Within => "yes",
        LimitStatus::Exceeded => "no",
        LimitStatus::Inconclusive => "inconclusive",
    }
}
