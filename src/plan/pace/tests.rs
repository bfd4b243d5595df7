use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::plan::example::suite;
use crate::suite::ModelLimit;

const MINUTE: u64 = 60_000_000_000;

fn per_minute(requests: u32, tokens: u64) -> PerMinute {
    PerMinute {
        requests: NonZeroU32::new(requests),
        tokens: NonZeroU64::new(tokens),
    }
}

/// A pacer for one variant under a limit of the endpoint; 0: no limit.
fn pacer(requests: u32, tokens: u64) -> RatePacer {
    let limits = RateLimits {
        whole: per_minute(requests, tokens),
        models: Vec::new(),
    };
    RatePacer::new(&suite(1, 1, 1), &limits)
}

/// Limits of the endpoint and of the models `maker/m0` and `maker/m1`.
fn limits(whole: PerMinute, models: [PerMinute; 2]) -> RateLimits {
    let named = models.into_iter().enumerate();
    RateLimits {
        whole,
        models: named
            .map(|(index, per_minute)| ModelLimit {
                model: format!("maker/m{index}"),
                per_minute,
            })
            .collect(),
    }
}

fn load(variant: usize, requests: u64, tokens: u64) -> Load {
    Load {
        variant,
        requests,
        tokens,
    }
}

#[test]
fn slots_are_spaced_by_their_size() {
    // 60 requests a minute are one a second: a slot of 5 holds the next back by 5 seconds.
    let mut pacer = pacer(60, 0);
    let starts: Vec<_> = [5, 1, 2]
        .into_iter()
        .map(|requests| pacer.wait(Nanos::ZERO, &[load(0, requests, 1_000_000)]))
        .map(|start| start.0 / 1_000_000_000)
        .collect();
    assert_eq!(starts, [0, 5, 6]);
}

#[test]
fn the_stricter_limit_decides() {
    // Few requests with many tokens are held back by the tokens.
    let mut pacer = pacer(600, 6_000);
    pacer.wait(Nanos::ZERO, &[load(0, 1, 3_000)]);
    let next = pacer.wait(Nanos::ZERO, &[load(0, 1, 1)]);
    assert_eq!(next, Nanos(30_000_000_000));
}

#[test]
fn variants_of_one_model_share_its_limit() {
    // Two efforts of one model are one account's requests to it: a slot takes both from its limit.
    let mut suite = suite(1, 3, 1);
    suite.variants[1].model = suite.variants[0].model.clone();
    let limits = limits(PerMinute::default(), [per_minute(60, 0); 2]);
    let mut pacer = RatePacer::new(&suite, &limits);
    let slot = [load(0, 1, 0), load(1, 1, 0), load(2, 1, 0)];
    assert_eq!(pacer.wait(Nanos::ZERO, &slot), Nanos::ZERO);
    assert_eq!(pacer.wait(Nanos::ZERO, &slot), Nanos::from_millis(2_000));
    // Another model's requests are not held back by them.
    let other = [load(2, 1, 0)];
    assert_eq!(pacer.wait(Nanos::ZERO, &other), Nanos::ZERO);
}

#[test]
fn requests_that_did_not_wait_are_counted() {
    // A retry goes out when its server allows it; the next slot pays for it.
    let mut pacer = pacer(60, 0);
    pacer.wait(Nanos::ZERO, &[load(0, 1, 0)]);
    pacer.take(Nanos::from_millis(200), &[load(0, 1, 0)]);
    let next = pacer.wait(Nanos::from_millis(300), &[load(0, 1, 0)]);
    assert_eq!(next, Nanos::from_millis(2_000));
}

#[test]
fn without_limits_nothing_waits() {
    // An endpoint that states no limit must not be slowed down.
    let mut pacer = pacer(0, 0);
    for now in [0, 5, 3, u64::MAX] {
        let start = pacer.wait(Nanos(now), &[load(0, u64::MAX, u64::MAX)]);
        assert_eq!(start, Nanos(now));
    }
    assert_eq!(pacer.busiest(), None);
}

#[test]
fn an_impossible_slot_waits_for_ever_instead_of_wrapping() {
    // A slot beyond all measure may start, but nothing after it.
    let mut pacer = pacer(0, 1);
    assert_eq!(pacer.wait(Nanos(9), &[load(0, 1, u64::MAX)]), Nanos(9));
    assert_eq!(pacer.wait(Nanos(9), &[load(0, 1, 1)]), Nanos(u64::MAX));
}

/// One call to a pacer: a slot that waits, or a retry that does not.
#[derive(Debug, Clone)]
struct PacerStep {
    pause: u64,
    waits: bool,
    loads: Vec<Load>,
}

fn step() -> impl Strategy<Value = PacerStep> {
    let amounts = (0_usize..3, 0_u64..6, 0_u64..100_000);
    let loads = prop::collection::vec(amounts, 1..4);
    (0_u64..20_000_000_000, prop::bool::weighted(0.8), loads).prop_map(|(pause, waits, loads)| {
        let loads = loads.into_iter();
        PacerStep {
            pause,
            waits,
            loads: loads.map(|(v, r, t)| load(v, r, t)).collect(),
        }
    })
}

/// The amount of a load that counts against one limit.
type CountedAmount<'a> = &'a dyn Fn(&Load) -> u64;

/// Checks, in the order of the calls, that everything started in the minute before a slot, and requested before
/// it, amounts to less than the limit.
fn check_limit(
    started: &[(u64, PacerStep)],
    limit: u64,
    amount: CountedAmount<'_>,
) -> Result<(), TestCaseError> {
    let step_amount = |step: &PacerStep| step.loads.iter().map(amount).sum::<u64>();
    for (index, (start, step)) in started.iter().enumerate() {
        if !step.waits || step_amount(step) == 0 {
            continue;
        }
        let window = started[..index]
            .iter()
            .filter(|(earlier, _)| earlier + MINUTE > *start);
        let before: u64 = window.map(|(_, step)| step_amount(step)).sum();
        prop_assert!(before < limit || before == 0, "{before} of {limit}");
    }
    Ok(())
}

proptest! {
    // However slots and retries interleave, the minute before a slot holds less than each limit that
    // the slot touches; and no slot starts before it is ready.
    #[test]
    fn a_minute_never_holds_more_than_a_limit_and_one_slot(
        requests in prop::array::uniform3(1_u32..2_000),
        tokens in prop::array::uniform3(1_u64..1_000_000),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        // Variants 0 and 1 are one model, variant 2 another.
        let mut suite = suite(1, 3, 1);
        suite.variants[1].model = suite.variants[0].model.clone();
        suite.variants[2].model = "maker/m1".parse().unwrap();
        let [whole, first, second] = [0, 1, 2].map(|i| per_minute(requests[i], tokens[i]));
        let mut pacer = RatePacer::new(&suite, &limits(whole, [first, second]));
        let mut now = 0;
        let mut started: Vec<(u64, PacerStep)> = Vec::new();
        for step in steps {
            now += step.pause;
            let start = if step.waits {
                pacer.wait(Nanos(now), &step.loads).0
            } else {
                pacer.take(Nanos(now), &step.loads);
                now
            };
            prop_assert!(start >= now);
            started.push((start, step));
        }
        let belongs = |model: usize, load: &Load| model == 0 || (load.variant < 2) == (model == 1);
        for model in 0..3 {
            let limit = u64::from(requests[model]);
            let share = |load: &Load, amount: u64| if belongs(model, load) { amount } else { 0 };
            check_limit(&started, limit, &|load| share(load, load.requests))?;
            check_limit(&started, tokens[model], &|load| share(load, load.tokens))?;
        }
    }

    // Pacing costs no throughput: slots that are always ready start as soon as the limit lets them,
    // to the nanosecond; and the end of all of them is known without going through them.
    #[test]
    fn a_busy_endpoint_is_used_to_its_limit(limit in 1_u32..5_000, slots in 1_u64..200) {
        let mut each = pacer(limit, 0);
        let starts = (0..=slots).map(|_| each.wait(Nanos::ZERO, &[load(0, 1, 0)]).0);
        let last = starts.last().unwrap();
        prop_assert!(last >= slots * MINUTE / u64::from(limit));
        prop_assert!(last <= slots * MINUTE / u64::from(limit) + slots);
        let mut all = pacer(limit, 0);
        all.take(Nanos::ZERO, &[load(0, slots, 0)]);
        prop_assert!(all.busiest().unwrap().0.0.abs_diff(last) <= slots);
    }
}
