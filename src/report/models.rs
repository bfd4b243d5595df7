//! Models and their providers for people: tables, the page of one model, what changed in a list.
//!
//! Owns columns, their order and how prices are written. Must not know where it is shown. Invariant:
//! prices are exact, in USD per million tokens, and one that is not known is `–`, never 0.

#[cfg(test)]
mod diff_tests;

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use crate::units::Usd;

use crate::catalog::Model;
use crate::catalog::OtherPrice;
use crate::catalog::Rates;
use crate::catalog::Sort;
use crate::catalog::{Change, ListDiff, Value};
use crate::catalog::{Offers, Window};

/// What stands for a fact that is not known.
const UNKNOWN: &str = "–";
/// Behind the price of a model that asks more, or less, for long prompts.
const TIERED: &str = "*";
/// Columns below which words are not cut: then the line wraps, which is better than no words.
const LEAST_WORDS: usize = 12;
/// Columns of a price in words where two stand beside each other; `--json` has all of it.
const MOST_OF_A_VALUE: usize = 40;
/// Prices are per token in a list and per million for people.
const MTOK: u64 = 1_000_000;

/// Models, one a line in the given order, with their headings. What they are sorted by has a column.
/// `width`: columns of the terminal, beyond which tags are cut; absent: nothing is cut.
pub fn table(models: &[&Model], sort: Sort, width: Option<usize>) -> String {
    let mut headings = words_of([
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
        let tiered = prices.is_some_and(|prices| prices.tiers().len() > 1);
        let mut row = vec![
            model.id.to_string(),
            tokens(model.context_window),
            tokens(model.max_tokens),
        ];
        row.extend(price_cells(rates.as_ref(), tiered));
        row.extend(match sort {
            Sort::Id | Sort::Context => None,
            Sort::Price => Some(price_cell(model.blended_price(), tiered)),
            Sort::Released => Some(day(model)),
        });
        row.push(model.tags.join(" "));
        rows.push(row);
    }
    let mut told = aligned(&rows, true, width);
    told.push_str("Prices in USD per million tokens.");
    if rows.iter().flatten().any(|cell| cell.ends_with(TIERED)) {
        told.push_str(" * Long prompts pay other prices: see `bakeoff models show ID`.");
    }
    if sort == Sort::Price {
        told.push_str(" blended: three tokens of the prompt for one of the answer.");
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
    if model.released.is_some() {
        line("released", &day(model));
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
    for price in &model.other_prices {
        line("other price", &format!("{}: {}", price.name, price.value));
        line("", model.treatment(price).words());
    }
    told
}

/// Who serves a model: one line each, in the gateway's order.
pub fn offers_table(model: &Model, offers: &Offers) -> String {
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
    let mut told = aligned(&rows, false, None);
    let window = offers.0.first().map_or(Window::LastHour, |o| o.window);
    let _ = writeln!(
        told,
        "Prices in USD per million tokens. TTFT, tokens/s and uptime are the gateway's own figures of {}: \
         they leave out your network and the gateway itself.",
        window.words()
    );
    for offer in &offers.0 {
        for price in &offer.other_prices {
            let OtherPrice { name, value } = price;
            let treatment = model.offer_treatment(price).words();
            let _ = writeln!(
                told,
                "{} also has {name}: {value} ({treatment})",
                offer.provider
            );
        }
    }
    told
}

/// What changed in a list: what is new and gone, what moved, and each fact that is another one.
pub fn diff_table(diff: &ListDiff<'_>) -> String {
    let mut told = String::new();
    let mut section = |title: &str, lines: Vec<Vec<String>>| {
        if !lines.is_empty() {
            let _ = write!(
                told,
                "{title}\n{}\n",
                indented(&aligned(&lines, false, None))
            );
        }
    };
    let listed = |models: &[&Model]| -> Vec<Vec<String>> {
        let headings = words_of(["id", "context", "max output", "input", "output"]);
        let rows = models.iter().map(|model| {
            let rates = model.prices.as_ref().map(|prices| *prices.rates(0));
            let tiered = model.prices.as_ref().is_some_and(|p| p.tiers().len() > 1);
            let [input, output, ..] = price_cells(rates.as_ref(), tiered);
            let id = model.id.to_string();
            let (context, most) = (tokens(model.context_window), tokens(model.max_tokens));
            vec![id, context, most, input, output]
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
        let headings = words_of(["id", "what", "before", "after", "change"]);
        section("changed", std::iter::once(headings).chain(facts).collect());
    }
    if told.is_empty() {
        return "Nothing changed.\n".to_owned();
    }
    told.push_str("Prices of tokens in USD per million; others as the list spells them.\n");
    told
}

fn change_row(model: &Model, change: &Change) -> Vec<String> {
    let told = |value: &Option<Value>| match value {
        None => UNKNOWN.to_owned(),
        Some(Value::Price(usd)) => price_cell(Some(*usd), false),
        Some(Value::Tokens(count)) => count.to_string(),
        Some(Value::Text(text)) => cut(text, Some(MOST_OF_A_VALUE)),
    };
    let share = change.share().map(|share| {
        let tenths = (share * 1_000.0).round() / 10.0;
        format!("{tenths:+} %")
    });
    vec![
        model.id.to_string(),
        change.fact.to_string(),
        told(&change.before),
        told(&change.after),
        share.unwrap_or_default(),
    ]
}

fn indented(lines: &str) -> String {
    let lines = lines.lines().map(|line| format!("  {line}\n"));
    lines.collect()
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

/// A price per million tokens.
pub(super) fn per_mtok(usd: Option<Usd>) -> Option<Usd> {
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
    .map(|usd| price_cell(usd, tiered))
}

fn price_cell(usd: Option<Usd>, tiered: bool) -> String {
    per_mtok(usd).map_or_else(
        || UNKNOWN.to_owned(),
        |usd| format!("{usd}{}", if tiered { TIERED } else { "" }),
    )
}

fn day(model: &Model) -> String {
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
    let told = kinds.into_iter().filter_map(|(kind, usd)| {
        let usd = per_mtok(usd)?;
        Some(format!("{kind} {usd}"))
    });
    format!(
        "{} (USD per million tokens)",
        told.collect::<Vec<_>>().join(", ")
    )
}

/// Rows under each other, two spaces between columns: the first column on the left, and the last one
/// where it is words; the others on the right. `width`: columns of the terminal, beyond which lines
/// are cut.
pub fn aligned(rows: &[Vec<String>], last_is_words: bool, width: Option<usize>) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widest = |column: usize| {
        rows.iter()
            .map(|row| row[column].width())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
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
        let page = page(catalog.unwrap().get(&"a/b".parse().unwrap()).unwrap());
        let told = "other price   output: NaN\n                no price of this list is used: this is not 0";
        assert!(page.contains("no price per token is known"), "{page}");
        assert!(page.contains(told), "{page}");
    }

    #[test]
    fn models_stand_in_columns() {
        // What a person compares: sizes and prices under each other, and nothing invented.
        let catalog = catalog();
        let models: Vec<_> = catalog.models().collect();
        insta::assert_snapshot!(table(&models, Sort::Id, None), @r"
        id        context  max output  input  output  cache read  cache write  tags
        a/one      200000       64000      1       5         0.1         1.25  reasoning vision
        b/tiered        –           –     2*     10*           –            –
        plain           –           –      –       –           –            –
        Prices in USD per million tokens. * Long prompts pay other prices: see `bakeoff models show ID`.
        ");
    }

    #[test]
    fn what_a_list_is_sorted_by_has_a_column() {
        // Nobody believes an order whose reason cannot be seen.
        let catalog = catalog();
        let told = |sort: Sort| {
            let mut models: Vec<_> = catalog.models().collect();
            sort.apply(&mut models);
            table(&models, sort, None)
        };
        insta::assert_snapshot!(told(Sort::Price) + "\n" + &told(Sort::Released), @"
        id        context  max output  input  output  cache read  cache write  blended  tags
        a/one      200000       64000      1       5         0.1         1.25        2  reasoning vision
        b/tiered        –           –     2*     10*           –            –       4*
        plain           –           –      –       –           –            –        –
        Prices in USD per million tokens. * Long prompts pay other prices: see `bakeoff models show ID`. blended: three tokens of the prompt for one of the answer.

        id        context  max output  input  output  cache read  cache write    released  tags
        a/one      200000       64000      1       5         0.1         1.25  2025-10-15  reasoning vision
        b/tiered        –           –     2*     10*           –            –           –
        plain           –           –      –       –           –            –           –
        Prices in USD per million tokens. * Long prompts pay other prices: see `bakeoff models show ID`.
        ");
    }

    #[test]
    fn what_a_provider_asks_beside_tokens_is_told() {
        // Who is cheap by the token may be dear by the search.
        let offers = Offers::read(
            r#"{"data":{"endpoints":[{"provider_name":"one","pricing":{"prompt":"0.000001","completion":"0",
                "request":"0","web_search":"0.010"}}]}}"#,
        );
        let told = offers_table(catalog().models().next().unwrap(), &offers.unwrap());
        let last = told.lines().last().unwrap();
        assert!(
            last.starts_with("one also has web_search: 0.010 (not supported"),
            "{last}"
        );
    }

    #[test]
    fn a_page_tells_every_tier() {
        // The table has room for one price only: the page must not hide the others.
        let catalog = catalog();
        let pages: Vec<_> = catalog.models().map(page).collect();
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
                        not supported: caps refuse the model until `surcharges` declare its most

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

    proptest! {
        // On a terminal of any width ids and prices stay whole; what is cut is said.
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
