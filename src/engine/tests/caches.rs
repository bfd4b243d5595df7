//! Requests that fill prompt caches.

use std::collections::HashSet;

use super::order::OrderTest;
use super::*;
use crate::record::Outcome;
use crate::suite::{CacheMode, Reuse};

fn warm(prompts: usize, variants: usize, repetitions: u32) -> Suite {
    Suite {
        cache: CacheMode::Warm,
        ..suite(prompts, variants, repetitions)
    }
}

#[test]
fn a_slot_is_warmed_and_then_sent_at_one_moment() {
    // A trial whose cache is still being filled would be a miss, and one that starts before the
    // others would be alone with the provider.
    OrderTest::new(warm(2, 2, 1))
        .sends("p1 v0 untimed")
        .sends("p1 v1 untimed")
        .gets("p1 v0 untimed")
        .gets("p1 v1 untimed")
        .sends("p1 v0")
        .sends("p1 v1")
        .gets("p1 v0")
        .gets("p1 v1")
        .sends("p0 v1 untimed")
        .sends("p0 v0 untimed")
        .gets("p0 v0 untimed")
        .gets("p0 v1 untimed")
        .sends("p0 v1")
        .sends("p0 v0")
        .gets("p0 v0")
        .gets("p0 v1")
        .run();
}

#[test]
fn warming_is_in_no_sample() {
    // Neither as a sample of its own, nor as an attempt, nor as our delay; its failure is reported and affects
    // no trial.
    let result = carry_out(context(warm(2, 2, 2)), |request| match request.attempt {
        0 if request.variant == 1 => Reply::refusal(500),
        0 => Reply::answer(9_000),
        _ => Reply::answer(70),
    });
    assert_eq!(result.ending, RunEnd::Complete);
    assert_eq!(result.samples().len(), 8);
    for sample in result.samples() {
        assert_eq!(sample.outcome, Outcome::Complete);
        assert_eq!(sample.attempts.len(), 1);
        assert_eq!(sample.ttft_ns, Some(Nanos::from_millis(70)));
        assert_eq!(sample.experienced_ttft_ns, sample.ttft_ns);
        assert_eq!(sample.lag(), Nanos::ZERO);
    }
    let warmed = |expected| {
        let events = result.events.iter();
        let like = |event: &&RunEvent| matches!(event, RunEvent::WarmedUp { outcome, .. } if *outcome == expected);
        events.filter(like).count()
    };
    assert_eq!(warmed(Outcome::Complete), 4);
    assert_eq!(warmed(Outcome::ServerError), 4);
    let ids: HashSet<_> = result
        .fake
        .requests()
        .into_iter()
        .map(|request| request.request_id)
        .collect();
    assert_eq!(ids.len(), 16, "every request has an id of its own");
}

#[test]
fn a_stop_while_warming_ends_the_run() {
    // A slot that has not begun does not begin, and there is no wait for untimed answers.
    for prompts in [3, 1] {
        // Also in the last slot, when only the slot that was being warmed is left to start.
        let context = context(warm(prompts, 2, 1));
        let result = carry_out_with(context, stopped_at(1_000), |_| Reply::silence());
        assert_eq!(result.ending, RunEnd::Interrupted);
        assert_eq!(result.samples(), Vec::<&Sample>::new());
        assert_eq!(result.fake.requests().len(), 2);
        assert_eq!(result.end, Nanos::from_millis(1_000));
    }
}

#[test]
fn warming_takes_from_the_limit() {
    // 60 a minute for slots of 2 trials, each of 2 requests: a slot every 4 s. A limit that counted half of the
    // requests would be exceeded.
    let context = under_requests(60, warm(3, 2, 1));
    let result = carry_out(context, |_| Reply::answer(10));
    let untimed = result
        .fake
        .requests()
        .into_iter()
        .filter(|request| request.attempt == 0);
    let seconds: Vec<u64> = untimed
        .map(|request| request.at.0 / 1_000_000_000)
        .collect();
    assert_eq!(seconds, [0, 0, 4, 4, 8, 8]);
}

#[test]
fn every_trial_has_its_nonce() {
    // Two trials with one nonce would share a cache again: two variants of one model, two repetitions, two
    // runs. A retry is the same trial and sends the same request.
    let nonces = |run: &str| {
        let suite = Suite {
            cache: CacheMode::Bust,
            max_attempts: 2,
            ..suite(2, 2, 3)
        };
        let named = RunContext {
            run: run.to_owned(),
            ..context(suite)
        };
        let result = carry_out(named, |request| match request.attempt {
            1 => Reply::refusal(503),
            _ => Reply::answer(10),
        });
        assert!(
            result
                .samples()
                .iter()
                .all(|sample| sample.prompt_digest == "digest")
        );
        let requests = result.fake.requests();
        assert_eq!(requests.len(), 24);
        let systems_of = |attempt| {
            let tries = requests
                .iter()
                .filter(move |request| request.attempt == attempt);
            tries
                .map(|request| request.system.clone().unwrap())
                .collect()
        };
        let (first, second): (HashSet<String>, HashSet<String>) = (systems_of(1), systems_of(2));
        assert_eq!(first, second);
        assert_eq!(first.len(), 12);
        first
    };
    let (one, other) = (nonces("run-1"), nonces("run-2"));
    assert!(one.is_disjoint(&other));
    assert_eq!(one, nonces("run-1"));
}

#[test]
fn what_was_used_in_time_is_not_warmed_again() {
    // Warm within a second: answers of 300 ms follow each other, so that a prefix for all prompts is warmed
    // once and stays warm by its uses; without a prefix each prompt is warmed by itself.
    let requests_with = |prefix: Option<&str>, within_ms: u64| {
        let suite = Suite {
            reuse: Reuse {
                prefix: prefix.map(str::to_owned),
                within_ns: Some(Nanos::from_millis(within_ms)),
            },
            ..warm(3, 2, 2)
        };
        let result = carry_out(context(suite), |_| Reply::answer(290));
        assert_eq!(result.samples().len(), 12);
        result.fake.requests()
    };
    let untimed = |all: &[SentRequest]| all.iter().filter(|one| one.attempt == 0).count();
    assert_eq!(untimed(&requests_with(Some("Handbook."), 1_000)), 2);
    // A use ends 300 ms after it was sent: a cache that is trusted for less is warmed each time.
    assert_eq!(untimed(&requests_with(Some("Handbook."), 299)), 12);
    assert_eq!(untimed(&requests_with(None, 60_000)), 6);
    assert_eq!(untimed(&requests_with(None, 1)), 12);
    // Every request begins with the prefix, but for the warm-up: it must not fill the cache.
    for one in requests_with(Some("Handbook."), 1_000) {
        let system = one.system.as_deref();
        assert_eq!(system, one.prompt.map(|_| "Handbook."), "{one:?}");
    }
}

#[test]
fn no_trial_of_a_warm_prefix_is_late() {
    // At every pace: the shared part of a trial was used, or warmed for it, as shortly before as the suite
    // requires. A failed use does not count.
    for (per_minute, within_ms) in [(600, 400), (60, 1_500), (20, 5_000), (6, 9_000)] {
        let within = Nanos::from_millis(within_ms);
        let suite = Suite {
            reuse: Reuse {
                prefix: Some("Handbook.".to_owned()),
                within_ns: Some(within),
            },
            max_attempts: 1,
            warmup: 0,
            ..warm(4, 1, 4)
        };
        let result = carry_out(under_requests(per_minute, suite), |request| {
            match (request.attempt, request.prompt) {
                (1, Some(2)) => Reply::refusal(500),
                _ => Reply::answer(120),
            }
        });
        let mut last = None;
        for one in result.fake.requests() {
            let failed = (one.attempt, one.prompt) == (1, Some(2));
            let since = |last: Nanos| one.at.since(last) <= within;
            assert!(
                one.attempt == 0 || last.is_some_and(since),
                "{per_minute}: {one:?}"
            );
            if !failed {
                last = Some(one.at);
            }
        }
    }
}

#[test]
fn variants_have_modes_of_their_own() {
    // Cold, warm and as-is side by side: each trial gets the mode of its variant.
    let mut suite = suite(2, 3, 1);
    suite.variants[0].cache = Some(CacheMode::Bust);
    suite.variants[1].cache = Some(CacheMode::Warm);
    let result = carry_out(context(suite), |_| Reply::answer(10));
    let trials = result.fake.requests().into_iter();
    let trials: Vec<SentRequest> = trials.filter(|request| request.prompt.is_some()).collect();
    let systems_of = |variant, attempt| {
        let like =
            |request: &&SentRequest| (request.variant, request.attempt) == (variant, attempt);
        let systems = trials
            .iter()
            .filter(like)
            .map(|request| request.system.clone());
        systems.collect::<Vec<_>>()
    };
    assert!(systems_of(0, 1).iter().all(Option::is_some) && systems_of(0, 0).is_empty());
    assert_eq!(
        (systems_of(1, 0), systems_of(1, 1)),
        (vec![None; 2], vec![None; 2])
    );
    assert_eq!(
        (systems_of(2, 0), systems_of(2, 1)),
        (vec![], vec![None; 2])
    );
}
