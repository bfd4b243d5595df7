use proptest::prelude::*;

use super::*;
use crate::catalog::{TokenCounts, cost};

fn prices(pricing: &str) -> Option<TokenPrices> {
    let raw: Box<RawValue> = serde_json::from_str(pricing).unwrap();
    read_pricing(Some(&raw)).0
}

/// The cost in USD of so many prompt and completion tokens; `-` without a price.
fn cost_of(pricing: &str, prompt: u64, completion: u64) -> String {
    let counts = TokenCounts {
        prompt,
        completion,
        ..TokenCounts::default()
    };
    let usd = prices(pricing).and_then(|prices| cost(&prices, &counts));
    usd.map_or_else(|| "-".to_owned(), |usd| usd.to_string())
}

#[test]
fn overrides_by_prompt_size_are_tiers() {
    // OpenRouter's flagships have their long-context prices nowhere else.
    let listed = r#"{"prompt":"0.000005","completion":"0.00003","overrides":[
        {"min_prompt_tokens":272000,"prompt":"0.00001"}]}"#;
    assert_eq!(cost_of(listed, 2_000, 100), "0.013");
    // The minimum itself is not above it; the price of completions is inherited.
    assert_eq!(cost_of(listed, 272_000, 0), "1.36");
    assert_eq!(cost_of(listed, 272_001, 1), "2.72004");
    // Later entries win where several apply, each for the prices that it names.
    let twice = r#"{"prompt":"0.000001","completion":"0.000002","overrides":[
        {"min_prompt_tokens":10,"prompt":"0.000003","completion":"0.000004"},
        {"min_prompt_tokens":20,"prompt":"0.000005"},
        {"min_prompt_tokens":5,"completion":"0.000009"}]}"#;
    for (prompt, expected) in [
        (5, "0.000007"),
        (6, "0.000015"),
        (11, "0.000042"),
        (21, "0.000114"),
    ] {
        assert_eq!(cost_of(twice, prompt, 1), expected, "{prompt}");
    }
}

#[test]
fn overrides_that_are_not_understood_leave_no_price() {
    // A condition that is ignored would be a wrong price.
    for entry in [
        r#"{"region":"eu","prompt":"1e-6"}"#,
        r#"{"min_prompt_tokens":"many","prompt":"1e-6"}"#,
        r#"{"min_prompt_tokens":5,"prompt":"-1"}"#,
        r#"{"min_prompt_tokens":5,"request":"0.1"}"#,
        "7",
    ] {
        let listed = format!(r#"{{"prompt":"1e-6","completion":"2e-6","overrides":[{entry}]}}"#);
        assert_eq!(cost_of(&listed, 10, 10), "-", "{entry}");
    }
    let plain = r#"{"prompt":"1e-6","completion":"2e-6","overrides":[{"min_prompt_tokens":5,"request":"0"}]}"#;
    assert_eq!(cost_of(plain, 10, 10), "0.00003");
}

#[test]
fn prices_by_hour_are_in_bounds_alone() {
    // A list cost does not know the hour of each answer; a cap must hold at the most expensive.
    let listed = r#"{"prompt":"0.000001","completion":"0.000002","overrides":[
        {"utc_start":"00:30","utc_end":"08:30","utc_days":[1,2],"prompt":"0.000004"},
        {"min_prompt_tokens":100,"completion":"0.000003"}]}"#;
    assert_eq!(cost_of(listed, 10, 1), "0.000012");
    let raw: Box<RawValue> = serde_json::from_str(listed).unwrap();
    let hourly = read_hourly(Some(&raw)).unwrap();
    assert_eq!(hourly.len(), 1);
    assert_eq!(hourly[0].rates(0).input, Some("0.000004".parse().unwrap()));
    assert_eq!(
        hourly[0].rates(101).output,
        Some("0.000003".parse().unwrap())
    );
    let others = read_pricing(Some(&raw)).1;
    assert_eq!(
        others
            .iter()
            .map(|price| price.name.as_str())
            .collect::<Vec<_>>(),
        ["overrides"]
    );
}

#[test]
fn a_discount_is_taken_off_every_price() {
    // The list states the price before it.
    let listed = r#"{"prompt":"0.000004","completion":"0.00001","input_cache_read":"0.000001","discount":0.25}"#;
    assert_eq!(cost_of(listed, 1, 1), "0.0000105");
    assert_eq!(
        prices(listed).unwrap().rates(0).cache_read,
        Some("0.00000075".parse().unwrap())
    );
    assert_eq!(
        cost_of(
            r#"{"prompt":"0.000004","completion":"0.00001","discount":"0"}"#,
            1,
            1
        ),
        "0.000014"
    );
    assert_eq!(
        cost_of(
            r#"{"prompt":"0.000004","completion":"0.00001","discount":1}"#,
            1,
            1
        ),
        "0"
    );
    for wrong in ["-0.1", "1.5", r#""half""#] {
        let listed =
            format!(r#"{{"prompt":"0.000004","completion":"0.00001","discount":{wrong}}}"#);
        assert_eq!(cost_of(&listed, 1, 1), "-", "{wrong}");
    }
}

#[test]
fn cache_writes_are_priced_by_lifetime() {
    // Twelve hours cost twice as much as minutes; a lifetime without a price has no cost.
    let listed = r#"{"prompt":"0.000001","completion":"0","input_cache_write":"0.00000125","input_cache_write_1h":"0.000002"}"#;
    let prices = prices(listed).unwrap();
    let write = |hour: u64, half_day: u64| {
        let counts = TokenCounts {
            prompt: 10,
            cache_write: 10,
            cache_write_1h: hour,
            cache_write_12h: half_day,
            ..TokenCounts::default()
        };
        cost(&prices, &counts).map(|usd| usd.to_string())
    };
    assert_eq!(write(0, 0).as_deref(), Some("0.0000125"));
    assert_eq!(write(4, 0).as_deref(), Some("0.0000155"));
    assert_eq!(write(0, 4), None);
    // More of a lifetime than was written.
    assert_eq!(write(11, 0), None);
}

#[test]
fn service_tiers_have_prices_of_their_own() {
    // Vercel's list: flex costs half; a tier with a price that is not understood must not pass for one without it.
    let listed = r#"{"input":"0.000002","output":"0.000008","service_tiers":{
        "Flex":{"input":"0.000001","output":"0.000004","input_cache_read":"0.0000001",
          "long_context":{"threshold":272000,"input":"0.000002","output":"0.000006"}},
        "priority":{"input":"0.000004","output":"0.000016","request":"0.01"},
        "scale":{"input":"0.000004","output":"0.000016","long_context":{"input":"0.00001"}},
        "batch":"half"}}"#;
    let raw: Box<RawValue> = serde_json::from_str(listed).unwrap();
    let tiers = read_service_tiers(Some(&raw));
    let flex = tiers.get("FLEX").unwrap();
    let of = |prompt: u64| {
        let counts = TokenCounts {
            prompt,
            completion: 10,
            cached: 10,
            ..TokenCounts::default()
        };
        cost(flex, &counts).unwrap().to_string()
    };
    // Exactly the threshold is not above it; the cache's price is inherited.
    assert_eq!(of(272_000), "0.272031");
    assert_eq!(of(272_001), "0.544043");
    for unread in ["priority", "scale", "batch", "standard"] {
        assert!(tiers.get(unread).is_none(), "{unread}");
    }
    // None of them is the price of a request that names no tier.
    assert_eq!(cost_of(listed, 1, 1), "0.00001");
}

#[test]
fn peak_hours_are_in_bounds_alone() {
    // Vercel lists DeepSeek's models at their price outside of peak hours, and the factor of these.
    let hourly = |peak: &str| {
        let listed =
            format!(r#"{{"input":"0.00000015","output":"0.0000006","peak_pricing":{peak}}}"#);
        let raw: Box<RawValue> = serde_json::from_str(&listed).unwrap();
        assert_eq!(cost_of(&listed, 1, 1), "0.00000075");
        read_hourly(Some(&raw))
    };
    let peak = hourly(r#"{"multiplier":2,"windows":[{"start":60}]}"#).unwrap();
    assert_eq!(peak.len(), 1);
    assert_eq!(peak[0].rates(0).output, Some("0.0000012".parse().unwrap()));
    assert_eq!(
        hourly(r#"{"multiplier":"1.5"}"#).unwrap()[0].rates(0).input,
        Some(Usd(225_000))
    );
    for unread in [r#"{"multiplier":0.5}"#, r#"{"factor":2}"#, r#""twice""#] {
        assert_eq!(hourly(unread), None, "{unread}");
    }
    assert_eq!(hourly("null"), Some(Vec::new()));
}

#[test]
fn long_prompts_have_their_own_price_of_a_long_lifetime() {
    // gpt-6-luna: twelve hours cost 2.5 times the input price, above 272,000 tokens as below.
    let listed = r#"{"input":"1e-7","output":"5e-7","input_cache_write_12h":"2.5e-7",
        "input_cache_write_12h_tiers":[{"cost":"2.5e-7","min":0,"max":272001},{"cost":"5e-7","min":272001}]}"#;
    let prices = prices(listed).unwrap();
    assert_eq!(prices.rates(272_000).cache_write_12h, Some(Usd(250_000)));
    assert_eq!(prices.rates(272_001).cache_write_12h, Some(Usd(500_000)));
}

proptest! {
    // A model's price at any size is that of the last override that applies.
    #[test]
    fn the_last_override_that_applies_wins(
        entries in prop::collection::vec((0_u64..50, 1_u32..1_000), 0..6),
        prompt in 1_u64..60,
    ) {
        let written: Vec<String> = entries.iter()
            .map(|(min, price)| format!(r#"{{"min_prompt_tokens":{min},"prompt":"{price}e-9"}}"#))
            .collect();
        let listed = format!(r#"{{"prompt":"7e-9","completion":"1e-9","overrides":[{}]}}"#, written.join(","));
        let last = entries.iter().rev().find(|(min, _)| prompt > *min).map_or(7, |(_, price)| *price);
        let expected = Usd(i128::from(last) * 1_000 * i128::from(prompt));
        prop_assert_eq!(cost_of(&listed, prompt, 0), expected.to_string());
    }
}
