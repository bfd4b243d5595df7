use proptest::prelude::*;

use super::*;

const MINUTE: u64 = 60_000_000_000;

fn pacer(requests: u32, tokens: u64) -> Pacer {
    Pacer::new(NonZeroU32::new(requests), NonZeroU64::new(tokens))
}

#[test]
fn slots_are_spaced_by_their_size() {
    // 60 requests a minute are one a second: a slot of 5 holds the next back by 5 seconds.
    let mut pacer = pacer(60, 0);
    let starts: Vec<_> = [5, 1, 2]
        .into_iter()
        .map(|requests| pacer.wait(Nanos::ZERO, requests, 1_000_000).0 / 1_000_000_000)
        .collect();
    assert_eq!(starts, [0, 5, 6]);
}

#[test]
fn the_stricter_limit_decides() {
    // Few requests with many tokens are held back by the tokens.
    let mut pacer = pacer(600, 6_000);
    pacer.wait(Nanos::ZERO, 1, 3_000);
    assert_eq!(pacer.wait(Nanos::ZERO, 1, 1), Nanos(30_000_000_000));
}

#[test]
fn without_limits_nothing_waits() {
    // An endpoint that states no limit must not be slowed down.
    let mut pacer = Pacer::new(None, None);
    for now in [0, 5, 3, u64::MAX] {
        assert_eq!(pacer.wait(Nanos(now), u32::MAX, u64::MAX), Nanos(now));
    }
}

#[test]
fn an_impossible_slot_waits_for_ever_instead_of_wrapping() {
    // A slot beyond all measure may start, but nothing after it.
    let mut pacer = pacer(0, 1);
    assert_eq!(pacer.wait(Nanos(9), 1, u64::MAX), Nanos(9));
    assert_eq!(pacer.wait(Nanos(9), 1, 1), Nanos(u64::MAX));
}

proptest! {
    // In every window of a minute, what started is less than the limit plus the window's last slot;
    // and no slot starts before it is ready.
    #[test]
    fn a_minute_never_holds_more_than_the_limit_and_one_slot(
        requests_per_minute in 1_u32..2_000,
        tokens_per_minute in 1_u64..1_000_000,
        slots in prop::collection::vec((0_u64..20_000_000_000, 0_u32..12, 0_u64..200_000), 1..60),
    ) {
        let mut pacer = pacer(requests_per_minute, tokens_per_minute);
        let mut now = 0;
        let mut started: Vec<(u64, u64, u64)> = Vec::new();
        for (pause, requests, tokens) in slots {
            now += pause;
            let start = pacer.wait(Nanos(now), requests, tokens).0;
            prop_assert!(start >= now);
            prop_assert!(started.last().is_none_or(|(earlier, ..)| *earlier <= start));
            started.push((start, u64::from(requests), tokens));
        }
        for (first, (from, ..)) in started.iter().enumerate() {
            let window: Vec<_> = (started[first..].iter())
                .take_while(|(start, ..)| start - from < MINUTE)
                .collect();
            let (last, before) = window.split_last().unwrap();
            let requests: u64 = before.iter().map(|(_, requests, _)| requests).sum();
            let tokens: u64 = before.iter().map(|(.., tokens)| tokens).sum();
            prop_assert!(requests < u64::from(requests_per_minute) || before.is_empty());
            prop_assert!(tokens < tokens_per_minute || before.is_empty());
            prop_assert!(last.0 >= *from);
        }
    }

    // Pacing costs no throughput: slots that are always ready start as soon as the limit lets them,
    // to the nanosecond.
    #[test]
    fn a_busy_endpoint_is_used_to_its_limit(limit in 1_u32..5_000, slots in 1_u64..200) {
        let mut pacer = pacer(limit, 0);
        let last = (0..=slots).map(|_| pacer.wait(Nanos::ZERO, 1, 0).0).last().unwrap();
        prop_assert!(last >= slots * MINUTE / u64::from(limit));
        prop_assert!(last <= slots * MINUTE / u64::from(limit) + slots);
    }
}
