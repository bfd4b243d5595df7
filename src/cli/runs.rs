//! The arguments of `runs`.
//!
//! Owns its flags. Must not know the work of the command. Invariant: a deletion is always bounded by age or by
//! count.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::command;
use crate::record::{Age, Retention};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        bakeoff runs\n  \
        bakeoff runs reports/quickstart --json\n  \
        bakeoff runs prune --older-than 30d --keep 10"
)]
pub(super) struct RunsArgs {
    #[command(subcommand)]
    verb: Option<RunsVerb>,
    /// Folder that holds the runs, or those of one suite [default: reports]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum RunsVerb {
    /// Close a run that was killed, so that the ledger counts what it cost instead of its whole cap
    #[command(after_help = "Examples:\n  \
        bakeoff runs close reports/quickstart/20261101T070000Z-ab12cd\n\n\
        Commands that read the ledger (run, runs, spend) close such runs by themselves. A run that goes on is\n\
        never closed, and one that has ended stays as it is. Requests that were sent and have no known cost\n\
        count with the most that they can cost.")]
    Close {
        /// Folder of the run
        #[arg(value_name = "RUN")]
        run: PathBuf,
    },
    /// Delete old runs: those beyond every bound that is given
    #[command(group(clap::ArgGroup::new("bound").required(true).multiple(true)))]
    #[command(after_help = "Examples:\n  \
        bakeoff runs prune --older-than 30d\n  \
        bakeoff runs prune --older-than 30d --keep 10 --yes\n  \
        bakeoff runs prune reports/quickstart --keep 10 --dry-run --json\n\n\
        Without --yes nothing is deleted. What stays in any case: the run that `latest` points at, one\n\
        that says it is running (unless it began 7 days ago), one whose folder was renamed, and one\n\
        with a folder or a link in it. Links are not followed.")]
    Prune {
        /// Folder that holds the runs, or those of one suite [default: reports]
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
        /// Only runs that began longer ago, such as 12h, 30d or 8w
        #[arg(long, value_name = "AGE", group = "bound")]
        older_than: Option<Age>,
        /// Only runs beyond so many newest ones of their suite
        #[arg(long, value_name = "N", group = "bound")]
        keep: Option<usize>,
        /// Delete them; without this flag they are only listed
        #[arg(short, long)]
        yes: bool,
        /// Delete nothing, which is what happens without --yes
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// The options of these flags.
pub(super) fn runs_options(args: RunsArgs) -> command::runs::Options {
    let (folder, what, json) = match args.verb {
        None => (args.folder, command::runs::RunsAction::List, args.json),
        Some(RunsVerb::Prune {
            folder,
            older_than,
            keep,
            yes,
            dry_run: _,
            json,
        }) => {
            let retention = Retention { older_than, keep };
            (
                folder,
                command::runs::RunsAction::Prune { retention, yes },
                json,
            )
        }
        Some(RunsVerb::Close { run }) => (None, command::runs::RunsAction::Close { run }, false),
    };
    command::runs::Options { folder, what, json }
}
