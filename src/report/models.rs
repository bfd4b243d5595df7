//! Models and their providers for people: tables, the page of one model, the differences of lists.
//!
//! Owns columns, their order and the format of prices. Must not know where it is printed. Invariant:
//! prices are exact, in USD per million tokens, and one that is not known is `–`, never 0.

#[cfg(test)]
mod diff_tests;

use std::fmt::Write as _;

use crate::units::Usd;

use crate::catalog::ListedModel;
use crate::catalog::OtherPrice;
use crate::catalog::Rates;
use crate::catalog::Retirement;
use crate::catalog::Sort;
use crate::catalog::{FactChange, FactValue, ListDiff};
use crate::catalog::{Offers, Window};

use super::aligned::{TableShape, align_columns, clip, indent};

/// Printed in place of an unknown fact.
const UNKNOWN: &str = "–";
/// Mark after the price of a model with other prices for long prompts.
const TIERED: &str = "*";
/// Maximum columns of a price in words if two are printed side by side; `--json` has all of it.
const MAX_VALUE_WIDTH: usize = 40;
/// Tokens per unit of printed prices: lists have prices per token, people read them per million.
const MTOK: u64 = 1_000_000;

/// Renders models, one per line in the given order, with headings. The sort key has a column.
/// `width`: columns of the terminal, beyond which tags are cut; `None` cuts nothing.
pub fn table(models: &[&ListedModel], sort: Sort, width: Option<usize>) -> String {
    let mut headings = to_strings([
        "id",
        "context",
        "max output",
        "input",
        "output",
        "cache read",
        "cache write",
    ]);
    headings.extend(match sort {
        Sort::Id | Sort::Context => None,
        Sort::Price => Some("blended".to_owned()),
        Sort::Released => Some("released".to_owned()),
    });
    headings.push("tags".to_owned());
    let mut rows = vec![headings];
    for model in models {
        let prices = model.prices.as_ref();
        let rates = prices.map(|prices| *prices.rates(0));
        let is_tiered = prices.is_some_and(|prices| prices.tiers().len() > 1);
        let mut row = vec![
            model.id.to_string(),
            tokens(model.context_window),
            tokens(model.max_tokens),
        ];
        row.extend(price_cells(rates.as_ref(), is_tiered));
        row.extend(match sort {
            Sort::Id | Sort::Context => None,
            Sort::Price => Some(price_cell(model.blended_price(), is_tiered)),
            Sort::Released => Some(day(model)),
        });
        row.push(model.tags.join(" "));
        rows.push(row);
    }
    let mut text = align_columns(&rows, TableShape::FiguresThenText, width);
    text.push_str("Prices in USD per million tokens.");
    if rows.iter().flatten().any(|cell| cell.ends_with(TIERED)) {
        text.push_str(" * Long prompts have other prices: see `bakeoff models show ID`.");
    }
    if sort == Sort::Price {
        text.push_str(" blended: three prompt tokens to one output token.");
    }
    text.push('\n');
    text
}

/// Renders the page of one model, with all facts of its list and its retirement, if that is known.
pub fn page(model: &ListedModel, retirement: Option<&Retirement>) -> String {
    let mut text = format!("{}\n", model.id);
    let mut line = |word: &str, value: &str| {
        let _ = writeln!(text, "  {word:<14}{value}");
    };
    line("name", &model.name);
    line("kind", model.kind.word());
    line("context", &tokens(model.context_window));
    line("max output", &tokens(model.max_tokens));
    if !model.tags.is_empty() {
        line("tags", &model.tags.join(", "));
    }
    if model.released.is_some() {
        line("released", &day(model));
    }
    if let Some(Retirement { date, source }) = retirement {
        line("retires", &format!("{date} ({source})"));
    }
    match &model.prices {
        None => line("prices", "no known price per token"),
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
    for price in &model.other_prices {
        line("other price", &format!("{}: {}", price.name, price.value));
        line("", model.treatment(price).words());
    }
    text
}

/// Renders the providers of a model: one line each, in the gateway's order.
pub fn offers_table(model: &ListedModel, offers: &Offers) -> String {
    let mut rows = vec![to_strings([
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
        row.extend(price_cells(offer.rates(), offer.is_tiered()));
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
    let mut text = align_columns(&rows, TableShape::Figures, None);
    let window = offers.0.first().map_or(Window::LastHour, |o| o.window);
    let _ = writeln!(
        text,
        "Prices in USD per million tokens. TTFT, tokens/s and uptime are the gateway's own figures of {}: \
         without your network and the gateway itself.",
        window.words()
    );
    for offer in &offers.0 {
        for price in &offer.other_prices {
            let OtherPrice { name, value } = price;
            let treatment = model.offer_treatment(price).words();
            let _ = writeln!(
                text,
                "{} also has {name}: {value} ({treatment})",
                offer.provider
            );
        }
    }
    text
}

/// Renders the difference of two lists: added, gone and moved models, and each fact that differs.
pub fn diff_table(diff: &ListDiff<'_>) -> String {
    let mut text = String::new();
    let mut section = |title: &str, lines: Vec<Vec<String>>| {
        if !lines.is_empty() {
            let _ = write!(
                text,
                "{title}\n{}\n",
                indent(&align_columns(&lines, TableShape::Figures, None))
            );
        }
    };
    let listed = |models: &[&ListedModel]| -> Vec<Vec<String>> {
        let headings = to_strings(["id", "context", "max output", "input", "output"]);
        let rows = models.iter().map(|model| {
            let rates = model.prices.as_ref().map(|prices| *prices.rates(0));
            let is_tiered = model.prices.as_ref().is_some_and(|p| p.tiers().len() > 1);
            let [input, output, ..] = price_cells(rates.as_ref(), is_tiered);
            let id = model.id.to_string();
            let (context, max) = (tokens(model.context_window), tokens(model.max_tokens));
            vec![id, context, max, input, output]
        });
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() {
            return rows;
        }
        std::iter::once(headings).chain(rows).collect()
    };
    section("added", listed(&diff.added));
    section("gone", listed(&diff.gone));
    let moved = diff.moved.iter().map(|moved| {
        let (before, after) = (moved.before.id.to_string(), moved.after.id.to_string());
        vec![format!("{before} -> {after}")]
    });
    section("moved", moved.collect());
    let changed = diff.moved.iter().chain(&diff.changed);
    let facts = changed.flat_map(|pair| {
        let facts = pair.changes().into_iter();
        facts.map(|change| change_row(pair.after, &change))
    });
    let facts: Vec<_> = facts.collect();
    if !facts.is_empty() {
        let headings = to_strings(["id", "what", "before", "after", "change"]);
        section("changed", std::iter::once(headings).chain(facts).collect());
    }
    if text.is_empty() {
        return "Nothing changed.\n".to_owned();
    }
    text.push_str("Token prices in USD per million; other prices as listed.\n");
    text
}

fn change_row(model: &ListedModel, change: &FactChange) -> Vec<String> {
    let text = |value: &Option<FactValue>| match value {
        None => UNKNOWN.to_owned(),
        Some(FactValue::Price(usd)) => price_cell(Some(*usd), false),
        Some(FactValue::Count(count)) => count.to_string(),
        Some(FactValue::Text(text)) => clip(text, MAX_VALUE_WIDTH),
    };
    let share = change.share().map(|share| {
        let tenths = (share * 1_000.0).round() / 10.0;
        format!("{tenths:+} %")
    });
    vec![
        model.id.to_string(),
        change.fact.to_string(),
        text(&change.before),
        text(&change.after),
        share.unwrap_or_default(),
    ]
}

fn to_strings<const N: usize>(words: [&str; N]) -> Vec<String> {
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

/// Converts a price per token into a price per million tokens.
pub(super) fn per_mtok(usd: Option<Usd>) -> Option<Usd> {
    usd?.times(MTOK)
}

fn price_cells(rates: Option<&Rates>, is_tiered: bool) -> [String; 4] {
    let rates = rates.copied().unwrap_or_default();
    [
        rates.input,
        rates.output,
        rates.cache_read,
        rates.cache_write,
    ]
    .map(|usd| price_cell(usd, is_tiered))
}

fn price_cell(usd: Option<Usd>, is_tiered: bool) -> String {
    per_mtok(usd).map_or_else(
        || UNKNOWN.to_owned(),
        |usd| format!("{usd}{}", if is_tiered { TIERED } else { "" }),
    )
}

fn day(model: &ListedModel) -> String {
    model
        .released
        .map_or_else(|| UNKNOWN.to_owned(), |day| day.to_string())
}

fn price_words(rates: &Rates) -> String {
    let kinds = [
        ("input", rates.input),
        ("output", rates.output),
        ("cache read", rates.cache_read),
        ("cache write", rates.cache_write),
    ];
    let prices = kinds.into_iter().filter_map(|(kind, usd)| {
        let usd = per_mtok(usd)?;
        Some(format!("{kind} {usd}"))
    });
    format!(
        "{} (USD per million tokens)",
        prices.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::Catalog;

    fn catalog() -> Catalog {
        Catalog::read(
            r#"{"data":[
                {"id":"a/one","name":"One","type":"language","context_window":200000,"max_tokens":64000,
                 "released":1760486400,
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
    fn prices_that_are_not_believed_are_shown() {
        // A page without prices must not read as a model that costs nothing.
        let catalog = Catalog::read(
            r#"{"data":[{"id":"a/b","pricing":{"input":"0.000001","output":"NaN"}}]}"#,
            "a test".to_owned(),
            "2026-01-02".to_owned(),
        );
        let page = page(catalog.unwrap().get(&"a/b".parse().unwrap()).unwrap(), None);
        let line =
            "other price   output: NaN\n                no price of this list is used: it is not 0";
        assert!(page.contains("no known price per token"), "{page}");
        assert!(page.contains(line), "{page}");
    }

    #[test]
    fn models_stand_in_columns() {
        // Sizes and prices under each other, for comparison, and nothing invented.
        let catalog = catalog();
        let models: Vec<_> = catalog.models().collect();
        insta::assert_snapshot!(table(&models, Sort::Id, None), @r"
        id        context  max output  input  output  cache read  cache write  tags
        a/one      200000       64000      1       5         0.1         1.25  reasoning vision
        b/tiered        –           –     2*     10*           –            –
        plain           –           –      –       –           –            –
        Prices in USD per million tokens. * Long prompts have other prices: see `bakeoff models show ID`.
        ");
    }

    #[test]
    fn the_sort_key_has_a_column() {
        // The reason for an order must be visible.
        let catalog = catalog();
        let sorted_table = |sort: Sort| {
            let mut models: Vec<_> = catalog.models().collect();
            sort.apply(&mut models);
            table(&models, sort, None)
        };
        insta::assert_snapshot!(sorted_table(Sort::Price) + "\n" + &sorted_table(Sort::Released), @"
        id        context  max output  input  output  cache read  cache write  blended  tags
        a/one      200000       64000      1       5         0.1         1.25        2  reasoning vision
        b/tiered        –           –     2*     10*           –            –       4*
        plain           –           –      –       –           –            –        –
        Prices in USD per million tokens. * Long prompts have other prices: see `bakeoff models show ID`. blended: three prompt tokens to one output token.

        id        context  max output  input  output  cache read  cache write    released  tags
        a/one      200000       64000      1       5         0.1         1.25  2025-10-15  reasoning vision
        b/tiered        –           –     2*     10*           –            –           –
        plain           –           –      –       –           –            –           –
        Prices in USD per million tokens. * Long prompts have other prices: see `bakeoff models show ID`.
        ");
    }

    #[test]
    fn other_prices_of_a_provider_are_listed() {
        // A provider with a low price per token may have a high price per search.
        let offers = Offers::read(
            r#"{"data":{"endpoints":[{"provider_name":"one","pricing":{"prompt":"0.000001","completion":"0",
                "request":"0","web_search":"0.010"}}]}}"#,
        );
        let text = offers_table(catalog().models().next().unwrap(), &offers.unwrap());
        let last = text.lines().last().unwrap();
        assert!(
            last.starts_with("one also has web_search: 0.010 (not supported"),
            "{last}"
        );
    }

    #[test]
    fn a_page_lists_every_tier() {
        // The table has room for one price only: the page must not hide the others.
        let catalog = catalog();
        let pages: Vec<_> = catalog.models().map(|model| page(model, None)).collect();
        insta::assert_snapshot!(pages.join("\n"), @"
        a/one
          name          One
          kind          language
          context       200000
          max output    64000
          tags          reasoning, vision
          released      2025-10-15
          prices        input 1, output 5, cache read 0.1, cache write 1.25 (USD per million tokens)
          other price   web_search: 0.01
                        not supported: caps refuse the model until `surcharges` declares its maximum

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
          prices        no known price per token
        ");
    }

    proptest! {
        // On a terminal of any width ids and prices stay whole; a cut is marked.
        #[test]
        fn only_tags_are_cut(width in 0_usize..140) {
            let catalog = catalog();
            let models: Vec<_> = catalog.models().collect();
            let whole = table(&models, Sort::Id, None);
            for (line, full) in table(&models, Sort::Id, Some(width)).lines().zip(whole.lines()) {
                prop_assert!(line == full || line.ends_with('…'));
                if line != full {
                    prop_assert!(line.contains(" 1.25 "), "{}", line);
                    prop_assert!(full.starts_with(line.trim_end_matches('…')));
                }
            }
        }
    }
}
