//! The arguments of `size`.
//!
//! Owns its flags. Must not know the work of the command. Invariant: a pilot's options equal the defaults of
//! the flags of `run`.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Args, Parser};

use crate::command;
use crate::stats::POWER;
use crate::suite::parse_percent;

use super::run::run_options;
use super::{Cli, VerbArgs};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff size suites/ci.toml --detect 20%\n  \
    bakeoff size suites/ci.toml --detect 10% --from reports/ci/latest\n  \
    bakeoff size suites/ci.toml --pilot --endpoint vercel\n  \
    bakeoff size suites/ci.toml --pilot --json")]
pub(super) struct SizeArgs {
    /// Suite file (TOML)
    suite: PathBuf,
    /// Smallest TTFT change to detect
    #[arg(short, long, value_name = "PERCENT", default_value = "20%", value_parser = share_above_zero)]
    detect: f64,
    /// Power: the probability of detecting it
    #[arg(long, value_name = "PERCENT", default_value = format!("{}%", 100.0 * POWER), value_parser = chance)]
    power: f64,
    /// Run folder to take the noise from [default: the suite's latest run]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Send 10 prompts 3 times first to measure the noise; costs as much as such a run
    #[arg(long, conflicts_with = "from")]
    pilot: bool,
    /// Endpoint of the pilot run
    #[arg(short, long, value_name = "NAME|URL", requires = "pilot")]
    endpoint: Option<String>,
    /// Scenario of the simulated gateway for the pilot run
    #[arg(long, value_name = "FILE", requires = "pilot")]
    scenario: Option<PathBuf>,
    /// Folder that holds the runs
    #[arg(short, long, value_name = "DIR", default_value = "reports")]
    output: PathBuf,
    /// Project file with endpoints and prices [default: bakeoff.toml, if present]
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,
    /// Allow the suite to read files outside the project; only for suites that you trust
    #[arg(long)]
    allow_outside: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn share_above_zero(text: &str) -> Result<f64, String> {
    let share = parse_percent(text).filter(|share| *share > 0.0 && *share <= 10.0);
    share.ok_or_else(|| "must be a percentage above 0% and up to 1000%, such as 20%".to_owned())
}

fn chance(text: &str) -> Result<f64, String> {
    let share = parse_percent(text).filter(|share| (0.5..=0.99).contains(share));
    share.ok_or_else(|| "must be a percentage from 50% to 99%, such as 80%".to_owned())
}

/// The options of these flags.
pub(super) fn size_options(args: SizeArgs) -> command::size::Options {
    let pilot = || {
        // The defaults of `run` are written in one place: its flags.
        let words = [
            OsStr::new("bakeoff"),
            OsStr::new("run"),
            OsStr::new("--"),
            args.suite.as_os_str(),
        ];
        let VerbArgs::Run(run) = Cli::parse_from(words).verb else {
            unreachable!("the words name `run`")
        };
        Box::new(command::run::Options {
            endpoint: args.endpoint.clone(),
            scenario: args.scenario.clone(),
            output: args.output.clone(),
            project: args.project.clone(),
            allow_outside: args.allow_outside,
            ..run_options(*run)
        })
    };
    command::size::Options {
        pilot: args.pilot.then(pilot),
        suite: args.suite,
        detect: args.detect,
        power: args.power,
        from: args.from,
        output: args.output,
        project: args.project,
        allow_outside: args.allow_outside,
        json: args.json,
    }
}
