//! `bakeoff resume`: finishes a run that was interrupted, killed, capped or cut off.
//!
//! Owns the steps from a stored run to its next part. Must not know how a part is carried out. Invariants: one
//! process at a time writes a run; only trials without an end are sent, or those that failed where that is
//! requested; and nothing is sent while a difference is not accepted.

use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::record::ledger::{self, LedgerLine, RecordedCost};
use crate::record::{
    JournalError, JournalWriter, Manifest, RequestLog, Run, RunPart, Status, TakenLog,
    TruncatedLine, move_truncated_line,
};
use crate::units::{ModelId, Nanos, Usd, plural};

use super::baseline::open_baseline;
use super::calibrated::calibrated_error;
use super::cost_cap::{self, LedgerClaim};
use super::deferred::refuse_commands;
use super::differences::differences;
use super::job::{self, EarlierParts, Job, ResolvedRun};
use super::part::{self, OpenPart, RunTally};
use super::provider_prices;
use super::remaining::Remaining;
use super::sample_store::{SampleStore, join_rescued, other_run};
use super::session::Session;
use crate::command::base::closing;
use crate::command::base::endpoint::{self, OpenEndpoint};
use crate::command::base::exit;
use crate::command::base::failure::Failure;
use crate::command::base::model_list::{CachePolicy, ModelListState};
use crate::command::base::runtime::TOOL;
use crate::command::base::stdio::stderr;

/// The options of `bakeoff resume`.
#[derive(Debug)]
// Each field is the flag of the same name, documented by `--help`.
#[allow(missing_docs, clippy::struct_excessive_bools)]
pub struct Options {
    pub run: PathBuf,
    pub retry_failed: bool,
    pub rescued: Vec<PathBuf>,
    pub force: bool,
    pub max_cost: Option<Usd>,
    pub allow_exec: bool,
    pub scenario: Option<PathBuf>,
    pub project: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub history: Option<PathBuf>,
    pub quiet: bool,
    pub json: bool,
    pub verbose: bool,
}

/// A stored run that no other process writes.
struct StoredParts {
    run: Run,
    manifest: Manifest,
    log: TakenLog,
    remaining: Remaining,
    /// The last line of the ledger, if there is one.
    line: Option<LedgerLine>,
}

/// Carries out `bakeoff resume`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let run = Run::open(&options.run)?;
    let reports = reports_of(run.folder())?;
    let stored = take_over(run, &reports, options)?;
    if let Some(sentence) = nothing_to_do(&stored, options) {
        writeln!(stderr(), "{sentence}")?;
        return Ok(exit::DONE);
    }
    refuse_load(&stored)?;
    refuse_commands(&stored.manifest.suite, options.allow_exec)?;
    let run_options = run_options(options, reports);
    let (mut job, opened) = prepare(&stored, options)?;
    let differences = accepted_differences(&stored.manifest, &job, &opened, options)?;
    let reserved = limit(&mut job, &stored, &opened, &run_options)?;
    let baseline = open_baseline(&job, &run_options)?;
    if !options.quiet {
        writeln!(stderr(), "{}", stored.remaining.sentence())?;
    }
    let session = match stored.remaining.count() {
        0 => None,
        _ => Some(Session::open(&job, &opened)?),
    };
    let simulated = opened.record.scenario.is_some();
    let LedgerClaim { ledger, began } = cost_cap::claim_ledger(&mut job, &run_options, simulated)?;
    let mut part = open_part(&job, stored, (began, reserved), differences)?;
    part.manifest.status = Status::Running;
    part.run.write_manifest(&part.manifest)?;
    part.run.reserve_manifest(&part.manifest)?;
    ledger.append(&job.ledger_line(&part.manifest, part.tally.spending.clone()))?;
    part::carry_out(
        &mut job,
        &opened,
        &run_options,
        baseline.as_ref(),
        session,
        part,
    )
}

/// The folder of runs that a run lies in, two above its own.
pub(in crate::command) fn reports_of(folder: &Path) -> Result<PathBuf, Failure> {
    let mut parts = folder.components();
    let is_plain = !parts.any(|part| matches!(part, Component::ParentDir | Component::CurDir));
    let near = folder.ancestors().nth(2);
    if let Some(reports) = near.filter(|path| is_plain && !path.as_os_str().is_empty()) {
        return Ok(reports.to_owned());
    }
    let whole = folder
        .canonicalize()
        .map_err(|error| Failure::usage(format!("cannot read `{}`: {error}", folder.display())))?;
    Ok(whole
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("/"))
        .to_owned())
}

/// Takes the run over: from here on no other process writes it. Truncated last lines are moved out.
fn take_over(run: Run, reports: &Path, options: &Options) -> Result<StoredParts, Failure> {
    // It also counts the cost of a killed run, which the cap of the day needs.
    closing::close_ended(reports, options.quiet)?;
    let log = match RequestLog::take_over(run.folder()) {
        Ok(log) => log,
        Err(JournalError::Held { holder, .. }) => {
            return Err(closing::alive(&options.run, holder.as_ref()));
        }
        Err(error) => return Err(error.into()),
    };
    let samples = move_truncated_line(&run.samples_path())?;
    if !options.quiet {
        let truncated = [log.truncated.as_ref(), samples.as_ref()];
        truncated
            .into_iter()
            .flatten()
            .try_for_each(report_truncated_line)?;
    }
    // Read after the run was taken over: another process may have finished it meanwhile.
    let manifest = run.manifest()?;
    if manifest.is_merged() {
        return Err(Failure::usage(format!(
            "`{}` was merged from shards: resume those that are incomplete, and merge again",
            options.run.display()
        )));
    }
    for path in &options.rescued {
        let joined = join_rescued(&run, &manifest.run, path)?;
        if joined == 0 {
            return Err(other_run(path, &manifest.run));
        }
        if !options.quiet {
            let samples = plural(joined, "sample");
            writeln!(stderr(), "note: {samples} of `{}` joined", path.display())?;
        }
    }
    let remaining = Remaining::new(&run, &manifest, options.retry_failed)?;
    let lines = ledger::read(reports)?.lines.into_iter();
    let line = lines.rev().find(|line| line.run == manifest.run);
    Ok(StoredParts {
        run,
        manifest,
        log,
        remaining,
        line,
    })
}

fn report_truncated_line(line: &TruncatedLine) -> std::io::Result<()> {
    writeln!(
        stderr(),
        "note: the last line is truncated; its {} are in {}",
        plural(line.bytes, "byte"),
        line.file.display()
    )
}

/// The sentence about a run that is finished; `None` if there is something to do.
fn nothing_to_do(stored: &StoredParts, options: &Options) -> Option<String> {
    // The plan of a timed loop has more rounds than its time held.
    let is_over = stored.manifest.suite.time_limit().is_some()
        && stored.manifest.status == Status::Complete
        && !options.retry_failed;
    if stored.remaining.count() > 0 && !is_over {
        return None;
    }
    let folder = options.run.display();
    if options.retry_failed {
        return Some(format!("{folder}: no trial failed; nothing was sent"));
    }
    (stored.manifest.status == Status::Complete)
        .then(|| format!("{folder} is complete; nothing was sent"))
}

/// Refuses to send the rest of a load.
fn refuse_load(stored: &StoredParts) -> Result<(), Failure> {
    if stored.remaining.count() > 0 && stored.manifest.suite.staged_load().is_some() {
        return Err(Failure::usage(
            "a load cannot be resumed: its rest is another load. Start it again with `bakeoff run`",
        ));
    }
    Ok(())
}

/// The options of `bakeoff run` that the rest of the run takes.
fn run_options(options: &Options, reports: PathBuf) -> job::Options {
    job::Options {
        scenario: options.scenario.clone(),
        output: reports,
        project: options.project.clone(),
        ca_file: options.ca_file.clone(),
        history: options.history.clone(),
        max_cost: options.max_cost,
        allow_exec: options.allow_exec,
        quiet: options.quiet,
        json: options.json,
        yes: true,
        verbose: options.verbose,
        ..job::Options::default()
    }
}

/// Files that say how an endpoint is reached.
pub(in crate::command) struct EndpointFiles<'a> {
    pub(in crate::command) project: Option<&'a Path>,
    pub(in crate::command) ca_file: Option<&'a Path>,
    pub(in crate::command) scenario: Option<&'a Path>,
}

/// The run of a manifest, and its endpoint, opened again.
pub(in crate::command) fn open_again(
    manifest: &Manifest,
    files: &EndpointFiles<'_>,
) -> Result<(ResolvedRun, OpenEndpoint), Failure> {
    let resolved = ResolvedRun::from_manifest(manifest, files.project, files.ca_file)?;
    let sim_seed = manifest.endpoint.scenario.as_deref().and_then(sim_seed);
    let sim_seed = sim_seed.filter(|_| resolved.profile.base_url.is_none());
    let opened = endpoint::open(&resolved.profile, files.scenario, sim_seed)?;
    Ok((resolved, opened))
}

/// The job of the rest of the run, and its endpoint.
fn prepare(stored: &StoredParts, options: &Options) -> Result<(Job, OpenEndpoint), Failure> {
    let manifest = &stored.manifest;
    let places = EndpointFiles {
        project: options.project.as_deref(),
        ca_file: options.ca_file.as_deref(),
        scenario: options.scenario.as_deref(),
    };
    let (mut resolved, opened) = open_again(manifest, &places)?;
    if options.max_cost.is_some() {
        // The new cap takes the place of the one that the run was begun with.
        resolved.suite.max_cost = None;
    }
    if options.retry_failed {
        resolved.do_not_look();
    }
    let mut job = Job::new(resolved, ModelListState::from_endpoint(&opened)?);
    job.earlier = Some(EarlierParts {
        run: manifest.run.clone(),
        number: manifest.parts.len().max(1) + 1,
        finished: stored.remaining.finished(),
        spent: Usd::ZERO,
        cap: stored.line.as_ref().and_then(|line| line.cap_usd),
    });
    Ok((job, opened))
}

/// The sim seed in the record of a simulated endpoint, `<digest> sim seed 7`.
fn sim_seed(record: &str) -> Option<u64> {
    record.rsplit_once(" sim seed ")?.1.parse().ok()
}

/// The differences from the stored run, accepted with `--force`.
///
/// # Errors
/// If there are any that are not accepted.
fn accepted_differences(
    manifest: &Manifest,
    job: &Job,
    opened: &OpenEndpoint,
    options: &Options,
) -> Result<Vec<String>, Failure> {
    let found = differences(manifest, job, opened);
    if found.is_empty() || options.force {
        return Ok(found);
    }
    let lines: Vec<String> = found.iter().map(|line| format!("\n  {line}")).collect();
    Err(Failure::usage(format!(
        "`{}` cannot be continued as it was begun; nothing was sent{}\n  restore what differs, or accept it with \
         --force: the reports then say so",
        options.run.display(),
        lines.concat()
    )))
}

/// Sets the job's cap, which counts the earlier parts. Returns what is reserved for requests whose lines may be lost.
fn limit(
    job: &mut Job,
    stored: &StoredParts,
    opened: &OpenEndpoint,
    options: &job::Options,
) -> Result<Option<Usd>, Failure> {
    let simulated = opened.record.scenario.is_some();
    let Some(limit) = cost_cap::limit_before_run(job, options, simulated)? else {
        return Ok(None);
    };
    let notes = provider_prices::ask(job, opened, CachePolicy::New)?;
    if !options.quiet {
        let mut err = stderr();
        notes.iter().try_for_each(|note| writeln!(err, "{note}"))?;
    }
    let cost = RecordedCost::of_log(&stored.log)?;
    let worst = cost_cap::worst_case(job);
    let variants = &job.resolved.suite.variants;
    let max_request = |model: &ModelId| {
        let of_model = (0..variants.len()).filter(|&index| variants[index].model == *model);
        let requests: Result<Vec<Usd>, _> =
            of_model.map(|index| worst.max_request(index)).collect();
        requests.ok()?.into_iter().max()
    };
    let open = cost.reserved(max_request).unwrap_or(Usd::ZERO);
    let known = Usd(cost.spending.total().0.saturating_add(open.0));
    let by_ledger = stored.line.as_ref().map_or(Usd::ZERO, LedgerLine::at_most);
    let before = if cost.is_whole {
        known
    } else {
        known.max(by_ledger)
    };
    if let Some(earlier) = &mut job.earlier {
        earlier.spent = before;
    }
    job.cap = Some(cost_cap::build_cap(job, limit)?);
    let lost = Usd(before.0 - known.0 + cost.lost().0);
    Ok((lost > Usd::ZERO).then_some(lost))
}

/// Opens the records of the next part.
fn open_part(
    job: &Job,
    stored: StoredParts,
    (began, reserved): (Timestamp, Option<Usd>),
    differences: Vec<String>,
) -> Result<OpenPart, Failure> {
    let StoredParts {
        run,
        mut manifest,
        log,
        remaining,
        ..
    } = stored;
    let spending = RecordedCost::of_log(&log)?.spending;
    let journal = JournalWriter::append_to(run.folder())?;
    let samples = SampleStore::new(&run, &manifest, journal);
    let tally = RunTally::resumed(
        &run,
        &manifest,
        |trial| remaining.has_ended(trial),
        spending,
    )?;
    let start = part_start(&run, manifest.started_at, began)?;
    if manifest.parts.is_empty() {
        manifest.parts.push(manifest.only_part());
    }
    manifest.parts.push(RunPart {
        shard: None,
        started_at: began,
        start_ns: start,
        tool: TOOL.to_owned(),
        trials: remaining.count(),
        repeated_failures: remaining.failed(),
        differences,
    });
    manifest.version = Manifest::VERSION;
    if remaining.count() > 0 {
        manifest.ttft_error = manifest
            .ttft_error
            .combine(calibrated_error(job.clock, job.lanes()));
    }
    let requests = Some(Arc::new(log.begin(reserved.filter(|_| job.cap.is_some()))?));
    Ok(OpenPart {
        planned: remaining.count(),
        ended_trials: 0,
        run,
        manifest,
        samples,
        requests,
        tally,
        start,
    })
}

/// The start of the next part on the clock of the run: after everything that was recorded, also where the system's
/// clock was set back meanwhile.
fn part_start(run: &Run, started_at: Timestamp, now: Timestamp) -> Result<Nanos, Failure> {
    let passed = now.as_nanosecond() - started_at.as_nanosecond();
    let passed = Nanos(u64::try_from(passed).unwrap_or(0));
    let ends = run.all_samples()?.flatten().map(|sample| sample.end());
    let last = ends.max().unwrap_or(Nanos::ZERO);
    Ok(passed.max(Nanos(last.0.saturating_add(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_runs_is_two_above() {
        // A wrong folder would have a second ledger, which no cap of a day knows.
        let plain = reports_of(Path::new("reports/suite/run")).unwrap();
        assert_eq!(plain, Path::new("reports"));
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("a/b/c");
        std::fs::create_dir_all(&run).unwrap();
        let around = folder.path().join("a/b/c/../../b/c");
        let whole = folder.path().canonicalize().unwrap().join("a");
        assert_eq!(reports_of(&around).unwrap(), whole);
    }

    #[test]
    fn the_sim_seed_of_a_run_is_found_in_its_manifest() {
        assert_eq!(sim_seed("sha256:ab sim seed 7"), Some(7));
        assert_eq!(sim_seed("sha256:ab"), None);
    }
}
