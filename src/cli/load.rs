//! The flags of a load: when requests are sent, and the objectives of each.
//!
//! Owns them. Must not know what a load is made of. Invariant: a flag means what the key of `[load]` means that has its
//! name.

use std::path::PathBuf;

use clap::Args;

use crate::command::run::{LoadSettings, TraceFlag};
use crate::suite::{ArrivalProcess, Slo, TraceOptions, TraceUnit, parse_load_time};
use crate::units::Nanos;

/// The load of a run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub(super) struct LoadArgs {
    /// Open loop: requests to each model at this rate, answered or not; `20/s`, `600/m`, a ramp `5/s..50/s`,
    /// or steps `10/s,20/s`
    #[arg(long, value_name = "RATE", conflicts_with_all = ["sweep", "trace", "verify", "until_decided"])]
    rate: Option<String>,
    /// Open loop: the arrival times of a trace in the shape of Mooncake (JSON lines), `BurstGPT` or Azure (CSV);
    /// without a suite also its numbers of tokens
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sweep", "verify", "until_decided"])]
    trace: Option<PathBuf>,
    /// Unit of the trace's times: `s`, `ms` or `us` [default: that of its shape]
    #[arg(long, value_name = "UNIT", requires = "trace", value_parser = trace_unit)]
    trace_unit: Option<TraceUnit>,
    /// Replay the trace this many times faster [default: 1]
    #[arg(long, value_name = "FACTOR", requires = "trace", value_parser = trace_speed)]
    trace_speed: Option<f64>,
    /// Replay only the first requests of the trace
    #[arg(long, value_name = "N", requires = "trace", value_parser = trace_rows)]
    trace_rows: Option<usize>,
    /// Arrivals at a rate: equal intervals, or a Poisson process
    #[arg(long, value_name = "PROCESS", value_parser = arrivals)]
    arrivals: Option<ArrivalProcess>,
    /// Length of each step, ramp or level of a rate [default: 1m]; without a rate, of a closed loop with
    /// --concurrency requests in flight to each model
    #[arg(long, value_name = "TIME", value_parser = parse_load_time, conflicts_with = "verify")]
    duration: Option<Nanos>,
    /// Levels one after the other, as `concurrency=1,4,16,64` or `rate=1/s,2/s,5/s`; reports where each
    /// model saturates
    #[arg(long, value_name = "LEVELS", conflicts_with_all = ["verify", "until_decided"])]
    sweep: Option<String>,
    /// Requests to each model of each level of a concurrency, or the most of a closed loop [default: the plan,
    /// or 20 times the concurrency if that is more; with --duration as many as it takes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000),
          conflicts_with = "verify")]
    requests: Option<u64>,
    /// Objective of every request, such as `ttft_p95 < 1.5s` or `error_rate < 1%`; repeatable
    #[arg(long = "slo", value_name = "OBJECTIVE")]
    slos: Vec<Slo>,
    /// Halve a fixed concurrency after a 429, and raise it again as requests are answered
    #[arg(long)]
    yield_on_429: bool,
}

fn arrivals(word: &str) -> Result<ArrivalProcess, String> {
    let mut words = ArrivalProcess::WORDS.into_iter();
    let found = words.find(|(known, _)| *known == word);
    found
        .map(|(_, process)| process)
        .ok_or_else(|| "must be `constant` or `poisson`".to_owned())
}

fn trace_unit(word: &str) -> Result<TraceUnit, String> {
    let mut words = TraceUnit::WORDS.into_iter();
    let found = words.find(|(known, _)| *known == word);
    found
        .map(|(_, unit)| unit)
        .ok_or_else(|| "must be `s`, `ms` or `us`".to_owned())
}

fn trace_speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok();
    speed
        .filter(|speed| TraceOptions::is_speed(*speed))
        .ok_or_else(|| format!("must be {}", TraceOptions::SPEED_FORM))
}

fn trace_rows(text: &str) -> Result<usize, String> {
    let max = TraceOptions::default().rows;
    let rows = text.parse().ok().filter(|rows| (1..=max).contains(rows));
    rows.ok_or_else(|| format!("must be an integer from 1 to {max}"))
}

impl LoadArgs {
    /// The trace to replay.
    pub(super) fn trace(&self) -> Option<TraceFlag> {
        let default = TraceOptions::default();
        Some(TraceFlag {
            file: self.trace.clone()?,
            options: TraceOptions {
                unit: self.trace_unit,
                speed: self.trace_speed.unwrap_or(default.speed),
                rows: self.trace_rows.unwrap_or(default.rows),
            },
        })
    }
}

impl From<LoadArgs> for LoadSettings {
    /// The settings but for the trace, whose file is read later.
    fn from(args: LoadArgs) -> Self {
        Self {
            rate: args.rate,
            sweep: args.sweep,
            trace: None,
            arrivals: args.arrivals,
            duration: args.duration,
            requests: args.requests,
            slos: args.slos,
            yields_on_429: args.yield_on_429,
        }
    }
}
