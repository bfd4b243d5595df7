//! The breaker and the bounds of what a failing model is sent.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;
const PATIENCE: Nanos = Nanos(300 * SECOND);

fn failure(permanent: bool) -> AttemptEffect {
    AttemptEffect::Failure {
        outcome: Outcome::ServerError,
        demanded: None,
        permanent,
    }
}

fn at(second: u64) -> Nanos {
    Nanos(second * SECOND)
}

/// A model with so many requests in flight, all of which fail now.
fn failed(in_flight: u32) -> ModelHealth {
    failed_within(in_flight, PATIENCE)
}

fn failed_within(in_flight: u32, patience: Nanos) -> ModelHealth {
    let mut model = ModelHealth::new(patience);
    fail(&mut model, in_flight);
    model
}

/// Sends so many requests at once, all of which fail.
fn fail(model: &mut ModelHealth, in_flight: u32) {
    for _ in 0..in_flight {
        model.admit(at(0), SendTurn::First);
    }
    for _ in 0..in_flight {
        model.record(at(0), at(0), failure(false), false);
    }
}

#[test]
fn ten_failures_in_a_row_open_it_and_one_answer_closes_it() {
    // A model that is down gets one request at a time; one that answers gets them all.
    assert!(!failed(9).is_open());
    let mut model = failed(10);
    assert!(model.is_open());
    assert_eq!(model.admit(at(0), SendTurn::First), Admission::Wait);
    let probe = Admission::Send { probe: true };
    assert_eq!(model.admit(at(1), SendTurn::First), probe);
    assert_eq!(model.admit(at(1), SendTurn::First), Admission::Wait);
    let change = model.record(at(2), at(1), AttemptEffect::Answer, true);
    assert_eq!(change, Some(BreakerChange::Resumed));
    let plain = Admission::Send { probe: false };
    assert_eq!(model.admit(at(2), SendTurn::First), plain);
}

#[test]
fn half_of_twenty_open_it() {
    // A model that answers every other request is not worth a storm of retries.
    let mut model = ModelHealth::new(PATIENCE);
    for number in 0..20 {
        assert!(!model.is_open(), "{number}");
        model.admit(at(number), SendTurn::First);
        let effect = if number % 2 == 1 {
            failure(false)
        } else {
            AttemptEffect::Answer
        };
        model.record(at(number), at(number), effect, false);
    }
    assert!(model.is_open());
}

#[test]
fn what_no_wait_mends_drops_the_model_at_once() {
    // A wrong key, or a wait of a day: ten refusals in a row are enough, and nothing is waited for.
    let mut model = ModelHealth::new(PATIENCE);
    for number in 0..10 {
        let plain = Admission::Send { probe: false };
        assert_eq!(model.admit(at(0), SendTurn::First), plain, "{number}");
        let change = model.record(at(0), at(0), failure(true), false);
        assert_eq!(change.is_some(), number == 9);
    }
    assert!(model.is_dropped());
    assert_eq!(model.admit(at(9), SendTurn::First), Admission::Refused);
}

/// The seconds at which a model that fails from 0 on is tested, and the one at which it is dropped.
fn probes(mut model: ModelHealth) -> (Vec<u64>, u64) {
    let (mut sent, mut now) = (Vec::new(), at(0));
    while !model.is_dropped() {
        if let Admission::Send { probe } = model.admit(now, SendTurn::Retry) {
            sent.push(now.0 / SECOND);
            model.record(now, now, failure(false), probe);
        }
        model.tick(now);
        now = model.next_change(now).unwrap_or(now);
    }
    (sent, now.0 / SECOND)
}

#[test]
fn probes_come_ever_later_until_the_patience_is_over() {
    // 1, 2, 4, 8, 16, 30, 30 ... seconds apart, and the run goes on without the model after five minutes.
    let (sent, dropped) = probes(failed(10));
    assert_eq!(
        sent,
        [1, 3, 7, 15, 31, 61, 91, 121, 151, 181, 211, 241, 271]
    );
    assert_eq!(dropped, 300);
}

#[test]
fn little_patience_tests_often() {
    // Waits that double would test a model once or twice before a patience of seconds is over.
    let (sent, dropped) = probes(failed_within(10, at(10)));
    assert_eq!((sent, dropped), (vec![1, 3, 5, 7, 9], 10));
}

#[test]
fn a_model_that_never_answered_while_others_do_gets_a_tenth_of_the_patience() {
    // A wrong set-up of one model must not hold a short run for minutes; an outage of all is waited out.
    let mut model = failed(10);
    model.note_other_answer();
    assert_eq!(probes(model), (vec![1, 3, 7, 15], 30));
    // One that answered before has the whole patience.
    let mut model = ModelHealth::new(PATIENCE);
    model.admit(at(0), SendTurn::First);
    model.record(at(0), at(0), AttemptEffect::Answer, false);
    model.note_other_answer();
    fail(&mut model, 10);
    assert_eq!(probes(model).1, 300);
    // One that hangs has not failed yet.
    let mut model = ModelHealth::new(PATIENCE);
    model.admit(at(0), SendTurn::First);
    model.note_other_answer();
    model.open_stalled(at(60), at(0));
    assert_eq!((model.tick(at(90)), model.patience()), (None, PATIENCE));
}

#[test]
fn retries_need_answers() {
    // Ten retries may go out beyond those that answers pay for: failing trials must not add up to a storm.
    let mut model = ModelHealth::new(PATIENCE);
    model.admit(at(0), SendTurn::First);
    let retries = (0..30).filter(|_| {
        let admission = model.admit(at(1), SendTurn::Retry);
        matches!(admission, Admission::Send { .. })
    });
    assert_eq!(retries.count(), RETRY_TOKENS as usize);
    model.record(at(2), at(0), AttemptEffect::Answer, false);
    let plain = Admission::Send { probe: false };
    assert_eq!(model.admit(at(2), SendTurn::Retry), plain);
    assert_eq!(model.admit(at(2), SendTurn::Retry), Admission::Wait);
}

#[test]
fn a_demanded_wait_delays_the_probe() {
    // A server that names its wait is obeyed, up to the longest step.
    for (demanded, expected) in [(0, 1), (7, 7), (99_999, 30)] {
        let mut model = failed(9);
        let effect = AttemptEffect::Failure {
            outcome: Outcome::RateLimited,
            demanded: Some(at(demanded)),
            permanent: false,
        };
        let change = model.record(at(0), at(0), effect, false);
        let next = at(expected);
        assert_eq!(change, Some(BreakerChange::Paused { next }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // However many are in flight and whenever they end: a model that never answers gets what was in flight
    // at its first failure, and ten more in any minute after it.
    #[test]
    fn a_storm_is_bounded(
        in_flight in 1_u32..100,
        latency_ms in 1_u64..2_000,
        ask_ms in 1_u64..700,
    ) {
        let mut model = ModelHealth::new(PATIENCE);
        // Requests in flight: when each ends, when it was sent, and if it is a probe.
        let mut requests: Vec<(u64, u64, bool)> = Vec::new();
        let mut later: Vec<u64> = Vec::new();
        for _ in 0..in_flight {
            model.admit(Nanos::ZERO, SendTurn::First);
            requests.push((latency_ms, 0, false));
        }
        let mut now_ms = 0;
        while now_ms < 240_000 {
            now_ms += ask_ms;
            let now = Nanos::from_millis(now_ms);
            let (ended, rest): (Vec<_>, Vec<_>) = requests.iter().partition(|one| one.0 <= now_ms);
            requests = rest;
            for (_, sent, probe) in ended {
                model.record(now, Nanos::from_millis(sent), failure(false), probe);
            }
            for turn in [SendTurn::First, SendTurn::Retry, SendTurn::First] {
                if requests.len() < in_flight as usize
                    && let Admission::Send { probe } = model.admit(now, turn)
                {
                    requests.push((now_ms + latency_ms, now_ms, probe));
                    later.push(now_ms);
                }
            }
        }
        for from in &later {
            let within = later.iter().filter(|at| (*from..*from + 60_000).contains(at));
            prop_assert!(within.count() <= 10, "{:?}", later);
        }
    }
}
