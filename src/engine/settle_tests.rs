use super::*;
use crate::catalog::Rates;
use crate::gateway::{Body, ExchangeEnd, Recording, Response, read};
use crate::suite::Redactor;
use crate::units::Nanos;

/// A reading of an answer that is not streamed, with this content, finish reason and usage.
fn reading(content: &str, finish: &str, usage: &str) -> Reading {
    let body_text = format!(
        r#"{{"choices":[{{"message":{{"content":"{content}"}},"finish_reason":"{finish}"}}],"usage":{usage}}}"#
    );
    reading_of(&body_text, "maker/model")
}

/// A reading of this whole answer of a model.
fn reading_of(body_text: &str, model: &str) -> Reading {
    let mut body = Body::default();
    body.push(Nanos(5), true, body_text.as_bytes()).unwrap();
    let recording = Recording {
        sent: Nanos(1),
        connect: None,
        response: Some(Response {
            status: 200,
            headers: Vec::new(),
            at: Nanos(4),
            body,
        }),
        end: Nanos(9),
        ending: ExchangeEnd::Complete,
        is_user_stamped: false,
        redactor: Redactor::default(),
    };
    read(&recording, &model.parse().unwrap(), false).into_inner()
}

/// A dollar per million prompt tokens, ten for completion tokens.
fn prices() -> TokenPrices {
    TokenPrices::flat(Rates {
        input: Some("0.000001".parse().unwrap()),
        output: Some("0.00001".parse().unwrap()),
        ..Rates::default()
    })
}

/// The list cost and the settled amount; `-` is unknown.
fn costs(content: &str, finish: &str, usage: &str) -> (String, String) {
    let prices = prices();
    let variant_prices = VariantPrices {
        list: Some(&prices),
        ..VariantPrices::default()
    };
    let prompt = PromptSize {
        chars: 40,
        images: 0,
        service_tier: None,
        max_tokens: None,
    };
    let cost = AttemptCost::new(&reading(content, finish, usage), &prompt, variant_prices);
    let list = cost
        .list
        .map_or_else(|| "-".to_owned(), |usd| usd.to_string());
    let settled = match cost.bill {
        ActualCost::Known(usd) => usd.to_string(),
        ActualCost::Unknown => "-".to_owned(),
    };
    (list, settled)
}

#[test]
fn an_attempt_is_settled_at_the_largest_amount_that_can_be_true() {
    // An amount that is too low breaks the cap; a sample is compared by the certain amount.
    let additive = r#"{"prompt_tokens":10,"completion_tokens":10,"completion_tokens_details":{"reasoning_tokens":90}"#;
    for (usage, list, settled) in [
        // Counts alone; a larger bill, as with surcharges; a smaller one, as with discounts.
        (r#"{"prompt_tokens":10,"completion_tokens":10}"#.to_owned(), "0.00011", "0.00011"),
        (r#"{"prompt_tokens":10,"completion_tokens":10,"cost":0.5}"#.to_owned(), "0.00011", "0.5"),
        (r#"{"prompt_tokens":10,"completion_tokens":10,"cost":0.00001}"#.to_owned(), "0.00011", "0.00011"),
        // The user's own key: nothing is billed, the provider takes the list price.
        (r#"{"prompt_tokens":10,"completion_tokens":10,"cost":0,"market_cost":0.2}"#.to_owned(), "0.00011", "0.2"),
        // Two readings: no list cost, the larger one is settled, or the bill where it is larger.
        (format!("{additive}}}"), "-", "0.00101"),
        (format!(r#"{additive},"cost":0.00001}}"#), "-", "0.00101"),
        (format!(r#"{additive},"cost":0.3}}"#), "-", "0.3"),
        // The total decides.
        (format!(r#"{additive},"total_tokens":110}}"#), "0.00101", "0.00101"),
        // No reading: nothing, whatever the bill: a proxy computes it from the same counts.
        (r#"{"prompt_tokens":0,"completion_tokens":0}"#.to_owned(), "-", "-"),
        (r#"{"prompt_tokens":0,"completion_tokens":0,"cost":0}"#.to_owned(), "-", "-"),
        (r#"{"prompt_tokens":900,"completion_tokens":0,"cost":0.0009}"#.to_owned(), "-", "-"),
        (
            r#"{"prompt_tokens":10,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":11},"cost":0.1}"#.to_owned(),
            "-",
            "-",
        ),
        // No counts: a bill is accepted, but not one of 0, nor one below the fewest tokens.
        ("null".to_owned(), "-", "-"),
        (r#"{"cost":0.1}"#.to_owned(), "-", "0.1"),
        (r#"{"cost":0}"#.to_owned(), "-", "-"),
        (r#"{"cost":0.000001}"#.to_owned(), "-", "-"),
    ] {
        let expected = (list.to_owned(), settled.to_owned());
        assert_eq!(costs("Hello there.", "stop", &usage), expected, "{usage}");
    }
}

#[test]
fn zero_completion_tokens_are_right_for_nothing_alone() {
    // An answer that is empty can cost its prompt alone, but one whose limit was used up by hidden tokens cannot.
    let none = r#"{"prompt_tokens":10,"completion_tokens":0}"#;
    assert_eq!(costs("", "stop", none).1, "0.00001");
    assert_eq!(costs("", "length", none).1, "-");
    assert_eq!(costs("x", "stop", none).1, "-");
}

#[test]
fn long_answers_need_more_than_a_token() {
    // A server that reports "1 token" for every answer would let a cap be exceeded a thousandfold.
    let text = "x".repeat(100_000);
    let one = r#"{"prompt_tokens":10,"completion_tokens":1}"#;
    assert_eq!(costs(&text, "stop", one), ("-".to_owned(), "-".to_owned()));
    assert_eq!(costs("x", "stop", one).1, "0.00002");
}

/// The list cost and the completion tokens of a streamed chunk at Vercel's prices of gemini-2.5-flash; `-` is unknown.
fn at_vercel(usage: &str, has_service_tier: bool, tier: &str) -> (String, Option<u64>, Vec<Flag>) {
    let prices = TokenPrices::flat(Rates {
        input: Some("0.0000003".parse().unwrap()),
        output: Some("0.0000025".parse().unwrap()),
        ..Rates::default()
    });
    let body_text = format!(
        r#"{{"choices":[{{"message":{{"content":"Moin!"}},"finish_reason":"stop"}}],"service_tier":{tier},"usage":{usage}}}"#
    );
    let reading = reading_of(&body_text, "google/gemini-2.5-flash");
    let list = VariantPrices {
        list: Some(&prices),
        ..VariantPrices::default()
    };
    let prompt = PromptSize {
        chars: 40,
        images: 0,
        service_tier: has_service_tier.then(|| "flex".to_owned()),
        max_tokens: None,
    };
    let cost = AttemptCost::new(&reading, &prompt, list);
    let usd = cost
        .list
        .map_or_else(|| "-".to_owned(), |usd| usd.to_string());
    let completion = cost.usage.known().and_then(|usage| usage.completion_tokens);
    (usd, completion, cost.flags)
}

#[test]
fn the_gateways_own_bill_decides_where_reasoning_is() {
    // Recorded: the bill is of completion and reasoning, which neither the completion nor the total has.
    let usage = |completion: u32, total: u32, reasoning: u32, cost: &str| {
        format!(
            r#"{{"prompt_tokens":50,"completion_tokens":{completion},"total_tokens":{total},"cost":{cost},"market_cost":{cost},
                "completion_tokens_details":{{"reasoning_tokens":{reasoning}}}}}"#
        )
    };
    for (usage, expected, completion) in [
        (usage(5, 55, 30, "0.0001025"), "0.0001025", Some(35)),
        // Less reasoning than completion: only the bill tells the two apart.
        (usage(40, 90, 30, "0.00019"), "0.00019", Some(70)),
        (usage(40, 90, 30, "0.000115"), "0.000115", Some(40)),
        // Two tokenizers: more reasoning than completion, which the bill pays for as it stands.
        (usage(400, 450, 410, "0.001015"), "0.001015", Some(400)),
        // A bill for neither leaves the convention where the total agrees, and nothing where it does not.
        (usage(40, 90, 30, "0.5"), "0.000115", Some(40)),
        (usage(5, 55, 30, "0.5"), "-", None),
    ] {
        let got = at_vercel(&usage, false, "null");
        assert_eq!((got.0.as_str(), got.1), (expected, completion), "{usage}");
    }
}

#[test]
fn another_service_tier_is_never_priced_as_the_standard_one() {
    // Flex costs half and priority twice as much: the tier that served is paid, else the requested one.
    let usage = r#"{"prompt_tokens":100,"completion_tokens":40}"#;
    for (requested, tier, cost) in [
        (false, "null", "0.00013"),
        (false, "\"default\"", "0.00013"),
        (true, "\"default\"", "0.00013"),
        (true, "\"flex\"", "-"),
        (false, "\"priority\"", "-"),
        (true, "null", "-"),
    ] {
        let got = at_vercel(usage, requested, tier);
        assert_eq!(got.0, cost, "{requested} {tier}");
        assert_eq!(
            got.2.contains(&Flag::UnpricedTier),
            cost == "-",
            "{requested} {tier}"
        );
    }
    let parameters = |text: &str| Parameters {
        extra: serde_json::from_str(text).unwrap(),
        ..Parameters::default()
    };
    let has_tier = |text: &str| {
        PromptSize::new(&[], &parameters(text))
            .service_tier
            .is_some()
    };
    assert!(
        has_tier(r#"{"service_tier":"flex"}"#)
            && !has_tier(r#"{"service_tier":"auto"}"#)
            && !has_tier("{}")
    );
    let options = Parameters {
        provider_options: serde_json::from_str(r#"{"gateway":{"serviceTier":"priority"}}"#)
            .unwrap(),
        ..Parameters::default()
    };
    assert!(PromptSize::new(&[], &options).service_tier.is_some());
}

/// A list of a model with tiers, a fallback and one without a price.
fn catalog() -> Catalog {
    let list = r#"{"data":[
        {"id":"maker/model-5","pricing":{"input":"0.000001","output":"0.00001","input_cache_read":"0.0000001",
          "service_tiers":{"flex":{"input":"0.0000005","output":"0.000005"}}}},
        {"id":"maker/other-4.8","pricing":{"input":"0.000002","output":"0.00002"}},
        {"id":"maker/unpriced-1"}]}"#;
    Catalog::read(list, String::new(), String::new()).unwrap()
}

/// The list cost of a whole answer of `maker/model-5`, with the settled amount; `-` is unknown.
fn by_catalog(body: &str, tier: Option<&str>) -> (String, String, Vec<Flag>) {
    let catalog = catalog();
    let listed = catalog.get(&"maker/model-5".parse().unwrap()).unwrap();
    let prices = VariantPrices {
        list: listed.prices.as_ref(),
        service_tiers: Some(&listed.service_tiers),
        catalog: Some(&catalog),
        bound: None,
    };
    let prompt = PromptSize {
        chars: 40,
        images: 0,
        service_tier: tier.map(str::to_owned),
        max_tokens: None,
    };
    let cost = AttemptCost::new(&reading_of(body, "maker/model-5"), &prompt, prices);
    let list = cost
        .list
        .map_or_else(|| "-".to_owned(), |usd| usd.to_string());
    let settled = match cost.bill {
        ActualCost::Known(usd) => usd.to_string(),
        ActualCost::Unknown => "-".to_owned(),
    };
    (list, settled, cost.flags)
}

#[test]
fn a_service_tier_with_known_prices_is_priced() {
    // Flex at half the price is no reason to leave the cost out; a tier without a price is.
    let body = |tier: &str| {
        format!(
            r#"{{"choices":[{{"message":{{"content":"Moin!"}},"finish_reason":"stop"}}],{tier}
                "usage":{{"prompt_tokens":100,"completion_tokens":40}}}}"#
        )
    };
    for (requested, served, list, is_unpriced) in [
        (None, "", "0.0005", false),
        (Some("flex"), "", "0.00025", false),
        (None, r#""service_tier":"FLEX","#, "0.00025", false),
        (
            Some("flex"),
            r#""service_tier":"default","#,
            "0.0005",
            false,
        ),
        (Some("flex"), r#""service_tier":"priority","#, "-", true),
        (Some("scale"), "", "-", true),
    ] {
        let got = by_catalog(&body(served), requested);
        assert_eq!(
            (got.0.as_str(), got.1.as_str()),
            (list, list),
            "{requested:?} {served}"
        );
        assert_eq!(
            got.2.contains(&Flag::UnpricedTier),
            is_unpriced,
            "{requested:?} {served}"
        );
    }
}

#[test]
fn parts_of_other_models_are_paid_at_their_own_price() {
    // Anthropic's iterations: a fallback wrote the answer, an advisor was called, the context was compacted.
    let body = |iterations: &str| {
        format!(
            r#"{{"type":"message","content":[{{"type":"text","text":"Moin!"}}],"stop_reason":"end_turn",
                "usage":{{"input_tokens":100,"output_tokens":40,"iterations":[{iterations}]}}}}"#
        )
    };
    let part = |kind: &str, model: &str, input: u32, output: u32| {
        let model = match model {
            "" => String::new(),
            model => format!(r#""model":"{model}","#),
        };
        format!(
            r#"{{"type":"{kind}",{model}"input_tokens":{input},"output_tokens":{output},
                "cache_read_input_tokens":0,"cache_creation_input_tokens":0}}"#
        )
    };
    let of = |parts: &[String]| by_catalog(&body(&parts.join(",")), None);
    let own = part("message", "", 100, 40);
    // Turns of the requested model alone: the block has their sum.
    assert_eq!(of(&[]).0, "0.0005");
    assert_eq!(of(&[own.clone(), own.clone()]).0, "0.0005");
    // The fallback's price is twice as high, and the declined turn is paid, too.
    let fallback = part("fallback_message", "other-4-8-20260801", 100, 40);
    assert_eq!(of(std::slice::from_ref(&fallback)).0, "0.001");
    assert_eq!(
        of(&[part("message", "model-5", 100, 1), fallback.clone()]).0,
        "0.00111"
    );
    let advisor = part("advisor_message", "maker/other-4.8", 10, 1);
    assert_eq!(of(&[own.clone(), advisor]).0, "0.00054");
    // The tokens of a compaction are in no other count.
    assert_eq!(
        of(&[part("compaction", "", 1_000, 10), own.clone()]).0,
        "0.0016"
    );
    // A model without a price, an unknown one, and a part without a model or counts: no cost, and the reservation is kept.
    for part in [
        part("fallback_message", "unpriced-1", 1, 1),
        part("fallback_message", "elsewhere-9", 1, 1),
        part("advisor_message", "", 1, 1),
        r#"{"type":"compaction","input_tokens":"many"}"#.to_owned(),
        "7".to_owned(),
    ] {
        let got = of(&[own.clone(), part.clone()]);
        assert_eq!((got.0.as_str(), got.1.as_str()), ("-", "-"), "{part}");
    }
}

#[test]
fn a_bill_that_is_no_amount_is_unknown() {
    // A bill that cannot be read may be any: with the counts beside it, a cap would be crossed unseen.
    for bill in [
        "1e30",
        "1e400",
        "\"Infinity\"",
        "\"NaN\"",
        "\"$0.03\"",
        "\"0,03\"",
        "-0.01",
        "[0.03]",
        "true",
    ] {
        let usage = format!(r#"{{"prompt_tokens":20,"completion_tokens":5,"cost":{bill}}}"#);
        let (list, settled) = costs("hello", "stop", &usage);
        assert_eq!(
            (list.as_str(), settled.as_str()),
            ("0.00007", "-"),
            "{bill}"
        );
    }
    let usage = r#"{"prompt_tokens":20,"completion_tokens":5,"cost":null}"#;
    assert_eq!(costs("hello", "stop", usage).1, "0.00007");
}

#[test]
fn output_of_any_kind_is_paid_for() {
    // Too few tokens beside output are false counts, wherever and whatever the output is.
    let text = "word ".repeat(2_000);
    let cases = [
        (
            format!(
                r#"{{"index":0,"message":{{"content":"hi"}},"finish_reason":"stop"}},{{"index":1,"message":{{"content":"{text}"}},"finish_reason":"stop"}}"#
            ),
            1,
            (2, 0, 10_000),
        ),
        (
            r#"{"index":0,"delta":{"thinking":"hidden?"},"finish_reason":"stop"}"#.to_owned(),
            0,
            (0, 7, 0),
        ),
        (
            r#"{"index":0,"text":"older","finish_reason":"stop"}"#.to_owned(),
            0,
            (5, 0, 0),
        ),
        (
            r#"{"index":0,"message":{"content":null,"audio":{"id":"a"}},"finish_reason":"stop"}"#.to_owned(),
            0,
            (0, 0, 1),
        ),
        (
            r#"{"index":0,"message":{"content":"","images":[{"type":"image_url"}]},"finish_reason":"stop"}"#.to_owned(),
            0,
            (0, 0, 1),
        ),
    ];
    for (choices, completion, chars) in cases {
        let body = format!(
            r#"{{"choices":[{choices}],"usage":{{"prompt_tokens":20,"completion_tokens":{completion}}}}}"#
        );
        check_false_counts(&body, chars);
    }
}

/// Checks that an answer has these characters of answer, of reasoning and of unread output, and no cost.
fn check_false_counts(body: &str, chars: (u64, u64, u64)) {
    let reading = reading_of(body, "maker/model");
    let read = (
        reading.answer_chars.unwrap(),
        reading.reasoning_chars.unwrap(),
        reading.unread_chars,
    );
    assert_eq!(read, chars, "{body}");
    let prompt = PromptSize {
        chars: 40,
        images: 0,
        service_tier: None,
        max_tokens: None,
    };
    let prices = prices();
    let cost = AttemptCost::new(
        &reading,
        &prompt,
        VariantPrices {
            list: Some(&prices),
            ..VariantPrices::default()
        },
    );
    assert!(matches!(cost.bill, ActualCost::Unknown), "{body} {cost:?}");
    assert_eq!(cost.flags, [Flag::UsageImpossible], "{body}");
}
