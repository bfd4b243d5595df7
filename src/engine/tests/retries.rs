//! Retries of a trial.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::gateway;
use crate::record::{Flag, Outcome};

fn one_trial(max_attempts: u32) -> RunContext {
    context(Suite {
        max_attempts,
        ..suite(1, 1, 1)
    })
}

fn outcomes(sample: &Sample) -> Vec<Outcome> {
    let attempts = sample.attempts.iter();
    attempts.map(|attempt| attempt.outcome).collect()
}

#[test]
fn each_attempt_is_on_record_and_only_the_last_is_timed() {
    // A user waited through all of it; the model's time to first token is the answered attempt's.
    let result = carry_out(one_trial(3), |request| match request.attempt {
        1 => Reply::rate_limited("7"),
        2 => Reply::lost(),
        _ => Reply::answer(100),
    });
    let sample = result.sample();
    sample.check().unwrap();
    let attempts = &sample.attempts;
    assert_eq!(
        outcomes(sample),
        [
            Outcome::RateLimited,
            Outcome::ConnectionLost,
            Outcome::Complete
        ]
    );
    let ids = attempts.iter().map(|attempt| attempt.request_id.as_str());
    assert!(ids.eq(["run-0-1", "run-0-2", "run-0-3"]));
    assert!(
        result
            .fake
            .requests()
            .iter()
            .map(|request| &request.request_id)
            .eq(attempts.iter().map(|attempt| &attempt.request_id))
    );
    let statuses = attempts.iter().map(|attempt| attempt.status);
    assert!(statuses.eq([Some(429), None, Some(200)]));
    assert_eq!(attempts[0].retry_after_ms, Some(7_000));
    assert_eq!(sample.request_id, "run-0-3");
    assert_eq!(sample.outcome, Outcome::Complete);
    assert!(sample.has(Flag::Retried) && !sample.has(Flag::ClientLimited));
    assert_eq!(sample.ttft_ns, Some(Nanos::from_millis(100)));
    assert_eq!(sample.sent_ns, attempts[2].sent_ns);
    let waited = attempts[2].sent_ns.since(attempts[0].sent_ns);
    assert_eq!(
        sample.experienced_ttft_ns,
        Some(Nanos(waited.0 + 100_000_000))
    );
    assert_eq!(sample.lag(), Nanos::ZERO);
}

#[test]
fn a_retry_waits_as_announced_and_as_long_as_the_server_demands() {
    // Coming back early earns another 429, or a ban.
    let result = carry_out(one_trial(4), |request| match request.attempt {
        1 => Reply::rate_limited("7"),
        2 => Reply::rate_limited("soon"),
        3 => Reply::rate_limited("0"),
        _ => Reply::answer(100),
    });
    let attempts = &result.sample().attempts;
    let waited = attempts
        .windows(2)
        .map(|pair| pair[1].sent_ns.since(pair[0].end_ns));
    let waited: Vec<Nanos> = waited.collect();
    assert_eq!(result.waits().len(), 3);
    for (announced, waited) in result.waits().into_iter().zip(&waited) {
        // The runtime's timers count in milliseconds, rounded up.
        let late = waited
            .0
            .checked_sub(announced.0)
            .expect("never before its time");
        assert!(late <= 1_000_000);
    }
    assert!(waited[0] >= Nanos::from_millis(7_000));
    // Without a demand of the server: the back-off, which grows.
    assert!(
        (500..=1_001).contains(&(waited[1].0 / 1_000_000)),
        "{waited:?}"
    );
    assert!(
        (1_000..=2_001).contains(&(waited[2].0 / 1_000_000)),
        "{waited:?}"
    );
}

#[test]
fn attempts_are_bounded_and_the_last_failure_stands() {
    // A server that is down must cost only as many requests as the suite allows.
    for max in 1..=4 {
        let result = carry_out(one_trial(max), |_| Reply::refusal(503));
        let sample = result.sample();
        assert_eq!(outcomes(sample), vec![Outcome::ServerError; max as usize]);
        assert_eq!(sample.outcome, Outcome::ServerError);
        assert_eq!(sample.error.as_ref().unwrap().status, Some(503));
        assert_eq!(sample.has(Flag::Retried), max > 1);
        assert_eq!((sample.ttft_ns, sample.experienced_ttft_ns), (None, None));
        assert_eq!(result.waits().len() + 1, max as usize);
        // One variant that fails is a row of the comparison, not the end of the run.
        assert_eq!(result.ending, RunEnd::Complete);
    }
}

#[test]
fn after_a_token_nothing_is_tried_again() {
    // The answer was begun and is paid for: a second one would hide the failure.
    for (reply, outcome) in [
        (Reply::lost_after_token(), Outcome::ConnectionLost),
        (Reply::cut_after_token(), Outcome::Cut),
    ] {
        let result = carry_out(one_trial(3), move |_| reply.clone());
        assert_eq!(outcomes(result.sample()), [outcome]);
        assert!(result.sample().ttft_ns.is_some() && result.waits().is_empty());
    }
}

#[test]
fn what_cannot_pass_is_not_tried_again() {
    // A wrong model stays wrong; a wait of an hour is a failure that should be seen.
    for (reply, outcome) in [
        (Reply::refusal(400), Outcome::Rejected),
        (Reply::refusal(404), Outcome::ModelNotFound),
        (Reply::rate_limited("3600"), Outcome::RateLimited),
        (
            Reply::failure(gateway::ExchangeEnd::TimedOut(gateway::Deadline::Total)),
            Outcome::TimedOutTotal,
        ),
    ] {
        let result = carry_out(one_trial(3), move |_| reply.clone());
        assert_eq!(outcomes(result.sample()), [outcome]);
        assert_eq!(result.ending, RunEnd::Complete);
    }
}

#[test]
fn trials_that_fail_together_come_back_apart() {
    // Without jitter the same trials would meet the same limit at the same moment again.
    let suite = Suite {
        max_attempts: 2,
        concurrency: 8,
        ..suite(8, 1, 1)
    };
    let script = |request: &SentRequest| match request.attempt {
        1 => Reply::refusal(429),
        _ => Reply::answer(10),
    };
    // Threads read the answers, so that events of one instant come in any order.
    let waits = |suite| -> BTreeMap<u64, Nanos> {
        let result = carry_out(context(suite), script);
        let waits = result.events.iter().filter_map(|event| match event {
            RunEvent::Retried { trial, wait, .. } => Some((*trial, *wait)),
            _ => None,
        });
        waits.collect()
    };
    let once = waits(suite.clone());
    let different: BTreeSet<Nanos> = once.values().copied().collect();
    assert_eq!((once.len(), different.len()), (8, 8));
    // And the same seed waits the same, so that a run can be repeated.
    assert_eq!(once, waits(suite));
}
