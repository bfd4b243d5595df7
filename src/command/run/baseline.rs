//! A run judged against a history: the baseline, and the update of the history.
//!
//! Owns when the history is read and written. Must not know how anything is judged. Invariants: a history that
//! cannot be read stops a run before anything is sent; the baseline of a run is stored in its folder before its
//! reports are made; a run that cannot be judged leaves no mark.

use std::io::Write;
use std::path::Path;

use crate::record::{History, HistoryLine, Manifest, Run, RunStanding};
use crate::report::history_power::history_line;
use crate::suite::Suite;
use crate::verdict::{
    ComparisonDesign, Evaluation, TYPICAL_NOISE, history_updates, power, to_history_run,
};

use super::job::{Job, Options};
use crate::command::base::failure::Failure;
use crate::command::base::history::{accepted, open_for_suite, past_of};
use crate::command::base::locks::LockPatience;
use crate::command::base::samples;
use crate::command::base::stdio::stderr;

/// Opens the history that the run is judged by, if there is one, and prints what it can find.
pub(super) fn open_baseline<'o>(
    job: &Job,
    options: &'o Options,
) -> Result<Option<Baseline<'o>>, Failure> {
    let Some(path) = options.history.as_deref() else {
        return Ok(None);
    };
    let suite = &job.resolved.suite;
    let baseline = Baseline::open(path, &suite.name)?;
    if !options.quiet {
        writeln!(stderr(), "{}", baseline.power_line(suite))?;
    }
    Ok(Some(baseline))
}

/// The history that a run is judged against.
pub(in crate::command) struct Baseline<'a> {
    path: &'a Path,
    suite: String,
    /// Accepted runs of the baseline.
    accepted: usize,
}

impl<'a> Baseline<'a> {
    /// Finds every trouble with the file that can be found before the run: afterwards it has been paid for.
    pub(in crate::command) fn open(path: &'a Path, suite: &str) -> Result<Self, Failure> {
        let accepted = accepted(&open_for_suite(path, suite)?);
        History::can_append(path).map_err(|error| {
            Failure::usage(format!(
                "the history cannot be written: {error}\n  nothing was sent; name a file in a folder that can be \
                 written with --history, or leave --history out to judge by the suite's own limits alone"
            ))
        })?;
        Ok(Self {
            path,
            suite: suite.to_owned(),
            accepted,
        })
    }

    /// Says what the run can find against the history as it is.
    fn power_line(&self, suite: &Suite) -> String {
        let power = power(suite, TYPICAL_NOISE);
        let file = self.path.display().to_string();
        let line = history_line(suite, &power, &file, self.accepted);
        format!("note: {line}")
    }

    /// Stores the run's baseline in its folder. The history is read anew: other runs may have been accepted
    /// meanwhile.
    pub(in crate::command) fn store(&self, run: &Run, manifest: &Manifest) -> Result<(), Failure> {
        let history = open_for_suite(self.path, &self.suite)?;
        let past = past_of(&history, manifest);
        Ok(run.write_past(&past.lines())?)
    }

    /// Appends the marks of the verdicts to the history, and prints them; for the first run, how to begin.
    pub(in crate::command) fn learn(
        &self,
        run: &Run,
        manifest: &Manifest,
        judged: &Evaluation,
    ) -> Result<(), Failure> {
        let against_past = |design| design == ComparisonDesign::History;
        let mut judgements = judged.judgements.iter().map(|gated| &gated.judgement);
        let Some(judgement) = judgements.find(|found| against_past(found.design)) else {
            return Ok(());
        };
        let history = run.past()?.unwrap_or_default();
        let past = past_of(&history, manifest);
        let today = to_history_run(manifest, &samples::read(run, manifest)?.evidence);
        let lines = history_updates(&today, &past, judgement);
        let mut patience = LockPatience::default();
        History::append(self.path, &lines, &mut |lock| patience.wait(lock))?;
        self.print_update(run, &history, &lines)
    }

    fn print_update(
        &self,
        run: &Run,
        history: &History,
        lines: &[HistoryLine],
    ) -> Result<(), Failure> {
        let mut err = stderr();
        let (file, folder) = (self.path.display(), run.folder().display());
        let accept = format!("bakeoff accept {folder} --history {file}");
        if accepted(history) == 0 {
            writeln!(
                err,
                "note: {file} has no run to compare with yet. To compare later ones with this one:\n  \
                 {accept}"
            )?;
        }
        for line in lines {
            match line {
                HistoryLine::Run(entry) if entry.standing == RunStanding::Pending => writeln!(
                    err,
                    "note: a first regression was recorded in {file}; a run an hour \
                     or more later decides"
                )?,
                HistoryLine::Run(_) => writeln!(
                    err,
                    "note: the regression is noted in {file}. Where it is here to stay:\n  \
                     {accept} --reset"
                )?,
                HistoryLine::Mark { run, standing } => {
                    writeln!(err, "note: {run} is now {} in {file}", standing.word())?;
                }
            }
        }
        Ok(())
    }
}
