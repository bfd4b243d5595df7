//! `bakeoff runs`: lists, prunes and closes the runs in a folder of reports.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::record::ledger::{CloseOutcome, LedgerLine, LockedLedger};
use crate::record::{
    PruneDecision, RequestLine, Retention, Run, RunError, StoredRun, StoredRuns, find_runs,
};
use crate::report::{PruneDocument, Pruning, RunsDocument, prune_lines, runs_table};

use super::base::closing;
use super::base::exit;
use super::base::failure::Failure;
use super::base::locks::LockPatience;
use super::base::stdio::{stderr, stdout};

mod index;

/// The folder that `run` puts runs into when nothing else is said.
pub(super) const REPORTS: &str = "reports";

/// The options of `bakeoff runs`.
#[derive(Debug)]
pub struct Options {
    /// The folder; absent: `reports`, which need not be there.
    pub folder: Option<PathBuf>,
    /// List or prune.
    pub what: RunsAction,
    /// Print JSON.
    pub json: bool,
}

/// The action of `bakeoff runs`.
#[derive(Debug)]
pub enum RunsAction {
    /// They are listed.
    List,
    /// Some are deleted.
    Prune {
        /// The bounds of the runs to delete.
        retention: Retention,
        /// Delete them; otherwise the runs are only listed.
        yes: bool,
    },
    /// A page over all of them is written.
    Index {
        /// Show the page in a browser.
        open: bool,
    },
    /// One is closed, whose process is gone.
    Close {
        /// Its folder.
        run: PathBuf,
    },
}

/// Carries out `bakeoff runs`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    if let RunsAction::Close { run } = &options.what {
        return close(run);
    }
    if matches!(options.what, RunsAction::List) {
        let reports = options.folder.as_deref().unwrap_or(Path::new(REPORTS));
        closing::close_ended(reports, false)?;
    }
    let found = find(options.folder.as_deref())?;
    let mut err = stderr();
    for error in &found.unreadable {
        writeln!(err, "warning: {error}; skipped")?;
    }
    match options.what {
        RunsAction::Index { open } => index::write(
            options.folder.as_deref().unwrap_or(Path::new(REPORTS)),
            found,
            open,
        ),
        RunsAction::Prune { retention, yes } => prune(&found, retention, yes, options.json),
        RunsAction::List | RunsAction::Close { .. } => list(found, options.json),
    }
}

/// Closes one run, whose ledger lies two folders above its own.
fn close(path: &Path) -> Result<u8, Failure> {
    let run = Run::open(path)?;
    let shown = path.display();
    let folder = (run.folder().canonicalize())
        .map_err(|error| Failure::usage(format!("cannot read `{shown}`: {error}")))?;
    let reports = folder.ancestors().nth(2).unwrap_or(Path::new(""));
    let name = run.manifest()?.run;
    let none = || Failure::usage(format!("the ledger of `{shown}` has no entry for this run"));
    if !reports.join(LedgerLine::FILE).exists() {
        return Err(none());
    }
    let mut patience = LockPatience::default();
    let mut ledger = LockedLedger::lock(reports, &mut |lock| patience.wait(lock))?;
    let (line, is_new) = match ledger.close_run(&name)? {
        CloseOutcome::Closed(line) => (line, true),
        CloseOutcome::AlreadyEnded(line) => (line, false),
        CloseOutcome::NotFound => return Err(none()),
        CloseOutcome::Alive(holder) => return Err(closing::alive(path, holder.as_ref())),
        CloseOutcome::Unknown => {
            return Err(Failure::usage(format!(
                "cannot check if `{shown}` is still running: it has no {}, or its file system has no locks",
                RequestLine::FILE
            )));
        }
    };
    let done = if is_new { "closed" } else { "already ended" };
    let (name, sum) = (closing::name(&line), closing::sum(&line));
    writeln!(stdout(), "{name}: {done}; {sum}")?;
    Ok(exit::DONE)
}

fn find(folder: Option<&Path>) -> Result<StoredRuns, Failure> {
    let reports = Path::new(REPORTS);
    // Before the first run there is no folder, and that is no mistake; one that was named must be there.
    if folder.is_none() && !reports.exists() {
        return Ok(StoredRuns::default());
    }
    let folder = folder.unwrap_or(reports);
    if Run::open(folder).is_ok() {
        let path = folder.display();
        return Err(Failure::usage(format!(
            "`{path}` is a single run\n  name the folder that contains it, or use `bakeoff report {path}`"
        )));
    }
    Ok(find_runs(folder)?)
}

fn list(found: StoredRuns, json: bool) -> Result<u8, Failure> {
    let mut runs = Vec::with_capacity(found.runs.len());
    for run in found.runs {
        let progress = run.progress();
        if let Err(error) = &progress {
            writeln!(stderr(), "warning: {error}")?;
        }
        runs.push((run, progress.ok()));
    }
    let now = Timestamp::now();
    let mut out = stdout();
    if json {
        let document = RunsDocument::new(&runs, &found.unreadable, now);
        crate::command::base::json::print_json(&mut out, &document)?;
    } else if runs.is_empty() {
        writeln!(stderr(), "no runs yet; `bakeoff run SUITE` creates one")?;
    } else {
        let width = terminal_size::terminal_size_of(io::stdout());
        let width = width.map(|(width, _)| usize::from(width.0));
        write!(out, "{}", runs_table(&runs, now, width))?;
    }
    Ok(exit::DONE)
}

fn prune(found: &StoredRuns, retention: Retention, yes: bool, json: bool) -> Result<u8, Failure> {
    let now = Timestamp::now();
    let mut pruning = Pruning {
        deleted: yes,
        pruned: Vec::new(),
        protected: Vec::new(),
        failed: Vec::new(),
        stay: found.runs.len(),
    };
    for (run, decision) in found.runs.iter().zip(retention.judge(&found.runs, now)) {
        match decision {
            PruneDecision::Keep => {}
            PruneDecision::Protected(why) => pruning.protected.push((run, why)),
            PruneDecision::Delete => match delete(run, yes) {
                Ok(()) => {
                    pruning.pruned.push(run);
                    pruning.stay -= 1;
                }
                Err(error) => pruning.failed.push((run, error)),
            },
        }
    }
    let mut out = stdout();
    if json {
        crate::command::base::json::print_json(&mut out, &PruneDocument::new(&pruning))?;
    } else {
        write!(out, "{}", prune_lines(&pruning, now))?;
    }
    for (_, error) in &pruning.failed {
        writeln!(stderr(), "error: {error}")?;
    }
    Ok(if pruning.failed.is_empty() {
        exit::DONE
    } else {
        exit::USAGE
    })
}

fn delete(run: &StoredRun, yes: bool) -> Result<(), RunError> {
    if yes { run.delete() } else { Ok(()) }
}
