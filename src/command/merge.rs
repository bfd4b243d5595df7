//! `bakeoff merge`: joins the shards of a plan into one run.
//!
//! Owns its messages and its exit code. Must not know how shards are joined. Invariant: no run is overwritten, and a
//! merged run that lacks something is never taken for a whole one.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::input::Walk;
use crate::record::{MergeError, Run, RunError, Shares, Status};
use crate::verdict::exit_code::{RunResult, enough_was_answered};

use super::base::failure::Failure;
use super::base::github;
use super::base::reports::{
    Format, make_files, print, print_more, show, warn_of_incomparable, warn_of_inconclusive,
};
use super::base::stdio::{stderr, stdout};
use super::run::baseline::Baseline;

/// Lines that cannot be read which are printed one by one.
const LOST_PRINTED: usize = 5;

/// The options of `bakeoff merge`.
#[derive(Debug)]
pub struct Options {
    /// Folders of the shards.
    pub runs: Vec<PathBuf>,
    /// Folder of the merged run.
    pub output: PathBuf,
    /// The history that the merged run is judged by.
    pub history: Option<PathBuf>,
    /// Print only the result.
    pub quiet: bool,
    /// Print everything, not the result alone.
    pub verbose: bool,
    /// Print JSON.
    pub json: bool,
}

/// Carries out `bakeoff merge`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    if options.output.symlink_metadata().is_ok() {
        return Err(Failure::usage(format!(
            "`{}` exists already: name another folder, or delete it",
            options.output.display()
        )));
    }
    let mut runs = Vec::new();
    for path in &options.runs {
        runs.extend(shards_at(path)?);
    }
    let shares = Shares::new(runs).map_err(to_failure)?;
    // A history that cannot be read or written is found before the merged run exists.
    let history = options.history.as_deref();
    let baseline = history.map(|path| Baseline::open(path, shares.suite_name()));
    let baseline = baseline.transpose()?;
    let mut merged = shares.merge_into(&options.output).map_err(to_failure)?;
    drop(shares);
    if let Some(baseline) = &baseline {
        baseline.store(&merged.run, &merged.manifest)?;
    } else {
        // Only a history knows prompts by digests of their turns.
        merged.manifest.suite.prompts.release_turns();
    }
    let manifest = &merged.manifest;
    if !options.quiet {
        let mut err = stderr();
        for line in merged.lost.iter().take(LOST_PRINTED) {
            writeln!(err, "warning: {line}")?;
        }
        if merged.lost.len() > LOST_PRINTED {
            let more = merged.lost.len() - LOST_PRINTED;
            writeln!(err, "warning: {more} more lines cannot be read")?;
        }
        if let Status::Incomplete(reason) = &manifest.status {
            writeln!(err, "warning: the merged run is incomplete: {reason}")?;
        }
    }
    let report = make_files(&merged.run, manifest)?;
    github::append_job_summary(&report.job_summary())?;
    if options.json {
        print(&report, Format::Json, stdout())?;
    } else {
        show(&report, options.verbose, stdout())?;
        if !options.quiet {
            print_more(&options.output, options.verbose)?;
        }
    }
    let judged = report.evaluation();
    warn_of_incomparable(judged)?;
    let (gate_status, on_inconclusive) = (judged.gate_status(), judged.gate.on_inconclusive);
    if !options.quiet {
        warn_of_inconclusive(gate_status, on_inconclusive)?;
    }
    let is_sound = manifest.status == Status::Complete && enough_was_answered(report.summary());
    if let Some(baseline) = baseline.filter(|_| is_sound) {
        baseline.learn(&merged.run, manifest, judged)?;
    }
    Ok(RunResult {
        interrupted: false,
        incomplete: !is_sound,
        gate_status,
        switch: judged.switch_outcome(),
        on_inconclusive,
    }
    .code())
}

/// The run at `path`, or the shards in it if it is the folder of a suite's runs: a container may have no shell that
/// lists them.
fn shards_at(path: &Path) -> Result<Vec<Run>, Failure> {
    let not_a_run = match Run::open(path) {
        Ok(run) => return Ok(vec![run]),
        Err(error @ RunError::NotARun { .. }) if path.is_dir() => error,
        Err(error) => return Err(error.into()),
    };
    let entries = Walk::default().entries(path).unwrap_or_default();
    let folders = entries.into_iter().filter(|entry| entry.kind.is_dir());
    let mut paths: Vec<PathBuf> = folders.map(|entry| entry.path).collect();
    paths.sort_unstable();
    let runs = paths.iter().filter_map(|path| Run::open(path).ok());
    let is_shard = |run: &Run| {
        run.manifest()
            .is_ok_and(|manifest| manifest.shard.is_some())
    };
    let shards: Vec<Run> = runs.filter(is_shard).collect();
    if shards.is_empty() {
        return Err(not_a_run.into());
    }
    Ok(shards)
}

fn to_failure(error: MergeError) -> Failure {
    match error {
        MergeError::Run(error) => error.into(),
        MergeError::Double { .. } => Failure::usage(format!(
            "{error}\n  a task that was started again sends its shard again: merge the complete one"
        )),
        error => Failure::usage(error.to_string()),
    }
}
