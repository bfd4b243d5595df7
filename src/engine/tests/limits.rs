//! Waits for a limit, requests that are only counted, and the records of a wait.

use std::num::NonZeroU64;

use super::*;
use crate::record::Flag;
use crate::suite::ModelLimit;

/// The arrival of each request, in ms.
fn arrivals(result: &FinishedRun) -> Vec<u64> {
    let requests = result.fake.requests();
    requests
        .iter()
        .map(|request| request.at.0 / 1_000_000)
        .collect()
}

#[test]
fn requests_per_minute_space_the_slots() {
    // 60 a minute for slots of 3 requests: one slot every 3 s, although slots are free. The wait is lag, and
    // affects no sample: its clock began when it was sent.
    let suite = Suite {
        concurrency: 8,
        ..suite(4, 3, 1)
    };
    let result = carry_out(under_requests(60, suite), |_| Reply::answer(10));
    let expected = [0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9].map(|second| second * 1_000);
    assert_eq!(arrivals(&result), expected);
    let mut samples = result.samples();
    samples.sort_by_key(|sample| sample.trial);
    for (sample, arrival) in samples.into_iter().zip(expected) {
        // All slots were free from the start, but each is due when the one before it is sent.
        let held = if arrival == 0 { 0 } else { 3_000 };
        assert_eq!(sample.lag(), Nanos::from_millis(held));
        assert_eq!(sample.throttled_ns.unwrap_or_default(), sample.lag());
        assert_eq!(sample.own_delay(), Nanos::ZERO);
        assert!(!sample.has(Flag::ClientLimited));
        assert_eq!(sample.ttft_ns, Some(Nanos::from_millis(10)));
    }
}

#[test]
fn a_slot_is_due_when_a_place_is_free() {
    // One in flight, 600 ms an answer, a slot a second: the limit holds each for 400 ms, and waits
    // do not add up from slot to slot.
    let result = carry_out(under_requests(60, suite(4, 1, 1)), |_| Reply::answer(590));
    assert_eq!(arrivals(&result), [0, 1_000, 2_000, 3_000]);
    let lags: Vec<_> = result.samples().iter().map(|sample| sample.lag()).collect();
    let held = Nanos::from_millis(400);
    assert_eq!(lags, [Nanos::ZERO, held, held, held]);
}

#[test]
fn a_limit_of_a_model_is_shared_by_its_variants() {
    // Two efforts of one model at 60 a minute: a slot every two seconds; the other model's variant stays in its
    // slot.
    let mut suite = suite(3, 3, 1);
    suite.variants[1].model = suite.variants[0].model.clone();
    let limits = RateLimits {
        whole: PerMinute::default(),
        models: vec![ModelLimit {
            model: "maker/m0".to_owned(),
            per_minute: requests(60),
        }],
    };
    let result = carry_out(under(&limits, suite), |_| Reply::answer(10));
    let expected = [0, 0, 0, 2, 2, 2, 4, 4, 4].map(|second| second * 1_000);
    assert_eq!(arrivals(&result), expected);
}

#[test]
fn tokens_count_prompt_and_token_limit() {
    // 1,000 tokens of answer and 3 of the prompt, at 60,180 a minute: a slot a second.
    let mut suite = suite(3, 1, 1);
    suite.parameters.max_tokens = Some(1_000);
    let limits = RateLimits {
        whole: PerMinute {
            requests: None,
            tokens: NonZeroU64::new(60_180),
        },
        models: Vec::new(),
    };
    let result = carry_out(under(&limits, suite), |_| Reply::answer(10));
    assert_eq!(arrivals(&result), [0, 1_000, 2_000]);
}

#[test]
fn warm_up_waits_and_counts() {
    // The endpoint counts every request: the first slot waits for what the warm-up took.
    let suite = Suite {
        warmup: 2,
        ..suite(1, 2, 1)
    };
    let result = carry_out(under_requests(60, suite), |_| Reply::answer(10));
    assert_eq!(arrivals(&result), [0, 1_000, 2_000, 3_000, 4_000, 4_000]);
}

#[test]
fn a_retry_is_counted_and_not_held() {
    // A wait of ours between two attempts would be measured as the model's: the next slot waits for the retry's
    // share instead.
    let suite = Suite {
        max_attempts: 2,
        ..suite(2, 1, 1)
    };
    let result = carry_out(under_requests(6, suite), |request| {
        match (request.prompt, request.attempt) {
            (Some(1), 1) => Reply::rate_limited("2"),
            _ => Reply::answer(10),
        }
    });
    // The first attempt's share lasts to 10 s, the retry's to 20 s.
    assert_eq!(arrivals(&result), [0, 2_005, 20_000]);
    let first = &result.samples()[0];
    assert_eq!(first.throttled_ns, None);
    assert_eq!(first.experienced_ttft_ns, Some(Nanos::from_millis(2_015)));
}
