use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::gateway::Body;

/// The instant at which the tests are run.
fn now() -> Timestamp {
    "2026-11-30T10:00:00Z".parse().unwrap()
}

fn response(headers: &[(&str, &str)]) -> Response {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Response {
        status: 429,
        headers: headers.iter().map(own).collect(),
        at: Nanos::ZERO,
        body: Body::default(),
    }
}

fn millis(wait: Option<RetryAfter>) -> Option<u64> {
    wait.map(|wait| wait.wait(now()).0 / 1_000_000)
}

#[test]
fn every_spelling_of_a_wait_is_understood() {
    // Each is what one vendor writes where another writes seconds.
    for (text, unit, expected) in [
        ("7", WaitUnit::Seconds, Some(7_000)),
        ("0.2", WaitUnit::Seconds, Some(200)),
        (" 3.0 ", WaitUnit::Seconds, Some(3_000)),
        ("3000", WaitUnit::Milliseconds, Some(3_000)),
        ("1m30s", WaitUnit::SecondsOrEpoch, Some(90_000)),
        ("2m59.56s", WaitUnit::SecondsOrEpoch, Some(179_560)),
        ("6m0s", WaitUnit::SecondsOrEpoch, Some(360_000)),
        ("120ms", WaitUnit::SecondsOrEpoch, Some(120)),
        ("1h2m3s", WaitUnit::SecondsOrEpoch, Some(3_723_000)),
        ("1d", WaitUnit::SecondsOrEpoch, Some(86_400_000)),
        ("PT20S", WaitUnit::SecondsOrEpoch, Some(20_000)),
        ("20 seconds", WaitUnit::Seconds, Some(20_000)),
        ("12", WaitUnit::SecondsOrEpoch, Some(12_000)),
        (
            "2026-11-30T10:00:05Z",
            WaitUnit::SecondsOrEpoch,
            Some(5_000),
        ),
        (
            "Mon, 30 Nov 2026 10:01:00 GMT",
            WaitUnit::Seconds,
            Some(60_000),
        ),
        ("Mon, 30 Nov 2026 09:00:00 GMT", WaitUnit::Seconds, Some(0)),
        ("", WaitUnit::Seconds, None),
        ("soon", WaitUnit::Seconds, None),
        ("-1", WaitUnit::Seconds, None),
        ("-5s", WaitUnit::Seconds, None),
        ("1e3", WaitUnit::Seconds, None),
        (".", WaitUnit::Seconds, None),
        ("1.2.3", WaitUnit::Seconds, None),
    ] {
        assert_eq!(millis(parse(text, unit)), expected, "{text}");
    }
    let seconds = now().as_second() + 30;
    for text in [seconds.to_string(), (seconds * 1_000).to_string()] {
        let wait = parse(&text, WaitUnit::SecondsOrEpoch);
        assert_eq!(millis(wait), Some(30_000), "{text}");
    }
    let endless = parse("18446744073709551615", WaitUnit::Seconds);
    assert_eq!(endless, Some(RetryAfter::Span(Nanos(u64::MAX))));
}

#[test]
fn every_header_of_the_table_is_read_also_behind_a_proxy() {
    // LiteLLM repeats its upstream's headers under a prefix: the wait is as true there.
    for header in DEMANDS {
        let value = if header.unit == WaitUnit::Milliseconds {
            "4000"
        } else {
            "4"
        };
        let own = of_headers(&response(&[(header.name, value)]));
        assert_eq!(millis(own), Some(4_000), "{}", header.name);
        let passed_on = format!("{UPSTREAM_PREFIX}{}", header.name);
        let upstream = of_headers(&response(&[(&passed_on, value)]));
        assert_eq!(millis(upstream), Some(4_000), "{passed_on}");
    }
    for header in RESETS {
        let own = of_resets(&response(&[(header.name, "4s")]));
        assert_eq!(millis(own), Some(4_000), "{}", header.name);
    }
    // The most exact one, and the server's own before its upstream's.
    let both = response(&[
        ("retry-after", "1"),
        ("retry-after-ms", "250"),
        ("llm_provider-retry-after", "9"),
    ]);
    assert_eq!(millis(of_headers(&both)), Some(250));
}

#[test]
fn the_limit_in_force_decides() {
    // Reset headers stand there for every limit, also for those with requests left.
    let both = |requests, tokens| {
        let headers = [
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-remaining-requests", requests),
            ("x-ratelimit-reset-tokens", "8s"),
            ("x-ratelimit-remaining-tokens", tokens),
        ];
        millis(of_resets(&response(&headers)))
    };
    assert_eq!(both("0", "900"), Some(1_000));
    assert_eq!(both("12", "0"), Some(8_000));
    assert_eq!(both("0", "0"), Some(8_000));
    assert_eq!(both("12", "900"), Some(1_000));
    assert_eq!(of_resets(&response(&[])), None);
}

#[test]
fn bodies_demand_waits_in_fields_and_in_words() {
    // Gemini sends no header at all; OpenRouter repeats its upstream's headers in the body.
    for field in FIELDS {
        let value = if field.unit == WaitUnit::Milliseconds {
            json!(4_000)
        } else {
            json!("4s")
        };
        let body = json!([{ "error": { "details": [{ field.name: value }] } }]);
        assert_eq!(millis(of_json(&body)), Some(4_000), "{}", field.name);
    }
    let google = json!({"error": {"code": 429, "details": [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3.2s"},
    ]}});
    assert_eq!(millis(of_json(&google)), Some(3_200));
    assert_eq!(
        of_json(&json!({"retry_after": null, "model": "retry_after"})),
        None
    );
    for (message, expected) in [
        ("Please try again in 20s. Visit the page", Some(20_000)),
        ("Please try again in 1m30.5s, or later.", Some(90_500)),
        ("Rate limited: retry after 20 seconds.", Some(20_000)),
        ("Please retry in 32.447s.", Some(32_447)),
        ("try again in 1 minute 30 seconds", Some(90_000)),
        ("try again in 250ms", Some(250)),
        ("try again in a moment", None),
        ("try again in 5", None),
        ("try again", None),
    ] {
        assert_eq!(millis(of_message(message)), expected, "{message}");
    }
}

proptest! {
    // Any text, header or body: a wait or none, no panic; and a wait that was written is read.
    #[test]
    fn any_text_is_a_wait_or_none(text in "\\PC{0,40}", number in 0_u32..10_000_000) {
        for unit in [WaitUnit::Seconds, WaitUnit::Milliseconds, WaitUnit::SecondsOrEpoch] {
            let _ = parse(&text, unit);
        }
        let _ = of_message(&format!("try again in {text}"));
        let millis = |unit| millis(parse(&number.to_string(), unit));
        prop_assert_eq!(millis(WaitUnit::Milliseconds), Some(u64::from(number)));
        prop_assert_eq!(millis(WaitUnit::Seconds), Some(u64::from(number) * 1_000));
    }
}
