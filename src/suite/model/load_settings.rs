//! The settings of a load, as a suite or the command line states them.
//!
//! Owns which of them exclude each other. Must not know where they stand. Invariant: a setting without an effect is an
//! error.

use super::load::{
    ArrivalProcess, ConcurrencyStage, LoadProfile, LoadStage, RateStage, Slo, TraceStage,
};
use crate::suite::value::duration::parse_duration;
use crate::suite::value::{defaults, limits};
use crate::units::Nanos;

/// The settings of a load as a suite or the command line states them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadSettings {
    /// Rates, ramps and steps of an open loop.
    pub rate: Option<String>,
    /// Levels of a sweep.
    pub sweep: Option<String>,
    /// The instants of a trace.
    pub trace: Option<TraceStage>,
    /// The process of arrivals at a rate.
    pub arrivals: Option<ArrivalProcess>,
    /// Length of each stage of a rate, or of a closed loop.
    pub duration: Option<Nanos>,
    /// Requests to each model of each level of a concurrency, or the most of a closed loop.
    pub requests: Option<u64>,
    /// Objectives.
    pub slos: Vec<Slo>,
    /// True if levels of a concurrency yield on 429.
    pub yields_on_429: bool,
}

impl LoadSettings {
    /// Returns true if they say when requests are sent, and not only what is expected of them.
    pub fn has_shape(&self) -> bool {
        self.rate.is_some() || self.sweep.is_some() || self.trace.is_some()
    }

    /// The load that they describe; a closed loop has so many requests in flight.
    ///
    /// # Errors
    /// The key of a setting that is wrong, and a message about it.
    pub fn profile(&self, concurrency: u32) -> Result<LoadProfile, (&'static str, String)> {
        let arrivals = self.arrivals.unwrap_or_default();
        let default =
            || parse_duration(defaults::LOAD_DURATION).expect("a test reads every default");
        let duration = self.duration.unwrap_or_else(default);
        let stages = match (&self.rate, &self.sweep, &self.trace) {
            (Some(_), Some(_), _) => {
                let message = "`rate` and `sweep` exclude each other: a sweep over rates is `sweep = \"rate=1/s,2/s\"`";
                return Err(("sweep", message.to_owned()));
            }
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                let other = if self.rate.is_some() { "rate" } else { "sweep" };
                let message = format!(
                    "`trace` says when requests are sent, and so does `{other}`: keep one of them"
                );
                return Err(("trace", message));
            }
            (Some(rate), None, None) => {
                LoadProfile::rate_stages(rate, arrivals, duration).map_err(|e| ("rate", e))?
            }
            (None, Some(sweep), None) => {
                LoadProfile::sweep_stages(sweep, arrivals, duration, self.requests)
                    .map_err(|e| ("sweep", e))?
            }
            (None, None, Some(trace)) => vec![LoadStage::Trace(trace.clone())],
            (None, None, None) => self.closed_loop(concurrency).into_iter().collect(),
        };
        let profile = LoadProfile {
            is_sweep: self.sweep.is_some(),
            stages,
            slos: self.slos.clone(),
            yields_on_429: self.yields_on_429,
        };
        self.check_unused(&profile)?;
        if profile.stages.len() > limits::LOAD_STAGES {
            let max = limits::LOAD_STAGES;
            return Err(("rate", format!("a load has at most {max} stages")));
        }
        Ok(profile)
    }

    /// The closed loop of a time or a number of requests, if one is stated.
    fn closed_loop(&self, concurrency: u32) -> Option<LoadStage> {
        let is_stated = self.duration.is_some() || self.requests.is_some();
        is_stated.then(|| {
            LoadStage::Concurrency(ConcurrencyStage {
                requests: self.requests,
                duration_ns: self.duration,
                ..ConcurrencyStage::new(concurrency)
            })
        })
    }

    /// A load of a suite as these settings change it, which do not say themselves when requests are sent.
    ///
    /// # Errors
    /// The key of a setting that is wrong, and a message about it.
    pub fn changed(&self, load: &LoadProfile) -> Result<LoadProfile, (&'static str, String)> {
        self.check_unused(load)?;
        let mut profile = load.clone();
        for stage in &mut profile.stages {
            match stage {
                LoadStage::Rate(stage) => {
                    let rates = (stage.from_per_second, stage.to_per_second);
                    let arrivals = self.arrivals.unwrap_or(stage.arrivals);
                    let duration = self.duration.unwrap_or(stage.duration_ns);
                    *stage =
                        RateStage::new(rates, arrivals, duration).map_err(|e| ("duration", e))?;
                }
                LoadStage::Concurrency(stage) => {
                    stage.requests = self.requests.or(stage.requests);
                    stage.duration_ns = self.duration.or(stage.duration_ns);
                }
                LoadStage::Trace(_) => {}
            }
        }
        profile.yields_on_429 |= self.yields_on_429;
        if !self.slos.is_empty() {
            profile.slos.clone_from(&self.slos);
        }
        Ok(profile)
    }

    /// Refuses a setting that has no effect on this load.
    fn check_unused(&self, profile: &LoadProfile) -> Result<(), (&'static str, String)> {
        let has_rate = profile
            .stages
            .iter()
            .any(|stage| matches!(stage, LoadStage::Rate(_)));
        let is_closed = profile.has_stages() && !profile.is_open_loop();
        let has_length = has_rate || profile.closed_loop().is_some();
        let fixed = "a fixed concurrency, such as that of the sweep `concurrency=16`";
        let unused = [
            ("arrivals", self.arrivals.is_some() && !has_rate, "a rate"),
            (
                "duration",
                self.duration.is_some() && !has_length,
                "a rate or a single concurrency",
            ),
            ("requests", self.requests.is_some() && !is_closed, fixed),
            ("yield_on_429", self.yields_on_429 && !is_closed, fixed),
        ];
        match unused.into_iter().find(|(_, is_unused, _)| *is_unused) {
            Some((key, _, needs)) => Err((key, format!("`{key}` has an effect only with {needs}"))),
            None => Ok(()),
        }
    }
}
