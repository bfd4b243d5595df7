//! The columns of the tables: the name of each figure of a summary.
//!
//! Owns the names in `comparison.csv` and in the comparison as JSON. Must not know how a table is
//! rendered. Invariant: a name carries its unit, and never changes its meaning.

use std::ops::Range;

use crate::record::{FailureKind, Flag};
use crate::stats::interval::Interval;
use crate::stats::quantile::Percentile;
use crate::threads::Threads;
use crate::verdict::{
    Distribution, Estimate, Figures, Frontier, FrontierStanding, MeanIntervals, PromptSummaries,
    PromptSummary, Ratios, RunSummary, TokenKind, Total, VariantSummary,
};

use super::caching;
use super::figure::{Figure, FigureCell, count, share};
use super::table::{FigureRow, FigureTable};

/// A variant reasons if more than this share of its answers, in per cent, came with reasoning.
const MIN_REASONING_PERCENT: u64 = 10;
/// Prompts whose figures are computed at once, ...
const PROMPTS_AT_ONCE: usize = 256;
/// ... and those of them that a thread takes at a time.
const PROMPTS_OF_THREAD: usize = 8;

/// One row per variant with every figure. `prices_date`: the date of the price list behind the costs; `run`: the
/// status of the run, and true if its figures were simulated.
pub(super) fn comparison(
    summary: &RunSummary,
    frontier: &Frontier,
    prices_date: Option<&str>,
    run: (&'static str, bool),
) -> FigureTable {
    let reasoning = any_variant_reasons(summary);
    let rows = summary.variants.iter().zip(&frontier.standings);
    FigureTable::from_rows(rows.map(|(variant, standing)| {
        let mut row = FigureRow::default();
        put_identity(&mut row, variant);
        put_counts(&mut row, variant);
        put_times(&mut row, variant);
        put_tokens(&mut row, &variant.figures, Some(&variant.means));
        put_money(&mut row, &variant.figures, Some(&variant.means));
        put_ratios(&mut row, &variant.ratios);
        let completed = FigureCell::bounded(variant.means.completed, share);
        row.put("completed_share", completed);
        caching::put(&mut row, variant.caching.as_ref());
        let date = prices_date.map_or(Figure::Absent, |date| Figure::Text(date.to_owned()));
        row.put_figure("prices_date", date);
        row.put_figure("status", Figure::Text(run.0.to_owned()));
        row.put_figure("simulated", Figure::Bool(run.1));
        put_quality(&mut row, variant);
        let dominator = match standing {
            FrontierStanding::Dominated(by) => Figure::Text(summary.variants[*by].label.clone()),
            FrontierStanding::OnFrontier | FrontierStanding::Unknown => Figure::Absent,
        };
        row.put_figure("dominated_by", dominator);
        let first_unit = variant.figures.first_unit_ns.as_ref();
        put_spans(&mut row, "first_unit", first_unit);
        let error = summary.ttft_error;
        let error = error.map_or(Figure::Absent, |error| Figure::from_ns(error.0 as f64));
        row.put_figure("ttft_error_ms", error);
        row.show_within("ttft_p50_ms", "TTFT p50", 0, 2);
        row.show_within("ttft_p75_ms", "TTFT p75", 7, 9);
        row.show_within("ttft_p95_ms", "TTFT p95", 4, 8);
        if reasoning {
            row.show_within("ttfa_p50_ms", "TTFA p50", 3, 6);
        }
        if is_graded(summary) {
            row.show_within("pass_rate", "pass rate", 0, 3);
            row.show("score_mean", "score", 8);
            row.show("consistency", "consistency", 9);
            row.show("cost_usd_per_passed", "cost/passed answer", 6);
        }
        row.show_within("latency_p50_ms", "latency p50", 1, 6);
        row.show_within("output_rate_p50", "tok/s", 6, 10);
        row.show_within("completion_tokens_mean", "output tokens", 5, 10);
        show_costs(&mut row, summary, 2);
        row.show_within("completed_share", "completed", 11, 11);
        row
    }))
}

/// One row per prompt and variant, of which the first `max` are kept.
pub(super) fn prompts(
    summary: &RunSummary,
    prompts: PromptSummaries<'_>,
    max: usize,
) -> FigureTable {
    let parts = |size: usize, prompts: Range<usize>| {
        let starts = prompts.clone().step_by(size);
        starts.map(move |start| start..prompts.end.min(start + size))
    };
    let rows = |prompts_of_part: Range<usize>| -> Vec<FigureRow> {
        let prompts = prompts.of(prompts_of_part);
        prompts
            .flat_map(|prompt| prompt_rows(summary, &prompt))
            .collect()
    };
    // A few at once on each thread: a suite may have very many.
    let batches = parts(PROMPTS_AT_ONCE, 0..prompts.len());
    let of_batch = |batch| Threads::for_processors().map(parts(PROMPTS_OF_THREAD, batch), rows);
    FigureTable::from_first_rows(batches.flat_map(of_batch).flatten(), max)
}

/// One row per variant.
pub(super) fn prompt_rows(summary: &RunSummary, prompt: &PromptSummary<'_>) -> Vec<FigureRow> {
    let cells = summary.variants.iter().zip(&prompt.variants);
    let rows = cells
        .map(|(side, (figures, ratios))| prompt_row(summary, prompt.prompt, side, figures, ratios));
    rows.collect()
}

/// One row per kind of error and variant.
pub(super) fn errors(summary: &RunSummary) -> FigureTable {
    let rows = summary.variants.iter().flat_map(|variant| {
        variant.errors.iter().map(|group| {
            let mut row = FigureRow::default();
            row.put_figure("variant", Figure::Text(variant.label.clone()));
            row.put_figure("outcome", Figure::Text(group.outcome.word().to_owned()));
            let status = group.status.map(u64::from).map_or(Figure::Absent, count);
            row.put_figure("status", status);
            row.put_figure("trials", count(group.count));
            row.put_figure("first_trial", count(group.first_trial));
            row.put_figure("message", Figure::Text(group.message.clone()));
            row.show("variant", "variant", 0);
            row.show("outcome", "outcome", 0);
            row.show("status", "status", 2);
            row.show("trials", "trials", 0);
            row.show("first_trial", "first trial", 3);
            row.show("message", "message", 1);
            row
        })
    });
    FigureTable::from_rows(rows)
}

/// Returns true if more than a stray answer of any variant came with reasoning, readable or hidden: TTFA is the
/// speed metric of such a run.
pub(super) fn any_variant_reasons(summary: &RunSummary) -> bool {
    summary.variants.iter().any(|variant| {
        let counts = &variant.figures.counts;
        let reasoned = counts
            .visible_reasoning
            .max(counts.flag(Flag::HiddenReasoning));
        reasoned * 100 > counts.answered * MIN_REASONING_PERCENT
    })
}

/// Shows the cost at list price, and the gateway's own price if the catalog lists none for a variant.
fn show_costs(row: &mut FigureRow, summary: &RunSummary, drop_priority: u8) {
    row.show_within("cost_usd_mean", "cost/request", drop_priority, 7);
    let only_market = summary.variants.iter().any(|variant| {
        let money = &variant.figures.money;
        money.list.n == 0 && money.market.n > 0
    });
    if only_market {
        row.show_within("market_usd_mean", "gateway price/request", drop_priority, 7);
    }
}

fn put_identity(row: &mut FigureRow, variant: &VariantSummary) {
    let label = Figure::Label(variant.label.clone(), variant.is_reference);
    row.put_figure("variant", label);
    row.show("variant", "variant", 0);
    row.put_figure("model", Figure::Text(variant.model.to_string()));
    row.put_figure("reference", Figure::Bool(variant.is_reference));
}

fn put_counts(row: &mut FigureRow, variant: &VariantSummary) {
    let counts = &variant.figures.counts;
    row.put_figure("planned", count(counts.planned));
    row.put_figure("n", count(counts.done));
    let answered = Figure::PartOf(counts.answered, counts.planned);
    row.put_figure("answered", answered);
    row.show("answered", "answered", 1);
    row.put_figure("failed", count(counts.failed()));
    for failure in FailureKind::ALL {
        let name = format!("failed_{}", failure.word());
        row.put_figure(name, count(counts.failure(failure)));
    }
    row.put_figure("excluded", count(counts.excluded));
    for (name, flag) in [
        ("buffered", Flag::Buffered),
        ("cold", Flag::Cold),
        ("client_limited", Flag::ClientLimited),
        ("fallbacks", Flag::Fallback),
        ("other_model", Flag::OtherModel),
        ("hidden_reasoning", Flag::HiddenReasoning),
        ("truncated_in_reasoning", Flag::TruncatedInReasoning),
        ("usage_mismatch", Flag::UsageMismatch),
        ("usage_impossible", Flag::UsageImpossible),
        ("usage_ambiguous", Flag::UsageAmbiguous),
        ("usage_unread", Flag::UsageUnread),
        ("unpriced_tier", Flag::UnpricedTier),
        ("response_cached", Flag::ResponseCached),
        ("own_key_refused", Flag::OwnKeyRefused),
        ("proxy_retried", Flag::ProxyRetried),
        ("deferred", Flag::Deferred),
    ] {
        row.put_figure(name, count(counts.flag(flag)));
    }
    row.put_figure("retried", count(counts.retried));
}

fn put_times(row: &mut FigureRow, variant: &VariantSummary) {
    let figures = &variant.figures;
    let gaps = &variant.gaps.distribution;
    put_spans(row, "ttft", figures.ttft_ns.as_ref());
    put_spans(row, "ttfa", figures.ttfa_ns.as_ref());
    let experienced = figures.experienced_ttft_ns.as_ref();
    put_spans(row, "experienced_ttft", experienced);
    put_spans(row, "latency", figures.latency_ns.as_ref());
    put_distribution(
        row,
        "gap",
        "_ms",
        gaps.as_ref(),
        FigureCell::estimate,
        Figure::from_ns,
    );
    put_spans(row, "request_gap", figures.request_gap_ns.as_ref());
    let share = Figure::from_option(variant.gaps.coalesced_share(), Figure::Share);
    row.put_figure("coalesced_share", share);
    put_rates(row, "output_rate", figures.output_rate.as_ref());
    put_rates(row, "end_to_end_rate", figures.end_to_end_rate.as_ref());
    put_rates(row, "chars_per_second", figures.chars_per_second.as_ref());
    let lag = variant.lag.as_ref();
    let lag = lag.and_then(|lag| lag.percentile(Percentile::P95));
    row.put("lag_p95_ms", FigureCell::estimate(lag, Figure::from_ns));
}

/// Adds count, mean, percentiles, minimum and maximum of durations.
fn put_spans(row: &mut FigureRow, metric: &str, spans: Option<&Distribution>) {
    put_distribution(
        row,
        metric,
        "_ms",
        spans,
        FigureCell::bounded,
        Figure::from_ns,
    );
}

/// Adds the same columns for rates, in units per second.
fn put_rates(row: &mut FigureRow, metric: &str, rates: Option<&Distribution>) {
    put_distribution(row, metric, "", rates, FigureCell::bounded, |rate| {
        Figure::from_option(Some(rate), Figure::Rate)
    });
}

/// Builds a cell from an estimate, with or without an interval.
type MakeCell = fn(Option<Estimate>, fn(f64) -> Figure) -> FigureCell;

fn put_distribution(
    row: &mut FigureRow,
    metric: &str,
    unit: &str,
    distribution: Option<&Distribution>,
    cell: MakeCell,
    figure: fn(f64) -> Figure,
) {
    let certain = |value: Option<f64>| value.map_or(Figure::Absent, figure);
    let n = distribution.map_or(0, |distribution| distribution.n);
    row.put_figure(format!("{metric}_n"), count(n));
    let mean = certain(distribution.map(|distribution| distribution.mean));
    row.put_figure(format!("{metric}_mean{unit}"), mean);
    for percentile in Percentile::ALL {
        let estimate = distribution.and_then(|distribution| distribution.percentile(percentile));
        let name = format!("{metric}_{}{unit}", percentile.word());
        row.put(name, cell(estimate, figure));
    }
    let smallest = certain(distribution.map(|distribution| distribution.min));
    row.put_figure(format!("{metric}_min{unit}"), smallest);
    let largest = certain(distribution.map(|distribution| distribution.max));
    row.put_figure(format!("{metric}_max{unit}"), largest);
}

fn put_tokens(row: &mut FigureRow, figures: &Figures, means: Option<&MeanIntervals>) {
    for kind in TokenKind::ALL {
        let tokens = figures.tokens(kind);
        let sum = if tokens.n > 0 {
            Figure::Count(tokens.sum)
        } else {
            Figure::Absent
        };
        row.put_figure(kind.word(), sum);
        let mean = Figure::from_option(tokens.mean(), Figure::Mean);
        let cell = match means {
            Some(means) if kind == TokenKind::Completion => {
                let mean_of = |mean| Figure::from_option(Some(mean), Figure::Mean);
                FigureCell::within(mean, means.completion_tokens, mean_of)
            }
            _ => FigureCell::certain(mean),
        };
        row.put(format!("{}_mean", kind.word()), cell);
    }
}

fn put_money(row: &mut FigureRow, figures: &Figures, means: Option<&MeanIntervals>) {
    let money = &figures.money;
    let mut put = |name: &str, total: Total, interval: Option<Interval>| {
        let amount = |usd: Option<_>| usd.map_or(Figure::Absent, Figure::Money);
        row.put_figure(format!("{name}_n"), count(total.n));
        let mean = amount(total.mean());
        let mean = match interval {
            Some(interval) => FigureCell::within(mean, interval, Figure::from_usd),
            None => FigureCell::certain(mean),
        };
        row.put(format!("{name}_mean"), mean);
        let sum = (total.n > 0).then_some(total.sum);
        row.put_figure(format!("{name}_total"), amount(sum));
    };
    put("cost_usd", money.list, means.map(|means| means.list_usd));
    put("billed_usd", money.billed, None);
    put(
        "market_usd",
        money.market,
        means.map(|means| means.market_usd),
    );
}

/// Returns true if any answer of the run was graded.
pub(super) fn is_graded(summary: &RunSummary) -> bool {
    let mut variants = summary.variants.iter();
    variants.any(|variant| variant.figures.quality.graded > 0)
}

fn put_quality(row: &mut FigureRow, variant: &VariantSummary) {
    let (figures, means) = (&variant.figures, &variant.means);
    put_grades(row, figures, FigureCell::bounded(means.pass_rate, share));
    let consistency = means.consistency.map_or(Figure::Absent, share);
    row.put_figure("consistency", consistency);
    let usd = |usd: Option<f64>| usd.map_or(Figure::Absent, Figure::from_usd);
    row.put_figure("cost_usd_per_completed", usd(figures.cost_per_completed()));
    row.put_figure("cost_usd_per_passed", usd(figures.cost_per_passed()));
    let time = |ns: Option<f64>| ns.map_or(Figure::Absent, Figure::from_ns);
    let completed = time(figures.latency_per_completed());
    row.put_figure("latency_per_completed_ms", completed);
    row.put_figure("latency_per_passed_ms", time(figures.latency_per_passed()));
}

fn put_grades(row: &mut FigureRow, figures: &Figures, pass_rate: FigureCell) {
    row.put_figure("graded", count(figures.quality.graded));
    row.put_figure("passed", count(figures.quality.passed));
    row.put("pass_rate", pass_rate);
    let score = figures.quality.score_mean().map_or(Figure::Absent, share);
    row.put_figure("score_mean", score);
}

fn put_ratios(row: &mut FigureRow, ratios: &Ratios) {
    let ratio = |value| Figure::from_option(Some(value), Figure::Ratio);
    let mut put = |name: &'static str, estimate: Option<Estimate>| {
        row.put(name, FigureCell::estimate(estimate, ratio));
    };
    put("ratio_ttft_p50", ratios.ttft_p50);
    put("ratio_ttfa_p50", ratios.ttfa_p50);
    put("ratio_latency_p50", ratios.latency_p50);
    put("ratio_output_rate_p50", ratios.output_rate_p50);
    let tokens = Figure::from_option(ratios.completion_tokens_mean, Figure::Ratio);
    row.put_figure("ratio_completion_tokens_mean", tokens);
    let cost = Figure::from_option(ratios.cost_mean, Figure::Ratio);
    row.put_figure("ratio_cost_mean", cost);
}

fn prompt_row(
    summary: &RunSummary,
    prompt: &str,
    side: &VariantSummary,
    figures: &Figures,
    ratios: &Ratios,
) -> FigureRow {
    let mut row = FigureRow::default();
    row.put_figure("prompt", Figure::Text(prompt.to_owned()));
    let label = Figure::Label(side.label.clone(), side.is_reference);
    row.put_figure("variant", label);
    row.put_figure("planned", count(figures.counts.planned));
    row.put_figure("n", count(figures.counts.done));
    let answered = Figure::PartOf(figures.counts.answered, figures.counts.planned);
    row.put_figure("answered", answered);
    row.put_figure("failed", count(figures.counts.failed()));
    put_spans(&mut row, "ttft", figures.ttft_ns.as_ref());
    put_spans(&mut row, "latency", figures.latency_ns.as_ref());
    // A mean of one prompt says nothing about prompts like it: it has no interval.
    put_tokens(&mut row, figures, None);
    put_money(&mut row, figures, None);
    put_ratios(&mut row, ratios);
    let rate = figures.quality.pass_rate().map_or(Figure::Absent, share);
    put_grades(&mut row, figures, FigureCell::certain(rate));
    row.show("prompt", "prompt", 0);
    row.show("variant", "variant", 0);
    row.show("answered", "answered", 1);
    if is_graded(summary) {
        row.show("pass_rate", "pass rate", 0);
    }
    row.show_within("ttft_p50_ms", "TTFT p50", 0, 1);
    row.show_within("latency_p50_ms", "latency p50", 1, 2);
    row.show("completion_tokens_mean", "output tokens", 3);
    show_costs(&mut row, summary, 2);
    row
}
