//! Loads: when each request leaves, what a stalled server does to its times, and which request waits.

use super::*;
use crate::plan::{LoadPlan, Shard, fix_load};
use crate::record::Flag;
use crate::suite::{ArrivalProcess, ConcurrencyStage, LoadProfile, LoadStage};

fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

fn with_load(mut suite: Suite, concurrency: u32, profile: LoadProfile) -> Suite {
    suite.concurrency = concurrency;
    suite.load = Some(profile);
    fix_load(&mut suite);
    suite
}

fn rate(text: &str, arrivals: ArrivalProcess, millis: u64) -> LoadProfile {
    LoadProfile {
        stages: LoadProfile::rate_stages(text, arrivals, ms(millis)).unwrap(),
        ..LoadProfile::default()
    }
}

fn sweep(text: &str, requests: u64) -> LoadProfile {
    let stages =
        LoadProfile::sweep_stages(text, ArrivalProcess::Constant, ms(1_000), Some(requests));
    LoadProfile {
        stages: stages.unwrap(),
        is_sweep: true,
        ..LoadProfile::default()
    }
}

/// A closed loop for a time, expected to send ten requests to each model.
fn timed(in_flight: u32, millis: u64, requests: Option<u64>) -> LoadProfile {
    LoadProfile {
        stages: vec![LoadStage::Concurrency(ConcurrencyStage {
            requests,
            duration_ns: Some(ms(millis)),
            expected_requests: Some(10),
            ..ConcurrencyStage::new(in_flight)
        })],
        ..LoadProfile::default()
    }
}

/// The samples of a variant, by slot.
fn of_variant<'r>(run: &'r FinishedRun, label: &str) -> Vec<&'r Sample> {
    let samples = run.samples().into_iter();
    let mut samples: Vec<&Sample> = samples.filter(|sample| sample.variant == label).collect();
    samples.sort_by_key(|sample| sample.slot);
    samples
}

/// From the scheduled instant to the first token.
fn response(sample: &Sample) -> u64 {
    (sample.sent_ns.since(sample.scheduled_ns).0 + sample.ttft_ns.unwrap().0) / 1_000_000
}

#[test]
fn requests_leave_at_their_instants() {
    // A slow model delays no request, neither its own nor another model's: each is sent within the timer's millisecond.
    for arrivals in [ArrivalProcess::Constant, ArrivalProcess::Poisson] {
        let suite = with_load(suite(3, 2, 1), 1_000, rate("40/s", arrivals, 5_000));
        let load = LoadPlan::new(&suite).unwrap();
        let instants: Vec<Nanos> = load.arrivals(0).unwrap().collect();
        let run = carry_out(context(suite), |request| {
            Reply::answer(if request.variant == 0 { 20 } else { 4_000 })
        });
        assert_eq!(run.ending, RunEnd::Complete);
        for label in ["v0", "v1"] {
            let samples = of_variant(&run, label);
            assert_eq!(samples.len(), instants.len());
            for (sample, due) in samples.iter().zip(&instants) {
                assert_eq!(sample.scheduled_ns, *due);
                assert!(sample.lag() <= ms(1), "{:?}", sample.lag());
            }
        }
    }
}

#[test]
fn a_request_of_an_open_loop_is_late_by_its_instant() {
    // Its users come when the plan says so: a client that sends all of them 30 ms late is no client of that plan. A closed
    // loop of the same client begins when it sends.
    let open = rate("10/s", ArrivalProcess::Constant, 1_000);
    for (profile, expected) in [(open, 20), (sweep("concurrency=4", 10), 0)] {
        let suite = with_load(suite(3, 2, 1), 100, profile);
        let run = carry_out(context(suite), |_| Reply::answer(200).sent_late(30));
        let samples = run.samples();
        assert_eq!(samples.len(), 20);
        let limited = samples.iter().filter(|one| one.has(Flag::ClientLimited));
        assert_eq!(limited.count(), expected);
    }
}

#[test]
fn the_slots_of_the_plan_are_sent_in_its_order() {
    // Each model gets the same prompts in the same order as any other, cycled as long as the load lasts.
    let suite = with_load(
        suite(3, 2, 1),
        100,
        rate("10/s", ArrivalProcess::Constant, 2_000),
    );
    let planned: Vec<String> = plan(&suite)
        .slots()
        .map(|slot| format!("p{}", slot.prompt))
        .collect();
    assert_eq!(planned.len(), 20);
    let run = carry_out(context(suite), |_| Reply::answer(30));
    for label in ["v0", "v1"] {
        let sent: Vec<String> = of_variant(&run, label)
            .iter()
            .map(|s| s.prompt.clone())
            .collect();
        assert_eq!(sent, planned);
    }
}

/// A server that answers within 20 ms, but nothing from 3 s to 5 s after the start.
fn stalling(request: &SentRequest) -> Reply {
    let at = request.at.0 / 1_000_000;
    Reply::answer(20).later(if (3_000..5_000).contains(&at) {
        5_000 - at
    } else {
        0
    })
}

/// The share of values above a second, in percent.
fn slow(values: impl Iterator<Item = u64> + Clone) -> u64 {
    let count = values.clone().count() as u64;
    values.filter(|millis| *millis > 1_000).count() as u64 * 100 / count
}

#[test]
fn a_stalled_server_shows_in_an_open_loop() {
    // Coordinated omission: the server stalls for 2 s of 10 s. One request in ten is due in the first second of the stall,
    // and waits for more than a second, whether it is sent then or waits in the client for a place. A closed loop meets
    // the stall with as many requests as it has in flight, and calls the server fast.
    for concurrency in [1_000, 4] {
        let load = rate("50/s", ArrivalProcess::Constant, 10_000);
        let run = carry_out(
            context(with_load(suite(5, 1, 1), concurrency, load)),
            stalling,
        );
        let samples = of_variant(&run, "v0");
        let open = slow(samples.iter().map(|sample| response(sample)));
        // With few places those that wait in the client are late for longer: the backlog must be worked off, too.
        let expected = if concurrency == 4 { 9..=20 } else { 9..=11 };
        assert!(expected.contains(&open), "{open} % with {concurrency}");
        if concurrency == 4 {
            // What a client reports that counts from sending.
            let service = slow(
                samples
                    .iter()
                    .map(|sample| sample.ttft_ns.unwrap().0 / 1_000_000),
            );
            assert_eq!(service, 0);
            assert!(samples.iter().any(|sample| sample.lag() > ms(1_500)));
        }
    }
    let run = carry_out(
        context(with_load(suite(5, 1, 1), 4, sweep("concurrency=4", 1_000))),
        stalling,
    );
    let closed = slow(of_variant(&run, "v0").iter().map(|sample| response(sample)));
    assert_eq!(closed, 0);
}

#[test]
fn a_sweep_shows_the_places_of_a_server() {
    // Four places, 60 ms each: a request in flight alone takes 60 ms, n of them n / 4 times as long, and whatever is in flight
    // beyond four, four are answered each 60 ms. That throughput times that response time is what a sweep looks for.
    let levels = [1_u64, 2, 8, 24];
    let suite = with_load(suite(2, 1, 1), 24, sweep("concurrency=1,2,8,24", 150));
    let load = LoadPlan::new(&suite).unwrap();
    let free_at = std::sync::Mutex::new([0_u64; 4]);
    let run = carry_out(context(suite), move |request| {
        let sent = request.at.0 / 1_000_000;
        let mut places = free_at.lock().unwrap();
        let place = places.iter_mut().min().unwrap();
        let began = sent.max(*place);
        *place = began + 60;
        Reply::answer(50).later(began - sent)
    });
    let samples = of_variant(&run, "v0");
    for (stage, level) in load.stages().iter().zip(levels) {
        let slots = stage.first_slot..stage.first_slot + stage.slots;
        let own = samples.iter().filter(|sample| slots.contains(&sample.slot));
        // The first of a level find free places.
        let own: Vec<&Sample> = own.copied().skip(24).collect();
        assert_eq!(own.len(), 126);
        let expected = ms(60 * level.max(4) / 4);
        assert!(
            own.iter().all(|one| one.latency_ns == Some(expected)),
            "level {level}"
        );
        let span = own[own.len() - 1].end().since(own[0].end());
        let rounds = 125.0 / level.min(4) as f64;
        assert!(
            (span.as_secs_f64() / 0.06 - rounds).abs() < 1.0,
            "level {level}: {span:?}"
        );
    }
}

#[test]
fn a_level_keeps_its_number_in_flight_and_ends_before_the_next() {
    let suite = with_load(suite(4, 2, 1), 8, sweep("concurrency=2,8", 40));
    let load = LoadPlan::new(&suite).unwrap();
    let run = carry_out(context(suite), |request| {
        Reply::answer(if request.variant == 0 { 30 } else { 300 })
    });
    assert_eq!(run.fake.max_in_flight(), 8);
    let second = load.stages()[1].first_slot;
    let samples = run.samples();
    let end_of_first = samples
        .iter()
        .filter(|s| s.slot < second)
        .map(|s| s.end())
        .max()
        .unwrap();
    let start_of_second = samples
        .iter()
        .filter(|s| s.slot >= second)
        .map(|s| s.sent_ns)
        .min()
        .unwrap();
    assert!(start_of_second >= end_of_first);
    // The fast model does not wait for the slow one: its 40 requests, 2 at a time, take 20 x 41 ms and not 20 x 311 ms.
    let fast = of_variant(&run, "v0");
    let end = fast
        .iter()
        .filter(|sample| sample.slot < second)
        .map(|sample| sample.end())
        .max();
    assert!(end.unwrap() < ms(900), "{end:?}");
}

#[test]
fn failures_change_no_load() {
    // A server in trouble is what a load test is for: no breaker holds requests back, and none is sent twice.
    let mut suite = with_load(
        suite(5, 1, 1),
        100,
        rate("20/s", ArrivalProcess::Constant, 5_000),
    );
    suite.max_attempts = 1;
    let run = carry_out(context(suite), |request| {
        match request.at.0 / 1_000_000_000 {
            1 | 2 => Reply::refusal(503),
            3 => Reply::rate_limited("30"),
            _ => Reply::answer(20),
        }
    });
    assert_eq!(run.ending, RunEnd::Complete);
    assert_eq!(run.fake.requests().len(), 100);
    assert!(run.samples().iter().all(|sample| sample.lag() <= ms(1)));
}

#[test]
fn a_stop_ends_a_load_at_once() {
    let suite = with_load(
        suite(5, 1, 1),
        100,
        rate("20/s", ArrivalProcess::Constant, 60_000),
    );
    let run = carry_out_with(context(suite), stopped_at(5_010), |_| Reply::answer(20));
    assert_eq!(run.ending, RunEnd::Interrupted);
    assert_eq!(run.fake.requests().len(), 101);
}

#[test]
fn steps_follow_each_other_without_a_break() {
    // The second step begins when it is due, although requests of the first one are in flight.
    let load = rate("10/s,20/s", ArrivalProcess::Constant, 1_000);
    let LoadStage::Rate(first) = load.stages[0] else {
        panic!("not a rate");
    };
    let suite = with_load(suite(5, 1, 1), 100, load);
    let run = carry_out(context(suite), |_| Reply::answer(700));
    let due: Vec<u64> = of_variant(&run, "v0")
        .iter()
        .map(|s| s.scheduled_ns.0 / 1_000_000)
        .collect();
    assert_eq!(first.duration_ns, ms(1_000));
    assert_eq!(due[..3], [0, 100, 200]);
    assert_eq!(due[10..13], [1_000, 1_050, 1_100]);
    assert_eq!(due.len(), 30);
}

#[test]
fn a_level_yields_on_429() {
    // A server that takes four at once: 16 in flight are rejected; the level finds four, and most requests are answered.
    use std::sync::atomic::{AtomicU64, Ordering};
    let profile = LoadProfile {
        yields_on_429: true,
        ..sweep("concurrency=16", 600)
    };
    let run_with = |profile| {
        let busy_until: Vec<AtomicU64> = (0..4).map(|_| AtomicU64::new(0)).collect();
        carry_out(
            context(with_load(suite(5, 1, 1), 16, profile)),
            move |request| {
                let free = busy_until
                    .iter()
                    .find(|until| until.load(Ordering::Relaxed) <= request.at.0);
                match free {
                    Some(until) => {
                        until.store(request.at.0 + 111_000_000, Ordering::Relaxed);
                        Reply::answer(100)
                    }
                    None => Reply::rate_limited("1"),
                }
            },
        )
    };
    let answered = |run: &FinishedRun| {
        run.samples()
            .iter()
            .filter(|s| s.outcome.answered())
            .count()
    };
    let yielding = run_with(profile);
    let halvings = yielding
        .events
        .iter()
        .filter(|event| matches!(event, RunEvent::Yielded { .. }));
    assert!(halvings.count() >= 2);
    assert!(answered(&yielding) >= 400, "{}", answered(&yielding));
    let greedy = run_with(sweep("concurrency=16", 600));
    assert!(answered(&greedy) <= 200, "{}", answered(&greedy));
    assert_eq!(yielding.samples().len(), 600);
}

#[test]
fn a_closed_loop_ends_by_time() {
    // Each model goes on with the rounds of the plan at its own pace, far beyond what was expected; at the end nothing more is
    // sent, and what is in flight is finished.
    let suite = with_load(suite(3, 2, 1), 2, timed(2, 2_000, None));
    assert_eq!((suite.repetitions, plan(&suite).slot_count()), (4, 10));
    let order: Vec<String> = plan(&suite)
        .slots_to_send()
        .take(200)
        .map(|slot| format!("p{}", slot.prompt))
        .collect();
    let run = carry_out(context(suite), |request| {
        Reply::answer(if request.variant == 0 { 30 } else { 290 })
    });
    assert_eq!(run.ending, RunEnd::Complete);
    for (label, each, max_ms) in [("v0", 40, 41), ("v1", 300, 301)] {
        let samples = of_variant(&run, label);
        let count = samples.len() as u64;
        assert!(
            (2 * 2_000 / max_ms..=2 * 2_000 / each + 2).contains(&count),
            "{label}: {count}"
        );
        let sent: Vec<&str> = samples
            .iter()
            .map(|sample| sample.prompt.as_str())
            .collect();
        assert_eq!(sent, order[..samples.len()]);
        assert!(samples.iter().all(|sample| sample.sent_ns < ms(2_000)));
        assert!(samples.iter().all(|sample| sample.outcome.answered()));
        let end = samples.iter().map(|sample| sample.end()).max().unwrap();
        assert!(end >= ms(2_000), "{end}");
    }
    assert_eq!(run.fake.max_in_flight(), 2);
}

#[test]
fn a_rate_limit_sends_nothing_after_the_end() {
    // A request that waits for its turn under a limit of one a second would leave up to a second after the time was over.
    let suite = with_load(suite(3, 1, 1), 4, timed(4, 2_500, None));
    let run = carry_out(under_requests(60, suite), |_| Reply::answer(10));
    assert_eq!(run.ending, RunEnd::Complete);
    let sent: Vec<u64> = run
        .fake
        .requests()
        .iter()
        .map(|one| one.at.0 / 1_000_000)
        .collect();
    assert_eq!(sent, [0, 1_000, 2_000]);
}

#[test]
fn a_closed_loop_ends_by_its_requests_or_with_its_model() {
    // Whichever comes first; a model whose key is wrong is dropped, and the others go on to the end.
    let first = with_load(suite(3, 1, 1), 2, timed(2, 60_000, Some(7)));
    let run = carry_out(context(first), |_| Reply::answer(20));
    assert_eq!(
        (run.ending, run.fake.requests().len()),
        (RunEnd::Complete, 7)
    );
    let second = with_load(suite(3, 2, 1), 2, timed(2, 2_000, None));
    let run = carry_out(context(second), |request| match request.variant {
        0 => Reply::answer(90),
        _ => Reply::refusal(401),
    });
    let RunEnd::Partial(message) = &run.ending else {
        panic!("{:?}", run.ending);
    };
    assert!(
        message.contains("`v1` failed until it was dropped")
            && message.contains("before the time was over"),
        "{message}"
    );
    assert!(of_variant(&run, "v0").len() >= 2 * 2_000 / 101);
}

#[test]
fn shards_divide_an_open_loop() {
    // Eight machines at an eighth of the rate each send together what one would send, each request at its own instant.
    let suite = with_load(
        suite(3, 1, 1),
        1_000,
        rate("40/s,60/s", ArrivalProcess::Poisson, 2_000),
    );
    let load = LoadPlan::new(&suite).unwrap();
    let steps = [Nanos::ZERO, ms(2_000)];
    let instants = steps.into_iter().enumerate().flat_map(|(stage, start)| {
        let arrivals = load.arrivals(stage).unwrap();
        arrivals.map(move |at| Nanos(start.0 + at.0))
    });
    let instants: Vec<Nanos> = instants.collect();
    let mut sent: Vec<(u64, Nanos)> = Vec::new();
    for index in 1..=8 {
        let shard = Shard::new(index, 8).unwrap();
        let own = RunContext {
            plan: plan(&suite).share(Some(shard)),
            ..context(suite.clone())
        };
        let run = carry_out(own, |_| Reply::answer(20));
        assert_eq!(run.ending, RunEnd::Complete);
        let samples = run.samples().into_iter();
        sent.extend(samples.map(|sample| (sample.slot, sample.scheduled_ns)));
    }
    sent.sort_unstable();
    assert_eq!(sent, (0..).zip(instants).collect::<Vec<_>>());
}
