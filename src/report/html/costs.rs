//! Tokens and costs of each model, and its prompt caches.
//!
//! Owns the bars of tokens and costs. Must not know prices. Invariant: bars begin at 0, and a model whose price is
//! not known has no bar.

use maud::{Markup, html};

use crate::report::figure::{Figure, FigureCell};
use crate::report::view::View;
use crate::units::Usd;
use crate::verdict::{RunSummary, TokenKind, VariantSummary};

use super::decision::mean_cost;
use super::roster::{Roster, RosterEntry};
use super::scale::ValueAxis;
use super::svg::{
    Anchor, Canvas, ChartText, Drawing, chart, fitted, label, line, mark, names_width, rect,
};
use super::tables::{figure_table, plain_table, sentences};

/// Height of a row.
const ROW: f64 = 26.0;

/// The numbers of one model.
struct ModelCosts<'a> {
    model: &'a RosterEntry,
    /// Mean completion tokens without reasoning, and reasoning tokens.
    tokens: Option<(f64, f64)>,
    cost: Option<f64>,
}

impl ModelCosts<'_> {
    fn tokens_text(&self) -> String {
        let mean = |value: f64| Figure::from_option(Some(value), Figure::Mean).shown();
        match self.tokens {
            Some((answer, reasoning)) if reasoning > 0.0 => {
                format!("{} + {} reasoning", mean(answer), mean(reasoning))
            }
            Some((answer, _)) => mean(answer),
            None => "–".to_owned(),
        }
    }

    fn cost_text(&self) -> String {
        self.cost
            .map_or_else(|| "–".to_owned(), |cost| Figure::from_usd(cost).shown())
    }
}

/// Renders the section.
pub(super) fn section(roster: &Roster, view: &View, summary: &RunSummary) -> Markup {
    let models: Vec<ModelCosts<'_>> = roster
        .models
        .iter()
        .map(|model| model_costs(model, model.summary(summary)))
        .collect();
    let has_bars = models
        .iter()
        .any(|of_model| of_model.tokens.is_some() || of_model.cost.is_some());
    html! {
        section aria-labelledby="costs" {
            h2 id="costs" { "Tokens and cost" }
            p {
                "Per request, means. "
                @if let Some(date) = &view.prices_date { "List prices of " (date) "; a bill may differ." }
                @else { "No prices are known." }
            }
            @if has_bars { (costs_chart(&models, summary)) } @else { p.note { "No answer has counted tokens." } }
            @if let Some(caching) = &view.caching {
                h3 { "Prompt caches" }
                (sentences(&caching.sentences))
                (figure_table("Cache hits against misses", &roster.sorted(&caching.table), true))
                (sentences(&caching.legend))
            } @else { p.note { "No server reported prompt-cache tokens." } }
        }
    }
}

fn model_costs<'a>(model: &'a RosterEntry, variant: &VariantSummary) -> ModelCosts<'a> {
    let mean = |kind: TokenKind| variant.figures.tokens(kind).mean();
    let reasoning = mean(TokenKind::Reasoning).unwrap_or(0.0);
    ModelCosts {
        model,
        tokens: mean(TokenKind::Completion).map(|all| ((all - reasoning).max(0.0), reasoning)),
        cost: mean_cost(variant).map(|(cost, _)| cost),
    }
}

fn costs_chart(models: &[ModelCosts<'_>], summary: &RunSummary) -> Markup {
    let texts: Vec<String> = models
        .iter()
        .map(|one| {
            format!(
                "{}: {} output tokens, {}",
                one.model.marked_name(),
                one.tokens_text(),
                one.cost_text()
            )
        })
        .collect();
    let rows: Vec<Vec<String>> = models
        .iter()
        .map(|one| table_row(one.model, one.model.summary(summary)))
        .collect();
    let headings = [
        "model",
        "input tokens",
        "cached",
        "output tokens",
        "reasoning",
        "cost/request",
        "whole run, list price",
        "billed",
    ];
    let description = texts.join("; ");
    let text = ChartText {
        id: "chart-costs",
        title: "Output tokens and cost of a request",
        description: &description,
        has_marks: false,
    };
    let table = plain_table("Tokens and cost of each model", &headings, &rows);
    chart(&text, &table, |canvas| draw(canvas, models))
}

fn table_row(model: &RosterEntry, variant: &VariantSummary) -> Vec<String> {
    let figures = &variant.figures;
    let mean =
        |kind: TokenKind| Figure::from_option(figures.tokens(kind).mean(), Figure::Mean).shown();
    let cost = mean_cost(variant).map_or_else(FigureCell::empty, |(cost, interval)| {
        FigureCell::within(Figure::from_usd(cost), interval, Figure::from_usd)
    });
    let sum = |sum: Usd, n: u64| {
        if n > 0 {
            Figure::Money(sum)
        } else {
            Figure::Absent
        }
        .shown()
    };
    let ranked = figures.ranked_cost();
    vec![
        model.marked_name(),
        mean(TokenKind::Prompt),
        mean(TokenKind::Cached),
        mean(TokenKind::Completion),
        mean(TokenKind::Reasoning),
        cost.shown(true),
        sum(ranked.sum, ranked.n),
        sum(figures.money.billed.sum, figures.money.billed.n),
    ]
}

fn draw(canvas: &Canvas, models: &[ModelCosts<'_>]) -> Drawing {
    let end = 26.0 + ROW * models.len() as f64;
    if canvas.is_narrow {
        let second = end + 24.0;
        let shapes = html! {
            (names(models, 0.0, 126.0))
            (token_bars(models, 0.0, (138.0, 240.0)))
            @if models.iter().any(|one| one.cost.is_some()) {
                (names(models, second, 126.0))
                (cost_bars(models, second, (138.0, 262.0)))
            }
        };
        return Drawing {
            height: second + end,
            shapes,
        };
    }
    let left = names_width(models.iter().map(|one| one.model));
    let shapes = html! {
        (names(models, 0.0, left - 16.0))
        (token_bars(models, 0.0, (left, left + 212.0)))
        @if models.iter().any(|one| one.cost.is_some()) { (cost_bars(models, 0.0, (580.0, 790.0))) }
    };
    Drawing {
        height: end + 8.0,
        shapes,
    }
}

fn names(models: &[ModelCosts<'_>], top: f64, right: f64) -> Markup {
    html! {
        @for (index, one) in models.iter().enumerate() {
            @let middle = top + 26.0 + ROW * index as f64 + ROW / 2.0;
            (label(right - 12.0, middle + 4.0, "name", Anchor::End, &fitted(&one.model.marked_name(), right - 14.0, 12.5)))
            (mark(one.model, (right, middle), 4.5))
        }
    }
}

fn token_bars(models: &[ModelCosts<'_>], top: f64, (left, right): (f64, f64)) -> Markup {
    let sums = models
        .iter()
        .filter_map(|one| one.tokens)
        .map(|(answer, reasoning)| answer + reasoning);
    let axis = ValueAxis::from_zero(sums, (left, right));
    html! {
        (label(left, top + 14.0, "gh", Anchor::Start, "Output tokens of an answer"))
        @for (index, one) in models.iter().enumerate() {
            @let begin = top + 26.0 + ROW * index as f64 + 6.0;
            @if let Some((answer, reasoning)) = one.tokens {
                (rect("p6", (left, begin), (axis.at(answer) - left, 14.0), Some("answer")))
                (rect("p5", (axis.at(answer), begin), (axis.at(answer + reasoning) - axis.at(answer), 14.0), Some("reasoning")))
                (label(axis.at(answer + reasoning) + 6.0, begin + 11.0, "tick", Anchor::Start, &one.tokens_text()))
            }
        }
        (line("ax", (left, top + 26.0), (left, top + 26.0 + ROW * models.len() as f64)))
    }
}

fn cost_bars(models: &[ModelCosts<'_>], top: f64, (left, right): (f64, f64)) -> Markup {
    let axis = ValueAxis::from_zero(models.iter().filter_map(|one| one.cost), (left, right));
    html! {
        (label(left, top + 14.0, "gh", Anchor::Start, "Cost of a request"))
        @for (index, one) in models.iter().enumerate() {
            @let begin = top + 26.0 + ROW * index as f64 + 6.0;
            @if let Some(cost) = one.cost {
                (rect("bar", (left, begin), (axis.at(cost) - left, 14.0), None))
                (label(axis.at(cost) + 6.0, begin + 11.0, "tick", Anchor::Start, &one.cost_text()))
            }
        }
        (line("ax", (left, top + 26.0), (left, top + 26.0 + ROW * models.len() as f64)))
    }
}
