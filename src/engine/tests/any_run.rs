//! Properties of every run, whatever is planned and whatever fails.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::gateway;
use crate::record::{Flag, Outcome};
use crate::suite::CacheMode;

/// Any small suite, and a number that determines all replies. Where each slot is warmed, one is in flight: of
/// two in flight, the one that was warm first is sent first.
fn any_suite() -> impl Strategy<Value = (Suite, u64)> {
    let sizes = (1_usize..4, 1_usize..4, 1_u32..4);
    let rest = (0_u32..3, 1_u32..5, 1_u32..4, any::<u32>());
    let modes = prop::sample::select(CacheMode::WORDS.map(|(_, mode)| mode).to_vec());
    (sizes, rest, modes, any::<u64>()).prop_map(
        |(
            (prompts, variants, repetitions),
            (warmup, concurrency, max_attempts, seed),
            cache,
            dice,
        )| {
            let suite = Suite {
                warmup,
                concurrency: match cache {
                    CacheMode::Warm => 1,
                    CacheMode::AsIs | CacheMode::Bust => concurrency,
                },
                cache,
                max_attempts,
                // No model is dropped.
                patience_ns: Nanos::from_millis(3_600_000),
                seed: u64::from(seed),
                ..suite(prompts, variants, repetitions)
            };
            (suite, dice)
        },
    )
}

/// A reply determined by the request and `dice`: mostly answers, and every kind of failure after which a run
/// continues.
fn any_reply(request: &SentRequest, dice: u64) -> Reply {
    let text = format!("{dice} {}", request.request_id);
    let drawn = u64::from_str_radix(&crate::units::digest(text.as_bytes()), 16).unwrap();
    let by = drawn / 16 % 3_000;
    let reply = match drawn % 16 {
        0 => Reply::refusal(400),
        1 => Reply::refusal(404),
        2 => Reply::refusal(408),
        3 => Reply::refusal(429),
        4 => Reply::rate_limited("2"),
        5 => Reply::refusal(500),
        6 => Reply::lost(),
        7 => Reply::lost_after_token(),
        8 => Reply::cut_after_token(),
        9 => Reply::failure(gateway::ExchangeEnd::TimedOut(gateway::Deadline::Headers)),
        10 => Reply::failure(gateway::ExchangeEnd::TooLarge),
        _ => Reply::answer(drawn / 16 % 500),
    };
    reply.later(by)
}

/// Checks the properties of every sample, whether the run was stopped or not.
fn check_samples(result: &FinishedRun, suite: &Suite) -> Result<(), TestCaseError> {
    let requests = result.fake.requests();
    let mut seen = BTreeSet::new();
    for sample in result.samples() {
        prop_assert_eq!(sample.check(), Ok(()));
        prop_assert!(seen.insert(sample.trial), "trial {} twice", sample.trial);
        // A trial may test a failing model four times.
        prop_assert!(sample.attempts.len() <= suite.max_attempts as usize + 4);
        prop_assert_eq!(sample.has(Flag::Retried), sample.attempts.len() > 1);
        prop_assert_eq!(sample.lag(), Nanos::ZERO);
        let first = &sample.attempts[0];
        let before = sample.sent_ns.since(first.sent_ns);
        let held = sample.attempts.iter().filter_map(|one| one.throttled_ns);
        let held: u64 = held.map(|held| held.0).sum();
        let experienced = sample.ttft_ns.map(|ttft| Nanos(ttft.0 + before.0 - held));
        prop_assert_eq!(sample.experienced_ttft_ns, experienced);
        // The record has each request that was sent, and its instant.
        for attempt in &sample.attempts {
            let sent = (requests.iter()).filter(|request| request.request_id == attempt.request_id);
            let sent: Vec<Nanos> = sent.map(|request| request.at).collect();
            prop_assert_eq!(sent, [attempt.sent_ns]);
        }
        let passing = |outcome| {
            !matches!(
                outcome,
                Outcome::Complete | Outcome::ModelNotFound | Outcome::TooLarge
            )
        };
        let (_, earlier) = sample.attempts.split_last().expect("at least one");
        prop_assert!(earlier.iter().all(|attempt| passing(attempt.outcome)));
    }
    prop_assert!(result.fake.max_in_flight() <= suite.concurrency as usize);
    Ok(())
}

/// Names and instants of the first attempts, in the order of sending.
fn first_attempts(result: &FinishedRun) -> Vec<(String, Nanos)> {
    let requests = result.fake.requests().into_iter();
    requests
        .filter(|request| request.prompt.is_some() && request.attempt == 1)
        .map(|request| (request.request_id, request.at))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    // Without a stop, a run makes exactly one sample of every planned trial, and sends them in the order of the
    // plan, the trials of a slot at the same instant, but for those that are flagged as sent apart.
    #[test]
    fn a_run_carries_out_its_plan((suite, dice) in any_suite()) {
        let plan = plan(&suite);
        let result = carry_out(context(suite.clone()), move |request| any_reply(request, dice));
        prop_assert_eq!(&result.ending, &RunEnd::Complete);
        check_samples(&result, &suite)?;
        let finished: BTreeSet<u64> = result.samples().iter().map(|sample| sample.trial).collect();
        prop_assert!(finished.into_iter().eq(0..plan.trial_count()));

        let apart: BTreeSet<String> = (result.samples().iter())
            .filter(|sample| sample.has(Flag::Deferred))
            .map(|sample| sample.attempts[0].request_id.clone())
            .collect();
        let in_slots = first_attempts(&result).into_iter().filter(|(id, _)| !apart.contains(id));
        let mut sent = in_slots.peekable();
        let mut started = BTreeMap::new();
        for slot in plan.slots() {
            for trial in slot.trials() {
                let id = format!("run-{}-1", trial.number);
                if let Some((_, at)) = sent.next_if(|(next, _)| *next == id) {
                    prop_assert_eq!(*started.entry(slot.number).or_insert(at), at);
                } else {
                    prop_assert!(apart.contains(&id), "{} is out of order", id);
                }
            }
        }
        prop_assert_eq!(sent.next(), None);
        let warm_ups = result.fake.requests().iter().filter(|request| request.prompt.is_none()).count();
        prop_assert_eq!(warm_ups, plan.warm_ups().count());
        for sample in result.samples().iter().filter(|_| apart.is_empty()) {
            prop_assert_eq!(started.get(&sample.slot), Some(&sample.scheduled_ns));
        }
    }

    // Stopped at any moment: finished trials are valid, each at most once; nothing is sent afterwards, and the
    // end comes within seconds, however long the answers take.
    #[test]
    fn a_stopped_run_is_a_beginning_of_its_plan((suite, dice) in any_suite(), at in 0_u64..20_000) {
        let stop = Nanos::from_millis(at);
        let result = carry_out_with(context(suite.clone()), stopped_at(at), move |request| {
            let reply = any_reply(request, dice);
            if dice.is_multiple_of(2) { reply } else { reply.later(5_000) }
        });
        check_samples(&result, &suite)?;
        prop_assert!(result.fake.requests().iter().all(|request| request.at <= stop));
        // Every request that was sent may be billed: it has a sample, if only as abandoned.
        prop_assert_eq!(first_attempts(&result).len(), result.samples().len());
        if result.ending == RunEnd::Complete {
            prop_assert_eq!(result.samples().len() as u64, suite.trials());
        } else {
            prop_assert_eq!(&result.ending, &RunEnd::Interrupted);
            prop_assert!(result.end.since(stop) < Nanos::from_millis(10_000));
        }
        let apart = |id: &str| {
            let mut samples = result.samples().into_iter();
            let found = samples.find(|sample| sample.attempts[0].request_id == id);
            found.is_some_and(|sample| sample.has(Flag::Deferred))
        };
        let sent = first_attempts(&result).into_iter().map(|(id, _)| id);
        let number = |id: String| id.split('-').nth(1).unwrap().parse::<u64>().unwrap();
        let in_slots: Vec<u64> = sent.filter(|id| !apart(id)).map(number).collect();
        prop_assert!(in_slots.is_sorted());
    }

    // The same suite and seed send the same requests in the same order, whatever the answers and their times.
    #[test]
    fn the_order_is_the_seeds((suite, dice) in any_suite(), other in any::<u64>()) {
        let order = |dice: u64| {
            let result = carry_out(context(suite.clone()), move |request| {
                let by = (request.at.0 ^ dice) % 5_000;
                if by.is_multiple_of(7) { Reply::refusal(400) } else { Reply::answer(by) }
            });
            first_attempts(&result).into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        prop_assert_eq!(order(dice), order(other));
    }
}
