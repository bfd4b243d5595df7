use proptest::prelude::*;

use super::*;
use crate::catalog::Rates;
use crate::catalog::fixture::{list, read};

#[test]
fn no_one_guesses_which_of_two_moved() {
    // Two models of one name went, or two came: each is listed as gone and added.
    let one = read(r#"{"data":[{"id":"a/m","name":"M"}]}"#);
    let two = read(r#"{"data":[{"id":"b/m","name":"M"},{"id":"c/m","name":"M"}]}"#);
    for (before, after) in [(&one, &two), (&two, &one)] {
        let diff = ListDiff::new(before, after);
        assert!(diff.moved.is_empty());
        assert_eq!(diff.count(), 3);
    }
    // But the list's own word settles it.
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
    let facts = diff.changed[0].changes();
    let facts: Vec<_> = facts.iter().map(|change| change.fact.to_string()).collect();
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
}
