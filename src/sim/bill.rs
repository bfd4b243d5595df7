//! The cost of an answer: the simulator's own implementation of the gateway's formula, in exact integers.
//!
//! Owns prices, tiers and the parts of a bill. Must not know requests or answers, and shares nothing with the
//! catalog folder: two implementations of one formula check each other. Invariant: no float touches an amount.

use serde::Deserialize;

use crate::units::Usd;

/// Tokens of one answer, as the gateway counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SimulatedUsage {
    /// Prompt tokens, those read from and written to the cache included.
    pub prompt: u64,
    /// Completion tokens, reasoning included.
    pub completion: u64,
    /// Reasoning tokens, a part of the completion.
    pub reasoning: u64,
    /// Tokens read from the cache, a part of the prompt.
    pub cached: u64,
    /// Tokens written to the cache, a part of the prompt.
    pub written: u64,
}

/// The price of one kind of token, by the length of the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TieredPrice {
    /// (first prompt length, USD per token), ascending; the first begins at 0.
    tiers: Vec<(u64, Usd)>,
}

impl TieredPrice {
    /// Creates one price for every prompt, USD per token.
    pub fn flat(usd: Usd) -> Self {
        Self {
            tiers: vec![(0, usd)],
        }
    }

    /// Builds a price and its tiers from their form in the catalog; tiers take precedence over the flat price.
    fn from_wire(flat: Option<Usd>, tiers: &[TierWire]) -> Option<Self> {
        let mut ladder: Vec<(u64, Usd)> = tiers.iter().map(|tier| (tier.min, tier.cost)).collect();
        ladder.sort_unstable();
        match (ladder.first(), flat) {
            (Some((0, _)), _) => {}
            (_, Some(usd)) => ladder.insert(0, (0, usd)),
            (_, None) => return None,
        }
        Some(Self { tiers: ladder })
    }

    /// Returns USD per token for a prompt of that length. The whole request has the price of the tier of its
    /// prompt, as the providers charge it; gateways do not document it.
    pub fn at(&self, prompt_tokens: u64) -> Usd {
        let reached = self.tiers.iter().rev();
        let tier = reached.clone().find(|(from, _)| *from <= prompt_tokens);
        tier.map_or(Usd::ZERO, |(_, usd)| *usd)
    }
}

/// Prices of one model, USD per token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices {
    /// Prompt tokens.
    pub input: TieredPrice,
    /// Completion tokens.
    pub output: TieredPrice,
    /// Prompt tokens read from the cache; absent: as input.
    pub cache_read: Option<TieredPrice>,
    /// Prompt tokens written to the cache; absent: as input.
    pub cache_write: Option<TieredPrice>,
}

impl Prices {
    /// Prices of zero.
    pub fn free() -> Self {
        Self {
            input: TieredPrice::flat(Usd::ZERO),
            output: TieredPrice::flat(Usd::ZERO),
            cache_read: None,
            cache_write: None,
        }
    }
}

/// One step of a price as the catalog writes it: from `min` prompt tokens on.
#[derive(Debug, Deserialize)]
struct TierWire {
    cost: Usd,
    min: u64,
}

/// The `pricing` object of a catalog entry; other keys exist and do not concern chat.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct PricingWire {
    input: Option<Usd>,
    output: Option<Usd>,
    input_cache_read: Option<Usd>,
    input_cache_write: Option<Usd>,
    input_tiers: Vec<TierWire>,
    output_tiers: Vec<TierWire>,
    input_cache_read_tiers: Vec<TierWire>,
    input_cache_write_tiers: Vec<TierWire>,
}

impl PricingWire {
    /// Returns the prices if both input and output are listed.
    pub fn prices(&self) -> Option<Prices> {
        Some(Prices {
            input: TieredPrice::from_wire(self.input, &self.input_tiers)?,
            output: TieredPrice::from_wire(self.output, &self.output_tiers)?,
            cache_read: TieredPrice::from_wire(self.input_cache_read, &self.input_cache_read_tiers),
            cache_write: TieredPrice::from_wire(
                self.input_cache_write,
                &self.input_cache_write_tiers,
            ),
        })
    }
}

/// The circumstances that change a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillTerms {
    /// The provider's price in thousandths of the list price.
    pub price_per_mille: u32,
    /// True if the user's own provider key was used.
    pub own_key: bool,
    /// The surcharge of the gateway.
    pub surcharge: Usd,
}

impl Default for BillTerms {
    fn default() -> Self {
        Self {
            price_per_mille: 1000,
            own_key: false,
            surcharge: Usd::ZERO,
        }
    }
}

/// The cost of one answer, USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulatedBill {
    /// The prompt's part of `cost`.
    pub input: Usd,
    /// The completion's part of `cost`.
    pub output: Usd,
    /// Charge for inference; 0 with an own key.
    pub cost: Usd,
    /// The price without own keys.
    pub market: Usd,
    /// The surcharge of the gateway.
    pub surcharge: Usd,
    /// Total charge: `cost` and `surcharge`.
    pub gateway: Usd,
    /// The provider's charge to the user's own key; absent without one.
    pub upstream: Option<Usd>,
}

impl SimulatedBill {
    /// Computes `(prompt - cached - written) input + cached read + written write + completion output`.
    ///
    /// The formula reproduces recorded bills for all but the cache-write term, which no recording
    /// holds.
    pub fn new(usage: &SimulatedUsage, prices: &Prices, terms: &BillTerms) -> Self {
        let at = |rate: &TieredPrice| rate.at(usage.prompt).0;
        let or_input = |rate: &Option<TieredPrice>| at(rate.as_ref().unwrap_or(&prices.input));
        let fresh = usage
            .prompt
            .saturating_sub(usage.cached)
            .saturating_sub(usage.written);
        let amount = |tokens: u64, pico: i128| i128::from(tokens).saturating_mul(pico);
        let scaled = |pico: i128| {
            // Rounded half up, and exact if the factor is 1.
            let scaled = pico.saturating_mul(i128::from(terms.price_per_mille));
            Usd(scaled.saturating_add(500) / 1000)
        };
        let prompt = amount(fresh, at(&prices.input))
            .saturating_add(amount(usage.cached, or_input(&prices.cache_read)))
            .saturating_add(amount(usage.written, or_input(&prices.cache_write)));
        let input = scaled(prompt);
        let output = scaled(amount(usage.completion, at(&prices.output)));
        let market: Usd = [input, output].into_iter().sum();
        let charged = |usd: Usd| if terms.own_key { Usd::ZERO } else { usd };
        Self {
            input: charged(input),
            output: charged(output),
            cost: charged(market),
            market,
            surcharge: terms.surcharge,
            gateway: [charged(market), terms.surcharge].into_iter().sum(),
            upstream: terms.own_key.then_some(market),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::catalog;
    use proptest::prelude::*;

    fn usage(prompt: u64, cached: u64, completion: u64) -> SimulatedUsage {
        SimulatedUsage {
            prompt,
            completion,
            cached,
            ..SimulatedUsage::default()
        }
    }

    fn prices(model: &str) -> Prices {
        let listing = catalog::listings()
            .into_iter()
            .find(|listing| listing.id == model)
            .unwrap();
        listing.prices.unwrap()
    }

    #[test]
    fn recorded_bills_are_reproduced() {
        // Five amounts that the real gateway charged: the formula is right to the last digit.
        for (model, used, billed) in [
            ("openai/gpt-4.1-nano", usage(20, 0, 3), "0.0000032"),
            ("openai/gpt-4.1-nano", usage(61, 0, 32), "0.0000189"),
            ("anthropic/claude-haiku-4.5", usage(13, 0, 5), "0.000038"),
            (
                "google/gemini-2.5-flash",
                usage(4543, 4075, 1054),
                "0.00289765",
            ),
            (
                "google/gemini-2.5-flash",
                usage(4815, 4076, 631),
                "0.00192148",
            ),
        ] {
            let bill = SimulatedBill::new(&used, &prices(model), &BillTerms::default());
            assert_eq!(bill.cost.to_string(), billed, "{model} {used:?}");
            assert_eq!(bill.market, bill.cost);
        }
    }

    #[test]
    fn a_long_prompt_pays_the_higher_tier_for_everything() {
        // The boundary is inclusive below: 200001 prompt tokens are the first at the higher price.
        let prices = prices("google/gemini-3.1-pro-preview");
        let bill =
            |prompt| SimulatedBill::new(&usage(prompt, 0, 10), &prices, &BillTerms::default()).cost;
        assert_eq!(bill(200_000).to_string(), "0.40012");
        assert_eq!(bill(200_001).to_string(), "0.800184");
    }

    #[test]
    fn own_keys_cost_nothing_and_surcharges_come_on_top() {
        // The recorded case: 0.000038 for inference and 0.0001 of surcharge.
        let prices = prices("anthropic/claude-haiku-4.5");
        let surcharge: Usd = "0.0001".parse().unwrap();
        let terms = BillTerms {
            surcharge,
            ..BillTerms::default()
        };
        let bill = SimulatedBill::new(&usage(13, 0, 5), &prices, &terms);
        assert_eq!(bill.gateway.to_string(), "0.000138");
        let own_key = BillTerms {
            own_key: true,
            ..BillTerms::default()
        };
        let bill = SimulatedBill::new(&usage(13, 0, 5), &prices, &own_key);
        assert_eq!((bill.cost, bill.gateway), (Usd::ZERO, Usd::ZERO));
        assert_eq!(bill.upstream, Some(bill.market));
        assert_eq!(bill.market.to_string(), "0.000038");
    }

    proptest! {
        // A bill is the sum of its parts, and reading from the cache never makes it more expensive.
        #[test]
        fn bills_add_up(prompt in 0u64..300_000, share in 0u64..=100, completion in 0u64..100_000) {
            let cached = prompt * share / 100;
            let prices = prices("google/gemini-3.1-pro-preview");
            let bill = SimulatedBill::new(&usage(prompt, cached, completion), &prices, &BillTerms::default());
            prop_assert_eq!(bill.input.plus(bill.output), Some(bill.cost));
            let fresh = SimulatedBill::new(&usage(prompt, 0, completion), &prices, &BillTerms::default());
            prop_assert!(bill.cost <= fresh.cost);
        }
    }
}
