//! Ends of a run before the end of its plan.

use super::*;
use crate::gateway;
use crate::record::Outcome;

fn second(count: u64) -> Nanos {
    Nanos::from_millis(count * 1_000)
}

#[test]
fn a_stop_starts_nothing_and_keeps_what_still_ends() {
    // Ctrl-C: answers that are nearly complete are paid for and recorded; there is no wait for the others.
    let result = carry_out_with(
        context(suite(5, 2, 2)),
        stopped_at(1_000),
        |request| match request.variant {
            0 => Reply::answer(2_000),
            _ => Reply::silence(),
        },
    );
    assert_eq!(result.ending, RunEnd::Interrupted);
    assert_eq!(result.reasons(), ["interrupted"]);
    assert_eq!(result.fake.requests().len(), 2);
    let samples_of = |variant: &str| {
        let samples = result.samples().into_iter();
        samples
            .filter(|sample| sample.variant == variant)
            .collect::<Vec<_>>()
    };
    assert_eq!(samples_of("v0").len(), 1);
    assert_eq!(samples_of("v0")[0].outcome, Outcome::Complete);
    // An abandoned request was sent all the same: it may be billed, and its time means nothing.
    assert_eq!(samples_of("v1").len(), 1);
    assert_eq!(samples_of("v1")[0].outcome, Outcome::Abandoned);
    assert_eq!(samples_of("v1")[0].latency_ns, None);
    assert_eq!(samples_of("v1")[0].attempts.len(), 1);
    // The grace period is over within seconds, whatever the suite's deadlines are.
    assert!(
        result.end > second(2) && result.end < second(10),
        "{:?}",
        result.end
    );
}

#[test]
fn a_stop_abandons_retries_that_wait() {
    // The failure is recorded as it is; the pause that the server demands is cut short.
    let waiting = Suite {
        max_attempts: 3,
        ..suite(3, 1, 1)
    };
    let result = carry_out_with(context(waiting), stopped_at(1_000), |_| {
        Reply::rate_limited("50")
    });
    let sample = result.sample();
    assert_eq!(sample.outcome, Outcome::RateLimited);
    assert_eq!(sample.attempts.len(), 1);
    assert_eq!(result.ending, RunEnd::Interrupted);
    assert!(result.end < second(2), "{:?}", result.end);
}

#[test]
fn after_a_stop_no_retry_is_announced() {
    // "Next attempt in 2 s" would be wrong: the run is ending.
    let stubborn = Suite {
        max_attempts: 3,
        ..suite(3, 1, 1)
    };
    let result = carry_out_with(context(stubborn), stopped_at(1_000), |_| {
        Reply::refusal(500).later(1_500)
    });
    assert_eq!(result.sample().outcome, Outcome::ServerError);
    assert_eq!(result.waits(), []);
    assert_eq!(result.fake.requests().len(), 1);
}

#[test]
fn a_stop_is_reported_also_when_every_slot_has_started() {
    // A user who pressed Ctrl-C must see a reaction, in the last slots too.
    let suite_in_parallel = Suite {
        concurrency: 8,
        ..suite(2, 1, 1)
    };
    let result = carry_out_with(context(suite_in_parallel), stopped_at(1_000), |_| {
        Reply::answer(2_000)
    });
    assert_eq!(result.ending, RunEnd::Interrupted);
    assert_eq!(result.reasons(), ["interrupted"]);
    assert_eq!(result.samples().len(), 2);
}

#[test]
fn a_stop_during_the_warm_up_ends_at_once() {
    // Nothing is in flight that is worth keeping.
    let result = carry_out_with(
        context(Suite {
            warmup: 1,
            ..suite(2, 2, 1)
        }),
        stopped_at(1_000),
        |_| Reply::silence(),
    );
    assert_eq!(result.ending, RunEnd::Interrupted);
    assert_eq!(result.samples(), Vec::<&Sample>::new());
    let abandoned = result.events.iter().filter(|event| {
        matches!(
            event,
            RunEvent::WarmedUp {
                outcome: Outcome::Abandoned,
                spent: None,
                ..
            }
        )
    });
    assert_eq!(abandoned.count(), 2);
    assert!(result.end < second(2));
}

#[test]
fn a_stop_is_heard_while_the_pacer_waits() {
    // At one request a minute the run would otherwise seem to hang.
    let result = carry_out_with(under_requests(1, suite(3, 1, 1)), stopped_at(1_000), |_| {
        Reply::answer(10)
    });
    assert_eq!(result.ending, RunEnd::Interrupted);
    assert_eq!(result.fake.requests().len(), 1);
    assert!(result.end < second(2));
}

#[test]
fn what_would_fail_alike_every_time_ends_the_run() {
    // A wrong key or an empty account: a thousand more requests would only be counted against it.
    for (reply, word) in [
        (Reply::refusal(401), "key"),
        (Reply::refusal(402), "balance"),
        (
            Reply::failure(gateway::ExchangeEnd::TlsFailed("bad".to_owned())),
            "certificate",
        ),
    ] {
        let hasty = Suite {
            max_attempts: 2,
            concurrency: 2,
            ..suite(20, 2, 5)
        };
        let result = carry_out(context(hasty), move |_| reply.clone());
        let RunEnd::Aborted(reason) = &result.ending else {
            panic!("{:?}", result.ending);
        };
        assert!(reason.contains(word), "{reason}");
        assert_eq!(result.reasons(), [reason.as_str()]);
        // The slots that were in flight, and not one more.
        assert_eq!(result.samples().len(), 4);
        let failed = (result.samples().iter()).all(|sample| !sample.outcome.answered());
        assert!(failed);
    }
}

#[test]
fn an_aborted_run_does_not_wait_for_the_pacer() {
    // At 1 request a minute a wrong key would take an hour to be reported.
    let suite = Suite {
        concurrency: 64,
        ..suite(60, 1, 1)
    };
    let result = carry_out(under_requests(1, suite), |_| Reply::refusal(401));
    assert!(matches!(result.ending, RunEnd::Aborted(_)));
    assert_eq!(result.fake.requests().len(), 1);
}

#[test]
fn one_slot_without_a_key_after_answers_is_no_end() {
    // A gateway that loses its keys for a moment must not end a night's run; one that has lost them for good does.
    for (refused, is_end) in [(4..5, false), (4..usize::MAX, true)] {
        let result = carry_out(context(suite(10, 2, 1)), move |request| {
            if refused.contains(&request.prompt.unwrap_or(0)) {
                Reply::refusal(401)
            } else {
                Reply::answer(10)
            }
        });
        assert_eq!(
            matches!(result.ending, RunEnd::Aborted(_)),
            is_end,
            "{:?}",
            result.ending
        );
    }
}

#[test]
fn the_last_slot_may_abort_the_run() {
    // A suite of one slot has no further one to save, but its end must give the reason that it is worthless.
    let result = carry_out(context(suite(1, 2, 1)), |_| Reply::refusal(401));
    assert!(matches!(result.ending, RunEnd::Aborted(_)));
    assert_eq!(result.samples().len(), 2);
}

#[test]
fn one_variants_failure_is_a_row_and_not_the_end() {
    // A missing model, a key without rights for it: the others are still worth comparing.
    for status in [400, 401, 402, 403, 404] {
        let result = carry_out(context(suite(3, 2, 2)), move |request| {
            match request.variant {
                1 => Reply::refusal(status),
                _ => Reply::answer(10),
            }
        });
        assert_eq!(result.ending, RunEnd::Complete, "{status}");
        assert_eq!(result.samples().len(), 12);
        let answered = (result.samples().iter())
            .filter(|sample| sample.outcome.answered())
            .count();
        assert_eq!(answered, 6);
        assert!(result.reasons().is_empty());
    }
    // The same 404 on all variants does not predict the next prompt either.
    let result = carry_out(context(suite(3, 2, 2)), |_| Reply::refusal(404));
    assert_eq!(
        (result.ending, result.fake.requests().len()),
        (RunEnd::Complete, 12)
    );
}

#[test]
fn a_panic_ends_the_run_and_keeps_the_rest_of_its_slot() {
    // A defect of ours must not look like a complete run, nor lose the other requests of the slot; and nothing
    // more is spent on a broken program.
    let result = carry_out(context(suite(5, 2, 2)), |request| {
        assert!(request.variant == 0, "a defect");
        Reply::answer(2_000)
    });
    let reason = "an internal error ended a request";
    assert_eq!(result.ending, RunEnd::Aborted(reason.to_owned()));
    assert_eq!(result.reasons(), [reason]);
    assert_eq!(result.sample().variant, "v0");
    assert_eq!(result.sample().outcome, Outcome::Complete);
}
