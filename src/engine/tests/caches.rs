//! What is sent for the sake of prompt caches.

use std::collections::HashSet;

use super::order::OrderTest;
use super::*;
use crate::record::Outcome;
use crate::suite::CacheMode;

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
    OrderTest::of(warm(2, 2, 1))
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
    // Neither as a sample of its own, nor as an attempt, nor as our delay; its failure is told and
    // is nobody's failure.
    let told = carry_out(orders(warm(2, 2, 2)), |asked| match asked.attempt {
        0 if asked.variant == 1 => Reply::refusal(500),
        0 => Reply::answer(9_000),
        _ => Reply::answer(70),
    });
    assert_eq!(told.ending, Ending::Complete);
    assert_eq!(told.samples().len(), 8);
    for sample in told.samples() {
        assert_eq!(sample.outcome, Outcome::Complete);
        assert_eq!(sample.attempts.len(), 1);
        assert_eq!(sample.ttft_ns, Some(Nanos::from_millis(70)));
        assert_eq!(sample.experienced_ttft_ns, sample.ttft_ns);
        assert_eq!(sample.lag(), Nanos::ZERO);
    }
    let warmed = |wanted| {
        let events = told.events.iter();
        let like =
            |event: &&Event| matches!(event, Event::WarmedUp { outcome, .. } if *outcome == wanted);
        events.filter(like).count()
    };
    assert_eq!(warmed(Outcome::Complete), 4);
    assert_eq!(warmed(Outcome::ServerError), 4);
    let ids: HashSet<_> = told
        .fake
        .asked()
        .into_iter()
        .map(|asked| asked.request_id)
        .collect();
    assert_eq!(ids.len(), 16, "every request has an id of its own");
}

#[test]
fn a_stop_while_warming_ends_the_run() {
    // What was not begun is not begun any more, and nobody waits for answers that count for nothing.
    for prompts in [3, 1] {
        // Also in the last slot, when nothing is left to start but what was being warmed.
        let orders = orders(warm(prompts, 2, 1));
        let told = carry_out_with(orders, stopped_at(1_000), |_| Reply::silence());
        assert_eq!(told.ending, Ending::Interrupted);
        assert_eq!(told.samples(), Vec::<&Sample>::new());
        assert_eq!(told.fake.asked().len(), 2);
        assert_eq!(told.end, Nanos::from_millis(1_000));
    }
}

#[test]
fn warming_takes_from_the_limit() {
    // 60 a minute for slots of 2 trials, each of 2 requests: a slot every 4 s. A limit that counted
    // half of what is sent would be overrun.
    let orders = under_requests(60, warm(3, 2, 1));
    let told = carry_out(orders, |_| Reply::answer(10));
    let untimed = told
        .fake
        .asked()
        .into_iter()
        .filter(|asked| asked.attempt == 0);
    let seconds: Vec<u64> = untimed.map(|asked| asked.at.0 / 1_000_000_000).collect();
    assert_eq!(seconds, [0, 0, 4, 4, 8, 8]);
}

#[test]
fn every_trial_has_its_nonce() {
    // Two trials with one nonce would share a cache again: two variants of one model, two
    // repetitions, two runs. A retry is the same trial and asks the same.
    let nonces = |run: &str| {
        let suite = Suite {
            cache: CacheMode::Bust,
            max_attempts: 2,
            ..suite(2, 2, 3)
        };
        let named = Orders {
            run: run.to_owned(),
            ..orders(suite)
        };
        let told = carry_out(named, |asked| match asked.attempt {
            1 => Reply::refusal(503),
            _ => Reply::answer(10),
        });
        assert!(
            told.samples()
                .iter()
                .all(|sample| sample.prompt_digest == "digest")
        );
        let asked = told.fake.asked();
        assert_eq!(asked.len(), 24);
        let of = |attempt| {
            let tries = asked.iter().filter(move |asked| asked.attempt == attempt);
            tries.map(|asked| asked.system.clone().unwrap()).collect()
        };
        let (first, second): (HashSet<String>, HashSet<String>) = (of(1), of(2));
        assert_eq!(first, second);
        assert_eq!(first.len(), 12);
        first
    };
    let (one, other) = (nonces("run-1"), nonces("run-2"));
    assert!(one.is_disjoint(&other));
    assert_eq!(one, nonces("run-1"));
}
