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
        redactor: Redactor::default(),
    };
    read(&recording, &"maker/model".parse().unwrap(), false).into_inner()
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
        bound: None,
    };
    let prompt = PromptSize {
        chars: 40,
        images: 0,
        has_service_tier: false,
    };
    let cost = AttemptCost::new(&reading(content, finish, usage), prompt, variant_prices);
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
