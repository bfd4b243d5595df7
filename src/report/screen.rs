//! The result of a run in ten seconds: the content that terminal, Markdown, job summary and JSON share.
//!
//! Owns which figures and sentences a reader needs to act, and their order. Must not know how they are rendered.
//! Invariant: the primary metrics of the run come first and are never dropped; no sentence claims more than a
//! verdict says.

use crate::record::{Flag, Manifest};
use crate::suite::Metric;
use crate::units::{Nanos, Usd, plural};
use crate::verdict::{
    Comparison, ComparisonDesign, Evaluation, GateStatus, LimitCheck, LimitStatus, RunSummary,
    Verdict, effective_prompts, recommend,
};

use super::alerts::{Alert, alerts};
use super::columns::{any_variant_reasons, is_graded};
use super::figure::{Figure, FigureCell};
use super::recommendations::{
    RecommendationText, ShortNames, contradictions, effect_text, inconclusive, metric_words,
    recommendation_texts,
};
use super::spread::SpreadColumn;
use super::switch::SwitchText;
use super::table::{FigureRow, FigureTable};
use super::{limit_wording, wording};

/// Maximum failed gates that are listed one by one; the rest is counted.
const MAX_GATE_LINES: usize = 5;
/// Maximum primary columns of a page's table: with the label and the sentence at most six columns.
const MAX_PAGE_COLUMNS: usize = 4;

/// The result of a run in ten seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultScreen {
    /// Suite, counts, duration and cost.
    pub heading: String,
    /// The mark of figures that were simulated; absent for a real endpoint.
    pub simulated: Option<String>,
    /// One row per variant: the primary metrics, then others in the order in which they are dropped last.
    pub table: FigureTable,
    /// The spread of the speed metric in each row, for a terminal that has room left.
    pub spread: SpreadColumn,
    /// One row per variant, at most six columns: the primary metrics and the recommendation.
    pub page_table: FigureTable,
    /// One recommendation per candidate.
    pub recommendations: Vec<RecommendationText>,
    /// The gate in one line, then each comparison and limit that failed it.
    pub gate: Vec<GateLine>,
    /// The facts that all variants share, and the inconclusive comparisons.
    pub notes: Vec<String>,
    /// The meaning of the abbreviation in the headings of the table.
    pub abbreviation: Option<&'static str>,
    /// The problems that change how the run is read.
    pub alerts: Vec<Alert>,
}

/// A line about the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateLine {
    /// The status it states.
    pub status: GateStatus,
    /// The line.
    pub text: String,
}

/// A column: its name in `comparison.csv`, its heading, and its drop priority.
type ColumnSpec = (&'static str, &'static str, u8);

impl ResultScreen {
    /// Builds the screen of a run; `comparison` is its table with every figure, `past_notes` are the notes on its
    /// judgement against the past, and `judged` the findings to print before its verdicts.
    pub(super) fn new(
        manifest: &Manifest,
        summary: &RunSummary,
        evaluation: &Evaluation,
        (comparison, past_notes): (&FigureTable, &[String]),
        judged: Vec<Alert>,
    ) -> Self {
        let labels = summary
            .variants
            .iter()
            .map(|variant| variant.label.as_str());
        let names = ShortNames::new(labels);
        let within_run = evaluation.judgements.iter().map(|gated| &gated.judgement);
        let within_run: Vec<_> = within_run
            .filter(|judgement| judgement.design == ComparisonDesign::Interleaved)
            .collect();
        let recommended = within_run
            .iter()
            .flat_map(|one| recommend(one, &summary.variants));
        let recommended: Vec<_> = recommended.collect();
        let mut recommendations = recommendation_texts(&recommended, &names);
        recommendations.sort_by_key(|text| text.advice);
        let specs = columns(summary, evaluation);
        let (specs, shared) = split_shared(comparison, &specs);
        let mut notes = past_notes.to_vec();
        notes.extend(all_answered(manifest, summary));
        if !shared.is_empty() {
            notes.push(format!("The same for all: {}.", shared.join(", ")));
        }
        let compared = within_run.iter().flat_map(|one| &one.comparisons);
        let primary = compared.filter(|one| one.primary);
        notes.extend(contradictions(primary, &summary.variants, &names));
        notes.extend(inconclusive(&recommended, &names));
        notes.extend(weights(manifest).filter(|_| !recommended.is_empty()));
        if !recommended.is_empty() && !is_graded(summary) {
            notes.push("Answer quality was not graded.".to_owned());
        }
        Self {
            heading: heading(manifest, summary),
            simulated: simulated(manifest),
            table: table(comparison, summary, &specs),
            spread: SpreadColumn::new(summary, speed_metric(summary, evaluation)),
            page_table: page_table(comparison, summary, &specs, &recommendations),
            recommendations,
            gate: gate_lines(evaluation, &names),
            notes,
            abbreviation: abbreviation(&specs),
            alerts: [judged, alerts(manifest, summary, &names)].concat(),
        }
    }

    /// The result in sentences, for documents of programs.
    pub fn sentences(&self) -> Vec<String> {
        let gate = self.gate.iter().map(|line| line.text.clone());
        let recommendations = self.recommendations.iter().map(RecommendationText::line);
        gate.chain(recommendations)
            .chain(self.notes.iter().cloned())
            .collect()
    }
}

/// The mark of a run whose figures were simulated.
pub(super) fn simulated(manifest: &Manifest) -> Option<String> {
    let endpoint = &manifest.endpoint;
    endpoint.scenario.as_ref()?;
    Some(format!(
        "endpoint {}: simulated figures, not measurements of real models",
        endpoint.name
    ))
}

/// `quickstart: 5 models x 8 prompts x 4, 160 of 160 answered, 21 s, $0.043`, and whether the client was the bottleneck.
fn heading(manifest: &Manifest, summary: &RunSummary) -> String {
    let suite = &manifest.suite;
    let answered: u64 = summary
        .variants
        .iter()
        .map(|v| v.figures.counts.answered)
        .sum();
    let cost: Vec<Usd> = summary
        .variants
        .iter()
        .map(|variant| variant.figures.ranked_cost())
        .filter(|cost| cost.n > 0)
        .map(|cost| cost.sum)
        .collect();
    let cost = if cost.is_empty() {
        String::new()
    } else {
        format!(", {}", Figure::Money(cost.into_iter().sum()).shown())
    };
    let bottleneck = summary.client_bottleneck().map(|share| {
        format!(
            "; this machine was the bottleneck: it delayed {:.0} % of the answers",
            share * 100.0
        )
    });
    let models = suite.variants.len() as u64;
    let prompts = plural(suite.prompts.len() as u64, "prompt");
    let plan = match suite.time_limit() {
        Some(time) => format!("{prompts} for {}", duration(time)),
        // A load cycles its prompts, and may end within a round.
        None if suite.staged_load().is_some() => {
            plural(manifest.planned_trials / models.max(1), "request")
        }
        None => format!("{prompts} x {}", manifest.rounds()),
    };
    let shard = manifest
        .shard
        .map_or_else(String::new, |shard| format!(", shard {shard}"));
    format!(
        "{}: {} x {plan}{shard}, {answered} of {} answered, {}{cost}{}",
        suite.name,
        plural(models, "model"),
        manifest.planned_trials,
        duration(summary.active),
        bottleneck.unwrap_or_default(),
    )
}

/// The duration of a run, in the unit that fits.
pub(super) fn duration(span: Nanos) -> String {
    let seconds = span.as_secs_f64();
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else if seconds < 7_200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3_600.0)
    }
}

/// The primary metrics of the run, then other figures. Without a comparison within the run, the metrics that a
/// gate has by default.
fn columns(summary: &RunSummary, evaluation: &Evaluation) -> Vec<ColumnSpec> {
    let judgements = evaluation.judgements.iter().map(|gated| &gated.judgement);
    let comparisons = judgements.flat_map(|judgement| &judgement.comparisons);
    let mut primary: Vec<Metric> = comparisons
        .filter(|one| one.primary)
        .map(|one| one.metric)
        .collect();
    if primary.is_empty() {
        primary = vec![Metric::Cost, Metric::Completed];
    }
    primary.sort_unstable();
    primary.dedup();
    let mut specs: Vec<ColumnSpec> = primary.iter().map(|one| column_of(*one)).collect();
    if is_graded(summary) && !primary.contains(&Metric::PassRate) {
        specs.push(column_of(Metric::PassRate));
    }
    // A run whose gate has no speed metric has one in its table all the same.
    let judged = primary.iter().any(|one| one.is_time());
    let speed = (!judged).then(|| unjudged_speed(summary));
    if let Some((name, heading, _)) = speed.map(column_of) {
        specs.push((name, heading, 1));
    }
    let ttfa = primary.contains(&Metric::Ttfa) || speed == Some(Metric::Ttfa);
    let tail = if ttfa {
        ("ttfa_p95_ms", "TTFA p95", 5)
    } else {
        ("ttft_p95_ms", "TTFT p95", 5)
    };
    let others = [
        tail,
        ("output_rate_p50", "tok/s", 2),
        ("latency_p50_ms", "latency", 3),
        ("completion_tokens_mean", "tokens", 4),
        ("failed", "failed", 1),
    ];
    for spec in others {
        if specs.iter().all(|(name, ..)| *name != spec.0) {
            specs.push(spec);
        }
    }
    // Failures qualify every other figure: they stand last, next to nothing that they could be mistaken for.
    specs.sort_by_key(|(name, ..)| *name == "failed");
    specs
}

/// The one speed metric of a run's charts: the first that its gate has, else as for a gate without one.
pub(super) fn speed_metric(summary: &RunSummary, evaluation: &Evaluation) -> Metric {
    let judgements = evaluation.judgements.iter().map(|gated| &gated.judgement);
    let comparisons = judgements.flat_map(|judgement| &judgement.comparisons);
    let judged = |metric: Metric| {
        let mut primary = comparisons.clone().filter(|one| one.primary);
        primary.any(|one| one.metric == metric)
    };
    let drawn = [Metric::Ttfa, Metric::Ttft, Metric::Latency];
    let first = drawn.into_iter().find(|metric| judged(*metric));
    first.unwrap_or_else(|| unjudged_speed(summary))
}

/// The speed metric of a run whose gate has none: TTFA as soon as a model shows or hides reasoning.
fn unjudged_speed(summary: &RunSummary) -> Metric {
    let streamed = summary.variants.iter().any(|v| v.figures.ttft_ns.is_some());
    if !streamed {
        Metric::Latency
    } else if any_variant_reasons(summary) {
        Metric::Ttfa
    } else {
        Metric::Ttft
    }
}

/// The meaning of the abbreviation in the headings.
fn abbreviation(specs: &[ColumnSpec]) -> Option<&'static str> {
    let stands = |abbreviation| {
        let mut headings = specs.iter().map(|(_, heading, _)| *heading);
        headings.any(|heading| heading.starts_with(abbreviation))
    };
    if stands("TTFA") {
        Some("TTFA: time to the first token of the answer.")
    } else if stands("TTFT") {
        Some("TTFT: time to the first token.")
    } else {
        None
    }
}

/// The column of a primary metric.
const fn column_of(metric: Metric) -> ColumnSpec {
    match metric {
        Metric::Ttft => ("ttft_p50_ms", "TTFT p50", 0),
        Metric::Ttfa => ("ttfa_p50_ms", "TTFA p50", 0),
        Metric::ExperiencedTtft => ("experienced_ttft_p50_ms", "with retries", 0),
        Metric::Latency => ("latency_p50_ms", "latency", 0),
        Metric::TtftTail => ("ttft_p95_ms", "TTFT p95", 0),
        Metric::InterTokenLatency => ("gap_p50_ms", "gap p50", 0),
        Metric::OutputRate => ("output_rate_p50", "tok/s", 0),
        Metric::OutputTokens => ("completion_tokens_mean", "tokens", 0),
        Metric::Cost => ("cost_usd_mean", "cost/req", 0),
        Metric::Completed => ("failed", "failed", 0),
        Metric::PassRate => ("pass_rate", "pass rate", 0),
    }
}

/// Splits off the columns whose figures are the same in every row, as `heading figure`. Failures that are 0
/// everywhere have a sentence of their own.
fn split_shared(comparison: &FigureTable, specs: &[ColumnSpec]) -> (Vec<ColumnSpec>, Vec<String>) {
    let (mut distinct, mut shared) = (Vec::new(), Vec::new());
    for &(name, heading, priority) in specs {
        let rows = 0..comparison.rows.len();
        let figures: Vec<&Figure> = rows
            .filter_map(|row| comparison.cell(row, name).map(|cell| &cell.figure))
            .collect();
        let first = figures.first().copied().filter(|_| figures.len() > 1);
        match first.filter(|first| figures.iter().all(|figure| figure == first)) {
            Some(Figure::Absent) => {}
            Some(Figure::Count(0)) if name == "failed" => {}
            Some(figure) => shared.push(format!("{heading} {}", compact(figure).shown())),
            None => distinct.push((name, heading, priority)),
        }
    }
    (distinct, shared)
}

/// The figure without a unit that its heading repeats.
fn compact(figure: &Figure) -> Figure {
    match figure {
        Figure::Rate(rate) => Figure::Mean(*rate),
        figure => figure.clone(),
    }
}

fn put_columns(row: &mut FigureRow, comparison: &FigureTable, index: usize, specs: &[ColumnSpec]) {
    for &(name, heading, priority) in specs {
        let figure = comparison
            .cell(index, name)
            .map(|cell| compact(&cell.figure));
        row.put(name, FigureCell::certain(figure.unwrap_or(Figure::Absent)));
        row.show(name, heading, priority);
    }
}

fn table(comparison: &FigureTable, summary: &RunSummary, specs: &[ColumnSpec]) -> FigureTable {
    FigureTable::from_rows(summary.variants.iter().enumerate().map(|(index, variant)| {
        let mut row = FigureRow::default();
        let mark = if variant.is_reference { " (ref)" } else { "" };
        let label = Figure::Text(format!("{}{mark}", variant.label));
        row.put_figure("variant", Figure::Text(variant.label.clone()));
        row.put_figure("model", label);
        row.show("model", "model", 0);
        put_columns(&mut row, comparison, index, specs);
        row
    }))
}

fn page_table(
    comparison: &FigureTable,
    summary: &RunSummary,
    specs: &[ColumnSpec],
    recommendations: &[RecommendationText],
) -> FigureTable {
    let primary = specs.iter().filter(|(.., priority)| *priority == 0);
    let primary: Vec<ColumnSpec> = primary.take(MAX_PAGE_COLUMNS).copied().collect();
    FigureTable::from_rows(summary.variants.iter().enumerate().map(|(index, variant)| {
        let mut row = FigureRow::default();
        row.put_figure("model", Figure::Text(variant.label.clone()));
        row.show("model", "model", 0);
        put_columns(&mut row, comparison, index, &primary);
        let mut texts = recommendations.iter();
        let text = texts.find(|text| text.candidate == variant.label);
        let words = match text {
            Some(text) => Figure::Text(text.cell()),
            None if variant.is_reference => Figure::Text("reference".to_owned()),
            None => Figure::Absent,
        };
        row.put_figure("recommendation", words);
        if !recommendations.is_empty() {
            row.show("recommendation", "against the reference", 0);
        }
        row
    }))
}

/// The cost of unequal weights in power; none where all prompts weigh the same.
fn weights(manifest: &Manifest) -> Option<String> {
    let prompts = manifest.suite.prompts.len() as u64;
    let worth = effective_prompts(&manifest.suite);
    (worth < prompts).then(|| {
        format!("Verdicts weight the prompts: these {prompts} tell as much as {worth} equal ones.")
    })
}

/// A sentence where nothing is missing. An answer that reasoning left empty is no failure, but nor is it what was asked for.
fn all_answered(manifest: &Manifest, summary: &RunSummary) -> Option<String> {
    let mut variants = summary
        .variants
        .iter()
        .map(|variant| &variant.figures.counts);
    let answered: u64 = variants.clone().map(|counts| counts.answered).sum();
    let all_whole =
        variants.all(|counts| counts.failed() == 0 && counts.flag(Flag::TruncatedInReasoning) == 0);
    (all_whole && answered > 0 && answered == manifest.planned_trials)
        .then(|| "All requests were answered.".to_owned())
}

/// The decisions of the switch gate; then the status of the gate, and what failed it. No line if nothing can fail.
fn gate_lines(evaluation: &Evaluation, names: &ShortNames) -> Vec<GateLine> {
    let gating = evaluation.judgements.iter().filter(|gated| gated.gates);
    let gating: Vec<_> = gating.map(|gated| &gated.judgement).collect();
    let compared: Vec<(ComparisonDesign, &Comparison)> = gating
        .iter()
        .flat_map(|judgement| {
            judgement
                .comparisons
                .iter()
                .map(|one| (judgement.design, one))
        })
        .filter(|(_, one)| one.primary)
        .collect();
    let switches = evaluation.switches.iter().map(SwitchText::new);
    let mut lines: Vec<GateLine> = switches
        .map(|switch| GateLine {
            status: switch.status(),
            text: switch.sentence,
        })
        .collect();
    if compared.is_empty() && evaluation.limits.is_empty() {
        return lines;
    }
    let status = evaluation.gate_status();
    lines.push(GateLine {
        status,
        text: format!(
            "Gate {}: {}.",
            gate_word(status),
            gate_counts(evaluation, &compared)
        ),
    });
    let failed = compared
        .iter()
        .filter(|(_, one)| one.verdict == Verdict::Regressed);
    let failed = failed.map(|(design, one)| failed_comparison(*design, one, names));
    let exceeded = evaluation.limits.iter();
    let exceeded = exceeded.filter(|check| check.status == LimitStatus::Exceeded);
    let failed: Vec<String> = failed
        .chain(exceeded.map(limit_wording::sentence))
        .collect();
    let line = |text: String| GateLine {
        status: GateStatus::Failed,
        text,
    };
    lines.extend(failed.iter().take(MAX_GATE_LINES).cloned().map(line));
    if failed.len() > MAX_GATE_LINES {
        lines.push(line(format!("and {} more", failed.len() - MAX_GATE_LINES)));
    }
    lines
}

const fn gate_word(status: GateStatus) -> &'static str {
    match status {
        GateStatus::Passed => "passed",
        GateStatus::Inconclusive => "inconclusive",
        GateStatus::Failed => "failed",
    }
}

/// `2 regressed, 3 inconclusive, 10 ok, 1 limit exceeded`.
fn gate_counts(evaluation: &Evaluation, compared: &[(ComparisonDesign, &Comparison)]) -> String {
    let verdicts = [
        Verdict::Regressed,
        Verdict::Inconclusive,
        Verdict::Improved,
        Verdict::Ok,
    ];
    let mut parts: Vec<String> = Vec::new();
    for verdict in verdicts {
        let same = compared.iter().filter(|(_, one)| one.verdict == verdict);
        let words: Vec<&str> = same
            .map(|(design, _)| verdict.printed_word(*design))
            .collect();
        if let Some(word) = words.first() {
            parts.push(format!("{} {word}", words.len()));
        }
    }
    for (status, word) in [
        (LimitStatus::Exceeded, "exceeded"),
        (LimitStatus::Inconclusive, "inconclusive"),
        (LimitStatus::Within, "met"),
    ] {
        let has_status = |check: &&LimitCheck| check.status == status;
        let count = evaluation.limits.iter().filter(has_status).count();
        if count > 0 {
            parts.push(format!("{} {word}", plural(count as u64, "limit")));
        }
    }
    parts.join(", ")
}

/// `gpt-5-mini: TTFT regressed (1.41x, 1.20–1.66)`.
fn failed_comparison(design: ComparisonDesign, one: &Comparison, names: &ShortNames) -> String {
    let [_, _, name] = metric_words(one.metric);
    let word = one.verdict.printed_word(design);
    let effect = one.effect.as_ref().map_or_else(String::new, |effect| {
        let cell = wording::effect_cell(one.metric.scale(), effect);
        format!(" ({})", effect_text(&cell, true))
    });
    format!("{}: {name} {word}{effect}", names.of(&one.candidate))
}
