//! The figures of a load against a queue whose capacity is known.

use std::collections::BinaryHeap;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::plan::example;
use crate::record::example::plain_sample;
use crate::record::{Attempt, Outcome};
use crate::suite::{ArrivalProcess, LoadProfile, LoadStage};
use crate::verdict::fixture;

/// Requests of one model at a server of `capacity` places, first come, first served: for each, when it was due, sent and
/// answered.
struct Queue {
    /// The instants at which places get free, the earliest on top.
    places: BinaryHeap<std::cmp::Reverse<u64>>,
    rng: ChaCha8Rng,
}

impl Queue {
    fn new(capacity: usize, seed: u64) -> Self {
        Self {
            places: vec![std::cmp::Reverse(0); capacity].into(),
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// The instant at which a request that arrives then ends: its service takes a log-normal time of median 0.4 s.
    fn serve(&mut self, arrival: u64) -> u64 {
        let uniform = |rng: &mut ChaCha8Rng| rng.random::<f64>().max(1e-12);
        let (u, v) = (uniform(&mut self.rng), uniform(&mut self.rng));
        let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a short time"
        )]
        let service = (0.4e9 * (0.5 * normal).exp()) as u64;
        let free = self.places.pop().expect("a server has places").0;
        let end = arrival.max(free) + service;
        self.places.push(std::cmp::Reverse(end));
        end
    }
}

fn manifest(load: LoadProfile) -> Manifest {
    let mut manifest = fixture::manifest(&["v0"], &["p0"], 1);
    manifest.suite = example::suite(5, 1, 8);
    manifest.suite.load = Some(load);
    crate::plan::fix_load(&mut manifest.suite);
    manifest
}

fn sample(slot: u64, scheduled: u64, sent: u64, end: u64) -> Sample {
    let mut sample = plain_sample(slot);
    sample.slot = slot;
    sample.variant = "v0".to_owned();
    sample.outcome = Outcome::Complete;
    sample.scheduled_ns = Nanos(scheduled);
    sample.sent_ns = Nanos(sent);
    sample.ttft_ns = Some(Nanos((end - sent) / 2));
    sample.latency_ns = Some(Nanos(end - sent));
    sample.attempts = vec![Attempt {
        sent_ns: Nanos(sent),
        end_ns: Nanos(end),
        ..sample.attempts[0].clone()
    }];
    sample
}

/// The samples of a sweep over concurrency at a server of this capacity.
fn closed_sweep(plan: &LoadPlan, capacity: usize, seed: u64) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut queue = Queue::new(capacity, seed);
    let mut start = 0;
    for stage in plan.stages() {
        let LoadStage::Concurrency(level) = stage.stage else {
            panic!("not a level of concurrency");
        };
        let mut clients: BinaryHeap<_> =
            vec![std::cmp::Reverse(start); level.in_flight as usize].into();
        for slot in stage.first_slot..stage.first_slot + stage.slots {
            let sent = clients.pop().expect("a level has clients").0;
            let end = queue.serve(sent);
            clients.push(std::cmp::Reverse(end));
            samples.push(sample(slot, sent, sent, end));
            start = start.max(end);
        }
    }
    samples
}

/// The samples of an open loop at a server of this capacity, each sent when it is due.
fn open_sweep(plan: &LoadPlan, capacity: usize, seed: u64) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut queue = Queue::new(capacity, seed);
    let mut start = 0;
    for (index, stage) in plan.stages().iter().enumerate() {
        let began = start;
        for (slot, at) in (stage.first_slot..).zip(plan.arrivals(index).expect("an open loop")) {
            let due = began + at.0;
            let end = queue.serve(due);
            samples.push(sample(slot, due, due, end));
            start = start.max(end);
        }
    }
    samples
}

fn summary(load: LoadProfile, samples: impl FnOnce(&LoadPlan) -> Vec<Sample>) -> LoadSummary {
    let manifest = manifest(load);
    let plan = LoadPlan::new(&manifest.suite).unwrap();
    let mut fold = LoadFold::new(&manifest).unwrap();
    for sample in &samples(&plan) {
        fold.add(sample);
    }
    fold.finish()
}

fn sweep(text: &str, slos: &[&str]) -> LoadProfile {
    let minute = Nanos::from_millis(60_000);
    LoadProfile {
        stages: LoadProfile::sweep_stages(text, ArrivalProcess::Poisson, minute, Some(400))
            .unwrap(),
        is_sweep: true,
        slos: slos.iter().map(|slo| slo.parse().unwrap()).collect(),
        yields_on_429: false,
    }
}

/// The number of sweeps of 100, each with a seed of its own, whose interval holds the true knee.
fn hits(text: &str, truth: f64, samples: impl Fn(&LoadPlan, u64) -> Vec<Sample>) -> usize {
    let found = (0..100).filter(|&seed| {
        let summary = summary(sweep(text, &[]), |plan| samples(plan, seed));
        match summary.capacities[0].knee {
            Some(Knee::Found { interval, .. }) => interval.contains(truth),
            _ => false,
        }
    });
    found.count()
}

#[test]
fn a_sweep_of_concurrency_finds_the_capacity() {
    // The promise of a sweep: in 100 of them, at most a few intervals miss the places that the server has, whether they
    // lie at a level or between two.
    for capacity in [3, 8, 16, 30] {
        let found = hits("concurrency=1,4,16,64", capacity as f64, |plan, seed| {
            closed_sweep(plan, capacity, seed)
        });
        assert!(found >= 90, "capacity {capacity}: {found} of 100");
    }
}

#[test]
fn a_sweep_of_rates_finds_the_capacity() {
    // 6 places of 0.4 s median, log-normal with deviation 0.5: a mean of 0.4533 s, 13.24 requests a second.
    let truth = 6.0 / (0.4 * (0.125_f64).exp());
    let found = hits("rate=4/s,8/s,16/s,32/s", truth, |plan, seed| {
        open_sweep(plan, 6, seed)
    });
    assert!(found >= 90, "{found} of 100");
}

#[test]
fn a_server_that_is_not_saturated_has_no_knee() {
    let above = (0..50).filter(|&seed| {
        let summary = summary(sweep("concurrency=1,4,16", &[]), |plan| {
            closed_sweep(plan, 100, seed)
        });
        summary.capacities[0].knee == Some(Knee::Above(16.0))
    });
    let above = above.count();
    assert!(above >= 45, "{above} of 50");
}

#[test]
fn objectives_hold_up_to_a_level() {
    // Eight places of 0.4 s: four in flight never wait, 64 wait for seconds. Goodput falls while throughput stays.
    let objectives = ["latency_p90 < 2s", "error_rate < 5%"];
    let summary = summary(sweep("concurrency=4,64", &objectives), |plan| {
        closed_sweep(plan, 8, 1)
    });
    let [low, high] = [0, 1].map(|stage| summary.stages[stage].variants[0].clone());
    assert_eq!(low.status(), Some(AttainmentStatus::Met));
    assert_eq!(high.status(), Some(AttainmentStatus::Missed));
    assert_eq!(summary.capacities[0].met_up_to, Some(0));
    assert_eq!((low.in_flight_max, high.in_flight_max), (4, 64));
    assert!((high.in_flight_mean.unwrap() - 64.0).abs() < 0.5);
    let rate = 8.0 / (0.4 * 0.125_f64.exp());
    assert!(
        (high.throughput.unwrap() / rate - 1.0).abs() < 0.1,
        "{high:?}"
    );
    assert!(high.goodput.unwrap() < 0.2 * high.throughput.unwrap());
    assert!(
        (low.goodput.unwrap() / (rate / 2.0) - 1.0).abs() < 0.1,
        "{low:?}"
    );
    assert_eq!(high.attainments[1].met, 400);
}

#[test]
fn times_count_from_the_scheduled_instant() {
    // Coordinated omission: a request that waited for two seconds in the client has not taken 10 ms.
    let ms = |millis: u64| millis * 1_000_000;
    let load = LoadProfile {
        stages: LoadProfile::rate_stages("10/s", ArrivalProcess::Constant, Nanos(ms(4_000)))
            .unwrap(),
        slos: vec!["ttft_p90 < 1s".parse().unwrap()],
        ..LoadProfile::default()
    };
    let summary = summary(load, |_| {
        let late = |slot: u64| if slot < 20 { ms(2_000) } else { 0 };
        let request = |slot: u64| {
            let due = ms(slot * 100);
            sample(slot, due, due + late(slot), due + late(slot) + ms(20))
        };
        (0..40).map(request).collect()
    });
    let figures = &summary.stages[0].variants[0];
    let max = |times: &Option<Distribution>| times.as_ref().unwrap().max;
    assert_eq!(max(&figures.ttft).to_bits(), 2_010e6_f64.to_bits());
    assert_eq!(max(&figures.service_ttft).to_bits(), 10e6_f64.to_bits());
    assert_eq!(max(&figures.lag).to_bits(), 2_000e6_f64.to_bits());
    assert_eq!((figures.attainments[0].met, figures.requests), (20, 40));
    assert_eq!(figures.status(), Some(AttainmentStatus::Missed));
}

#[test]
fn a_failure_is_no_goodput() {
    // A server that rejects at once is fast: it must not win by that.
    let load = sweep("concurrency=4,16", &["latency_p90 < 60s"]);
    let summary = summary(load, |plan| {
        let mut samples = closed_sweep(plan, 16, 3);
        for sample in samples.iter_mut().step_by(2) {
            sample.outcome = Outcome::RateLimited;
        }
        samples
    });
    let figures = &summary.stages[1].variants[0];
    assert_eq!(
        (figures.requests, figures.answered, figures.rate_limited),
        (400, 200, 200)
    );
    assert_eq!(figures.attainments[0].met, 200);
    assert!(figures.goodput.unwrap() <= figures.throughput.unwrap());
}

#[test]
fn too_few_requests_name_the_number_that_is_enough() {
    // "Inconclusive" beside 20 of 20 asks what more is wanted: Wilson's interval of n of n ends at n / (n + 3.84).
    for (slo, slots, needed) in [
        ("ttft_p95 < 60s", 20, Some(73)),
        ("error_rate < 2%", 20, Some(189)),
        ("ttft_p95 < 60s", 80, None),
    ] {
        let load = sweep("concurrency=4", &[slo]);
        let summary = summary(load, |plan| {
            let all = closed_sweep(plan, 16, 3).into_iter();
            all.take(slots).collect()
        });
        let attainment = &summary.stages[0].variants[0].attainments[0];
        assert_eq!(attainment.needed, needed, "{slo} {slots}");
    }
}

#[test]
fn shares_of_a_load_are_figures_of_one() {
    // Four machines, whose clocks have nothing in common, sent a quarter each: rates, requests in flight and the distance
    // to the plan are those of all of them together.
    let load = || LoadProfile {
        stages: LoadProfile::rate_stages("20/s", ArrivalProcess::Poisson, Nanos(60_000_000_000))
            .unwrap(),
        ..LoadProfile::default()
    };
    let mut run = manifest(load());
    let plan = LoadPlan::new(&run.suite).unwrap();
    let samples = open_sweep(&plan, 100, 7);
    let figures = |run: &Manifest, samples: &[Sample]| {
        let mut fold = LoadFold::new(run).unwrap();
        for sample in samples {
            fold.add(sample);
        }
        fold.finish().stages.remove(0).variants.remove(0)
    };
    let whole = figures(&run, &samples);
    let shards = (1..=4).map(|index| crate::plan::Shard::new(index, 4).unwrap());
    let later = |index: u32| Nanos::from_millis(1_000_000 * u64::from(index));
    run.parts = shards
        .clone()
        .map(|shard| crate::record::RunPart {
            shard: Some(shard),
            start_ns: later(shard.index()),
            ..run.only_part()
        })
        .collect();
    let mut moved = Vec::new();
    for shard in shards {
        let own = samples.iter().filter(|one| shard.has_slot(one.slot));
        moved.extend(own.cloned().map(|mut sample| {
            sample.move_by(later(shard.index()));
            sample
        }));
    }
    let merged = figures(&run, &moved);
    assert_eq!(merged, whole);
    assert!(merged.in_flight_max > 5, "{merged:?}");
}
