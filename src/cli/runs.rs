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
    /// Close a killed run, so that the ledger counts its cost instead of its whole cap
    #[command(after_help = "Examples:\n  \
        bakeoff runs close reports/quickstart/20261101T070000Z-ab12cd\n\n\
        Commands that read the ledger (run, runs, spend) close such runs automatically. A run that is still\n\
        running or has ended is left unchanged. Requests without a known cost count at their worst case.")]
    Close {
        /// Run folder
        #[arg(value_name = "RUN")]
        run: PathBuf,
    },
    /// Write a page over all runs: index.html in their folder
    #[command(after_help = "Examples:\n  \
        bakeoff runs index\n  \
        bakeoff runs index reports\n\n\
        The page lists the runs of each suite with their status and cost, and links to each run's report.html.")]
    Index {
        /// Folder that holds the runs, or those of one suite [default: reports]
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
        /// Open the page in a browser
        #[arg(long)]
        open: bool,
    },
    /// Delete old runs that exceed every given limit
    #[command(group(clap::ArgGroup::new("bound").required(true).multiple(true)))]
    #[command(after_help = "Examples:\n  \
        bakeoff runs prune --older-than 30d\n  \
        bakeoff runs prune --older-than 30d --keep 10 --yes\n  \
        bakeoff runs prune reports/quickstart --keep 10 --dry-run --json\n\n\
        Without --yes nothing is deleted. Never deleted: the run that `latest` points at, a running one\n\
        (unless it started 7 days ago), one with a renamed folder, and one that contains a folder or a\n\
        link. Links are not followed.")]
    Prune {
        /// Folder that holds the runs, or those of one suite [default: reports]
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
        /// Only runs older than this, such as 12h, 30d or 8w
        #[arg(long, value_name = "AGE", group = "bound")]
        older_than: Option<Age>,
        /// Keep the N newest runs of each suite
        #[arg(long, value_name = "N", group = "bound")]
        keep: Option<usize>,
        /// Delete the runs; without this flag they are only listed
        #[arg(short, long)]
        yes: bool,
        /// Only list the runs, which is the default
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
        Some(RunsVerb::Index { folder, open }) => {
            (folder, command::runs::RunsAction::Index { open }, false)
        }
        Some(RunsVerb::Close { run }) => (None, command::runs::RunsAction::Close { run }, false),
    };
    command::runs::Options { folder, what, json }
}
