//! `bakeoff accept`: a run joins the history that later runs are judged against.

use std::io::Write;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::record::{History, HistoryLine, HistoryRun, Manifest, Run, RunStanding, Status};
use crate::suite::Gate;
use crate::units::plural;
use crate::verdict::{PastRuns, RunSummary, incomparable_history, to_history_run};

mod successor;

use super::base::failure::Failure;
use super::base::history::{accepted, open_for_suite};
use super::base::json::print_json;
use super::base::locks::LockPatience;
use super::base::stdio::{stderr, stdout};
use super::base::{exit, samples};
use crate::verdict::exit_code::enough_was_answered;

/// The options of `bakeoff accept`.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // Each is a flag.
pub struct Options {
    /// Folder of the run, or a `latest`.
    pub run: PathBuf,
    /// The history.
    pub history: PathBuf,
    /// Reset the baseline: earlier runs no longer count.
    pub reset: bool,
    /// The environment of the run, in place of the recorded one.
    pub environment: Option<String>,
    /// Accept a run even if it is incomplete or was found regressed.
    pub force: bool,
    /// Skip a run that was found regressed instead of failing.
    pub unless_flagged: bool,
    /// Variant of the history to replace by its successor.
    pub successor_of: Option<String>,
    /// The successor; absent: the run's reference, or its only other variant.
    pub successor: Option<String>,
    /// Print JSON.
    pub json: bool,
}

/// Version of the JSON output.
const VERSION: u32 = 2;

/// The JSON output of `accept`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Done<'a> {
    /// Version of this document.
    version: u32,
    /// Name of the run.
    run: &'a str,
    /// The history, as it was named.
    history: String,
    /// The decision about the run.
    standing: &'static str,
    /// Accepted runs of the current baseline, this one included if it joined.
    accepted: usize,
    /// Of `--successor-of`: the variants, and the runs in which one was replaced by the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    spliced: Option<successor::Spliced<'a>>,
}

/// Carries out `bakeoff accept`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let run = Run::open(&options.run)?;
    let mut manifest = run.manifest()?;
    if let Some(shard) = manifest.shard {
        return Err(Failure::usage(format!(
            "`{}` has shard {shard} of its plan alone: merge the shards, and accept the merged run",
            options.run.display()
        )));
    }
    if options.environment.is_some() {
        manifest.environment.clone_from(&options.environment);
    }
    let history = open_for_suite(&options.history, &manifest.suite.name)?;
    if let Some(old) = &options.successor_of {
        return successor::replace(options, &run, &manifest, old);
    }
    let standing = if options.reset {
        RunStanding::BaselineReset
    } else {
        RunStanding::Accepted
    };
    refuse_twice(&history, &manifest.run, options)?;
    if let Some(standing) = flagged(&history, &manifest.run).filter(|_| !may_be_flagged(options)) {
        let reason = format!(
            "{} is not accepted: it is {} in {}",
            manifest.run,
            standing.word(),
            options.history.display()
        );
        if options.unless_flagged {
            writeln!(stderr(), "note: {reason}")?;
            return Ok(exit::DONE);
        }
        return Err(Failure::usage(format!(
            "{reason}: it was found regressed\n  --reset accepts the change and judges later runs by it; \
             --force makes it one of the baseline's runs"
        )));
    }
    let read = samples::read(&run, &manifest)?;
    if let Some(why) = why_not(&manifest, &read.summary).filter(|_| !options.force) {
        return Err(Failure::usage(format!(
            "{} is not accepted: {why}\n  every later run would be compared with it; --force accepts it anyway",
            manifest.run
        )));
    }
    let run = to_history_run(&manifest, &read.evidence);
    let gate = manifest.suite.gate.clone().unwrap_or_default();
    refuse_incomparable(&history, &run, &gate, options)?;
    // Another process may have accepted the run meanwhile.
    let mut patience = LockPatience::default();
    let decide = |history: &History| {
        refuse_twice(history, &manifest.run, options)?;
        refuse_incomparable(history, &run, &gate, options)?;
        let line = match history.entry(&manifest.run) {
            // The history has it already, flagged: its figures stay, the decision about it changes.
            Some(_) if options.environment.is_none() => HistoryLine::Mark {
                run: manifest.run.clone(),
                standing,
            },
            _ => HistoryLine::run(run.clone(), standing, Vec::new()),
        };
        Ok::<_, Failure>(vec![line])
    };
    let history = History::update(&options.history, decide, &mut |lock| patience.wait(lock))?;
    print_result(options, &manifest.run, standing, accepted(&history))?;
    Ok(exit::DONE)
}

/// Refuses a run that the accepted ones cannot be compared with: from then on later runs would be compared with
/// it alone, as if it had been judged.
fn refuse_incomparable(
    history: &History,
    run: &HistoryRun,
    gate: &Gate,
    options: &Options,
) -> Result<(), Failure> {
    if options.reset {
        return Ok(());
    }
    let baseline = PastRuns::from_baseline(history, &run.run);
    let Some(incomparable) = incomparable_history(run, &baseline, gate) else {
        return Ok(());
    };
    let (folder, file) = (options.run.display(), options.history.display());
    Err(Failure::usage(format!(
        "{} is not accepted: {incomparable}\n  to begin a new baseline with it:  bakeoff accept {folder} --history {file} \
         --reset",
        run.run
    )))
}

fn refuse_twice(history: &History, run: &str, options: &Options) -> Result<(), Failure> {
    let Some(entry) = history.entry(run).filter(|entry| entry.standing.accepted()) else {
        return Ok(());
    };
    let begins = entry.standing == RunStanding::BaselineReset;
    if begins || !options.reset {
        let baseline = if begins { " as a reset baseline" } else { "" };
        let file = options.history.display();
        return Err(Failure::usage(format!(
            "{run} is already accepted{baseline} in {file}; nothing was changed"
        )));
    }
    Ok(())
}

/// The status of a run that was found regressed, unless that was taken back later.
fn flagged(history: &History, run: &str) -> Option<RunStanding> {
    let standing = history.entry(run)?.standing;
    let regressed = matches!(
        standing,
        RunStanding::Flagged | RunStanding::Pending | RunStanding::Confirmed
    );
    regressed.then_some(standing)
}

const fn may_be_flagged(options: &Options) -> bool {
    options.reset || options.force
}

/// The reason why a run is a poor baseline, if it is one.
fn why_not(manifest: &Manifest, summary: &RunSummary) -> Option<String> {
    let early = manifest
        .until_decided
        .as_ref()
        .and_then(|looks| looks.decided_after);
    match (&manifest.status, early) {
        (Status::Running, _) => Some("it has not finished, or was killed".to_owned()),
        (Status::Interrupted, _) => Some("it was interrupted".to_owned()),
        (Status::Incomplete(reason), _) => Some(format!("it is incomplete ({reason})")),
        (Status::Complete, Some(round)) => Some(format!(
            "it ended early, after round {round}, once its verdict was decided, which biases its baseline towards that verdict"
        )),
        (Status::Complete, None) => (!enough_was_answered(summary))
            .then(|| "a model answered fewer than half of its trials".to_owned()),
    }
}

fn print_result(
    options: &Options,
    run: &str,
    standing: RunStanding,
    accepted: usize,
) -> Result<(), Failure> {
    let mut out = stdout();
    let file = options.history.display();
    if options.json {
        let done = Done {
            version: VERSION,
            run,
            history: file.to_string(),
            standing: standing.word(),
            accepted,
            spliced: None,
        };
        return Ok(print_json(&mut out, &done)?);
    }
    let runs = plural(accepted, "run");
    match standing {
        RunStanding::BaselineReset => writeln!(out, "{run} resets the baseline in {file}")?,
        _ => writeln!(out, "{run} accepted: {file} has {runs} to compare with")?,
    }
    Ok(writeln!(
        out,
        "Judge later runs with:  bakeoff run SUITE --history {file}"
    )?)
}
