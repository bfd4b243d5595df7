//! The arguments of `bakeoff calibrate`.
//!
//! Owns its flags. Must not know the work of the command. Invariant: every flag that `--help` documents is
//! accepted.

use clap::Args;

use crate::command::calibrate::Options;
use crate::suite::parse_time;
use crate::units::Nanos;

use super::run::ClockArg;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff calibrate --time 2s --streams 64\n\n\
    Without flags it takes a minute and tries up to 4,000 streams. The result is stored in the cache; a run with more\n\
    requests at once than this machine carries then warns.")]
pub(super) struct CalibrateArgs {
    /// Time to spend
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "1m")]
    time: Nanos,
    /// Most streams to try
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 4_000)]
    streams: u32,
    /// Clock to calibrate
    #[arg(long, value_enum, value_name = "CLOCK", default_value_t = ClockArg::User)]
    clock: ClockArg,
}

impl From<CalibrateArgs> for Options {
    fn from(args: CalibrateArgs) -> Self {
        Self {
            time: args.time,
            streams: args.streams,
            clock: args.clock.source(),
        }
    }
}
