//! What holds of every run, whatever is planned and whatever fails.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::gateway;
use crate::record::{Flag, Outcome};
use crate::suite::CacheMode;

/// Any small suite, and a number from which all replies follow. Where each slot is warmed, one is in
/// flight: of two that are, the one that was warm first is sent first.
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
                seed: u64::from(seed),
                ..suite(prompts, variants, repetitions)
            };
            (suite, dice)
        },
    )
}

/// A reply that follows from the request and `dice`: mostly answers, and every kind of failure
/// after which a run goes on.
fn any_reply(asked: &Asked, dice: u64) -> Reply {
    let text = format!("{dice} {}", asked.request_id);
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
        9 => Reply::failure(gateway::Ending::TimedOut(gateway::Deadline::Headers)),
        10 => Reply::failure(gateway::Ending::TooLarge),
        _ => Reply::answer(drawn / 16 % 500),
    };
    reply.later(by)
}

/// What every sample must be, whether the run was stopped or not.
fn check_samples(told: &Told, suite: &Suite) -> Result<(), TestCaseError> {
    let asked = told.fake.asked();
    let mut seen = BTreeSet::new();
    for sample in told.samples() {
        prop_assert_eq!(sample.check(), Ok(()));
        prop_assert!(seen.insert(sample.trial), "trial {} twice", sample.trial);
        prop_assert!(sample.attempts.len() <= suite.max_attempts as usize);
        prop_assert_eq!(sample.has(Flag::Late), sample.attempts.len() > 1);
        prop_assert_eq!(sample.lag(), Nanos::ZERO);
        let first = &sample.attempts[0];
        let before = sample.sent_ns.since(first.sent_ns);
        let experienced = sample.ttft_ns.map(|ttft| Nanos(ttft.0 + before.0));
        prop_assert_eq!(sample.experienced_ttft_ns, experienced);
        // What is on record is what was sent, and when.
        for attempt in &sample.attempts {
            let sent = (asked.iter()).filter(|asked| asked.request_id == attempt.request_id);
            let sent: Vec<Nanos> = sent.map(|asked| asked.at).collect();
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
    prop_assert!(told.fake.most_flying() <= suite.concurrency as usize);
    Ok(())
}

/// Names and instants of the first attempts, in the order of sending.
fn first_attempts(told: &Told) -> Vec<(String, Nanos)> {
    let asked = told.fake.asked().into_iter();
    asked
        .filter(|asked| asked.prompt.is_some() && asked.attempt == 1)
        .map(|asked| (asked.request_id, asked.at))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    // Left alone, a run makes exactly one sample of every planned trial, and sends them in the
    // order of the plan, the trials of a slot at the same instant.
    #[test]
    fn a_run_carries_out_its_plan((suite, dice) in any_suite()) {
        let plan = plan(&suite);
        let told = carry_out(orders(suite.clone()), move |asked| any_reply(asked, dice));
        prop_assert_eq!(&told.ending, &Ending::Complete);
        check_samples(&told, &suite)?;
        let finished: BTreeSet<u64> = told.samples().iter().map(|sample| sample.trial).collect();
        prop_assert!(finished.into_iter().eq(0..plan.trial_count()));

        let mut sent = first_attempts(&told).into_iter();
        let mut started = BTreeMap::new();
        for slot in plan.slots() {
            for trial in slot.trials() {
                let (id, at) = sent.next().expect("every trial is sent");
                prop_assert_eq!(id, format!("run-{}-1", trial.number));
                prop_assert_eq!(*started.entry(slot.number).or_insert(at), at);
            }
        }
        prop_assert_eq!(sent.next(), None);
        let warm_ups = told.fake.asked().iter().filter(|asked| asked.prompt.is_none()).count();
        prop_assert_eq!(warm_ups, plan.warm_ups().count());
        let announced = told.events.iter().filter_map(|event| match event {
            Event::Started { slot, scheduled } => Some((*slot, *scheduled)),
            _ => None,
        });
        prop_assert_eq!(announced.collect::<BTreeMap<_, _>>(), started);
    }

    // Stopped at any moment: what finished is sound, each trial at most once; nothing is sent
    // afterwards, and the end comes within seconds, however long the answers take.
    #[test]
    fn a_stopped_run_is_a_beginning_of_its_plan((suite, dice) in any_suite(), at in 0_u64..20_000) {
        let stop = Nanos::from_millis(at);
        let told = carry_out_with(orders(suite.clone()), stopped_at(at), move |asked| {
            let reply = any_reply(asked, dice);
            if dice.is_multiple_of(2) { reply } else { reply.later(5_000) }
        });
        check_samples(&told, &suite)?;
        prop_assert!(told.fake.asked().iter().all(|asked| asked.at <= stop));
        // Whatever was sent may be billed: it has a sample, be it as abandoned.
        prop_assert_eq!(first_attempts(&told).len(), told.samples().len());
        if told.ending == Ending::Complete {
            prop_assert_eq!(told.samples().len() as u64, suite.trials());
        } else {
            prop_assert_eq!(&told.ending, &Ending::Interrupted);
            prop_assert!(told.end.since(stop) < Nanos::from_millis(10_000));
        }
        let sent = first_attempts(&told).into_iter().map(|(id, _)| id);
        let planned = (0_u64..).map(|trial| format!("run-{trial}-1"));
        prop_assert!(sent.zip(planned).all(|(sent, planned)| sent == planned));
    }

    // The same suite and seed send the same requests in the same order, whatever answers.
    #[test]
    fn the_order_is_the_seeds((suite, dice) in any_suite(), other in any::<u64>()) {
        let order = |dice: u64| {
            let told = carry_out(orders(suite.clone()), move |asked| any_reply(asked, dice));
            first_attempts(&told).into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        prop_assert_eq!(order(dice), order(other));
    }
}
