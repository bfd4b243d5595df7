use proptest::prelude::*;

use super::*;
use crate::gateway::route::parse;

/// Prompt, completion, reasoning, cached, written of a chat chunk with this `usage`.
fn chat(usage: &str) -> [Option<u64>; 5] {
    counts(&format!(r#"{{"choices":[],"usage":{usage}}}"#))
}

fn counts(chunk: &str) -> [Option<u64>; 5] {
    let usage = parse(chunk.as_bytes()).unwrap().usage;
    [
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.reasoning_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
    ]
}

fn billed(usage: &str) -> Option<String> {
    let json = format!(r#"{{"choices":[],"usage":{usage}}}"#);
    let bill = parse(json.as_bytes()).unwrap().bill;
    bill.billed().map(|usd| usd.to_string())
}

#[test]
fn each_vendors_cache_counts_are_found() {
    // A cache hit that is not read makes a model look a third more expensive than it is.
    for (vendor, usage, cached, written) in [
        ("Moonshot", r#"{"cached_tokens":7}"#, Some(7), None),
        ("Mistral", r#"{"num_cached_tokens":7}"#, Some(7), None),
        (
            "Databricks",
            r#"{"cache_read_input_tokens":7,"cache_creation_input_tokens":3}"#,
            Some(7),
            Some(3),
        ),
        (
            "Alibaba",
            r#"{"prompt_tokens_details":{"cached_tokens":7,"cache_creation_input_tokens":3}}"#,
            Some(7),
            Some(3),
        ),
        (
            "DeepSeek",
            r#"{"prompt_cache_hit_tokens":7,"prompt_cache_miss_tokens":1}"#,
            Some(7),
            None,
        ),
        (
            "OpenAI",
            r#"{"prompt_tokens_details":{"cached_tokens":7,"cache_write_tokens":3}}"#,
            Some(7),
            Some(3),
        ),
        // In two places one of them is a placeholder.
        (
            "both",
            r#"{"cached_tokens":7,"prompt_tokens_details":{"cached_tokens":0}}"#,
            Some(7),
            None,
        ),
    ] {
        let read = chat(usage);
        assert_eq!((read[3], read[4]), (cached, written), "{vendor}");
    }
    assert_eq!(chat(r#"{"reasoning_tokens":9}"#)[2], Some(9), "SGLang");
}

#[test]
fn usage_inside_a_choice_is_usage() {
    // Moonshot's streams have it nowhere else; others put it into the delta.
    let block = r#"{"prompt_tokens":19,"completion_tokens":13}"#;
    for chunk in [
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop","usage":{block}}}]}}"#
        ),
        format!(r#"{{"choices":[{{"index":0,"delta":{{"usage":{block}}}}}]}}"#),
        format!(r#"{{"choices":[{{"index":0,"message":{{"content":"x"}},"usage":{block}}}]}}"#),
        format!(r#"{{"choices":[{{"index":0,"usage":null,"delta":{{}}}}],"usage":{block}}}"#),
    ] {
        assert_eq!(counts(&chunk)[..2], [Some(19), Some(13)], "{chunk}");
    }
}

#[test]
fn bills_are_read_in_every_unit() {
    // 10^10 ticks are a dollar; an object has its total.
    for (usage, expected) in [
        (r#"{"cost_in_usd_ticks":70000}"#, Some("0.000007")),
        (r#"{"cost_in_usd_ticks":1}"#, Some("0.0000000001")),
        (
            r#"{"cost":{"input_tokens_cost":0.1,"request_cost":0.2,"total_cost":0.006}}"#,
            Some("0.006"),
        ),
        (r#"{"cost":{"input_tokens_cost":0.1}}"#, None),
        (r#"{"cost_in_usd_ticks":-5}"#, None),
        (r#"{"cost_in_usd_ticks":"70000"}"#, Some("0.000007")),
    ] {
        assert_eq!(billed(usage).as_deref(), expected, "{usage}");
    }
    let responses = r#"{"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":1,"cost_in_usd_ticks":70000}}}"#;
    let bill = parse(responses.as_bytes()).unwrap().bill;
    assert_eq!(bill.billed(), Some("0.000007".parse().unwrap()));
}

#[test]
fn cache_writes_are_read_by_lifetime() {
    // Twelve hours cost twice as much as half an hour.
    let usage = |json: &str| parse(json.as_bytes()).unwrap().usage;
    let openai = usage(
        r#"{"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":90,"input_tokens_details":{
            "cache_write_tokens":50,"cache_write_tokens_details":{"ttl_30m_tokens":10,"ttl_12h_tokens":40}}}}}"#,
    );
    assert_eq!(
        (openai.cache_write_tokens, openai.cache_write_12h_tokens),
        (Some(50), Some(40))
    );
    let anthropic = usage(
        r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":6}}}"#,
    );
    assert_eq!(
        (
            anthropic.cache_write_tokens,
            anthropic.cache_write_1h_tokens
        ),
        (Some(10), Some(6))
    );
}

#[test]
fn what_is_not_understood_is_named() {
    // A new place of tokens is a new kind of cost: silence would make it free.
    let unread = |usage: &str| {
        let json = format!(r#"{{"choices":[],"usage":{usage}}}"#);
        parse(json.as_bytes()).unwrap().unread_usage
    };
    assert_eq!(
        unread(r#"{"prompt_tokens":1,"dream_tokens":4,"details":{"night":{"tokens":2}}}"#),
        ["details.night.tokens", "dream_tokens"]
    );
    // Nothing was counted, or it is no number.
    assert_eq!(
        unread(r#"{"dream_tokens":0,"dreams":null,"mood":"good","dreamt":true}"#),
        Vec::<String>::new()
    );
    // The other routes' names are the only counts here.
    assert_eq!(
        unread(r#"{"input_tokens":5,"output_tokens":6}"#),
        ["input_tokens", "output_tokens"]
    );
    assert_eq!(
        unread(r#"{"input_tokens":5,"prompt_tokens":5,"output_tokens":6,"completion_tokens":6}"#),
        Vec::<String>::new()
    );
}

#[test]
fn a_fallback_of_the_server_names_its_model() {
    // Anthropic's own fallback answers with another model at another price.
    let json = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3,"iterations":[
        {"type":"message","model":"claude-opus-5"},{"type":"fallback_message","model":"claude-sonnet-5","output_tokens":3}]}}"#;
    let chunk = parse(json.as_bytes()).unwrap();
    assert_eq!(chunk.fallback_model.as_deref(), Some("claude-sonnet-5"));
    let plain = json.replace("fallback_message", "advisor_message");
    assert_eq!(parse(plain.as_bytes()).unwrap().fallback_model, None);
}

#[test]
fn no_path_stands_twice_in_the_table() {
    // The first would win in silence.
    let paths: std::collections::BTreeSet<&str> =
        USAGE_PLACES.iter().map(|place| place.path).collect();
    assert_eq!(paths.len(), USAGE_PLACES.len());
}

proptest! {
    // A placeholder never takes a count away, and a count is always news.
    #[test]
    fn a_later_zero_is_no_news(counts in prop::collection::vec(prop::option::of(0_u64..5), 0..8)) {
        let folded = counts.iter().fold(None, |older, newer| newer_count(*newer, older));
        let last = counts.iter().rev().flatten().find(|count| **count > 0).copied();
        prop_assert_eq!(folded, last.or(counts.iter().flatten().next().copied()));
    }

    // Whatever a block holds, the chunk around it is read.
    #[test]
    fn any_block_can_be_read(depth in 0_usize..40, width in 0_usize..300) {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        let wide: Vec<String> = (0..width).map(|n| format!("\"k{n}\":{n}")).collect();
        let chunk = format!(r#"{{"choices":[{{"delta":{{"content":"x"}}}}],"usage":{{"deep":{deep}{}{}}}}}"#,
            if width > 0 { "," } else { "" }, wide.join(","));
        prop_assert_eq!(parse(chunk.as_bytes()).unwrap().pieces.len(), 1);
    }
}
