//! List prices as a run's manifest stores them.
//!
//! Owns their stored form. Must not know where a list came from. Invariant: prices read from a list are
//! restored unchanged, so that a cost can be computed again from the records alone.

use serde::{Deserialize, Serialize};

use crate::catalog::{Rates, Tier, TokenPrices};
use crate::units::{ModelId, Usd};

/// The prices of one model's tokens when the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelPrices {
    /// The requested model.
    pub model: ModelId,
    /// True if the user declared them instead of the list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// By the size of the prompt, ascending, the first from 0 tokens.
    pub tiers: Vec<PriceTier>,
}

/// USD per token of requests of a certain size; absent: not listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceTier {
    /// The smallest prompt, in tokens, that pays these prices.
    pub from_prompt_tokens: u64,
    /// A prompt token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_usd: Option<Usd>,
    /// A completion token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_usd: Option<Usd>,
    /// A prompt token read from the prompt cache; absent: as input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_usd: Option<Usd>,
    /// A prompt token written to the prompt cache; absent: as input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_usd: Option<Usd>,
    /// A prompt token written to the prompt cache for an hour; absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h_usd: Option<Usd>,
    /// A prompt token written to the prompt cache for twelve hours; absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_12h_usd: Option<Usd>,
}

impl ModelPrices {
    /// The stored form of a model's list prices.
    pub fn new(model: ModelId, prices: &TokenPrices) -> Self {
        let tier = |tier: &Tier| PriceTier {
            from_prompt_tokens: tier.from_prompt_tokens,
            input_usd: tier.rates.input,
            output_usd: tier.rates.output,
            cache_read_usd: tier.rates.cache_read,
            cache_write_usd: tier.rates.cache_write,
            cache_write_1h_usd: tier.rates.cache_write_1h,
            cache_write_12h_usd: tier.rates.cache_write_12h,
        };
        Self {
            model,
            own: false,
            tiers: prices.tiers().iter().map(tier).collect(),
        }
    }

    /// The prices; `None` if the stored tiers are not a price list, as after an edit by hand.
    pub fn prices(&self) -> Option<TokenPrices> {
        let tier = |tier: &PriceTier| Tier {
            from_prompt_tokens: tier.from_prompt_tokens,
            rates: Rates {
                input: tier.input_usd,
                output: tier.output_usd,
                cache_read: tier.cache_read_usd,
                cache_write: tier.cache_write_usd,
                cache_write_1h: tier.cache_write_1h_usd,
                cache_write_12h: tier.cache_write_12h_usd,
            },
        };
        TokenPrices::tiered(self.tiers.iter().map(tier).collect()).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_rate() -> impl Strategy<Value = Option<Usd>> {
        prop::option::of((0_i64..1_000_000_000).prop_map(|pico| Usd(i128::from(pico))))
    }

    proptest! {
        // A report that is made later must use the same prices as the run.
        #[test]
        fn prices_survive_the_manifest(
            boundaries in prop::collection::btree_set(1_u64..1_000_000, 0..4),
            rates in prop::collection::vec(prop::array::uniform6(any_rate()), 5),
        ) {
            let from = std::iter::once(0).chain(boundaries);
            let tiers = from.zip(rates).map(|(from_prompt_tokens, rates)| Tier {
                from_prompt_tokens,
                rates: Rates {
                    input: rates[0],
                    output: rates[1],
                    cache_read: rates[2],
                    cache_write: rates[3],
                    cache_write_1h: rates[4],
                    cache_write_12h: rates[5],
                },
            });
            let prices = TokenPrices::tiered(tiers.collect()).unwrap();
            let stored = ModelPrices::new("a/b".parse().unwrap(), &prices);
            let text = serde_json::to_string(&stored).unwrap();
            let read: ModelPrices = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read.prices(), Some(prices));
        }
    }

    #[test]
    fn tiers_that_are_no_list_are_no_prices() {
        // A manifest may have been edited: better no figure than a wrong one.
        let stored = ModelPrices {
            model: "a/b".parse().unwrap(),
            own: false,
            tiers: Vec::new(),
        };
        assert_eq!(stored.prices(), None);
    }
}
