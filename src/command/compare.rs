//! `bakeoff compare`: the models of one run against its reference, or a run against an earlier one.
//!
//! Owns the choice between the two. Must not know procedures nor formats. Invariant: a regression is always an
//! exit code; a run that is only made fails for it only if its suite requests that.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::record::{HistoryRun, Manifest, Run};
use crate::report::{ComparisonReport, retirement_lines};
use crate::suite::{Gate, PromptList};
use crate::verdict::{
    DeclaredChange, Evaluation, Evidence, FoldedRun, Judgement, OutputChange, PromptDigests,
    compare_runs, condense_run, decide_switches, output_changes_between_runs,
    output_changes_within_run, pair_runs,
};

use super::base::failure::Failure;
use super::base::github;
use super::base::reports::{style, warn_of_inconclusive};
use super::base::runtime::TOOL;
use super::base::samples;
use super::base::stdio::{stderr, stdout};
use crate::verdict::exit_code::{RunResult, enough_was_answered};

/// The options of `bakeoff compare`.
#[derive(Debug)]
pub struct Options {
    /// Folder of a run, or a `latest`.
    pub run: PathBuf,
    /// A later run, judged against the first.
    pub later: Option<PathBuf>,
    /// The declared changes between the two.
    pub changed: Vec<DeclaredChange>,
    /// True to decide by the switch gate, also where the suite has none.
    pub switch_gate: bool,
    /// Format of the comparison.
    pub format: CompareFormat,
    /// True to print legends and exploratory comparisons on the terminal.
    pub verbose: bool,
}

/// The formats of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The formats are documented by `--help` and in their own files.
pub enum CompareFormat {
    Terminal,
    Markdown,
    Csv,
    Json,
    Junit,
}

/// A run and the samples that were read from it.
struct Side {
    /// Without turns.
    manifest: Manifest,
    evidence: Evidence,
    /// True if enough was answered to judge its models.
    is_sound: bool,
}

/// A run whose samples are to be read for a comparison with another run.
struct UnreadSide {
    run: Run,
    /// Without turns.
    manifest: Manifest,
    digests: PromptDigests,
}

impl Side {
    /// Reads a run for its own figures.
    fn read(path: &Path) -> Result<Self, Failure> {
        let run = Run::open(path)?;
        let manifest = run.manifest_for_reports()?;
        Self::read_samples(&run, manifest)
    }

    /// Reads the samples of a run. The figures of its prompts, which may be many, are not kept.
    fn read_samples(run: &Run, manifest: Manifest) -> Result<Self, Failure> {
        let FoldedRun { evidence, summary } = samples::read(run, &manifest)?;
        Ok(Self {
            is_sound: enough_was_answered(&summary),
            manifest,
            evidence,
        })
    }
}

impl UnreadSide {
    /// Reads the manifest of a run. Another run knows its prompts by digests, so their turns are released.
    fn open(path: &Path) -> Result<Self, Failure> {
        let run = Run::open(path)?;
        let mut manifest = run.manifest()?;
        let digests = PromptDigests::new(&manifest.suite);
        manifest.suite.prompts.release_turns();
        Ok(Self {
            run,
            manifest,
            digests,
        })
    }

    /// Reads the samples, and condenses the run, after which its list of prompts has no use.
    fn condense(self) -> Result<(Side, HistoryRun), Failure> {
        let mut side = Side::read_samples(&self.run, self.manifest)?;
        let condensed = condense_run(&side.manifest, &self.digests, &side.evidence);
        side.manifest.suite.prompts = PromptList::default();
        Ok((side, condensed))
    }
}

/// Carries out `bakeoff compare`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let (first, later, condensed) = match &options.later {
        None => (Side::read(&options.run)?, None, None),
        Some(later) => {
            // No list of turns is read while the samples of the other run take memory.
            let (first, later) = (UnreadSide::open(&options.run)?, UnreadSide::open(later)?);
            refuse_itself(&first.manifest, &later.manifest)?;
            let (first, then) = first.condense()?;
            let (later, now) = later.condense()?;
            (first, Some(later), Some((then, now)))
        }
    };
    let newest = later.as_ref().unwrap_or(&first);
    let suite = &newest.manifest.suite;
    let mut gate = suite.gate.clone().unwrap_or_default();
    if options.switch_gate {
        gate.switch.get_or_insert_default();
    }
    if later.is_some() {
        // Between runs there is nothing to switch to.
        gate.switch = None;
    }
    refuse_early_stop(&first.manifest, &gate)?;
    let (judgement, outputs, what) = match condensed {
        None => (
            within(&first, &gate)?,
            output_changes_within_run(&first.evidence, &suite.reference),
            format!("{}: against {}", first.manifest.run, suite.reference),
        ),
        Some((then, now)) => {
            let (judgement, outputs) =
                between((&first, then), (newest, now), &gate, &options.changed)?;
            let (before, after) = (&first.manifest.run, &newest.manifest.run);
            (
                judgement,
                outputs,
                format!("{before} before, {after} after"),
            )
        }
    };
    let mut judged = Evaluation::from_judgement(judgement, &gate);
    judged.outputs = outputs;
    judged.switches = decide_switches(&newest.evidence, &suite.reference, &gate);
    let retirements = retirement_lines(&newest.manifest);
    for line in &retirements {
        writeln!(stderr(), "warning: {line}")?;
    }
    let compared = ComparisonReport::new(&suite.name, &what, TOOL, &judged);
    let runs = std::iter::once(&first).chain(&later);
    let compared = compared
        .with_retirements(retirements)
        .with_mark(runs.map(|side| &side.manifest));
    print_comparison(&compared, options)?;
    github::append_job_summary(&compared.job_summary())?;
    let sound = first.is_sound && newest.is_sound;
    if !sound {
        writeln!(
            stderr(),
            "warning: a model answered fewer than half of its trials: too few to judge it"
        )?;
    }
    let gate_status = judged.gate_status();
    warn_of_inconclusive(gate_status, gate.on_inconclusive)?;
    Ok(RunResult {
        interrupted: false,
        incomplete: !sound,
        gate_status,
        switch: judged.switch_outcome(),
        on_inconclusive: gate.on_inconclusive,
    }
    .code())
}

/// A run has not changed against itself: the user means another one, as where `latest` has moved on.
fn refuse_itself(before: &Manifest, after: &Manifest) -> Result<(), Failure> {
    if (&before.run, before.started_at) != (&after.run, after.started_at) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "both folders hold the run {}: a run cannot be compared with itself\n  name two runs \
         (`bakeoff runs` lists them), or one alone to compare its models",
        before.run
    )))
}

/// A run that ended because its verdict was in leans to that verdict, and the switch gate has no plan of looks.
fn refuse_early_stop(manifest: &Manifest, gate: &Gate) -> Result<(), Failure> {
    if gate.switch.is_none() || manifest.until_decided.is_none() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the switch gate cannot judge {}: it was run with --until-decided\n  run the suite without it",
        manifest.run
    )))
}

/// Compares the models of one run with its reference.
fn within(run: &Side, gate: &Gate) -> Result<Judgement, Failure> {
    let suite = &run.manifest.suite;
    if suite.variants.len() < 2 {
        return Err(Failure::usage(format!(
            "{} has one model, `{}`: there is nothing to compare it with\n  name a later run as well, \
             or a run of several models",
            run.manifest.run, suite.reference
        )));
    }
    Ok(Evaluation::judge_variants(
        &run.manifest,
        &run.evidence,
        gate,
    ))
}

/// Compares a run with an earlier one, each model with itself, and measures the growth of its answers.
fn between(
    (before, then): (&Side, HistoryRun),
    (after, now): (&Side, HistoryRun),
    gate: &Gate,
    changed: &[DeclaredChange],
) -> Result<(Judgement, Vec<OutputChange>), Failure> {
    let pair_runs =
        pair_runs(then, &now, changed).map_err(|refusal| Failure::usage(refusal.to_string()))?;
    let outputs = output_changes_between_runs(&before.evidence, &after.evidence, &pair_runs);
    Ok((compare_runs(&now, &pair_runs, gate), outputs))
}

fn print_comparison(compared: &ComparisonReport, options: &Options) -> Result<(), Failure> {
    let mut out = BufWriter::new(stdout());
    let text = match options.format {
        CompareFormat::Terminal => compared.terminal(style(), options.verbose),
        CompareFormat::Markdown => compared.markdown(),
        CompareFormat::Junit => compared.junit(),
        CompareFormat::Json => {
            compared.write_json(&mut out)?;
            String::new()
        }
        CompareFormat::Csv => {
            compared.write_csv(&mut out)?;
            String::new()
        }
    };
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
