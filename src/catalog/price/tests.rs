use proptest::prelude::*;

use super::*;
use crate::catalog::Catalog;

/// A non-negative fraction: money in a representation other than integers of a fixed unit.
#[derive(Debug, Clone, Copy)]
struct Fraction {
    over: i128,
    under: i128,
}

impl Fraction {
    const ZERO: Self = Self { over: 0, under: 1 };

    /// `digits` x 10^-`decimals`.
    fn decimal(digits: u32, decimals: u32) -> Self {
        Self {
            over: i128::from(digits),
            under: 10_i128.pow(decimals),
        }
    }

    fn times(self, count: u64) -> Self {
        Self {
            over: self.over * i128::from(count),
            under: self.under,
        }
    }

    fn plus(self, other: Self) -> Self {
        let over = self.over * other.under + other.over * self.under;
        let under = self.under * other.under;
        let (mut a, mut b) = (over, under);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self {
            over: over / a,
            under: under / a,
        }
    }

    fn equals(self, usd: Usd) -> bool {
        self.over * Usd::PICO == usd.0 * self.under
    }
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// A price as text with up to 12 decimals, below the maximum plausible price, and as a fraction.
fn price() -> impl Strategy<Value = (String, Fraction)> {
    (0_u32..1_000_000, 8_u32..=12).prop_map(|(digits, decimals)| {
        let scale = 10_u64.pow(decimals);
        let width = decimals as usize;
        let (whole, part) = (u64::from(digits) / scale, u64::from(digits) % scale);
        (
            format!("{whole}.{part:0width$}"),
            Fraction::decimal(digits, decimals),
        )
    })
}

/// Counts that add up: the cached and the written tokens are part of the prompt.
fn counts() -> impl Strategy<Value = TokenCounts> {
    (
        0_u64..2_000_000,
        0_u64..2_000_000,
        0_u64..500_000,
        0_u64..500_000,
    )
        .prop_map(|(fresh, cached, cache_write, completion)| TokenCounts {
            prompt: fresh + cached + cache_write,
            cached,
            cache_write,
            completion,
            ..TokenCounts::default()
        })
}

fn rates(input: u32, output: u32, cache_read: u32, cache_write: u32) -> Rates {
    let usd = |pico: u32| Some(Usd(i128::from(pico)));
    Rates {
        input: usd(input),
        output: usd(output),
        cache_read: usd(cache_read),
        cache_write: usd(cache_write),
        ..Rates::default()
    }
}

#[test]
fn the_formula_gives_the_recorded_bills() {
    // Five amounts that the gateway billed on live calls: exact to the last digit, or wrong.
    let catalog = Catalog::snapshot();
    for (model, prompt, cached, completion, billed) in [
        ("openai/gpt-4.1-nano", 20, 0, 3, "0.0000032"),
        ("openai/gpt-4.1-nano", 61, 0, 32, "0.0000189"),
        ("anthropic/claude-haiku-4.5", 13, 0, 5, "0.000038"),
        ("google/gemini-2.5-flash", 4543, 4075, 1054, "0.00289765"),
        ("google/gemini-2.5-flash", 4815, 4076, 631, "0.00192148"),
    ] {
        let model = catalog.get(&model.parse().unwrap()).unwrap();
        let counts = TokenCounts {
            prompt,
            cached,
            completion,
            ..TokenCounts::default()
        };
        let computed = cost(model.prices.as_ref().unwrap(), &counts);
        assert_eq!(computed, Some(usd(billed)), "{}", model.id);
    }
}

#[test]
fn the_whole_request_pays_the_tier_of_its_prompt() {
    // Long prompts cost more from the first token on: the boundary is inclusive, and cached tokens
    // count towards it.
    let catalog = Catalog::snapshot();
    let model = catalog.get(&"google/gemini-3.1-pro-preview".parse().unwrap());
    let prices = model.unwrap().prices.clone().unwrap();
    for (prompt, cached, completion, expected) in [
        (200_000, 0, 1_000, "0.412"),
        (200_001, 0, 1_000, "0.818004"),
        (200_001, 100_000, 0, "0.440004"),
    ] {
        let counts = TokenCounts {
            prompt,
            cached,
            completion,
            ..TokenCounts::default()
        };
        assert_eq!(cost(&prices, &counts), Some(usd(expected)), "{prompt}");
    }
}

#[test]
fn an_unlisted_price_matters_only_where_it_is_used() {
    // An embedding model lists no price of output: its cost is known as long as it has no output,
    // and unknown, not 0, when it has.
    let prices = TokenPrices::flat(Rates {
        input: Some(usd("0.00000002")),
        ..Rates::default()
    });
    let mut counts = TokenCounts {
        prompt: 4,
        ..TokenCounts::default()
    };
    assert_eq!(cost(&prices, &counts), Some(usd("0.00000008")));
    counts.completion = 1;
    assert_eq!(cost(&prices, &counts), None);
}

#[test]
fn an_absent_cache_price_is_the_input_price() {
    // A list without a discount promises none.
    let prices = TokenPrices::flat(Rates {
        input: Some(Usd(100)),
        output: Some(Usd(7)),
        ..Rates::default()
    });
    let counts = TokenCounts {
        prompt: 10,
        cached: 4,
        cache_write: 3,
        completion: 2,
        ..TokenCounts::default()
    };
    assert_eq!(cost(&prices, &counts), Some(Usd(1_014)));
}

#[test]
fn counts_that_contradict_each_other_have_no_cost() {
    // More cached tokens than prompt tokens: the bill is unknown, because the formula subtracts one
    // from the other.
    let prices = TokenPrices::flat(rates(1, 1, 1, 1));
    for (cached, cache_write) in [(11, 0), (0, 11), (6, 5), (u64::MAX, u64::MAX)] {
        let counts = TokenCounts {
            prompt: 10,
            cached,
            cache_write,
            ..TokenCounts::default()
        };
        assert_eq!(cost(&prices, &counts), None, "{cached} {cache_write}");
    }
}

#[test]
fn a_cost_beyond_the_range_is_absent() {
    // Hostile prices and counts end in an absent cost, not in a panic or a wrapped sum.
    let prices = TokenPrices::flat(Rates {
        input: Some(Usd(i128::MAX)),
        ..Rates::default()
    });
    let counts = TokenCounts {
        prompt: u64::MAX,
        ..TokenCounts::default()
    };
    assert_eq!(cost(&prices, &counts), None);
}

#[test]
fn tiers_begin_at_zero_and_ascend() {
    // Every prompt must fall in exactly one tier.
    let tier = |from_prompt_tokens| Tier {
        from_prompt_tokens,
        rates: Rates::default(),
    };
    for wrong in [vec![], vec![tier(1)], vec![tier(0), tier(5), tier(5)]] {
        assert_eq!(TokenPrices::tiered(wrong), Err(TiersError));
    }
    let right = TokenPrices::tiered(vec![tier(0), tier(5)]).unwrap();
    assert_eq!(right.tiers().len(), 2);
}

proptest! {
    // The formula against the same sum in fractions, from the bytes of a list to the last digit.
    #[test]
    fn cost_is_the_sum_of_fractions(
        (input, output, read, write) in (price(), price(), price(), price()),
        counts in counts(),
    ) {
        let list = format!(
            r#"{{"data":[{{"id":"a/b","pricing":{{"input":"{}","output":"{}","input_cache_read":"{}","input_cache_write":"{}"}}}}]}}"#,
            input.0, output.0, read.0, write.0,
        );
        let catalog = Catalog::read(&list, String::new(), String::new()).unwrap();
        let model = catalog.get(&"a/b".parse().unwrap()).unwrap();
        let computed = cost(model.prices.as_ref().unwrap(), &counts).unwrap();
        let fresh = counts.prompt - counts.cached - counts.cache_write;
        let expected = [
            (input.1, fresh),
            (read.1, counts.cached),
            (write.1, counts.cache_write),
            (output.1, counts.completion),
        ]
        .into_iter()
        .fold(Fraction::ZERO, |sum, (price, tokens)| sum.plus(price.times(tokens)));
        prop_assert!(expected.equals(computed), "{expected:?} is not {computed}");
    }

    // No tokens, no cost; and a request with more fresh or completion tokens is never cheaper,
    // across tiers too as long as rates ascend.
    #[test]
    fn cost_grows_with_tokens(
        low in (0_u32..1_000, 0_u32..1_000, 0_u32..1_000, 0_u32..1_000),
        rise in (0_u32..1_000, 0_u32..1_000, 0_u32..1_000, 0_u32..1_000),
        boundary in 1_u64..4_000_000,
        counts in counts(),
        more in (0_u64..100_000, 0_u64..100_000),
    ) {
        let high = (low.0 + rise.0, low.1 + rise.1, low.2 + rise.2, low.3 + rise.3);
        let prices = TokenPrices::tiered(vec![
            Tier { from_prompt_tokens: 0, rates: rates(low.0, low.1, low.2, low.3) },
            Tier { from_prompt_tokens: boundary, rates: rates(high.0, high.1, high.2, high.3) },
        ]).unwrap();
        prop_assert_eq!(cost(&prices, &TokenCounts::default()), Some(Usd::ZERO));
        let larger = TokenCounts {
            prompt: counts.prompt + more.0,
            completion: counts.completion + more.1,
            ..counts
        };
        prop_assert!(cost(&prices, &counts) <= cost(&prices, &larger));
    }
}
