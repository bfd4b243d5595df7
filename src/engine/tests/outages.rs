//! Models that fail for a while, or for good: storms, outages, stalls.

use super::*;
use crate::gateway::{Deadline, ExchangeEnd};
use crate::record::{Flag, Outcome};

const SECOND: u64 = 1_000_000_000;

/// A suite of the default retries, so many slots in flight.
fn patient(prompts: usize, variants: usize, repetitions: u32, concurrency: u32) -> Suite {
    Suite {
        concurrency,
        max_attempts: 3,
        ..suite(prompts, variants, repetitions)
    }
}

fn refused() -> Reply {
    Reply::failure(ExchangeEnd::ConnectFailed("refused".to_owned()))
}

fn timed_out() -> Reply {
    Reply::failure(ExchangeEnd::TimedOut(Deadline::Headers)).later(120_000)
}

/// The most requests of a variant in any minute that were sent after its first failure.
fn busiest_minute(result: &FinishedRun, variant: usize, first_failure: Nanos) -> usize {
    let requests = result.fake.requests();
    let sent = requests.iter().filter(|request| request.variant == variant);
    let sent: Vec<u64> = (sent.map(|request| request.at.0))
        .filter(|at| *at > first_failure.0)
        .collect();
    let within = |from: &u64| {
        let minute = *from..*from + 60 * SECOND;
        sent.iter().filter(|at| minute.contains(at)).count()
    };
    sent.iter().map(within).max().unwrap_or(0)
}

fn answered(result: &FinishedRun, variant: &str) -> usize {
    let samples = result.samples().into_iter();
    let of = samples.filter(|sample| sample.variant == variant);
    of.filter(|sample| sample.outcome.answered()).count()
}

#[test]
fn an_outage_is_waited_out() {
    // Whatever fails, refused connections or a status, and however long: the run finishes, no answer carries the
    // wait, and the endpoint gets a few requests a minute until it is back.
    for (outage, concurrency, reply) in [
        (1, 4, refused()),
        (5, 4, Reply::refusal(503)),
        (20, 1, refused()),
        (60, 4, refused()),
        (60, 8, Reply::refusal(503)),
    ] {
        let suite = patient(4, 3, 40, concurrency);
        let down = SECOND..(1 + outage) * SECOND;
        let result = carry_out(context(suite), move |request| {
            if down.contains(&request.at.0) {
                reply.clone()
            } else {
                Reply::answer(100)
            }
        });
        assert_eq!(result.ending, RunEnd::Complete);
        assert_eq!(result.samples().len(), 480);
        let failed = result
            .samples()
            .iter()
            .filter(|s| !s.outcome.answered())
            .count();
        // With one slot in flight a trial uses up its attempts before ten requests have failed.
        assert!(
            failed <= if concurrency == 1 { 6 } else { 0 },
            "{outage} s: {failed} failed"
        );
        for sample in result.samples() {
            if sample.outcome.answered() {
                assert_eq!(sample.ttft_ns, Some(Nanos::from_millis(100)));
            }
            let experienced = sample.experienced_ttft_ns.unwrap_or_default();
            assert!(
                experienced < Nanos::from_millis(20_000),
                "{experienced} with {outage} s"
            );
        }
        for variant in 0..3 {
            let requests = result.fake.requests();
            let during = requests.iter().filter(|request| {
                request.variant == variant
                    && (SECOND..(1 + outage) * SECOND).contains(&request.at.0)
            });
            let minutes = if outage < 60 { 1 } else { 2 };
            let bound = concurrency as usize + 10 * minutes;
            assert!(during.count() <= bound, "{outage} s at {concurrency}");
        }
    }
}

#[test]
fn a_failing_model_neither_harms_nor_delays_the_others() {
    // One of three is down for good: the others finish as if it were not there, it gets a few requests a minute,
    // and after the patience the run says what was not sent.
    let suite = patient(10, 3, 30, 4);
    let alone = carry_out(context(suite.clone()), |_| Reply::answer(100)).end;
    let result = carry_out(context(suite), |request| match request.variant {
        1 => Reply::refusal(503),
        _ => Reply::answer(100),
    });
    assert_eq!(
        (answered(&result, "v0"), answered(&result, "v2")),
        (300, 300)
    );
    let last = (result.samples().iter())
        .filter(|sample| sample.variant != "v1")
        .map(|sample| sample.sent_ns)
        .max();
    // Slots wait for it once, for a few seconds.
    assert!(
        last < Some(Nanos(alone.0 + 8 * SECOND)),
        "{last:?} of {alone:?}"
    );
    assert!(busiest_minute(&result, 1, Nanos::from_millis(10)) <= 10);
    let RunEnd::Partial(reason) = &result.ending else {
        panic!("{:?}", result.ending)
    };
    let unsent = 300
        - result
            .samples()
            .iter()
            .filter(|s| s.variant == "v1")
            .count();
    let expected =
        format!("`v1` failed until it was dropped (server_error): {unsent} trials of 300 not sent");
    assert_eq!(reason, &expected);
    // A tenth of the patience, because it never answered.
    assert!(
        (30 * SECOND..60 * SECOND).contains(&result.end.0),
        "{}",
        result.end
    );
    let dropped = result.events.iter().any(|event| {
        matches!(
            event,
            RunEvent::Sending {
                state: crate::engine::SendingState::Dropped { .. },
                ..
            }
        )
    });
    assert!(dropped);
}

#[test]
fn trials_apart_from_their_slot_are_flagged() {
    // A model that was down for 20 s is measured completely, and later trials are in no pair.
    let result = carry_out(context(patient(10, 2, 100, 4)), |request| {
        let is_down = (SECOND..21 * SECOND).contains(&request.at.0);
        match request.variant {
            1 if is_down => Reply::refusal(503),
            _ => Reply::answer(400),
        }
    });
    assert_eq!(result.ending, RunEnd::Complete);
    assert_eq!(
        (answered(&result, "v0"), answered(&result, "v1")),
        (1_000, 1_000)
    );
    let deferred = |variant: &str| {
        let samples = result.samples().into_iter();
        let of = samples.filter(|sample| sample.variant == variant);
        of.filter(|sample| sample.has(Flag::Deferred)).count()
    };
    assert_eq!(deferred("v0"), 0);
    assert!((20..400).contains(&deferred("v1")), "{}", deferred("v1"));
    // The others of its slot were sent seconds before.
    let samples = result.samples();
    let sent = |variant: &str, slot: u64| {
        let mut found = samples
            .iter()
            .filter(|s| s.variant == variant && s.slot == slot);
        found.next().map(|sample| sample.attempts[0].sent_ns)
    };
    for sample in samples
        .iter()
        .filter(|s| s.variant == "v1" && !s.has(Flag::Deferred))
    {
        assert_eq!(sent("v0", sample.slot), Some(sample.attempts[0].sent_ns));
    }
}

#[test]
fn a_wait_of_a_day_drops_the_model() {
    // No patience of minutes outlasts it; the plan must not be thrown at such a server.
    for concurrency in [1, 4, 64] {
        let suite = patient(10, 2, 20, concurrency);
        let result = carry_out(context(suite), |request| match request.variant {
            0 => Reply::rate_limited("99999"),
            _ => Reply::answer(100),
        });
        let requests = result.fake.requests();
        let sent = requests
            .iter()
            .filter(|request| request.variant == 0)
            .count();
        assert!(sent <= concurrency as usize + 10, "{sent} at {concurrency}");
        assert_eq!(answered(&result, "v1"), 200);
        assert!(
            matches!(&result.ending, RunEnd::Partial(reason) if reason.contains("rate_limited"))
        );
        assert!(result.end.0 < 60 * SECOND, "{}", result.end);
    }
}

#[test]
fn a_stalled_model_does_not_hold_the_slots() {
    // Its requests hang for two minutes each: the others go on after one.
    let result = carry_out(context(patient(10, 3, 10, 4)), |request| {
        match request.variant {
            2 => timed_out(),
            _ => Reply::answer(200),
        }
    });
    assert_eq!(
        (answered(&result, "v0"), answered(&result, "v1")),
        (100, 100)
    );
    let others = (result.samples().iter())
        .filter(|sample| sample.variant != "v2")
        .map(|sample| sample.sent_ns.0)
        .max();
    assert!(others < Some(75 * SECOND), "{others:?}");
    assert!(matches!(&result.ending, RunEnd::Partial(reason) if reason.contains("`v2`")));
    assert!(result.end.0 < 600 * SECOND, "{}", result.end);
}

#[test]
fn a_slow_model_is_waited_for() {
    // Forty seconds an answer is no stall: slots stay whole.
    let result = carry_out(context(patient(4, 2, 4, 2)), |request| {
        match request.variant {
            1 => Reply::answer(40_000),
            _ => Reply::answer(100),
        }
    });
    assert_eq!(result.ending, RunEnd::Complete);
    assert!(
        result
            .samples()
            .iter()
            .all(|sample| !sample.has(Flag::Deferred))
    );
    assert!(
        result
            .samples()
            .iter()
            .all(|sample| sample.outcome.answered())
    );
}

#[test]
fn one_402_is_retried_and_a_second_ends_the_run() {
    // A gateway that errs once must not end a night's run; an empty account must.
    let once = carry_out(context(patient(5, 1, 2, 1)), |request| {
        match (request.prompt, request.attempt) {
            (Some(2), 1) if request.at.0 < 2 * SECOND => Reply::refusal(402),
            _ => Reply::answer(100),
        }
    });
    assert_eq!(
        (once.ending.clone(), answered(&once, "v0")),
        (RunEnd::Complete, 10)
    );
    let retried = |result: &FinishedRun| {
        let mut samples = result.samples().into_iter();
        samples.any(|s| s.attempts[0].outcome == Outcome::PaymentRequired && s.outcome.answered())
    };
    assert!(retried(&once));
    for max_attempts in [1, 3] {
        let suite = Suite {
            max_attempts,
            ..patient(5, 1, 2, 1)
        };
        let empty = carry_out(context(suite), |_| Reply::refusal(402));
        assert!(matches!(empty.ending, RunEnd::Aborted(_)));
        assert_eq!(empty.fake.requests().len(), 2);
    }
}

#[test]
fn a_stop_ends_the_patience() {
    // Ctrl-C in an outage must not take the rest of five minutes.
    let result = carry_out_with(context(patient(10, 2, 10, 4)), stopped_at(20_000), |_| {
        refused()
    });
    assert_eq!(result.ending, RunEnd::Interrupted);
    assert!(result.end.0 < 21 * SECOND, "{}", result.end);
    assert!(result.samples().iter().all(|sample| sample.check().is_ok()));
}
