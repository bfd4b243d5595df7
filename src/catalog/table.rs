//! Models and their providers for people: tables, the page of one model; and for programs: documents.
//!
//! Owns columns, their order and how prices are written. Must not know where it is shown. Invariant:
//! prices are exact, in USD per million tokens, and one that is not known is `–`, never 0.

use std::fmt::Write as _;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::units::{ModelId, Usd};

use super::model::Model;
use super::offer::{Offer, Offers, Percentiles, Window};
use super::price::{Prices, Rates};

/// What stands for a fact that is not known.
const UNKNOWN: &str = "–";
/// Behind the price of a model that asks more, or less, for long prompts.
const TIERED: &str = "*";
/// Columns below which words are not cut: then the line wraps, which is better than no words.
const LEAST_WORDS: usize = 12;
/// Prices are per token in a list and per million for people.
const MTOK: u64 = 1_000_000;

/// One model as JSON: absent means not known.
#[derive(Debug, Serialize)]
pub struct ModelDocument<'a> {
    id: &'a ModelId,
    name: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_window: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    tags: &'a [String],
    /// By size of the prompt; empty: no price per token is known.
    prices: Vec<RatesDocument>,
    other_prices: &'a [String],
}

/// One provider of a model as JSON.
#[derive(Debug, Serialize)]
pub struct OfferDocument<'a> {
    provider: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_window: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prices: Option<RatesDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttft_ms: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_per_s: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_percent_recent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_percent_day: Option<f64>,
    window: Window,
}

/// Prices in USD per million tokens, decimal strings.
#[derive(Debug, Serialize)]
struct RatesDocument {
    from_prompt_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_usd_per_mtok: Option<Usd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_usd_per_mtok: Option<Usd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_usd_per_mtok: Option<Usd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_usd_per_mtok: Option<Usd>,
}

impl RatesDocument {
    fn new(from_prompt_tokens: u64, rates: &Rates) -> Self {
        Self {
            from_prompt_tokens,
            input_usd_per_mtok: per_mtok(rates.input),
            output_usd_per_mtok: per_mtok(rates.output),
            cache_read_usd_per_mtok: per_mtok(rates.cache_read),
            cache_write_usd_per_mtok: per_mtok(rates.cache_write),
        }
    }
}

impl<'a> From<&'a Model> for ModelDocument<'a> {
    fn from(model: &'a Model) -> Self {
        let tiers = model.prices.iter().flat_map(Prices::tiers);
        Self {
            id: &model.id,
            name: &model.name,
            kind: model.kind.word(),
            context_window: model.context_window,
            max_tokens: model.max_tokens,
            tags: &model.tags,
            prices: tiers
                .map(|tier| RatesDocument::new(tier.from_prompt_tokens, &tier.rates))
                .collect(),
            other_prices: &model.other_prices,
        }
    }
}

impl<'a> From<&'a Offer> for OfferDocument<'a> {
    fn from(offer: &'a Offer) -> Self {
        Self {
            provider: &offer.provider,
            context_window: offer.context_window,
            max_tokens: offer.max_tokens,
            prices: offer.rates().map(|rates| RatesDocument::new(0, rates)),
            ttft_ms: offer.latency_ms,
            output_tokens_per_s: offer.throughput,
            uptime_percent_recent: offer.uptime_recent,
            uptime_percent_day: offer.uptime_day,
            window: offer.window,
        }
    }
}

/// Models, one a line in the given order, with their headings. `width`: columns of the terminal,
/// beyond which tags are cut; absent: nothing is cut.
pub fn table(models: &[&Model], width: Option<usize>) -> String {
    let mut rows = vec![words_of([
        "id",
        "context",
        "max output",
        "input",
        "output",
        "cache read",
        "cache write",
        "tags",
    ])];
    for model in models {
        let prices = model.prices.as_ref();
        let rates = prices.map(|prices| *prices.rates(0));
        let tiered = prices.is_some_and(|prices| prices.tiers().len() > 1);
        let mut row = vec![
            model.id.to_string(),
            tokens(model.context_window),
            tokens(model.max_tokens),
        ];
        row.extend(price_cells(rates.as_ref(), tiered));
        row.push(model.tags.join(" "));
        rows.push(row);
    }
    let mut told = aligned(&rows, width);
    told.push_str("Prices in USD per million tokens.");
    if rows.iter().flatten().any(|cell| cell.ends_with(TIERED)) {
        told.push_str(" * Long prompts pay other prices: see `bakeoff models show ID`.");
    }
    told.push('\n');
    told
}

/// All that a list says of one model.
pub fn page(model: &Model) -> String {
    let mut told = format!("{}\n", model.id);
    let mut line = |word: &str, said: &str| {
        let _ = writeln!(told, "  {word:<14}{said}");
    };
    line("name", &model.name);
    line("kind", model.kind.word());
    line("context", &tokens(model.context_window));
    line("max output", &tokens(model.max_tokens));
    if !model.tags.is_empty() {
        line("tags", &model.tags.join(", "));
    }
    match &model.prices {
        None => line("prices", "no price per token is known"),
        Some(prices) => {
            for tier in prices.tiers() {
                let from = match tier.from_prompt_tokens {
                    0 => String::new(),
                    from => format!("; prompts from {from} tokens"),
                };
                line("prices", &format!("{}{from}", price_words(&tier.rates)));
            }
        }
    }
    if !model.other_prices.is_empty() {
        line("other prices", &model.other_prices.join(", "));
    }
    told
}

/// Who serves a model: one line each, in the gateway's order.
pub fn offers_table(offers: &Offers) -> String {
    let mut rows = vec![words_of([
        "provider",
        "context",
        "max output",
        "input",
        "output",
        "cache read",
        "cache write",
        "TTFT p50",
        "p95",
        "tokens/s p50",
        "p95",
        "uptime",
        "day",
    ])];
    for offer in &offers.0 {
        let mut row = vec![
            offer.provider.clone(),
            tokens(offer.context_window),
            tokens(offer.max_tokens),
        ];
        row.extend(price_cells(offer.rates(), offer.tiered()));
        let (ttft, rate) = (offer.latency_ms, offer.throughput);
        row.extend([
            figure(ttft.map(|ms| ms.p50), " ms"),
            figure(ttft.and_then(|ms| ms.p95), " ms"),
            figure(rate.map(|rate| rate.p50), ""),
            figure(rate.and_then(|rate| rate.p95), ""),
            figure(offer.uptime_recent, " %"),
            figure(offer.uptime_day, " %"),
        ]);
        rows.push(row);
    }
    let mut told = aligned(&rows, None);
    let window = offers.0.first().map_or(Window::LastHour, |o| o.window);
    let _ = writeln!(
        told,
        "Prices in USD per million tokens. TTFT, tokens/s and uptime are the gateway's own figures of {}: \
         they leave out your network and the gateway itself.",
        window.words()
    );
    told
}

fn words_of<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn tokens(count: Option<u64>) -> String {
    count.map_or_else(|| UNKNOWN.to_owned(), |count| count.to_string())
}

fn figure(value: Option<f64>, unit: &str) -> String {
    value.map_or_else(
        || UNKNOWN.to_owned(),
        |value| {
            let tenths = (value * 10.0).round() / 10.0;
            format!("{tenths}{unit}")
        },
    )
}

fn per_mtok(usd: Option<Usd>) -> Option<Usd> {
    usd?.times(MTOK)
}

fn price_cells(rates: Option<&Rates>, tiered: bool) -> [String; 4] {
    let rates = rates.copied().unwrap_or_default();
    [
        rates.input,
        rates.output,
        rates.cache_read,
        rates.cache_write,
    ]
    .map(|usd| {
        per_mtok(usd).map_or_else(
            || UNKNOWN.to_owned(),
            |usd| format!("{usd}{}", if tiered { TIERED } else { "" }),
        )
    })
}

fn price_words(rates: &Rates) -> String {
    let kinds = [
        ("input", rates.input),
        ("output", rates.output),
        ("cache read", rates.cache_read),
        ("cache write", rates.cache_write),
    ];
    let told = kinds.into_iter().filter_map(|(kind, usd)| {
        let usd = per_mtok(usd)?;
        Some(format!("{kind} {usd}"))
    });
    format!(
        "{} (USD per million tokens)",
        told.collect::<Vec<_>>().join(", ")
    )
}

/// Rows under each other, two spaces between columns: the first column and the last one of words on
/// the left, the others on the right.
fn aligned(rows: &[Vec<String>], width: Option<usize>) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widest = |column: usize| {
        rows.iter()
            .map(|row| row[column].width())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let last_is_words = rows
        .first()
        .and_then(|row| row.last())
        .is_some_and(|word| word == "tags");
    let mut told = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width_of_column)) in row.iter().zip(&widths).enumerate() {
            let room = " ".repeat(width_of_column.saturating_sub(cell.width()));
            let left = column == 0 || (last_is_words && column + 1 == columns);
            let (before, after) = if left {
                ("", room.as_str())
            } else {
                (room.as_str(), "")
            };
            let gap = if column == 0 { "" } else { "  " };
            let _ = write!(line, "{gap}{before}{cell}{after}");
        }
        let before_last: usize = widths.iter().rev().skip(1).map(|width| width + 2).sum();
        let most = width.map(|width| width.max(before_last + LEAST_WORDS));
        told.push_str(cut(line.trim_end(), most).trim_end());
        told.push('\n');
    }
    told
}

/// A line of at most so many columns, with `…` where something is missing.
fn cut(line: &str, most: Option<usize>) -> String {
    let Some(most) = most.filter(|&most| line.width() > most) else {
        return line.to_owned();
    };
    let mut kept = String::new();
    let mut columns = 1;
    for c in line.chars() {
        columns += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if columns > most {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Catalog;
    use super::*;

    fn catalog() -> Catalog {
        Catalog::read(
            r#"{"data":[
                {"id":"a/one","name":"One","type":"language","context_window":200000,"max_tokens":64000,
                 "tags":["reasoning","vision"],"pricing":{"input":"0.000001","output":"0.000005",
                 "input_cache_read":"0.0000001","input_cache_write":"0.00000125","web_search":"0.01"}},
                {"id":"b/tiered","pricing":{"input":"0.000002","output":"0.00001",
                 "input_tiers":[{"cost":"0.000002","min":0,"max":200001},{"cost":"0.000004","min":200001}]}},
                {"id":"plain"}]}"#,
            "a test".to_owned(),
            "2026-01-02".to_owned(),
        )
        .unwrap()
    }

    #[test]
    fn models_stand_in_columns() {
        // What a person compares: sizes and prices under each other, and nothing invented.
        let catalog = catalog();
        let models: Vec<_> = catalog.models().collect();
        insta::assert_snapshot!(table(&models, None), @r"
        id        context  max output  input  output  cache read  cache write  tags
        a/one      200000       64000      1       5         0.1         1.25  reasoning vision
        b/tiered        –           –     2*     10*           –            –
        plain           –           –      –       –           –            –
        Prices in USD per million tokens. * Long prompts pay other prices: see `bakeoff models show ID`.
        ");
    }

    #[test]
    fn a_page_tells_every_tier() {
        // The table has room for one price only: the page must not hide the others.
        let catalog = catalog();
        let pages: Vec<_> = catalog.models().map(page).collect();
        insta::assert_snapshot!(pages.join("\n"), @r"
        a/one
          name          One
          kind          language
          context       200000
          max output    64000
          tags          reasoning, vision
          prices        input 1, output 5, cache read 0.1, cache write 1.25 (USD per million tokens)
          other prices  web_search

        b/tiered
          name          b/tiered
          kind          other
          context       –
          max output    –
          prices        input 2, output 10 (USD per million tokens)
          prices        input 4, output 10 (USD per million tokens); prompts from 200001 tokens

        plain
          name          plain
          kind          other
          context       –
          max output    –
          prices        no price per token is known
        ");
    }

    #[test]
    fn a_document_tells_the_same() {
        // A program reads the same prices, as exact decimals, and finds no key for what is not known.
        let catalog = catalog();
        let documents: Vec<ModelDocument<'_>> = catalog.models().map(Into::into).collect();
        let json = serde_json::to_value(&documents).unwrap();
        assert_eq!(json[1]["prices"][1]["from_prompt_tokens"], 200_001);
        assert_eq!(json[1]["prices"][1]["input_usd_per_mtok"], "4");
        assert_eq!(json[0]["prices"][0]["cache_write_usd_per_mtok"], "1.25");
        assert_eq!(json[2].get("context_window"), None);
        assert_eq!(json[2]["prices"], serde_json::json!([]));
    }

    proptest! {
        // On a terminal of any width ids and prices stay whole; what is cut is said.
        #[test]
        fn only_tags_are_cut(width in 0_usize..140) {
            let catalog = catalog();
            let models: Vec<_> = catalog.models().collect();
            let whole = table(&models, None);
            for (line, full) in table(&models, Some(width)).lines().zip(whole.lines()) {
                prop_assert!(line == full || line.ends_with('…'));
                if line != full {
                    prop_assert!(line.contains(" 1.25 "), "{}", line);
                    prop_assert!(full.starts_with(line.trim_end_matches('…')));
                }
            }
        }
    }
}
