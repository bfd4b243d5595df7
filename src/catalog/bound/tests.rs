use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::catalog::{Tier, TokenCounts, cost};
use crate::suite::{Image, OwnPrice, Role};

const MODEL: &str = "maker/model";

fn model() -> ModelId {
    MODEL.parse().unwrap()
}

fn catalog(pricing: &serde_json::Value) -> Catalog {
    let list = json!({ "data": [{ "id": MODEL, "pricing": pricing }] }).to_string();
    Catalog::read(&list, "a list".to_owned(), "2026-01-01".to_owned()).unwrap()
}

fn surcharge(per_request: Option<&str>, per_image: Option<&str>) -> Surcharge {
    let usd = |text: &str| text.parse().unwrap();
    Surcharge {
        model: "maker/*".to_owned(),
        per_request: per_request.map(usd),
        per_image: per_image.map(usd),
    }
}

fn limited(max_tokens: u64) -> Parameters {
    Parameters {
        max_tokens: Some(max_tokens),
        ..Parameters::default()
    }
}

/// The bound of a request of `bytes` bytes without messages: 16 tokens more than it has bytes.
fn bound_of(
    bound: &PriceBound,
    bytes: usize,
    parameters: &Parameters,
) -> Result<String, UnboundedCost> {
    let request = Request {
        body: &vec![b' '; bytes],
        messages: &[],
        parameters,
    };
    bound.max_attempt_cost(&request).map(|usd| usd.to_string())
}

#[test]
fn the_most_expensive_route_is_the_bound() {
    // A gateway may route a request to any provider and region, and a prompt of unknown length may reach
    // a more expensive tier.
    let plain = json!({ "input": "0.000001", "output": "0.000002" });
    let parameters = limited(100);
    let bound_for = |pricing: &serde_json::Value, offers: Option<&Offers>, bytes| {
        let bound = PriceBound::new(&model(), &catalog(pricing), offers, &[]).unwrap();
        bound_of(&bound, bytes, &parameters).unwrap()
    };
    assert_eq!(bound_for(&plain, None, 84), "0.0003");
    let regional = json!({ "input": "0.000001", "output": "0.000002",
        "regional": { "eu": { "input": "0.000003", "output": "0.000002" } } });
    assert_eq!(bound_for(&regional, None, 84), "0.0005");
    let tiered = json!({ "output": "0.000002", "input_tiers":
        [{ "cost": "0.000001", "min": 0, "max": 101 }, { "cost": "0.000009", "min": 101 }] });
    assert_eq!(bound_for(&tiered, None, 84), "0.0003");
    assert_eq!(bound_for(&tiered, None, 85), "0.001109");
    let written =
        json!({ "input": "0.000001", "output": "0.000002", "input_cache_write": "0.000004" });
    assert_eq!(bound_for(&written, None, 84), "0.0006");
    let answer = json!({ "data": { "endpoints": [
        { "provider_name": "cheap", "pricing": { "prompt": "0", "completion": "0" } },
        { "provider_name": "dear", "pricing": { "prompt": "0", "completion": "0.00001" } } ] } });
    let offers = Offers::read(&answer.to_string()).unwrap();
    assert_eq!(bound_for(&plain, Some(&offers), 84), "0.001");
}

#[test]
fn a_missing_declaration_is_named_with_its_line() {
    // A bound that leaves something out is worse than none.
    let bound_for =
        |pricing: &serde_json::Value, surcharges: &[Surcharge], parameters: &Parameters| {
            PriceBound::new(&model(), &catalog(pricing), None, surcharges)
                .and_then(|bound| bound_of(&bound, 84, parameters))
        };
    let message = |result: Result<String, UnboundedCost>| {
        let unbounded = result.unwrap_err();
        format!("{unbounded}; {}", unbounded.remedy("own"))
    };
    let plain = json!({ "input": "0.000001", "output": "0.000002" });
    let searching = json!({ "input": "0.000001", "output": "0.000002", "web_search": "0.01" });
    let limit = limited(100);
    let costly = Parameters {
        extra: serde_json::Map::from_iter([("n".to_owned(), json!(4))]),
        ..limit.clone()
    };
    let free = json!({ "input": "0.000001" });
    insta::assert_snapshot!(
        [
            message(bound_for(&free, &[], &limit)),
            message(bound_for(&plain, &[], &Parameters::default())),
            message(bound_for(&searching, &[], &limit)),
            message(bound_for(&plain, &[], &costly)),
        ]
        .join("\n"),
        @r#"
    `maker/model` has no price; add its price to bakeoff.toml: [[endpoints.own.prices]] with model = "maker/model", input_usd_per_mtok = 1 and output_usd_per_mtok = 2
    `maker/model` has no max_tokens; add max_tokens = 1000 to [parameters] of the suite
    `maker/model` has prices that do not depend on tokens: web_search; declare its maximum: [[endpoints.own.surcharges]] with model = "maker/model" and usd_per_request = 0.01 in bakeoff.toml
    `maker/model` has `extra.n`, which can cost more than its tokens; declare its maximum: [[endpoints.own.surcharges]] with model = "maker/model" and usd_per_request = 0.01 in bakeoff.toml
    "#
    );
    // With a declaration it is bounded.
    let declared = [surcharge(Some("0.5"), None)];
    for (pricing, parameters) in [(&searching, &limit), (&plain, &costly)] {
        assert_eq!(bound_for(pricing, &declared, parameters).unwrap(), "0.5003");
    }
    // A provider without a price may be the one that answers.
    let nothing = json!({ "data": { "endpoints": [{ "provider_name": "shy", "pricing": {} }] } });
    let offers = Offers::read(&nothing.to_string()).unwrap();
    let unbounded = PriceBound::new(&model(), &catalog(&plain), Some(&offers), &[]).unwrap_err();
    assert_eq!(unbounded.to_string(), "`maker/model` has no price from shy");
    // Own prices replace the list's completely.
    let own = OwnPrice {
        model: model(),
        input_usd: Usd(1),
        output_usd: Usd(2),
        cache_read_usd: None,
        cache_write_usd: None,
        cache_write_1h_usd: None,
        cache_write_12h_usd: None,
        service_tier: None,
    };
    let priced = catalog(&searching).with_own_prices(&[own]);
    let bound = PriceBound::new(&model(), &priced, None, &[]).unwrap();
    assert_eq!(bound_of(&bound, 84, &limit).unwrap(), "0.0000000003");
}

#[test]
fn a_request_without_output_is_bounded_by_its_bytes() {
    // An embedding model lists no price of output, and every byte may be a token.
    let bound = |pricing: &serde_json::Value, surcharges: &[Surcharge], bytes| {
        max_input_cost(&model(), &catalog(pricing), surcharges, bytes)
            .map(|usd| usd.to_string())
            .map_err(|error| error.to_string())
    };
    let plain = json!({ "input": "0.00000002" });
    assert_eq!(bound(&plain, &[], 1_000).unwrap(), "0.00002");
    let fee = [surcharge(Some("0.5"), None)];
    assert_eq!(bound(&plain, &fee, 1_000).unwrap(), "0.50002");
    assert!(bound(&plain, &[], u64::MAX).is_ok());
    assert_eq!(
        bound(&json!({}), &[], 1).unwrap_err(),
        "`maker/model` has no price"
    );
}

#[test]
fn searches_and_tiers_are_found_at_any_depth() {
    // Each provider has its own keys for them, and none of them is in the price of a token.
    let pricing = json!({ "input": "0.000001", "output": "0.000002" });
    let table = |value: serde_json::Value| value.as_object().unwrap().clone();
    let bound_for = |extra: serde_json::Value, options: serde_json::Value| {
        let parameters = Parameters {
            extra: table(extra),
            provider_options: table(options),
            ..limited(100)
        };
        let bound = PriceBound::new(&model(), &catalog(&pricing), None, &[]).unwrap();
        bound_of(&bound, 84, &parameters)
            .err()
            .map(|unbounded| match unbounded {
                UnboundedCost::CostlyKey { key, .. } => key,
                other => other.to_string(),
            })
    };
    let none = json!({});
    for (extra, options, key) in [
        (
            json!({ "web_search_options": {} }),
            none.clone(),
            "extra.web_search_options",
        ),
        (
            json!({ "search_parameters": { "mode": "on" } }),
            none.clone(),
            "extra.search_parameters",
        ),
        (
            none.clone(),
            json!({ "xai": { "searchParameters": {} } }),
            "provider_options.xai.searchParameters",
        ),
        (
            none.clone(),
            json!({ "google": { "useSearchGrounding": true } }),
            "provider_options.google.useSearchGrounding",
        ),
        (
            none.clone(),
            json!({ "openai": { "serviceTier": "priority" } }),
            "provider_options.openai.serviceTier",
        ),
        (
            none.clone(),
            json!({ "anthropic": { "x": [{ "mcp_servers": [] }] } }),
            "provider_options.anthropic.x.mcp_servers",
        ),
        (
            json!({ "service_tier": "flex" }),
            none.clone(),
            "extra.service_tier",
        ),
    ] {
        assert_eq!(bound_for(extra, options).as_deref(), Some(key));
    }
    // Keys that cost tokens alone, or are switched off, are bounded.
    for (extra, options) in [
        (
            json!({ "top_k": 4, "logit_bias": { "50256": -100 } }),
            none.clone(),
        ),
        (
            none.clone(),
            json!({ "anthropic": { "thinking": { "budgetTokens": 1000 } } }),
        ),
        (
            none.clone(),
            json!({ "google": { "useSearchGrounding": false } }),
        ),
    ] {
        assert_eq!(bound_for(extra, options), None);
    }
}

#[test]
fn prices_that_cannot_apply_do_not_refuse_a_request() {
    // Some gateways list a price of images for every model that sees, and one of the hour-long cache for
    // every one that caches: a cap that refused them all would be of no use.
    let refused = |entry: serde_json::Value, offers: Option<&Offers>| {
        let list = json!({ "data": [entry] }).to_string();
        let catalog = Catalog::read(&list, "a list".to_owned(), "2026-01-01".to_owned()).unwrap();
        PriceBound::new(&model(), &catalog, offers, &[])
            .err()
            .map(|unbounded| match unbounded {
                UnboundedCost::OtherPrices { names, .. } => names.join(" "),
                other => other.to_string(),
            })
    };
    let priced = |more: serde_json::Value| {
        let mut pricing = json!({ "prompt": "0.000001", "completion": "0.000002" });
        pricing
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "id": MODEL, "pricing": pricing })
    };
    assert_eq!(refused(priced(json!({ "image": "0.001" })), None), None);
    assert_eq!(
        refused(priced(json!({ "input_cache_write_1h": "0.000002" })), None),
        None
    );
    // But where images are what it makes, or where there is another price.
    let mut maker = priced(json!({ "image": "0.001" }));
    maker["architecture"] = json!({ "output_modalities": ["text", "image"] });
    assert_eq!(refused(maker, None).as_deref(), Some("image"));
    let mut maker = priced(json!({ "image": "0.001" }));
    maker["type"] = json!("image");
    assert_eq!(refused(maker.clone(), None).as_deref(), Some("image"));
    // No answer of it is declared to cost less than the image that it may have.
    let list = json!({ "data": [maker] }).to_string();
    let list = Catalog::read(&list, "a list".to_owned(), "2026-01-01".to_owned()).unwrap();
    let low = [surcharge(Some("0.0001"), None)];
    let bound = PriceBound::new(&model(), &list, None, &low).unwrap();
    assert_eq!(bound_of(&bound, 84, &limited(100)).unwrap(), "0.0013");
    // A price of a lifetime is bounded where it can be believed.
    let odd = priced(json!({ "input_cache_write_1h": "1", "image_output": "1" }));
    assert_eq!(
        refused(odd, None).as_deref(),
        Some("image_output input_cache_write_1h")
    );
    // A provider's prices stand on their own.
    let answer = json!({ "data": { "endpoints": [{ "provider_name": "cheap", "pricing": {
        "prompt": "0.0000005", "completion": "0", "image": "1", "input_cache_write_1h": "2" } }] } });
    let offers = Offers::read(&answer.to_string()).unwrap();
    assert_eq!(
        refused(priced(json!({})), Some(&offers)).as_deref(),
        Some("input_cache_write_1h")
    );
}

#[test]
fn images_are_paid_by_their_declared_price_alone() {
    // A picture of a megabyte is not a million tokens, but its bytes do not determine their number.
    let pricing = json!({ "input": "0.000001", "output": "0.000002" });
    let mut message = Message::text(Role::User, "what is it?");
    let base64 = "A".repeat(1_000_000);
    *message.images = vec![Image::Bytes {
        media_type: "image/png".to_owned(),
        base64: base64.clone(),
    }];
    let (body, messages) = (format!("{base64}{}", " ".repeat(68)), [message]);
    let parameters = limited(100);
    let request = Request {
        body: body.as_bytes(),
        messages: &messages,
        parameters: &parameters,
    };
    let of_list = |pricing: &serde_json::Value, surcharges: &[Surcharge]| {
        let bound = PriceBound::new(&model(), &catalog(pricing), None, surcharges).unwrap();
        bound.max_attempt_cost(&request)
    };
    let bound_for = |surcharges: &[Surcharge]| of_list(&pricing, surcharges);
    let refused = |listed| UnboundedCost::Images {
        model: model(),
        listed,
    };
    assert_eq!(bound_for(&[]), Err(refused(None)));
    let declared = bound_for(&[surcharge(None, Some("0.25"))]);
    assert_eq!(declared.unwrap().to_string(), "0.2503");
    // The list price of an image is the suggestion, and the minimum that a bound counts.
    let mut listed = pricing.clone();
    listed["image"] = json!("0.04");
    let error = of_list(&listed, &[]).unwrap_err();
    assert_eq!(error, refused(Some("0.04".parse().unwrap())));
    assert!(error.remedy("own").contains("usd_per_image = 0.04 in"));
    for (own, bound) in [("0.01", "0.0403"), ("0.25", "0.2503")] {
        let declared = of_list(&listed, &[surcharge(None, Some(own))]);
        assert_eq!(declared.unwrap().to_string(), bound);
    }
}

#[test]
fn an_unlisted_write_to_a_long_lived_cache_costs_what_any_maker_takes() {
    // Most lists have the price of writing for five minutes alone; only the mark itself counts, not a string with its text.
    let pricing = json!({ "input": "0.000001", "output": "0", "input_cache_write": "0.00000125" });
    let bound = PriceBound::new(&model(), &catalog(&pricing), None, &[]).unwrap();
    let parameters = limited(100);
    let bound_for = |content: serde_json::Value| {
        let body = content.to_string();
        let request = Request {
            body: body.as_bytes(),
            messages: &[],
            parameters: &parameters,
        };
        let tokens = body.len() as i128 + 16;
        bound.max_attempt_cost(&request).unwrap().0 / tokens
    };
    for long in ["1h", "12h"] {
        assert_eq!(
            bound_for(json!({ "cache_control": { "ttl": long } })),
            2_500_000,
            "{long}"
        );
    }
    assert_eq!(
        bound_for(json!({ "cache_control": { "ttl": "5m" } })),
        1_250_000
    );
    assert_eq!(bound_for(json!({ "content": r#""ttl":"1h""# })), 1_250_000);
}

#[test]
fn a_service_tier_with_prices_is_bounded_and_one_without_is_refused() {
    // Priority costs twice as much: a bound at standard prices would be crossed, and a route may serve flex as standard.
    let pricing = json!({ "input": "0.000001", "output": "0.000002", "service_tiers": {
        "flex": { "input": "0.0000005", "output": "0.000001" },
        "priority": { "input": "0.000002", "output": "0.000004" } } });
    let naming = |extra: serde_json::Value, options: serde_json::Value| Parameters {
        extra: serde_json::from_value(extra).unwrap(),
        provider_options: serde_json::from_value(options).unwrap(),
        ..limited(100)
    };
    let offers = |tiers: serde_json::Value| {
        let mut pricing = json!({ "prompt": "0.000001", "completion": "0.000002" });
        pricing["service_tiers"] = tiers;
        let answer =
            json!({ "data": { "endpoints": [{ "provider_name": "p", "pricing": pricing }] } });
        Offers::read(&answer.to_string()).unwrap()
    };
    let of = |offers: Option<&Offers>, parameters: &Parameters| {
        let bound = PriceBound::new(&model(), &catalog(&pricing), offers, &[]).unwrap();
        bound_of(&bound, 84, parameters).map_err(|refused| refused.to_string())
    };
    let extra = |tier: &str| naming(json!({ "service_tier": tier }), json!({}));
    assert_eq!(of(None, &limited(100)).as_deref(), Ok("0.0003"));
    assert_eq!(of(None, &extra("flex")).as_deref(), Ok("0.0003"));
    assert_eq!(of(None, &extra("priority")).as_deref(), Ok("0.0006"));
    let gateway = naming(
        json!({}),
        json!({ "gateway": { "serviceTier": "priority" } }),
    );
    assert_eq!(of(None, &gateway).as_deref(), Ok("0.0006"));
    let refused = |offers: Option<&Offers>, parameters: &Parameters| {
        let refused = of(offers, parameters).unwrap_err();
        assert!(
            refused.contains("can cost more than its tokens"),
            "{refused}"
        );
    };
    refused(None, &extra("scale"));
    // Two tiers in one request: which of them counts is the server's affair.
    let two = naming(
        json!({ "service_tier": "flex" }),
        json!({ "gateway": { "serviceTier": "priority" } }),
    );
    refused(None, &two);
    // A provider with tiers of its own, but not this one.
    refused(
        Some(&offers(
            json!({ "flex": { "prompt": "1e-6", "completion": "1e-6" } }),
        )),
        &extra("priority"),
    );
    let dear = offers(json!({ "priority": { "prompt": "0.000009", "completion": "0" } }));
    assert_eq!(of(Some(&dear), &extra("priority")).as_deref(), Ok("0.0009"));
    assert_eq!(
        of(Some(&offers(json!({}))), &extra("priority")).as_deref(),
        Ok("0.0006")
    );
    // Another model may answer, or the server may ask it once more.
    for key in ["fallbacks", "context_management"] {
        refused(
            None,
            &naming(json!({ key: [{ "model": "other" }] }), json!({})),
        );
    }
}

#[test]
fn a_route_that_ignores_token_limits_is_bounded_by_what_its_model_can_write() {
    // A limit that is not honoured bounds nothing: 100 tokens were requested, and 5,000 can come.
    let of = |more: serde_json::Value, offers: Option<&Offers>| {
        let mut entry =
            json!({ "id": MODEL, "pricing": { "input": "0.000001", "output": "0.000002" } });
        for (name, value) in more.as_object().unwrap() {
            entry[name] = value.clone();
        }
        let list = json!({ "data": [entry] }).to_string();
        let list = Catalog::read(&list, String::new(), String::new()).unwrap();
        let bound = PriceBound::new(&model(), &list, offers, &[]).unwrap();
        let of = |is_ignored| {
            bound_of(
                &bound.clone().with_ignored_limit(is_ignored),
                84,
                &limited(100),
            )
        };
        assert_eq!(of(false).as_deref(), Ok("0.0003"));
        of(true)
    };
    assert_eq!(
        of(json!({ "max_tokens": 5_000 }), None).as_deref(),
        Ok("0.0101")
    );
    assert_eq!(
        of(json!({ "max_tokens": 5 }), None).as_deref(),
        Ok("0.0003")
    );
    assert_eq!(
        of(json!({ "context_window": 9_000 }), None).as_deref(),
        Ok("0.0181")
    );
    let refused = of(json!({}), None).unwrap_err();
    assert_eq!(refused, UnboundedCost::IgnoredLimit { model: model() });
    // A provider may allow more than the list says.
    let answer = json!({ "data": { "endpoints": [{ "provider_name": "p", "max_completion_tokens": 50_000,
        "pricing": { "prompt": "0.000001", "completion": "0.000002" } }] } });
    let offers = Offers::read(&answer.to_string()).unwrap();
    assert_eq!(
        of(json!({ "max_tokens": 5_000 }), Some(&offers)).as_deref(),
        Ok("0.1001")
    );
    // A few tokens above a limit are a server's own; half as many again are none.
    assert!(!is_above_limit(100, 100) && !is_above_limit(126, 100) && is_above_limit(127, 100));
    assert!(is_above_limit(34, 16) && !is_above_limit(33, 16));
    assert!(!is_above_limit(u64::MAX, u64::MAX));
}

#[test]
fn a_listed_lifetime_is_bounded_by_its_price_and_not_by_another() {
    // The price of an hour says nothing of twelve.
    let of = |more: serde_json::Value, ttl: &str| {
        let mut pricing = json!({ "input": "0.000001", "output": "0" });
        for (name, price) in more.as_object().unwrap() {
            pricing[name] = price.clone();
        }
        let bound = PriceBound::new(&model(), &catalog(&pricing), None, &[]).unwrap();
        let body = json!({ "cache_control": { "ttl": ttl } }).to_string();
        let request = Request {
            body: body.as_bytes(),
            messages: &[],
            parameters: &limited(100),
        };
        bound.max_attempt_cost(&request).unwrap().0 / (body.len() as i128 + 16)
    };
    let tier = |cost: &str| json!([{ "cost": cost, "min": 0 }]);
    let hour = || json!({ "input_cache_write_1h": "0.000002" });
    // What the maker writes on demand alone is in no other bound.
    let on_demand = || json!({ "input_cache_write_1h_tiers": tier("0.000002") });
    assert_eq!(
        (of(on_demand(), "1h"), of(on_demand(), "5m")),
        (2_000_000, 1_000_000)
    );
    assert_eq!(of(on_demand(), "12h"), 2_500_000);
    assert_eq!(of(hour(), "1h"), 2_000_000);
    assert_eq!(of(hour(), "12h"), 2_500_000);
    assert_eq!(
        of(json!({ "input_cache_write_12h": "0.000003" }), "12h"),
        3_000_000
    );
    assert_eq!(of(json!({}), "30m"), 1_000_000);
}

#[test]
fn the_highest_listed_write_price_is_the_bound_of_a_prompt_token() {
    // A gateway may choose the lifetime itself, and a maker's factor is no constant: 12 hours cost 2.5 inputs, or more.
    let of = |more: &[(&str, &str)], offers: Option<&Offers>| {
        let mut pricing = json!({ "input": "0.000001", "output": "0" });
        for (name, price) in more {
            pricing[*name] = json!(price);
        }
        let bound = PriceBound::new(&model(), &catalog(&pricing), offers, &[]).unwrap();
        bound_of(&bound, 84, &limited(100)).unwrap()
    };
    assert_eq!(of(&[], None), "0.0001");
    assert_eq!(of(&[("input_cache_write", "0.00000125")], None), "0.000125");
    let by_lifetime = [
        ("input_cache_write", "0.00000125"),
        ("input_cache_write_1h", "0.000002"),
        ("input_cache_write_12h", "0.000007"),
    ];
    assert_eq!(of(&by_lifetime, None), "0.0007");
    let answer = json!({ "data": { "endpoints": [{ "provider_name": "p", "pricing":
        { "prompt": "0.000001", "completion": "0", "input_cache_write_1h": "0.000009" } }] } });
    let offers = Offers::read(&answer.to_string()).unwrap();
    assert_eq!(of(&by_lifetime, Some(&offers)), "0.0009");
}

#[test]
fn an_answer_without_a_bill_costs_what_the_most_expensive_provider_takes() {
    // The answer does not name its provider: settled at the list, a cap would be crossed by every provider that takes more.
    let pricing = json!({ "input": "0.000001", "output": "0.000002" });
    let answer = json!({ "data": { "endpoints": [
        { "provider_name": "same", "pricing": { "prompt": "0.000001", "completion": "0.000002" } },
        { "provider_name": "twice", "pricing": { "prompt": "0.000002", "completion": "0.000004" } } ] } });
    let offers = Offers::read(&answer.to_string()).unwrap();
    let counts = TokenCounts {
        prompt: 10,
        completion: 5,
        ..TokenCounts::default()
    };
    let of = |offers: Option<&Offers>, surcharges: &[Surcharge], images| {
        let bound = PriceBound::new(&model(), &catalog(&pricing), offers, surcharges).unwrap();
        bound.of_counts(&counts, images).map(|usd| usd.to_string())
    };
    assert_eq!(of(None, &[], 0).as_deref(), Some("0.00002"));
    assert_eq!(of(Some(&offers), &[], 0).as_deref(), Some("0.00004"));
    let declared = [surcharge(Some("0.5"), Some("0.25"))];
    assert_eq!(of(None, &declared, 2).as_deref(), Some("1.00002"));
    assert_eq!(of(None, &[], 1), None);
}

fn rates() -> impl Strategy<Value = Rates> {
    let price = || (0_i128..1_000_000).prop_map(Usd);
    let optional = || prop::option::of(price());
    (price(), price(), optional(), optional()).prop_map(|(input, output, read, write)| Rates {
        input: Some(input),
        output: Some(output),
        cache_read: read,
        cache_write: write,
        ..Rates::default()
    })
}

proptest! {
    // The invariant that a cap stands on: whatever tier, cache and length a request turns out to have,
    // its cost is not above its bound.
    #[test]
    fn no_cost_is_above_its_bound(
        tiers in prop::collection::btree_map(0_u64..3_000, rates(), 0..4),
        first in rates(),
        bytes in 0_usize..2_000,
        max_tokens in 1_u64..1_000,
        long_write in prop::option::of(0_i128..1_000_000),
        shares in [0.0..=1.0_f64, 0.0..=1.0, 0.0..=1.0, 0.0..=1.0],
    ) {
        let first = Tier { from_prompt_tokens: 0, rates: first };
        let above = tiers.into_iter().filter(|(from, _)| *from > 0);
        let above = above.map(|(from_prompt_tokens, rates)| Tier { from_prompt_tokens, rates });
        let prices = TokenPrices::tiered(std::iter::once(first).chain(above).collect()).unwrap();
        let bound = PriceBound {
            model: model(),
            lists: vec![prices.clone()],
            per_request: None,
            per_image: None,
            long_write: long_write.map(Usd),
            service_tiers: Vec::new(),
            max_answer: None,
            has_ignored_limit: false,
            listed_image: None,
        };
        let body = vec![b' '; bytes];
        let parameters = limited(max_tokens);
        let request = Request { body: &body, messages: &[], parameters: &parameters };
        let at_most = bound.max_attempt_cost(&request).unwrap();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let share = |bound_for: u64, share: f64| (bound_for as f64 * share) as u64;
        let prompt = share(max_text_tokens(bytes as u64, &[], 0), shares[0]);
        let cached = share(prompt, shares[1]);
        let counts = TokenCounts {
            prompt,
            cached,
            cache_write: share(prompt - cached, shares[2]),
            completion: share(max_tokens, shares[3]),
            ..TokenCounts::default()
        };
        let without_bill = bound.of_counts(&counts, 0).unwrap();
        prop_assert!(cost(&prices, &counts).unwrap() <= without_bill);
        prop_assert!(without_bill <= at_most);
    }
}

#[test]
fn a_remedy_is_a_table_that_parses() {
    // A URL or a dotted name as a bare key is another key, or no TOML at all.
    let unpriced = UnboundedCost::NoPrice {
        model: "maker/model".parse().unwrap(),
        provider: None,
    };
    for (endpoint, key) in [
        ("own", "own"),
        ("eu.own", "eu.own"),
        ("http://127.0.0.1:8080/v1", "own"),
    ] {
        let remedy = unpriced.remedy(endpoint);
        let begin = remedy.find("[[").unwrap();
        let end = remedy.find("]]").unwrap() + 2;
        let table: toml::Table = toml::from_str(&remedy[begin..end]).unwrap();
        assert!(table["endpoints"][key]["prices"].is_array(), "{remedy}");
    }
    assert!(
        unpriced
            .remedy("http://a/v1")
            .contains("[endpoints.own] with base_url = \"http://a/v1\"")
    );
}
