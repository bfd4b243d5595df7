//! The arguments of `resume`.
//!
//! Owns its flags. Must not know the work of the command. Invariant: nothing that a run was begun with can be changed
//! by a flag, but its cap.

use std::path::PathBuf;

use clap::Args;

use crate::command::run::resume::Options;
use crate::units::Usd;

use super::money::dollars;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    bakeoff resume reports/quickstart/20261101T070000Z-ab12cd\n  \
    bakeoff resume reports/quickstart/20261101T070000Z-ab12cd --max-cost 5\n  \
    bakeoff resume reports/quickstart/latest --retry-failed\n\n\
    The suite is read from the run's manifest. The endpoint, the prices, the version and the format of the records must \
    be those that the run was begun with.")]
#[allow(clippy::struct_excessive_bools)] // Each is a flag.
pub(super) struct ResumeArgs {
    /// Run folder
    run: PathBuf,
    /// Repeat the trials that failed, and no others
    #[arg(long)]
    retry_failed: bool,
    /// Add the samples of this folder, which the run named when its own could not be written any more, or of a file with the
    /// samples that it printed
    #[arg(long, value_name = "PATH")]
    rescued: Vec<PathBuf>,
    /// Continue in spite of differences in endpoint, prices, version or records; the reports name them
    #[arg(long)]
    force: bool,
    /// Maximum cost of the whole run in USD, in place of the cap that it was begun with
    #[arg(long, value_name = "USD", value_parser = dollars)]
    max_cost: Option<Usd>,
    /// Run the commands of `exec` asserts
    #[arg(long)]
    allow_exec: bool,
    /// Scenario of the simulated gateway, if the run was begun with one (endpoint sim only)
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Project file with endpoints and prices [default: bakeoff.toml, if present]
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,
    /// PEM file of certificate authorities to trust in addition to the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Compare the run with the accepted runs in this history; flagged runs are recorded in it
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Print only the result: no progress, no warnings
    #[arg(short, long)]
    quiet: bool,
    /// Print intervals, exploratory comparisons and footnotes as well
    #[arg(short, long, conflicts_with_all = ["quiet", "json"])]
    verbose: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl From<ResumeArgs> for Options {
    fn from(args: ResumeArgs) -> Self {
        Self {
            run: args.run,
            retry_failed: args.retry_failed,
            rescued: args.rescued,
            force: args.force,
            max_cost: args.max_cost,
            allow_exec: args.allow_exec,
            scenario: args.scenario,
            project: args.project,
            ca_file: args.ca_file,
            history: args.history,
            quiet: args.quiet,
            json: args.json,
            verbose: args.verbose,
        }
    }
}
