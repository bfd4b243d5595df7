//! Costs against an oracle that shares nothing with the program: fractions made from the digits of prices.

#![allow(
    clippy::unwrap_used,
    reason = "a failed step of a test is a failed test"
)]

use std::fmt::Write as _;

use bakeoff::catalog::{Catalog, TokenCounts, cost};

/// Models in the list, each with prices of its own.
const MODELS: usize = 1_000;
/// Usages of each: a million in all.
const USAGES: usize = 1_000;

/// A non-negative fraction in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fraction {
    over: u128,
    under: u128,
}

impl Fraction {
    fn new(over: u128, under: u128) -> Self {
        let (mut a, mut b) = (over, under);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self {
            over: over / a,
            under: under / a,
        }
    }

    /// Reads a decimal without sign and exponent.
    fn read(text: &str) -> Self {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = whole.bytes().chain(part.bytes());
        let over = digits.fold(0, |sum, digit| 10 * sum + u128::from(digit - b'0'));
        Self::new(over, (0..part.len()).fold(1, |power, _| 10 * power))
    }

    fn times(self, count: u64) -> Self {
        Self::new(self.over * u128::from(count), self.under)
    }

    fn plus(self, other: Self) -> Self {
        let shared = Self::new(self.under, other.under);
        // shared = self.under / other.under: the least common denominator is self.under x shared.under.
        let over = self.over * shared.under + other.over * shared.over;
        Self::new(over, self.under * shared.under)
    }
}

/// Numbers that look random, the same in every run (`SplitMix64`, Steele and others 2014).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A price of a token as a list writes it, with 6 to 12 decimals.
    fn price(&mut self) -> String {
        let decimals = 6 + self.below(7);
        let digits = self.below(1_000);
        format!(
            "0.{digits:0width$}",
            width = usize::try_from(decimals).unwrap()
        )
    }
}

/// Prices of one kind of token as texts: from the first tier's on, each from so many prompt tokens.
type Steps = Vec<(u64, String)>;

/// One model's prices: input, output, cache read and cache write; empty where the list has none.
struct Listed([Steps; 4]);

impl Listed {
    fn draw(draw: &mut Draw) -> Self {
        Self(std::array::from_fn(|kind| {
            // One list in four says nothing of a cache.
            if kind >= 2 && draw.below(4) == 0 {
                return Vec::new();
            }
            let mut from = 0;
            let tiers = 1 + draw.below(3);
            let steps = (0..tiers).map(|_| {
                let step = (from, draw.price());
                from += 1 + draw.below(100_000);
                step
            });
            steps.collect()
        }))
    }

    /// The price as the list writes it: flat if there is one step, else as tiers.
    fn json(&self) -> String {
        let mut json = String::new();
        for (name, steps) in ["input", "output", "input_cache_read", "input_cache_write"]
            .iter()
            .zip(&self.0)
        {
            let comma = if json.is_empty() { "" } else { "," };
            match steps.as_slice() {
                [] => {}
                [(_, price)] => write!(json, r#"{comma}"{name}":"{price}""#).unwrap(),
                steps => {
                    write!(json, r#"{comma}"{name}_tiers":["#).unwrap();
                    for (index, (min, price)) in steps.iter().enumerate() {
                        let comma = if index == 0 { "" } else { "," };
                        let max = steps
                            .get(index + 1)
                            .map(|(next, _)| format!(r#","max":{next}"#));
                        let max = max.unwrap_or_default();
                        write!(json, r#"{comma}{{"cost":"{price}","min":{min}{max}}}"#).unwrap();
                    }
                    json.push(']');
                }
            }
        }
        json
    }

    /// The gateway's formula: the whole request pays the tier that its prompt falls in; a cache without a
    /// price of its own costs as input does.
    fn cost(&self, counts: &TokenCounts, read: &[Vec<Fraction>; 4]) -> Fraction {
        let at = |kind: usize| {
            let reached = self.0[kind].iter().zip(&read[kind]);
            let mut reached = reached.filter(|((from, _), _)| *from <= counts.prompt);
            reached.next_back().map(|(_, price)| *price)
        };
        let input = at(0).unwrap();
        let fresh = counts.prompt - counts.cached - counts.cache_write;
        [
            input.times(fresh),
            at(2).unwrap_or(input).times(counts.cached),
            at(3).unwrap_or(input).times(counts.cache_write),
            at(1).unwrap().times(counts.completion),
        ]
        .into_iter()
        .fold(Fraction::new(0, 1), Fraction::plus)
    }

    fn fractions(&self) -> [Vec<Fraction>; 4] {
        std::array::from_fn(|kind| {
            let prices = self.0[kind].iter();
            prices.map(|(_, price)| Fraction::read(price)).collect()
        })
    }
}

#[test]
fn a_million_costs_are_exact() {
    // Flat and tiered prices, with and without a cache, from the bytes of a list to the digits of the sum:
    // one wrong digit in a million is a wrong formula.
    let mut draw = Draw(20_261_122);
    let listed: Vec<Listed> = (0..MODELS).map(|_| Listed::draw(&mut draw)).collect();
    let entries: Vec<String> = (listed.iter().enumerate())
        .map(|(index, one)| format!(r#"{{"id":"a/m{index}","pricing":{{{}}}}}"#, one.json()))
        .collect();
    let list = format!(r#"{{"data":[{}]}}"#, entries.join(","));
    let catalog = Catalog::read(&list, String::new(), String::new()).unwrap();
    for (index, listed) in listed.iter().enumerate() {
        let model = catalog
            .get(&format!("a/m{index}").parse().unwrap())
            .unwrap();
        let prices = model.prices.as_ref().unwrap();
        let fractions = listed.fractions();
        for _ in 0..USAGES {
            let (cached, cache_write) = (draw.below(80_000), draw.below(80_000));
            let counts = TokenCounts {
                prompt: draw.below(150_000) + cached + cache_write,
                cached,
                cache_write,
                completion: draw.below(100_000),
                ..TokenCounts::default()
            };
            let cost_text = cost(prices, &counts).unwrap().to_string();
            let expected = listed.cost(&counts, &fractions);
            assert_eq!(
                Fraction::read(&cost_text),
                expected,
                "{cost_text}: {counts:?} by {}",
                listed.json()
            );
        }
    }
}
