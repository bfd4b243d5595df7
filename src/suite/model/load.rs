//! The load of a run: when requests are sent, and the objectives that each is held against.
//!
//! Owns the types and their texts. Must not know instants: `plan` derives them. Invariant: every rate is positive
//! and within its limit, every objective has a share between 0 and 1.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::suite::value::duration::parse_duration;
use crate::suite::value::limits;
use crate::suite::value::percent::parse_percent;
use crate::suite::value::rate::{parse_rate, parse_rate_span};
use crate::units::Nanos;

/// Seconds of requests at the highest rate that may be in flight where the suite sets no `concurrency`.
const IN_FLIGHT_SECONDS: f64 = 5.0;
/// The fewest and the most slots in flight of that rule: each is an open connection per model.
const IN_FLIGHT_DEFAULT: (f64, f64) = (16.0, 512.0);

/// The load of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadProfile {
    /// Stages, in order. Empty: the plan, as many slots in flight as the suite's `concurrency`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<LoadStage>,
    /// True if a stage begins when all requests of the one before have ended: the levels of a sweep.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_sweep: bool,
    /// Objectives of every request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slos: Vec<Slo>,
    /// True if a stage of fixed concurrency halves it after a 429, and raises it again as requests are answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub yields_on_429: bool,
}

/// One stage of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LoadStage {
    /// Open loop: requests are sent at planned instants, whether or not earlier ones were answered.
    Rate(RateStage),
    /// Closed loop: a request is sent when one in flight has ended.
    Concurrency(ConcurrencyStage),
    /// Open loop at the instants of a trace.
    Trace(TraceStage),
}

/// The replay of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStage {
    /// The trace, as the suite names it.
    pub file: String,
    /// The instants of its requests, since the first.
    pub instants_ns: Vec<Nanos>,
    /// True if the prompts are its requests, in order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_prompts: bool,
}

/// An open loop at a rate, or from one rate to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateStage {
    /// Requests per second to each model at its beginning.
    pub from_per_second: f64,
    /// The same at its end; the rate changes linearly.
    pub to_per_second: f64,
    /// The process of the arrivals.
    pub arrivals: ArrivalProcess,
    /// Its length.
    pub duration_ns: Nanos,
}

/// A closed loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConcurrencyStage {
    /// Requests in flight to each model.
    pub in_flight: u32,
    /// The most requests to each model; absent, without a duration: the trials of the plan, or
    /// [`ConcurrencyStage::MIN_ROUNDS`] times `in_flight` if that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// The time after which no request is sent; absent: as long as its requests take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ns: Option<Nanos>,
    /// The number of requests to each model that is expected within the duration; a run may send more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_requests: Option<u64>,
}

impl ConcurrencyStage {
    /// The fewest requests of a level, as a multiple of its concurrency: enough for a steady state after the first.
    pub const MIN_ROUNDS: u64 = 20;

    /// A closed loop of so many requests in flight, whose length follows from the plan.
    pub const fn new(in_flight: u32) -> Self {
        Self {
            in_flight,
            requests: None,
            duration_ns: None,
            expected_requests: None,
        }
    }
}

/// The process of arrivals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalProcess {
    /// Equal intervals.
    #[default]
    Constant,
    /// Independent exponential intervals, as of many independent users.
    Poisson,
}

impl ArrivalProcess {
    /// Every process by its word.
    pub const WORDS: [(&'static str, Self); 2] =
        [("constant", Self::Constant), ("poisson", Self::Poisson)];
}

/// An objective: a share of all requests that meets a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// The limited quantity.
    pub metric: SloMetric,
    /// The share of requests that must meet the limit, between 0 and 1.
    pub share: f64,
    /// The time that a request must stay below; absent for [`SloMetric::ErrorRate`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_ns: Option<Nanos>,
}

/// The quantity that an objective limits. Times count from the scheduled instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SloMetric {
    /// Time to the first token.
    Ttft,
    /// Time to the end of the answer.
    Latency,
    /// Mean gap between the chunks of the answer.
    Itl,
    /// Share of requests without an answer.
    ErrorRate,
}

impl SloMetric {
    /// Every metric by its word.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("ttft", Self::Ttft),
        ("latency", Self::Latency),
        ("itl", Self::Itl),
        ("error_rate", Self::ErrorRate),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        let words = Self::WORDS.into_iter();
        let found = words.into_iter().find(|(_, metric)| *metric == self);
        found.map_or("", |(word, _)| word)
    }
}

/// The form of an objective, for messages.
pub(in crate::suite) const SLO_FORM: &str = "an objective such as \"ttft_p95 < 1.5s\", \"latency_p99 < 20s\", \"itl_p95 < 50ms\" or \"error_rate < 1%\"";

/// The form of a sweep, for messages.
const SWEEP_FORM: &str = "a sweep such as \"concurrency=1,4,16,64\" or \"rate=1/s,2/s,5/s\"";

/// The form of a rate, for messages.
const RATE_FORM: &str = "a rate such as \"20/s\" or \"600/m\", a ramp such as \"5/s..50/s\", or steps such as \"10/s,20/s\"";

impl FromStr for Slo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        slo(text).ok_or_else(|| format!("`{text}` is not {SLO_FORM}"))
    }
}

fn slo(text: &str) -> Option<Slo> {
    let (left, right) = text.split_once('<')?;
    let (left, right) = (left.trim(), right.trim());
    if left == SloMetric::ErrorRate.word() {
        let errors = parse_percent(right).filter(|share| *share > 0.0 && *share < 1.0)?;
        return Some(Slo {
            metric: SloMetric::ErrorRate,
            share: 1.0 - errors,
            limit_ns: None,
        });
    }
    let (word, percent) = left.rsplit_once("_p")?;
    let mut words = SloMetric::WORDS.into_iter();
    let (_, metric) =
        words.find(|(known, metric)| *known == word && *metric != SloMetric::ErrorRate)?;
    let is_plain = percent.chars().all(|c| c.is_ascii_digit() || c == '.');
    let percent: f64 = percent.parse().ok().filter(|_| is_plain)?;
    let limit =
        parse_duration(right).filter(|limit| (1..=limits::TIMEOUT_NS).contains(&limit.0))?;
    (percent > 0.0 && percent < 100.0).then_some(Slo {
        metric,
        share: percent / 100.0,
        limit_ns: Some(limit),
    })
}

impl fmt::Display for Slo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.metric.word();
        let percent = |share: f64| (share * 1e8).round() / 1e6;
        match self.limit_ns {
            None => write!(out, "{word} < {}%", percent(1.0 - self.share)),
            Some(limit) => write!(
                out,
                "{word}_p{} < {}",
                percent(self.share),
                duration_text(limit)
            ),
        }
    }
}

/// A duration in whole minutes, or in the largest unit in which it has at most three decimals: `5m`, `1.5s`, `250ms`.
fn duration_text(time: Nanos) -> String {
    const MINUTE_NS: u64 = 60_000_000_000;
    if time.0 > 0 && time.0.is_multiple_of(MINUTE_NS) {
        return format!("{}m", time.0 / MINUTE_NS);
    }
    let units = [("s", 1_000_000_000_u64), ("ms", 1_000_000), ("us", 1_000)];
    let fits =
        |(_, scale): &(&str, u64)| time.0 >= *scale && (time.0 * 1_000).is_multiple_of(*scale);
    match units.into_iter().find(fits) {
        Some((unit, scale)) => format!("{}{unit}", time.0 as f64 / scale as f64),
        None => format!("{}ns", time.0),
    }
}

impl LoadProfile {
    /// Reads the rates of `--rate`: one stage of this length for each.
    ///
    /// # Errors
    /// If the text is not a list of rates or ramps within the limit.
    pub fn rate_stages(
        text: &str,
        arrivals: ArrivalProcess,
        duration: Nanos,
    ) -> Result<Vec<LoadStage>, String> {
        let wrong = || format!("`{text}` is not {RATE_FORM}");
        let stages = text.split(',').map(|part| {
            let (from, to) = parse_rate_span(part.trim()).ok_or_else(wrong)?;
            RateStage::new((from, to), arrivals, duration).map(LoadStage::Rate)
        });
        stages.collect()
    }

    /// Reads the levels of `--sweep`: `requests` is the number of requests of a level of fixed concurrency,
    /// `duration` the length of a level of a fixed rate.
    ///
    /// # Errors
    /// If the text is not a sweep, or a level is out of range.
    pub fn sweep_stages(
        text: &str,
        arrivals: ArrivalProcess,
        duration: Nanos,
        requests: Option<u64>,
    ) -> Result<Vec<LoadStage>, String> {
        let wrong = || format!("`{text}` is not {SWEEP_FORM}");
        let (axis, levels) = text.split_once('=').ok_or_else(wrong)?;
        let levels = levels.split(',').map(str::trim);
        let stages: Result<Vec<LoadStage>, String> = match axis.trim() {
            "concurrency" => {
                let level = |level: &str| {
                    let in_flight = level.parse().map_err(|_| wrong())?;
                    if !(1..=limits::CONCURRENCY).contains(&in_flight) {
                        let max = limits::CONCURRENCY;
                        return Err(format!("a concurrency is 1 to {max}, not {in_flight}"));
                    }
                    Ok(LoadStage::Concurrency(ConcurrencyStage {
                        requests,
                        ..ConcurrencyStage::new(in_flight)
                    }))
                };
                levels.map(level).collect()
            }
            "rate" => {
                let level = |level: &str| {
                    let rate = parse_rate(level).ok_or_else(wrong)?;
                    RateStage::new((rate, rate), arrivals, duration).map(LoadStage::Rate)
                };
                levels.map(level).collect()
            }
            _ => return Err(wrong()),
        };
        let stages = stages?;
        let loads: Vec<f64> = stages.iter().map(LoadStage::level).collect();
        if loads.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(format!("the levels of `{text}` must rise"));
        }
        Ok(stages)
    }

    /// The slots in flight that this load needs: the highest concurrency of its stages, or what its rates need if
    /// requests take up to some seconds.
    pub fn default_in_flight(&self) -> Option<u32> {
        let needs = self.stages.iter().map(|stage| match stage {
            LoadStage::Concurrency(stage) => stage.in_flight,
            LoadStage::Rate(_) | LoadStage::Trace(_) => {
                let rate = stage.level();
                let (min_count, max) = IN_FLIGHT_DEFAULT;
                let count = (rate * IN_FLIGHT_SECONDS).ceil().clamp(min_count, max);
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "clamped just above"
                )]
                let count = count as u32;
                count
            }
        });
        needs.max()
    }

    /// Returns true if requests are sent by stages, and not as the plan of a plain run.
    pub fn has_stages(&self) -> bool {
        !self.stages.is_empty()
    }

    /// Returns true if a stage is an open loop.
    pub fn is_open_loop(&self) -> bool {
        self.stages
            .iter()
            .any(|stage| !matches!(stage, LoadStage::Concurrency(_)))
    }

    /// The closed loop of this load, if it is one and no sweep of several.
    pub fn closed_loop(&self) -> Option<&ConcurrencyStage> {
        match self.stages.as_slice() {
            [LoadStage::Concurrency(stage)] if !self.is_sweep => Some(stage),
            _ => None,
        }
    }

    /// The same, to change it.
    pub fn closed_loop_mut(&mut self) -> Option<&mut ConcurrencyStage> {
        match self.stages.as_mut_slice() {
            [LoadStage::Concurrency(stage)] if !self.is_sweep => Some(stage),
            _ => None,
        }
    }

    /// The time after which its closed loop ends; `None` where the number of its requests is known before.
    pub fn time_limit(&self) -> Option<Nanos> {
        self.closed_loop()?.duration_ns
    }

    /// The trace that it replays, if it does.
    pub fn trace(&self) -> Option<&TraceStage> {
        self.stages.iter().find_map(|stage| match stage {
            LoadStage::Trace(trace) => Some(trace),
            _ => None,
        })
    }

    /// The same, to change it.
    pub fn trace_mut(&mut self) -> Option<&mut TraceStage> {
        self.stages.iter_mut().find_map(|stage| match stage {
            LoadStage::Trace(trace) => Some(trace),
            _ => None,
        })
    }
}

impl RateStage {
    /// A stage from one rate per second to another.
    ///
    /// # Errors
    /// If a rate, or the number of requests, is above its limit.
    pub fn new(
        (from, to): (f64, f64),
        arrivals: ArrivalProcess,
        duration: Nanos,
    ) -> Result<Self, String> {
        let stage = Self {
            from_per_second: from,
            to_per_second: to,
            arrivals,
            duration_ns: duration,
        };
        let max = limits::LOAD_RATE;
        if from > max || to > max {
            return Err(format!("a rate is at most {max}/s"));
        }
        if stage.expected_arrivals() > limits::LOAD_REQUESTS as f64 {
            let max = limits::LOAD_REQUESTS;
            return Err(format!("a stage has at most {max} requests to each model"));
        }
        Ok(stage)
    }

    /// The expected number of arrivals.
    pub fn expected_arrivals(&self) -> f64 {
        f64::midpoint(self.from_per_second, self.to_per_second) * self.duration_ns.as_secs_f64()
    }
}

impl TraceStage {
    /// Its mean rate per second.
    pub fn mean_rate(&self) -> f64 {
        let span = self
            .instants_ns
            .last()
            .map_or(0.0, |last| last.as_secs_f64());
        self.instants_ns.len() as f64 / span.max(1.0)
    }
}

impl LoadStage {
    /// The level of the load: requests in flight, or the highest rate per second.
    pub fn level(&self) -> f64 {
        match self {
            Self::Rate(stage) => stage.from_per_second.max(stage.to_per_second),
            Self::Concurrency(stage) => f64::from(stage.in_flight),
            Self::Trace(stage) => stage.mean_rate(),
        }
    }
}

impl fmt::Display for LoadStage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Concurrency(stage) => {
                write!(out, "{} in flight", stage.in_flight)?;
                let time = stage.duration_ns.map(duration_text);
                time.map_or(Ok(()), |time| write!(out, " for {time}"))
            }
            Self::Trace(stage) => write!(out, "trace, {} on average", rate_text(stage.mean_rate())),
            Self::Rate(stage) => {
                let (from, to) = (
                    rate_text(stage.from_per_second),
                    rate_text(stage.to_per_second),
                );
                if from == to {
                    write!(out, "{from}")
                } else {
                    write!(out, "{from}..{to}")
                }
            }
        }
    }
}

/// A rate in the unit in which it reads well: `20/s`, `30/m`.
fn rate_text(per_second: f64) -> String {
    let rounded = |value: f64| (value * 1e3).round() / 1e3;
    if per_second >= 1.0 {
        format!("{}/s", rounded(per_second))
    } else {
        format!("{}/m", rounded(per_second * 60.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Nanos = Nanos::from_millis(60_000);

    #[test]
    fn an_objective_is_read_and_written_alike() {
        // The text of a report must be one that a suite takes.
        for text in [
            "ttft_p95 < 1.5s",
            "latency_p99.9 < 20s",
            "itl_p50 < 50ms",
            "error_rate < 1%",
            "error_rate < 0.1%",
        ] {
            let slo: Slo = text.parse().unwrap();
            assert_eq!(slo.to_string(), text);
        }
        let slo: Slo = "ttft_p95<1500ms".parse().unwrap();
        assert!((slo.share - 0.95).abs() < 1e-12);
        assert_eq!(slo.limit_ns, Some(Nanos::from_millis(1_500)));
    }

    #[test]
    fn an_objective_names_its_share_and_its_unit() {
        // Without a percentile a single slow request would break it, without a unit it could be off by a thousand.
        for text in [
            "ttft < 1s",
            "ttft_p95 < 1.5",
            "ttft_p0 < 1s",
            "ttft_p100 < 1s",
            "ttft_p95 > 1s",
            "cost_p95 < 1s",
            "error_rate < 1s",
            "error_rate_p95 < 1s",
            "error_rate < 0%",
            "ttft_p95 < 2h",
            "",
            "<",
        ] {
            let error = text.parse::<Slo>().unwrap_err();
            assert!(error.contains("ttft_p95 < 1.5s"), "{text}: {error}");
        }
    }

    #[test]
    fn rates_become_stages() {
        let stages =
            LoadProfile::rate_stages("10/s, 20/s..60/s", ArrivalProcess::Poisson, MINUTE).unwrap();
        let texts: Vec<String> = stages.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10/s", "20/s..60/s"]);
        let LoadStage::Rate(ramp) = stages[1] else {
            panic!("not a rate");
        };
        assert!((ramp.expected_arrivals() - 2_400.0).abs() < 1e-9);
        for wrong in ["10", "", "10/s,", "1000001/s"] {
            assert!(LoadProfile::rate_stages(wrong, ArrivalProcess::Poisson, MINUTE).is_err());
        }
    }

    #[test]
    fn the_levels_of_a_sweep_rise() {
        // A knee lies between levels: unsorted ones are a mistake that a fit would hide.
        let sweep = |text| LoadProfile::sweep_stages(text, ArrivalProcess::Constant, MINUTE, None);
        assert_eq!(sweep("concurrency=1,4,16").unwrap().len(), 3);
        assert_eq!(sweep("rate=30/m,1/s").unwrap().len(), 2);
        for wrong in [
            "concurrency=4,1",
            "concurrency=0,1",
            "rate=1,2",
            "users=1,2",
            "1,2",
            "concurrency=",
        ] {
            assert!(sweep(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn connections_follow_the_load() {
        let profile = |stages: Result<Vec<LoadStage>, String>| LoadProfile {
            stages: stages.unwrap(),
            ..LoadProfile::default()
        };
        let rate = |text| {
            let stages = LoadProfile::rate_stages(text, ArrivalProcess::Constant, MINUTE);
            profile(stages).default_in_flight()
        };
        assert_eq!(rate("1/m"), Some(16));
        assert_eq!(rate("20/s,40/s"), Some(200));
        assert_eq!(rate("1000/s"), Some(512));
        let sweep =
            LoadProfile::sweep_stages("concurrency=1,64", ArrivalProcess::Constant, MINUTE, None);
        assert_eq!(profile(sweep).default_in_flight(), Some(64));
        assert_eq!(LoadProfile::default().default_in_flight(), None);
    }
}
