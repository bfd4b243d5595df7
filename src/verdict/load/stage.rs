//! The figures of one variant in one stage.
//!
//! Owns the window of steady state. Must not know other stages. Invariant: rates are of the window alone, times and
//! objectives of every request of the stage.

use crate::plan::{PlannedStage, distance_to_plan};
use crate::record::Sample;
use crate::stats::interval::Alpha;
use crate::stats::rates::wilson;
use crate::suite::{LoadStage, Slo};
use crate::units::Nanos;
use crate::verdict::distribution::{Distribution, RankBounds};

use super::{Attainment, AttainmentStatus, StageFigures, is_rate_limited, meets};

/// The share of an open loop's requests that end before its window begins.
const SETTLING_SHARE: f64 = 0.1;
/// The fewest answers in a window that make a rate.
const WINDOW_ANSWERS: usize = 5;
/// No time: the request had none.
const ABSENT: u32 = u32::MAX;

/// A request as figures of a load need it. Spans in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoadPoint {
    /// Instant of sending, ns since the run began.
    pub(super) sent: u64,
    /// From sending to the end.
    pub(super) span_us: u32,
    lag_us: u32,
    ttft_us: u32,
    tokens: u32,
    stream_rate: f32,
    /// A bit for each objective that it met.
    met: u16,
    pub(super) is_answered: bool,
    is_rate_limited: bool,
}

impl LoadPoint {
    /// The order of the points of a stage, whichever thread read them.
    pub(super) fn order(&self) -> (u64, u32, u32, u32) {
        (self.sent, self.span_us, self.lag_us, self.tokens)
    }

    pub(super) fn new(sample: &Sample, slos: &[Slo]) -> Self {
        let micros = |nanos: u64| u32::try_from(nanos / 1_000).unwrap_or(ABSENT - 1);
        let met = slos.iter().enumerate().fold(0, |bits, (index, slo)| {
            bits | (u16::from(meets(slo, sample)) << index)
        });
        let tokens = sample
            .known_usage()
            .and_then(|usage| usage.completion_tokens);
        #[allow(clippy::cast_possible_truncation, reason = "a rate needs three digits")]
        let stream_rate = sample.output_rate().map_or(f32::NAN, |rate| rate as f32);
        Self {
            sent: sample.sent_ns.0,
            span_us: micros(sample.end().since(sample.sent_ns).0),
            lag_us: micros(sample.sent_ns.since(sample.scheduled_ns).0),
            ttft_us: sample.ttft_ns.map_or(ABSENT, |ttft| micros(ttft.0)),
            tokens: u32::try_from(tokens.unwrap_or(0)).unwrap_or(u32::MAX),
            stream_rate,
            met,
            is_answered: sample.outcome.answered(),
            is_rate_limited: is_rate_limited(sample),
        }
    }

    /// The instant at which it was due, ns since the run began.
    pub(super) fn scheduled(&self) -> u64 {
        self.sent.saturating_sub(u64::from(self.lag_us) * 1_000)
    }

    /// The instant of its end, ns since the run began.
    pub(super) fn end(&self) -> u64 {
        self.sent.saturating_add(u64::from(self.span_us) * 1_000)
    }

    fn meets_all(&self, slos: usize) -> bool {
        self.met.count_ones() as usize == slos
    }
}

/// The time of a stage in which its load is steady: from the end of its first requests to the sending of its last one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StageWindow {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl StageWindow {
    /// The window of a stage; `None` if it has too few answers.
    pub(super) fn new(planned: &PlannedStage, points: &[LoadPoint]) -> Option<Self> {
        let first = match &planned.stage {
            LoadStage::Concurrency(stage) => stage.in_flight as usize,
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a length"
            )]
            LoadStage::Rate(_) | LoadStage::Trace(_) => {
                (points.len() as f64 * SETTLING_SHARE).ceil() as usize
            }
        };
        let mut ends: Vec<u64> = points.iter().map(LoadPoint::end).collect();
        ends.sort_unstable();
        let from = *ends.get(first.max(1) - 1)?;
        let to = points.iter().map(|point| point.sent).max()?;
        let window = Self { from, to };
        let answers = points
            .iter()
            .filter(|point| point.is_answered && window.holds(point));
        (from < to && answers.count() >= WINDOW_ANSWERS).then_some(window)
    }

    /// Returns true for a request that ends in the window.
    pub(super) fn holds(&self, point: &LoadPoint) -> bool {
        let end = point.end();
        self.from < end && end <= self.to
    }

    /// Its length in seconds.
    pub(super) fn seconds(&self) -> f64 {
        (self.to - self.from) as f64 / 1e9
    }

    /// The part of a request's time in it, in seconds.
    fn overlap(&self, point: &LoadPoint) -> f64 {
        let (from, to) = (point.sent.max(self.from), point.end().min(self.to));
        to.saturating_sub(from) as f64 / 1e9
    }
}

/// The figures of the requests of one variant; `label` with whether it is the reference.
pub(super) fn figures(
    (label, is_reference): &(String, bool),
    points: &[LoadPoint],
    window: Option<&StageWindow>,
    slos: &[Slo],
    ends: &mut RankBounds,
) -> StageFigures {
    let count =
        |keep: fn(&LoadPoint) -> bool| points.iter().filter(|point| keep(point)).count() as u64;
    let answered = || points.iter().filter(|point| point.is_answered);
    let mut times = |of: &mut dyn Iterator<Item = u64>| {
        let mut values: Vec<u64> = of.map(|micros| micros * 1_000).collect();
        Distribution::from_integers(&mut values, ends)
    };
    let from_schedule = |point: &LoadPoint, span: u32| u64::from(point.lag_us) + u64::from(span);
    let with_token = || answered().filter(|point| point.ttft_us != ABSENT);
    let ttft = times(&mut with_token().map(|point| from_schedule(point, point.ttft_us)));
    let service_ttft = times(&mut with_token().map(|point| u64::from(point.ttft_us)));
    let latency = times(&mut answered().map(|point| from_schedule(point, point.span_us)));
    let lag = times(&mut points.iter().map(|point| u64::from(point.lag_us)));
    let mut rates: Vec<f64> = answered()
        .map(|point| f64::from(point.stream_rate))
        .collect();
    rates.retain(|rate| rate.is_finite());
    let in_window = |value: &dyn Fn(&LoadPoint) -> f64| {
        let window = window?;
        let held = answered().filter(|point| window.holds(point));
        Some(held.map(value).sum::<f64>() / window.seconds())
    };
    let good = |point: &LoadPoint| f64::from(u8::from(point.meets_all(slos.len())));
    let attainments = slos.iter().enumerate().map(|(index, slo)| {
        let met = points
            .iter()
            .filter(|point| point.met & (1 << index) != 0)
            .count() as u64;
        attainment(met, points.len() as u64, slo.share)
    });
    StageFigures {
        label: label.clone(),
        is_reference: *is_reference,
        requests: points.len() as u64,
        answered: count(|point| point.is_answered),
        rate_limited: count(|point| point.is_rate_limited),
        ttft,
        latency,
        service_ttft,
        lag,
        arrival_distance: None,
        in_flight_max: in_flight_max(points),
        in_flight_mean: window.map(|window| {
            let busy: f64 = points.iter().map(|point| window.overlap(point)).sum();
            busy / window.seconds()
        }),
        throughput: in_window(&|_| 1.0),
        goodput: in_window(&good).filter(|_| !slos.is_empty()),
        tokens_per_second: in_window(&|point| f64::from(point.tokens)),
        stream_rate: Distribution::from_floats(&mut rates, ends),
        attainments: attainments.collect(),
    }
}

/// The distance of the instants of sending to those of the stage's rate, whose first request is due `first` after its
/// beginning.
pub(super) fn arrival_distance(
    planned: &PlannedStage,
    points: &[LoadPoint],
    first: Option<Nanos>,
) -> Option<f64> {
    let LoadStage::Rate(stage) = &planned.stage else {
        return None;
    };
    let scheduled = points.iter().map(LoadPoint::scheduled);
    let began = scheduled.min()?.saturating_sub(first?.0);
    let mut sent: Vec<Nanos> = points
        .iter()
        .map(|point| Nanos(point.sent.saturating_sub(began)))
        .collect();
    sent.sort_unstable();
    Some(distance_to_plan(stage, &sent))
}

fn attainment(met: u64, requests: u64, share: f64) -> Attainment {
    let interval = wilson(met as f64, requests as f64, Alpha::FIVE_PERCENT);
    let status = match (interval.lower, interval.upper) {
        (Some(lower), _) if lower >= share => AttainmentStatus::Met,
        (_, Some(upper)) if upper < share => AttainmentStatus::Missed,
        _ => AttainmentStatus::Inconclusive,
    };
    let is_short = status == AttainmentStatus::Inconclusive && met == requests;
    Attainment {
        met,
        requests,
        interval,
        status,
        needed: is_short.then(|| requests_without_a_miss(share)),
    }
}

/// The fewest requests, all of which meet an objective, that show that the share does.
fn requests_without_a_miss(share: f64) -> u64 {
    let shows = |requests: u64| {
        let all = requests as f64;
        let lower = wilson(all, all, Alpha::FIVE_PERCENT).lower;
        lower.is_some_and(|lower| lower >= share)
    };
    let mut enough = 1_u64;
    while !shows(enough) && enough < 1 << 40 {
        enough *= 2;
    }
    let mut too_few = enough / 2;
    while enough - too_few > 1 {
        let middle = u64::midpoint(too_few, enough);
        if shows(middle) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    enough
}

/// The largest number of requests in flight at once; one that begins as another ends comes after it.
fn in_flight_max(points: &[LoadPoint]) -> u64 {
    let mut changes: Vec<(u64, i8)> = Vec::with_capacity(points.len() * 2);
    for point in points {
        changes.push((point.sent, 1));
        changes.push((point.end(), -1));
    }
    changes.sort_unstable();
    let (mut now, mut max) = (0_i64, 0_i64);
    for (_, change) in changes {
        now += i64::from(change);
        max = max.max(now);
    }
    u64::try_from(max).unwrap_or(0)
}
