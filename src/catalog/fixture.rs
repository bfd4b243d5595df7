//! Lists of models for tests.

use proptest::prelude::*;

use super::{Catalog, ListedModel, OtherPrice, Rates, Tier, TokenPrices};
use crate::units::Usd;

/// The list that this document is.
pub(crate) fn read(list: &str) -> Catalog {
    Catalog::read(list, "a test".to_owned(), "2026-01-02".to_owned()).unwrap()
}

fn rates() -> impl Strategy<Value = Rates> {
    let price = || prop::option::of((0_i128..3).prop_map(Usd));
    (price(), price(), price(), price()).prop_map(|(input, output, cache_read, cache_write)| {
        Rates {
            input,
            output,
            cache_read,
            cache_write,
            ..Rates::default()
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
pub(crate) fn list() -> impl Strategy<Value = Catalog> {
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
            .map(|value| OtherPrice {
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
