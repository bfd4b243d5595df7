use proptest::prelude::*;

use super::super::diff_table;
use super::*;
use crate::catalog::{Catalog, Rates, Tier};

fn read(list: &str) -> Catalog {
    Catalog::read(list, "a test".to_owned(), "2026-01-02".to_owned()).unwrap()
}

#[test]
fn every_kind_of_change_is_listed() {
    // A user wants to know before the next run: added, removed and moved models, and higher costs.
    let before = read(
        r#"{"data":[
        {"id":"xai/grok-4","pricing":{"input":"0.000002"}},
        {"id":"old/name","name":"The One"},
        {"id":"a/gone","context_window":1000},
        {"id":"a/kept","pricing":{"input":"0.000001","output":"0.000002","web_search":"0.01"},
         "context_window":1000,"max_tokens":100},
        {"id":"a/tiered","pricing":{"input":"0.000001","output":"0.000002"}},
        {"id":"a/lost","pricing":{"input":"0.000001","output":"0.000002"}},
        {"id":"a/same","pricing":{"input":"0.000001","output":"0.000002"},"max_tokens":5}]}"#,
    );
    let after = read(
        r#"{"data":[
        {"id":"spacexai/grok-4","pricing":{"input":"0.000003"}},
        {"id":"new/thing","name":"The one"},
        {"id":"a/added","context_window":2000,"pricing":{"input":"0.000001","output":"0.000002"}},
        {"id":"a/kept","pricing":{"input":"0.0000008","output":"0.000002","input_cache_read":"0.0000001",
         "web_search":"0.02"},"context_window":2000,"max_tokens":100},
        {"id":"a/tiered","pricing":{"output":"0.000002",
         "input_tiers":[{"cost":"0.000001","min":0,"max":100},{"cost":"0.000002","min":100}]}},
        {"id":"a/lost","pricing":{}},
        {"id":"a/same","tags":["new"],"pricing":{"input":"0.000001","output":"0.000002"},"max_tokens":5}]}"#,
    );
    let diff = ListDiff::new(&before, &after);
    assert_eq!(diff.count(), 7);
    insta::assert_snapshot!(diff_table(&diff), @"
    added
      id       context  max output  input  output
      a/added     2000           –      1       2

    gone
      id      context  max output  input  output
      a/gone     1000           –      –       –

    moved
      old/name -> new/thing
      xai/grok-4 -> spacexai/grok-4

    changed
      id                                  what  before  after  change
      spacexai/grok-4                    input       2      3   +50 %
      a/kept                             input       1    0.8   -20 %
      a/kept                        cache read       –    0.1
      a/kept                           context    1000   2000  +100 %
      a/kept                        web_search    0.01   0.02  +100 %
      a/lost                             input       1      –
      a/lost                            output       2      –
      a/tiered         input, prompts from 100       1      2  +100 %

    Prices of tokens in USD per million; others as the list spells them.
    ");
    assert_eq!(
        diff_table(&ListDiff::new(&after, &after)),
        "Nothing changed.\n"
    );
}

#[test]
fn ambiguous_moves_are_not_guessed() {
    // Two models of one name went, or two came: each is reported as gone or added.
    let one = read(r#"{"data":[{"id":"a/m","name":"M"}]}"#);
    let two = read(r#"{"data":[{"id":"b/m","name":"M"},{"id":"c/m","name":"M"}]}"#);
    for (before, after) in [(&one, &two), (&two, &one)] {
        let diff = ListDiff::new(before, after);
        assert!(diff.moved.is_empty());
        assert_eq!(diff.count(), 3);
    }
    // But the list's canonical name settles it.
    let one = read(r#"{"data":[{"id":"a/m","canonical_slug":"m-1"}]}"#);
    let two = read(
        r#"{"data":[{"id":"b/m","canonical_slug":"m-2"},{"id":"c/m","canonical_slug":"m-1"}]}"#,
    );
    let diff = ListDiff::new(&one, &two);
    assert_eq!(diff.moved[0].after.id.as_str(), "c/m");
    assert_eq!(diff.added[0].id.as_str(), "b/m");
}

#[test]
fn a_table_of_prices_is_compared_price_by_price() {
    // Order, spaces and zeros at the end are no change; one price of one region is, and is named.
    let of = |pricing: &str| {
        read(&format!(
            r#"{{"data":[{{"id":"a/b","pricing":{pricing}}}]}}"#
        ))
    };
    let before =
        of(r#"{"x":"0.10","regional":{"us":{"input":"0.1","output":"0.2"},"eu":{"input":"0.1"}}}"#);
    let same = of(
        r#"{"regional": {"eu": {"input":"0.1"}, "us": {"output":"0.20", "input":"0.1"}}, "x":0.1}"#,
    );
    assert_eq!(ListDiff::new(&before, &same).count(), 0);
    let after = of(
        r#"{"x":"0.1","regional":{"us":{"input":"0.1","output":"0.3"}},"y":[{"size":1,"cost":"2"}]}"#,
    );
    let diff = ListDiff::new(&before, &after);
    let changes = diff.changed[0].changes();
    let facts: Vec<_> = changes
        .iter()
        .map(|change| change.fact.to_string())
        .collect();
    assert_eq!(
        facts,
        [
            "regional.eu.input",
            "regional.us.output",
            "y.0.cost",
            "y.0.size"
        ]
    );
    assert_eq!(diff.changed[0].changes()[1].share(), Some(0.5));
}

#[test]
fn a_share_is_of_what_it_was() {
    // From nothing, or to nothing, there is no percentage.
    let change = |before: Option<i128>, after: Option<i128>| FactChange {
        fact: Fact::ContextWindow,
        before: before.map(|usd| FactValue::Price(Usd(usd))),
        after: after.map(|usd| FactValue::Price(Usd(usd))),
    };
    assert_eq!(change(Some(4), Some(5)).share(), Some(0.25));
    assert_eq!(change(Some(4), Some(0)).share(), Some(-1.0));
    assert_eq!(change(Some(0), Some(5)).share(), None);
    assert_eq!(change(None, Some(5)).share(), None);
    assert_eq!(change(Some(5), None).share(), None);
}

fn rates() -> impl Strategy<Value = Rates> {
    let price = || prop::option::of((0_i128..3).prop_map(Usd));
    (price(), price(), price(), price()).prop_map(|(input, output, cache_read, cache_write)| {
        Rates {
            input,
            output,
            cache_read,
            cache_write,
        }
    })
}

fn prices() -> impl Strategy<Value = TokenPrices> {
    (rates(), prop::option::of((1_u64..4, rates()))).prop_map(|(first, second)| {
        let tier = |(from_prompt_tokens, rates)| Tier {
            from_prompt_tokens,
            rates,
        };
        let tiers = std::iter::once((0, first)).chain(second).map(tier);
        TokenPrices::tiered(tiers.collect()).unwrap()
    })
}

/// A small list: few ids and names, so that two lists share some of them.
fn list() -> impl Strategy<Value = Catalog> {
    let model = (
        "[ab]/[mn]",
        "[xy]",
        prop::option::of(0_u64..3),
        prop::option::of(prices()),
        prop::option::of("[12]"),
        prop::option::of("[kl]"),
    );
    let model = model.prop_map(|(id, name, limit, prices, search, canonical)| {
        let mut model = ListedModel::from_id(id.parse().unwrap());
        (model.name, model.canonical) = (name, canonical);
        (model.context_window, model.max_tokens) = (limit, limit.map(|limit| limit / 2));
        model.prices = prices;
        let name = "web_search".to_owned();
        model.other_prices = (search.into_iter())
            .map(|value| crate::catalog::OtherPrice {
                name: name.clone(),
                value,
            })
            .collect();
        model
    });
    prop::collection::vec(model, 0..5).prop_map(|models| {
        let mut list = read(r#"{"data":[]}"#);
        list.models = models.into_iter().map(|m| (m.id.clone(), m)).collect();
        list
    })
}

/// The facts that a difference covers: prices by what prompts of each length pay.
fn facts(model: &ListedModel) -> String {
    let rates = |tokens| model.prices.as_ref().map(|prices| *prices.rates(tokens));
    let rates: Vec<Rates> = (0..4)
        .map(|tokens| rates(tokens).unwrap_or_default())
        .collect();
    format!(
        "{} {:?} {:?} {rates:?} {:?}",
        model.id, model.context_window, model.max_tokens, model.other_prices
    )
}

proptest! {
    #[test]
    fn a_list_does_not_differ_from_itself(list in list()) {
        prop_assert_eq!(ListDiff::new(&list, &list).count(), 0);
    }

    #[test]
    fn the_way_back_is_the_mirror(a in list(), b in list()) {
        let (there, back) = (ListDiff::new(&a, &b), ListDiff::new(&b, &a));
        prop_assert_eq!(&there.added, &back.gone);
        prop_assert_eq!(&there.gone, &back.added);
        let swapped = |pairs: &[ModelPair<'_>]| {
            let mut swapped: Vec<_> = pairs.iter().map(|p| (facts(p.after), facts(p.before))).collect();
            swapped.sort();
            swapped
        };
        let plain = |pairs: &[ModelPair<'_>]| {
            let mut plain: Vec<_> = pairs.iter().map(|p| (facts(p.before), facts(p.after))).collect();
            plain.sort();
            plain
        };
        prop_assert_eq!(plain(&there.moved), swapped(&back.moved));
        prop_assert_eq!(plain(&there.changed), swapped(&back.changed));
        for (one, other) in there.changed.iter().zip(&back.changed) {
            for (one, other) in one.changes().iter().zip(other.changes()) {
                prop_assert_eq!((&one.fact, &one.before, &one.after), (&other.fact, &other.after, &other.before));
            }
        }
    }

    // The difference is complete: applied to the older list it gives the newer one.
    #[test]
    fn laid_over_the_older_list_it_gives_the_newer(a in list(), b in list()) {
        let diff = ListDiff::new(&a, &b);
        let mut made: BTreeMap<_, _> = a.models().map(|model| (&model.id, model)).collect();
        for gone in diff.gone.iter().chain(diff.moved.iter().map(|pair| &pair.before)) {
            prop_assert!(made.remove(&gone.id).is_some());
        }
        let replaced = diff.changed.iter().chain(&diff.moved).map(|pair| &pair.after);
        for model in diff.added.iter().chain(replaced) {
            made.insert(&model.id, model);
        }
        let made: Vec<String> = made.values().map(|model| facts(model)).collect();
        let newer: Vec<String> = b.models().map(facts).collect();
        prop_assert_eq!(made, newer);
    }

    // Every difference can be rendered.
    #[test]
    fn every_difference_has_words(a in list(), b in list()) {
        let table = diff_table(&ListDiff::new(&a, &b));
        prop_assert!(table.ends_with(".\n"));
    }
}
