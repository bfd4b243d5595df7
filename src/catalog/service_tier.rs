//! Service tiers: requests that are served faster or slower than usual, at prices of their own.
//!
//! Owns the words of tiers and their price lists. Must not know which tier an answer was served in. Invariant: a tier without
//! a price list that can be read in full has none, and never that of the standard tier.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::suite::{Parameters, is_standard_tier};

use super::TokenPrices;

/// Keys of a request that name its service tier: of the makers' routes and of Vercel's gateway.
const TIER_KEYS: [&str; 2] = ["service_tier", "serviceTier"];
/// The price lists of one model's service tiers, apart from the standard one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceTiers(BTreeMap<String, TokenPrices>);

impl ServiceTiers {
    /// The prices of a tier by its word, whatever its case.
    pub fn get(&self, tier: &str) -> Option<&TokenPrices> {
        self.0.get(&tier.to_ascii_lowercase())
    }

    /// Sets the prices of a tier.
    pub(super) fn insert(&mut self, tier: &str, prices: TokenPrices) {
        self.0.insert(tier.to_ascii_lowercase(), prices);
    }

    /// Removes all of them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The service tier that the parameters of a request name, on any route; `None` for the standard one.
pub fn requested_service_tier(parameters: &Parameters) -> Option<&str> {
    let options = parameters.provider_options.values();
    let options = options.filter_map(Json::as_object);
    let tables = std::iter::once(&parameters.extra).chain(options);
    let tiers = tables.flat_map(|table| TIER_KEYS.iter().filter_map(|key| table.get(*key)));
    let mut words = tiers.filter_map(Json::as_str);
    words.find(|word| !is_standard_tier(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_requested_tier_is_found_on_every_route() {
        // A tier that is overlooked is priced as the standard one: at half its price, or twice.
        let tier = |extra: Json, options: Json| {
            let parameters = Parameters {
                extra: serde_json::from_value(extra).unwrap(),
                provider_options: serde_json::from_value(options).unwrap(),
                ..Parameters::default()
            };
            requested_service_tier(&parameters).map(str::to_owned)
        };
        let none = || json!({});
        let flex = Some("flex".to_owned());
        assert_eq!(tier(json!({ "service_tier": "flex" }), none()), flex);
        assert_eq!(
            tier(none(), json!({ "gateway": { "serviceTier": "flex" } })),
            flex
        );
        assert_eq!(
            tier(none(), json!({ "openai": { "service_tier": "flex" } })),
            flex
        );
        assert_eq!(tier(json!({ "service_tier": "Default" }), none()), None);
        assert_eq!(tier(json!({ "service_tier": 1 }), none()), None);
        assert_eq!(tier(none(), none()), None);
    }
}
