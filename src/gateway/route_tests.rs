use proptest::prelude::*;

use super::*;
use crate::gateway::bill::ReportedBill;
use crate::gateway::chunk::ChunkPiece;
use crate::record::Usage;
use crate::units::Usd;

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

#[test]
fn vercels_last_chunk_carries_everything_at_once() {
    // Reason, usage, amounts, route and id are in one chunk: each must be found.
    let chunk = parse(
        br#"{"id":"gen_1","object":"chat.completion.chunk","model":"google/gemini-2.5-flash",
        "choices":[{"index":0,"delta":{"provider_metadata":{"gateway":{"routing":{
            "originalModelId":"google/gemini-2.5-flash","finalProvider":"vertex",
            "modelAttemptCount":1,"modelAttempts":[{"canonicalSlug":"google/gemini-2.5-flash",
            "success":true,"providerAttempts":[
                {"provider":"google","success":false,"statusCode":429},
                {"provider":"vertex","success":true,"statusCode":200}]}],
            "totalProviderAttemptCount":2,"clientSessionId":"abc"},
            "cost":"0.00289765","marketCost":"0.0029","surchargeCost":"0.0001",
            "gatewayCost":"0.00299765","generationId":"gen_1"}}},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":4543,"completion_tokens":1054,"total_tokens":5597,
            "cost":0.00289765,"is_byok":false,"market_cost":0.00289765,
            "prompt_tokens_details":{"cached_tokens":4075},
            "completion_tokens_details":{"reasoning_tokens":7},
            "cache_creation_input_tokens":0,
            "cost_details":{"upstream_inference_cost":null}},
        "generationId":"gen_1"}"#,
    )
    .unwrap();
    assert_eq!(chunk.finish_reason.as_deref(), Some("stop"));
    assert_eq!(
        chunk.usage,
        Usage {
            prompt_tokens: Some(4543),
            completion_tokens: Some(1054),
            reasoning_tokens: Some(7),
            cached_tokens: Some(4075),
            cache_write_tokens: Some(0),
            ..Usage::default()
        }
    );
    // The usage block's own numbers have precedence; the surcharge is only in the metadata here.
    assert_eq!(chunk.bill.billed(), Some(usd("0.00299765")));
    assert_eq!(chunk.bill.list(), Some(usd("0.00289765")));
    let route = chunk.route.unwrap();
    assert_eq!(
        (route.provider.as_deref(), route.attempts),
        (Some("vertex"), Some(2))
    );
    assert!(route.fell_back && route.other_model.is_none());
    assert_eq!(chunk.generation_id.as_deref(), Some("gen_1"));
    assert!(chunk.pieces.is_empty());
}

/// The amounts of a usage block.
fn bill(usage: &str) -> ReportedBill {
    let chunk = format!(r#"{{"usage":{usage}}}"#);
    parse(chunk.as_bytes()).unwrap().bill
}

#[test]
fn money_is_read_from_its_text() {
    // Numbers with exponents, strings, own keys; a negative or non-decimal amount is none.
    assert_eq!(bill(r#"{"cost":3.2e-6}"#).billed(), Some(usd("0.0000032")));
    assert_eq!(
        bill(r#"{"cost":"0.000038","gateway_cost":0.000138}"#).billed(),
        Some(usd("0.000138"))
    );
    let own_key =
        bill(r#"{"cost":0,"is_byok":true,"cost_details":{"upstream_inference_cost":0.5}}"#);
    assert_eq!(
        (own_key.billed(), own_key.list()),
        (Some(usd("0")), Some(usd("0.5")))
    );
    let not_own =
        bill(r#"{"cost":1,"is_byok":false,"cost_details":{"upstream_inference_cost":0.5}}"#);
    assert_eq!(not_own.list(), None);
    for (wrong, is_unreadable) in [
        ("-1", true),
        ("[1]", true),
        ("true", true),
        ("\"free\"", true),
        ("null", false),
        ("{}", false),
    ] {
        let none = ReportedBill {
            is_unreadable,
            ..ReportedBill::default()
        };
        assert_eq!(bill(&format!(r#"{{"cost":{wrong}}}"#)), none, "{wrong}");
    }
}

// An amount that shrinks contradicts itself: which of the two was charged is unknown. A 0 and rounding are no news.
#[test]
fn an_amount_that_shrinks_is_no_bill() {
    for (older, newer, is_unreadable) in [
        (r#"{"cost":"0.03"}"#, r#"{"cost":"0.0001"}"#, true),
        (
            r#"{"gateway_cost":"0.03"}"#,
            r#"{"gateway_cost":"0.0001"}"#,
            true,
        ),
        (
            r#"{"market_cost":"0.03"}"#,
            r#"{"market_cost":"0.0001"}"#,
            true,
        ),
        (r#"{"cost":"0.03"}"#, r#"{"cost":0}"#, false),
        (r#"{"cost":"0.0300001"}"#, r#"{"cost":"0.03"}"#, false),
        (r#"{"cost":"0.0001"}"#, r#"{"cost":"0.03"}"#, false),
        (r#"{"gateway_cost":"0.03"}"#, r#"{"cost":"0.02"}"#, false),
        ("{}", r#"{"cost":"0.02"}"#, false),
    ] {
        let merged = bill(newer).or_older(bill(older));
        assert_eq!(merged.is_unreadable, is_unreadable, "{newer} after {older}");
    }
}

#[test]
fn cached_and_written_tokens_are_found_under_every_name() {
    // A cache hit that is not recognised makes the price of a model look wrong.
    let usage = |usage: &str| {
        parse(format!(r#"{{"usage":{usage}}}"#).as_bytes())
            .unwrap()
            .usage
    };
    assert_eq!(
        usage(r#"{"prompt_cache_hit_tokens":5}"#).cached_tokens,
        Some(5)
    );
    assert_eq!(
        usage(r#"{"prompt_tokens_details":{"cached_tokens":5}}"#).cached_tokens,
        Some(5)
    );
    assert_eq!(
        usage(r#"{"prompt_tokens_details":{"cache_write_tokens":6}}"#).cache_write_tokens,
        Some(6)
    );
    assert_eq!(
        usage(r#"{"cache_creation_input_tokens":6}"#).cache_write_tokens,
        Some(6)
    );
    assert_eq!(
        usage(r#"{"prompt_tokens":null,"completion_tokens":2.0}"#).completion_tokens,
        Some(2)
    );
}

#[test]
fn a_route_over_two_models_names_the_one_that_answered() {
    // An answer of the fallback model must not be credited to the requested model.
    let chunk = parse(
        br#"{"provider_metadata":{"gateway":{"routing":{"modelAttempts":[
            {"canonicalSlug":"a/x","success":false,"providerAttempts":[{"provider":"a","success":false}]},
            {"canonicalSlug":"b/y","success":true,"providerAttempts":[{"provider":"b","success":true}]}]}}}}"#,
    )
    .unwrap();
    let route = chunk.route.unwrap();
    assert_eq!(route.other_model.as_deref(), Some("b/y"));
    assert_eq!(
        (route.provider.as_deref(), route.attempts),
        (Some("b"), Some(2))
    );
    assert!(route.fell_back);
}

#[test]
fn attempts_that_are_only_counted_mean_a_fallback_when_there_are_several() {
    // A second attempt is only made when the first has failed.
    let fell_back = |count: u32| {
        let json = format!(
            r#"{{"provider_metadata":{{"gateway":{{"routing":{{"totalProviderAttemptCount":{count}}}}}}}}}"#
        );
        parse(json.as_bytes()).unwrap().route.unwrap().fell_back
    };
    assert!(!fell_back(1) && fell_back(2));
}

#[test]
fn json_that_only_other_parsers_accept_is_repaired() {
    // Half an emoji becomes its stand-in; duplicate keys and stray bytes lose a character at most, never the chunk.
    let texts = |json: &[u8]| -> String {
        assert!(parse(json).is_none());
        let repaired = repair_json(json).unwrap();
        let pieces = parse(&repaired).unwrap().pieces;
        pieces
            .into_iter()
            .map(|piece| match piece {
                ChunkPiece::Content(text) => text.into_owned(),
                other => format!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(
        texts(br#"{"choices":[{"delta":{"content":"a\ud83db \ud83e\udd80\\ud83d"}}]}"#),
        format!(
            "a{}b 🦀\\ud83d",
            crate::gateway::surrogates::stand_in(0xd83d)
        )
    );
    assert_eq!(
        texts(br#"{"id":"1","id":"2","choices":[{"delta":{"content":"a"}}]}"#),
        "a"
    );
    assert_eq!(
        texts(b"{\"choices\":[{\"delta\":{\"content\":\"a\xff\"}}]}"),
        "a\u{fffd}"
    );
    assert_eq!(repair_json(b"{\"choices\":["), None);
}

#[test]
fn a_whole_message_is_read_like_a_delta() {
    // Answers that are not streamed have the same fields under another name.
    let chunk = parse(br#"{"choices":[{"message":{"content":"Hi","tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a":1}}}]}}]}"#).unwrap();
    assert!(chunk.whole);
    assert_eq!(chunk.pieces[0], ChunkPiece::Content("Hi".into()));
    let ChunkPiece::ToolCall(call) = &chunk.pieces[1] else {
        panic!("no tool call")
    };
    assert_eq!((&*call.name, &*call.arguments), ("f", r#"{"a":1}"#));
}

proptest! {
    // Arbitrary bytes are a chunk or not, never a panic; so is the repaired text.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,u\\\\dc0-9]{0,60}") {
        for bytes in [bytes, text.into_bytes()] {
            parse(&bytes);
            repair_json(&bytes);
        }
    }

    // The repair leaves valid JSON unchanged.
    #[test]
    fn repair_leaves_valid_json_unchanged(text in "\\PC{0,40}") {
        let json = serde_json::json!({ "choices": [{ "delta": { "content": text } }] }).to_string();
        let repaired = repair_json(json.as_bytes()).unwrap();
        prop_assert_eq!(parse(&repaired), parse(json.as_bytes()));
    }
}
