//! Runs under a cap: by the gateway's own count it is never exceeded.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::engine::{Cap, worst_case};
use crate::gateway;
use crate::suite::CacheMode;
use crate::units::Usd;

/// A context with a cap; the bound of each prompt's requests, the same for every variant, is `of_prompt`, that
/// of warm-ups 10.
fn capped(suite: Suite, limit: i128, of_prompt: impl Fn(usize) -> i128) -> RunContext {
    let of_messages: BTreeMap<String, i128> = (suite.prompts.iter().enumerate())
        .map(|(index, prompt)| (prompt.messages[0].content.clone(), of_prompt(index)))
        .collect();
    let worst = worst_case(&suite, Wording::default(), |_, request| {
        let question = &request.messages.last().expect("at least one").content;
        Ok(Usd(of_messages.get(question).copied().unwrap_or(10)))
    });
    let cap = Cap::new(Usd(limit), "--max-cost", worst);
    RunContext {
        cap: Some(Arc::new(cap)),
        ..context(suite)
    }
}

/// Any suite, up to 64 slots in flight.
fn any_suite() -> impl Strategy<Value = Suite> {
    let modes = prop::sample::select(CacheMode::WORDS.map(|(_, mode)| mode).to_vec());
    let sizes = (1_usize..5, 1_usize..4, 1_u32..30);
    let rest = (0_u32..3, 1_u32..=64, 1_u32..4, any::<u32>());
    (sizes, rest, modes).prop_map(
        |((prompts, variants, repetitions), (warmup, concurrency, max_attempts, seed), cache)| {
            Suite {
                warmup,
                concurrency,
                cache,
                max_attempts,
                seed: u64::from(seed),
                ..suite(prompts, variants, repetitions)
            }
        },
    )
}

/// The reply to a request, at a price of at most `bound`: answers with and without a bill, and every failure,
/// billed or not, without a report of the charge.
fn any_reply(request: &SentRequest, dice: u64, bound: i128) -> Reply {
    let text = format!("{dice} {}", request.request_id);
    let drawn = u64::from_str_radix(&crate::units::digest(text.as_bytes()), 16).unwrap();
    let charge = Usd(i128::from(drawn / 64) % (bound + 1));
    let by = drawn / 16 % 3_000;
    let reply = match drawn % 16 {
        0 => Reply::refusal(404),
        1 => Reply::refusal(429),
        2 => Reply::refusal(408).charged(charge),
        3 => Reply::refusal(500).charged(charge),
        4 => Reply::lost().charged(charge),
        5 => Reply::lost_after_token().charged(charge),
        6 => Reply::cut_after_token().charged(charge),
        7 => Reply::failure(gateway::ExchangeEnd::TimedOut(gateway::Deadline::Headers))
            .charged(charge),
        8 => Reply::failure(gateway::ExchangeEnd::ConnectFailed("refused".to_owned())),
        // An answer without usage.
        9 => Reply::answer(20).charged(charge),
        _ => Reply::answer(drawn / 16 % 500).billed(charge),
    };
    reply.later(by)
}

#[test]
fn a_slot_that_waits_for_the_cap_does_not_hold_up_the_trial_that_it_waits_for() {
    // Two trials are in flight: one backs off for seconds, the other fails for good. The next slot then becomes the probe of
    // the failing model, but cannot reserve while the first one holds its part of the cap: it must not wait for that trial,
    // which would wait for the end of the probe.
    let suite = Suite {
        concurrency: 2,
        max_attempts: 8,
        ..suite(4, 1, 1)
    };
    let result = carry_out(capped(suite, 1_650, |_| 100), |request| {
        let is_down = request.at < Nanos::from_millis(30_000);
        let trial = request.request_id.split('-').nth(1);
        match trial {
            Some("0") if is_down => {
                Reply::failure(gateway::ExchangeEnd::ConnectFailed("refused".to_owned()))
            }
            Some("1") => Reply::lost_after_token().charged(Usd(100)).later(9_000),
            _ => Reply::answer(10).billed(Usd(1)),
        }
    });
    assert_eq!(result.ending, RunEnd::Complete);
    assert_eq!(result.samples().len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    // Whatever fails, whatever is billed without a report, however much is in flight: the cap holds by the
    // gateway's own count, and every run ends.
    #[test]
    fn no_run_spends_more_than_its_cap(
        suite in any_suite(),
        (limit, dice) in (0_i128..40_000, any::<u64>()),
        stop in prop::option::of(0_u64..20_000),
    ) {
        let bound = |prompt: usize| 40 + 25 * prompt as i128;
        let context = capped(suite, limit, bound);
        let cap = Arc::clone(context.cap.as_ref().unwrap());
        let listener = stop.map_or(QUIET, stopped_at);
        let result = carry_out_with(context, listener, move |request| {
            any_reply(request, dice, request.prompt.map_or(10, bound))
        });
        prop_assert!(result.fake.charged() <= Usd(limit));
        prop_assert!(result.fake.charged() <= cap.max_spent());
        prop_assert!(cap.max_spent() <= Usd(limit));
        prop_assert!(result.end < Nanos::from(FOR_EVER));
        prop_assert!(!matches!(result.ending, RunEnd::Aborted(reason) if reason.contains("bound")));
    }

    // A cap can be used up: slots wait for requests in flight instead of ending the run.
    #[test]
    fn a_cap_of_fifty_slots_is_used(
        (concurrency, attempts, variants) in (1_u32..=64, 1_u32..4, 1_usize..4),
        percent in 10_i128..=100,
    ) {
        let suite = Suite {
            concurrency,
            max_attempts: attempts,
            ..suite(2, variants, 10_000)
        };
        let slot = 100 * i128::from(attempts) * variants as i128;
        let limit = 50 * slot;
        let result = carry_out(capped(suite, limit, |_| 100), move |request| {
            Reply::answer(20 + request.variant as u64).billed(Usd(percent))
        });
        // Records store this message: it has the whole sum, whatever was in flight when the cap was first
        // reached.
        let RunEnd::Capped(reason) = &result.ending else {
            panic!("{:?}", result.ending)
        };
        let sum = format!("(${} is spent or reserved)", result.fake.charged());
        prop_assert!(reason.ends_with(&sum), "{reason} {sum}");
        prop_assert!(result.fake.charged().0 * 100 >= limit * 95);
        prop_assert!(result.fake.charged().0 <= limit);
    }
}

#[test]
fn a_capped_run_ends_with_what_it_has() {
    // Two slots of one trial fit; the second waits until the first has left enough.
    let suite = Suite {
        concurrency: 4,
        ..suite(1, 1, 10)
    };
    let result = carry_out(capped(suite, 150, |_| 100), |_| {
        Reply::answer(20).billed(Usd(40))
    });
    assert_eq!(result.samples().len(), 2);
    let reason = "the cap of $0.00000000015 (--max-cost) is too low for the next slot \
                  ($0.00000000008 is spent or reserved)";
    assert_eq!(result.ending, RunEnd::Capped(reason.to_owned()));
    assert_eq!(result.reasons(), [reason]);
}

#[test]
fn rejected_requests_cost_nothing() {
    // A cap of one trial: it would end the run after the first failure that counted as spent.
    for (reply, sent) in [
        (Reply::refusal(404), 5),
        (Reply::refusal(429), 5),
        (Reply::refusal(500), 1),
        (Reply::lost(), 1),
        (Reply::answer(20), 1),
        (Reply::cut_after_token().billed(Usd::ZERO), 5),
    ] {
        let result = carry_out(capped(suite(1, 1, 5), 100, |_| 100), move |_| reply.clone());
        assert_eq!(
            result.samples().len(),
            sent,
            "{:?}",
            result.samples()[0].outcome
        );
    }
}

#[test]
fn a_warm_up_that_the_cap_does_not_hold_is_not_sent() {
    // Untimed requests are billed like others.
    let suite = Suite {
        warmup: 3,
        ..suite(1, 2, 1)
    };
    let result = carry_out(capped(suite, 59, |_| 1), |_| {
        Reply::answer(20).billed(Usd(1))
    });
    assert!(matches!(result.ending, RunEnd::Capped(_)));
    assert_eq!(result.fake.requests(), []);
}

#[test]
fn a_bill_beyond_its_bound_stops_the_run() {
    // An undeclared surcharge: no bound can be trusted any more, retries included.
    let suite = Suite {
        concurrency: 2,
        max_attempts: 3,
        ..suite(2, 1, 20)
    };
    let result = carry_out(capped(suite, 100_000, |_| 100), |_| {
        Reply::answer(20).billed(Usd(101))
    });
    let reason = "v0: a bill of $0.000000000101 exceeds the bound of $0.0000000001 computed from its prices and token limit";
    assert_eq!(result.ending, RunEnd::Aborted(reason.to_owned()));
    assert!(result.samples().len() <= 3);
}

#[test]
fn a_stop_ends_a_wait_for_money() {
    // The one slot that fits takes an hour; a wait for the rest of its reservation must still end on a stop.
    let suite = Suite {
        concurrency: 2,
        ..suite(1, 1, 5)
    };
    let listener = stopped_at(1_000);
    let result = carry_out_with(capped(suite, 100, |_| 100), listener, |_| {
        Reply::answer(3_600_000).billed(Usd(1))
    });
    assert_eq!(result.ending, RunEnd::Interrupted);
    assert!(result.end <= Nanos::from_millis(4_100));
}
