//! The load section of a report: a row per stage and variant, and what each model takes.
//!
//! Owns the columns and sentences about load. Must not know how the figures were computed. Invariant: response times are
//! never shown without the lag that they contain.

use std::fmt::Write as _;

use crate::record::{Manifest, Yielding};
use crate::stats::knee::Knee;
use crate::stats::quantile::Percentile;
use crate::suite::LoadStage;
use crate::units::{Nanos, plural};
use crate::verdict::{
    AttainmentStatus, Capacity, Distribution, LoadSummary, StageFigures, StageSummary,
};

use super::figure::{Figure, FigureCell, count, share};
use super::table::{FigureRow, FigureTable};

/// Lag (p99) from which a sentence says that requests were sent late.
const LATE: Nanos = Nanos::from_millis(50);

/// Seconds between the starts of shards from which on a sentence says so.
const SHARES_APART_SECONDS: u64 = 5;

/// The load section of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadSection {
    /// One row per stage and variant.
    pub table: FigureTable,
    /// The load that each model takes, and the problems of the load.
    pub sentences: Vec<String>,
    /// The legend.
    pub legend: Vec<String>,
}

/// The section of a run that has a load.
pub(super) fn load_section(load: &LoadSummary, manifest: &Manifest) -> LoadSection {
    let rows = load.stages.iter().enumerate().flat_map(|(number, stage)| {
        let variants = stage.variants.iter();
        variants.map(move |figures| row(load, number, stage, figures))
    });
    let capacities = load.capacities.iter().enumerate();
    LoadSection {
        table: FigureTable::from_rows(rows),
        sentences: capacities
            .flat_map(|(variant, capacity)| sentences(load, variant, capacity, manifest))
            .chain(manifest.yielding.iter().map(yielding_text))
            .chain(shares_text(manifest))
            .collect(),
        legend: legend(load),
    }
}

fn row(
    load: &LoadSummary,
    number: usize,
    stage: &StageSummary,
    figures: &StageFigures,
) -> FigureRow {
    let mut row = FigureRow::default();
    let rate = |value: Option<f64>| Figure::from_option(value, Figure::Rate);
    row.put_figure("stage", count(number as u64 + 1));
    row.put_figure("load", Figure::Text(stage.planned.stage.to_string()));
    row.put_figure(
        "variant",
        Figure::Label(figures.label.clone(), figures.is_reference),
    );
    // The number of a timed loop follows from the answers.
    let planned = (!stage.planned.is_timed()).then(|| count(stage.planned.slots));
    row.put_figure("planned", planned.unwrap_or(Figure::Absent));
    row.put_figure("requests", count(figures.requests));
    row.put_figure(
        "answered",
        Figure::PartOf(figures.answered, figures.requests),
    );
    row.put_figure("rate_limited", count(figures.rate_limited));
    row.put_figure(
        "arrival_distance",
        Figure::from_option(figures.arrival_distance, Figure::Share),
    );
    let mean = Figure::from_option(figures.in_flight_mean, Figure::Mean);
    row.put_figure("in_flight_mean", mean);
    row.put_figure("in_flight_max", count(figures.in_flight_max));
    row.put_figure("answers_per_second", rate(figures.throughput));
    row.put_figure("goodput_per_second", rate(figures.goodput));
    row.put_figure("output_tokens_per_second", rate(figures.tokens_per_second));
    put_rate(
        &mut row,
        "stream_tokens_per_second",
        figures.stream_rate.as_ref(),
    );
    put_times(&mut row, "response_ttft", figures.ttft.as_ref());
    put_times(&mut row, "response_latency", figures.latency.as_ref());
    put_times(&mut row, "service_ttft", figures.service_ttft.as_ref());
    put_times(&mut row, "lag", figures.lag.as_ref());
    let max = figures.lag.as_ref().map(|lag| Figure::from_ns(lag.max));
    row.put_figure("lag_max_ms", max.unwrap_or(Figure::Absent));
    for (index, attainment) in figures.attainments.iter().enumerate() {
        let met =
            (attainment.requests > 0).then(|| attainment.met as f64 / attainment.requests as f64);
        let met = met.map_or(Figure::Absent, share);
        row.put(
            format!("slo_{}_met", index + 1),
            FigureCell::within(met, attainment.interval, share),
        );
    }
    let status = figures.status().filter(|_| figures.requests > 0);
    let status = status.map_or(Figure::Absent, |status| {
        Figure::Text(word(status).to_owned())
    });
    row.put_figure("objectives", status);
    row.show("load", "load", 0);
    row.show("variant", "model", 0);
    row.show("answered", "answered", 6);
    row.show("in_flight_mean", "in flight", 4);
    row.show("answers_per_second", "answers", 2);
    if !load.slos.is_empty() {
        row.show("goodput_per_second", "goodput", 1);
        row.show("objectives", "objectives", 0);
    }
    row.show("output_tokens_per_second", "output tokens", 5);
    row.show("stream_tokens_per_second_p50", "tok/s", 7);
    row.show_within("response_ttft_p50_ms", "TTFT p50", 3, 9);
    row.show_within("response_ttft_p95_ms", "p95", 1, 9);
    row.show_within("response_latency_p95_ms", "latency p95", 4, 9);
    row.show("lag_p99_ms", "lag p99", 3);
    row
}

/// Adds the percentiles of a time, in milliseconds.
fn put_times(row: &mut FigureRow, name: &str, times: Option<&Distribution>) {
    let n = times.map_or(0, |times| u128::from(times.n));
    row.put_figure(format!("{name}_n"), Figure::Count(n));
    for percentile in [Percentile::P50, Percentile::P95, Percentile::P99] {
        let estimate = times.and_then(|times| times.percentile(percentile));
        let cell = FigureCell::bounded(estimate, Figure::from_ns);
        row.put(format!("{name}_{}_ms", percentile.word()), cell);
    }
}

fn put_rate(row: &mut FigureRow, name: &str, rates: Option<&Distribution>) {
    let median = rates.and_then(|rates| rates.percentile(Percentile::P50));
    let rate = |rate: f64| Figure::from_option(Some(rate), Figure::Rate);
    row.put(format!("{name}_p50"), FigureCell::bounded(median, rate));
}

const fn word(status: AttainmentStatus) -> &'static str {
    match status {
        AttainmentStatus::Met => "met",
        AttainmentStatus::Inconclusive => "inconclusive",
        AttainmentStatus::Missed => "missed",
    }
}

/// The sentences on one variant.
fn sentences(
    load: &LoadSummary,
    variant: usize,
    capacity: &Capacity,
    manifest: &Manifest,
) -> Vec<String> {
    let label = &capacity.label;
    let mut sentences = Vec::new();
    if let Some(knee) = &capacity.knee {
        sentences.push(format!("{label} {}.", knee_text(load, knee)));
    }
    if !load.slos.is_empty() {
        sentences.push(format!(
            "{label} {}.",
            objectives_text(load, variant, capacity)
        ));
    }
    let late = late_text(load, variant, manifest.suite.concurrency.into());
    sentences.extend(late.map(|text| format!("{label}: {text}.")));
    sentences
}

fn knee_text(load: &LoadSummary, knee: &Knee) -> String {
    let is_open = matches!(load.stages[0].planned.stage, LoadStage::Rate(_));
    let unit = if is_open { "requests/s" } else { "in flight" };
    let number = |value: f64| format!("{:.*}", usize::from(value < 99.95), value);
    match knee {
        Knee::Found { at, interval } => {
            let ends = match (interval.lower, interval.upper) {
                (Some(lower), Some(upper)) => format!(" ({}–{})", number(lower), number(upper)),
                _ => String::new(),
            };
            format!("saturates at {} {unit}{ends}", number(*at))
        }
        Knee::Above(load) => format!(
            "is not saturated at {} {unit}: raise the levels",
            number(*load)
        ),
        Knee::AtMost(load) => format!(
            "is saturated at {} {unit} already: lower the levels",
            number(*load)
        ),
    }
}

/// The objectives that a variant meets, and the first stage that it does not.
fn objectives_text(load: &LoadSummary, variant: usize, capacity: &Capacity) -> String {
    let stage_text = |index: usize| load.stages[index].planned.stage.to_string();
    let next = capacity.met_up_to.map_or(0, |met| met + 1);
    let mut text = match capacity.met_up_to {
        Some(_) if next == load.stages.len() && next == 1 => {
            return "meets every objective".to_owned();
        }
        Some(met) if next == load.stages.len() => {
            return format!("meets every objective up to {}", stage_text(met));
        }
        Some(met) => format!(
            "meets every objective up to {}; at {} ",
            stage_text(met),
            stage_text(next)
        ),
        None if load.stages.len() == 1 => String::new(),
        None => format!("at {} ", stage_text(0)),
    };
    let figures = &load.stages[next].variants[variant];
    if figures.requests == 0 {
        text.push_str("has no requests");
        return text;
    }
    let worst = figures.attainments.iter().zip(&load.slos);
    let worst = worst.max_by_key(|(one, _)| one.status as u8);
    if let Some((attainment, slo)) = worst {
        let verb = match attainment.status {
            AttainmentStatus::Missed => "misses",
            _ => "is inconclusive on",
        };
        let (met, requests) = (attainment.met, attainment.requests);
        let _ = write!(text, "{verb} `{slo}`: {met} of {requests} requests within");
        if let Some(needed) = attainment.needed {
            let _ = write!(text, "; {needed} without a miss would meet it");
        }
    }
    text
}

/// The sentence that the load was divided among machines, and whether they began together.
fn shares_text(manifest: &Manifest) -> Option<String> {
    if let Some(shard) = manifest.shard {
        return Some(format!(
            "This is shard {shard}: it sent one in {} requests of the load.",
            shard.count()
        ));
    }
    let of_shares = manifest.parts.iter().filter(|part| part.shard.is_some());
    let starts: Vec<i64> = of_shares.map(|part| part.started_at.as_second()).collect();
    let apart = starts.iter().max()? - starts.iter().min()?;
    let apart = u64::try_from(apart).unwrap_or(0);
    (apart >= SHARES_APART_SECONDS).then(|| {
        format!(
            "The shards began up to {apart} s apart, and the figures of the load are those of shards that begin together: the \
             server had less to do."
        )
    })
}

/// That a variant yielded.
fn yielding_text(yielding: &Yielding) -> String {
    let times = plural(yielding.halvings, "time");
    format!(
        "{}: concurrency was halved {times} after a 429, down to {} in flight.",
        yielding.variant, yielding.lowest
    )
}

/// That requests were sent late, where it counts.
fn late_text(load: &LoadSummary, variant: usize, concurrency: u64) -> Option<String> {
    let late = |stage: &StageSummary| {
        let figures = &stage.variants[variant];
        let lag = figures.lag.as_ref()?;
        let p99 = lag
            .percentile(Percentile::P99)
            .map_or(lag.max, |estimate| estimate.value);
        let is_full = figures.in_flight_max >= concurrency;
        Some((p99, stage.planned.stage.to_string(), is_full))
    };
    let worst = load
        .stages
        .iter()
        .filter_map(late)
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (worst.0 > LATE.0 as f64).then(|| {
        let lag = Figure::from_ns(worst.0).shown();
        let cause = if worst.2 {
            "as many as `--concurrency` were in flight"
        } else {
            "this machine was busy"
        };
        format!(
            "requests were sent late at {} (lag p99 {lag}), because {cause}; times include it",
            worst.1
        )
    })
}

fn legend(load: &LoadSummary) -> Vec<String> {
    let mut legend = vec![
        "Times count from the instant at which a request was due, lag included. Rates and requests in flight are of the \
         steady part of a stage: from the end of its first requests to the sending of its last."
            .to_owned(),
    ];
    if !load.slos.is_empty() {
        let slos: Vec<String> = load.slos.iter().map(|slo| format!("`{slo}`")).collect();
        legend.push(format!(
            "Objectives: {}. Goodput: answers a second that met all of them; a failed request meets none.",
            slos.join(", ")
        ));
    }
    legend
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::interval::Interval;
    use crate::suite::{ConcurrencyStage, RateStage};

    fn load(stages: Vec<LoadStage>) -> LoadSummary {
        let stages = stages.into_iter().map(|stage| StageSummary {
            planned: crate::plan::PlannedStage {
                stage,
                first_slot: 0,
                slots: 1,
            },
            variants: Vec::new(),
        });
        LoadSummary {
            slos: Vec::new(),
            stages: stages.collect(),
            capacities: Vec::new(),
        }
    }

    #[test]
    fn a_knee_is_a_sentence_that_says_what_to_do() {
        let closed = load(vec![LoadStage::Concurrency(ConcurrencyStage::new(4))]);
        let minute = Nanos::from_millis(60_000);
        let rate =
            RateStage::new((5.0, 5.0), crate::suite::ArrivalProcess::Poisson, minute).unwrap();
        let open = load(vec![LoadStage::Rate(rate)]);
        let found = Knee::Found {
            at: 16.24,
            interval: Interval::new(15.1, 17.44),
        };
        for (load, knee, expected) in [
            (&closed, found, "saturates at 16.2 in flight (15.1–17.4)"),
            (&open, found, "saturates at 16.2 requests/s (15.1–17.4)"),
            (
                &closed,
                Knee::Above(128.0),
                "is not saturated at 128 in flight: raise the levels",
            ),
            (
                &closed,
                Knee::AtMost(1.0),
                "is saturated at 1.0 in flight already: lower the levels",
            ),
        ] {
            assert_eq!(knee_text(load, &knee), expected);
        }
    }
}
