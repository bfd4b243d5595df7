//! The flags of a load: when requests are sent, and the objectives of each.
//!
//! Owns them. Must not know what a load is made of. Invariant: a flag means what the key of `[load]` means that has its
//! name.

use clap::Args;

use crate::command::run::LoadSettings;
use crate::suite::{ArrivalProcess, Slo, parse_load_time};
use crate::units::Nanos;

/// The load of a run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub(super) struct LoadArgs {
    /// Open loop: requests to each model at this rate, answered or not; `20/s`, `600/m`, a ramp `5/s..50/s`,
    /// or steps `10/s,20/s`
    #[arg(long, value_name = "RATE", conflicts_with_all = ["sweep", "verify", "until_decided"])]
    rate: Option<String>,
    /// Arrivals at a rate: equal intervals, or a Poisson process
    #[arg(long, value_name = "PROCESS", value_parser = arrivals)]
    arrivals: Option<ArrivalProcess>,
    /// Length of each step, ramp or level of a rate [default: 1m]
    #[arg(long, value_name = "TIME", value_parser = parse_load_time)]
    duration: Option<Nanos>,
    /// Levels one after the other, as `concurrency=1,4,16,64` or `rate=1/s,2/s,5/s`; reports where each
    /// model saturates
    #[arg(long, value_name = "LEVELS", conflicts_with_all = ["verify", "until_decided"])]
    sweep: Option<String>,
    /// Requests to each model of each level of a concurrency [default: the plan, or 20 times the
    /// concurrency if that is more]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// Objective of every request, such as `ttft_p95 < 1.5s` or `error_rate < 1%`; repeatable
    #[arg(long = "slo", value_name = "OBJECTIVE")]
    slos: Vec<Slo>,
    /// Halve the concurrency of a level after a 429, and raise it again as requests are answered
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

impl From<LoadArgs> for LoadSettings {
    fn from(args: LoadArgs) -> Self {
        Self {
            rate: args.rate,
            sweep: args.sweep,
            arrivals: args.arrivals,
            duration: args.duration,
            requests: args.requests,
            slos: args.slos,
            yields_on_429: args.yield_on_429,
        }
    }
}
