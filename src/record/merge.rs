//! Merging: the shares of one plan, sent by several machines, become one run.
//!
//! Owns which shares belong together, and how they are joined. Must not know what samples mean. Invariants: every sample
//! of every share is in the merged run once, unchanged but for its place on the clock; and no two shares with a clock of
//! their own share an instant.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use crate::plan::{Plan, Shard};
use crate::units::{Nanos, digest, plural};

use super::journal::{JournalError, JournalReader, JournalWriter};
use super::run::{temporary_sibling, to_run_error};
use super::{
    Amendment, EstimateRecord, Judging, Manifest, Run, RunError, RunPart, Sample, Status, Warming,
    run_name,
};

/// Samples written at once.
const BATCH: usize = 256;

/// The reason why runs cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A run, or the merged one, cannot be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A run has all of its plan.
    #[error("`{}` is not a shard: it was run without --shard", .0.display())]
    Whole(PathBuf),
    /// Two runs sent the same share.
    #[error("`{}` and `{}` are both shard {shard}: leave one out", first.display(), second.display())]
    Double {
        /// The share.
        shard: Shard,
        /// The folder of one of them.
        first: PathBuf,
        /// The folder of the other one.
        second: PathBuf,
    },
    /// Two runs are not of one plan under the same conditions.
    #[error("`{}` and `{}` do not belong together:\n  {}", first.display(), second.display(), differences.join("\n  "))]
    Differ {
        /// The folder of one of them.
        first: PathBuf,
        /// The folder of the other one.
        second: PathBuf,
        /// Each difference, as a line.
        differences: Vec<String>,
    },
    /// A sample of a trial that its share does not have.
    #[error("`{}` holds a sample of trial {trial}, which shard {shard} does not have", folder.display())]
    Foreign {
        /// The folder of the share.
        folder: PathBuf,
        /// The share.
        shard: Shard,
        /// Number of the trial.
        trial: u64,
    },
}

impl From<JournalError> for MergeError {
    fn from(error: JournalError) -> Self {
        Self::Run(error.into())
    }
}

/// A run that sent a share of a plan.
#[derive(Debug)]
struct Share {
    run: Run,
    manifest: Manifest,
    shard: Shard,
}

/// Shares of one plan, which may be incomplete.
#[derive(Debug)]
pub struct Shares {
    /// At least one, by index.
    shares: Vec<Share>,
}

/// A merged run.
#[derive(Debug)]
pub struct MergedRun {
    /// Its folder.
    pub run: Run,
    /// Its manifest.
    pub manifest: Manifest,
    /// Lines of journals that could not be read, with their folders.
    pub lost: Vec<String>,
}

impl Shares {
    /// Reads the manifests of `runs`, of which there is at least one.
    ///
    /// # Errors
    /// If one cannot be read, or they do not belong together.
    pub fn new(runs: Vec<Run>) -> Result<Self, MergeError> {
        let mut shares = Vec::with_capacity(runs.len());
        for run in runs {
            let manifest = run.manifest()?;
            let Some(shard) = manifest.shard else {
                return Err(MergeError::Whole(run.folder().to_owned()));
            };
            shares.push(Share {
                run,
                manifest,
                shard,
            });
        }
        if let [first, others @ ..] = shares.as_slice() {
            for other in others {
                let differences = differences(&first.manifest, &other.manifest);
                if !differences.is_empty() {
                    return Err(MergeError::Differ {
                        first: first.run.folder().to_owned(),
                        second: other.run.folder().to_owned(),
                        differences,
                    });
                }
            }
        }
        shares.sort_by_key(|share| share.shard);
        let mut pairs = shares.windows(2);
        if let Some([first, second]) = pairs.find(|pair| pair[0].shard == pair[1].shard) {
            return Err(MergeError::Double {
                shard: first.shard,
                first: first.run.folder().to_owned(),
                second: second.run.folder().to_owned(),
            });
        }
        Ok(Self { shares })
    }

    /// The shares that are not among them.
    pub fn missing(&self) -> Vec<Shard> {
        let count = self.shares[0].shard.count();
        let all = (1..=count).filter_map(|index| Shard::new(index, count).ok());
        all.filter(|shard| self.shares.iter().all(|share| share.shard != *shard))
            .collect()
    }

    /// Joins them into a new run in the folder `out`.
    ///
    /// # Errors
    /// If a share cannot be read or has samples of another one, or the run cannot be written; `out` does not exist then.
    pub fn merge_into(&self, out: &Path) -> Result<MergedRun, MergeError> {
        if let Some(above) = out.parent() {
            fs::create_dir_all(above).map_err(to_run_error("make the folder", above))?;
        }
        // Where the program is killed, nothing that looks like a run is left.
        let temporary = temporary_sibling(out);
        let run = Run::create_at(&temporary)?;
        let merged = self.write(&run).and_then(|(manifest, lost)| {
            fs::rename(&temporary, out).map_err(to_run_error("make the folder", out))?;
            let run = Run::open(out)?;
            Ok(MergedRun {
                run,
                manifest,
                lost,
            })
        });
        if merged.is_err() {
            // The error is the relevant one.
            let _ = fs::remove_dir_all(&temporary);
        }
        merged
    }

    fn write(&self, run: &Run) -> Result<(Manifest, Vec<String>), MergeError> {
        let first = &self.shares[0].manifest;
        let whole = first.plan().share(None);
        let mut writer = SampleWriter::new(run.new_samples()?, &whole);
        let clocks = self.clocks();
        let mut parts = Vec::new();
        let mut lost = Vec::new();
        for clock in &clocks {
            let begins = writer.next_free;
            parts.extend(parts_of(clock, begins));
            join(clock, &whole, begins, &mut writer, &mut lost)?;
            // A part may have ended before its first sample.
            writer.reserve_until(parts.last().map_or(begins, |part| part.start_ns));
        }
        writer.flush()?;
        let ended = writer.ended();
        writer.journal.sync()?;
        self.copy_amendments(run, &mut lost)?;
        if clocks.len() == 1 {
            // The shares were cut from one run, whose parts stay as they are.
            parts.clone_from(&first.parts);
        }
        let status = self.status(whole.trial_count() - ended);
        let manifest = merged_manifest(&clocks, &whole, parts, status);
        run.write_manifest(&manifest)?;
        Ok((manifest, lost))
    }

    /// The shares by the clock of their instants. A process has a clock of its own, so that only shares that were cut from
    /// one recorded run have a common one: they have its name.
    fn clocks(&self) -> Vec<Vec<&Share>> {
        let mut clocks: Vec<Vec<&Share>> = Vec::new();
        for share in &self.shares {
            let mut known = clocks.iter_mut();
            match known.find(|clock| clock[0].manifest.run == share.manifest.run) {
                Some(clock) => clock.push(share),
                None => clocks.push(vec![share]),
            }
        }
        clocks
    }

    fn copy_amendments(&self, run: &Run, lost: &mut Vec<String>) -> Result<(), MergeError> {
        let mut writer: Option<JournalWriter<Amendment>> = None;
        for share in &self.shares {
            let Some(reader) = open_journal::<Amendment>(share.run.folder())? else {
                continue;
            };
            for read in reader {
                let amendment = match read {
                    Ok(amendment) => amendment,
                    Err(JournalError::Line { .. }) => {
                        lost.push(lost_line(share, &read));
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
                let writer = match &mut writer {
                    Some(writer) => writer,
                    None => writer.insert(run.amend()?),
                };
                writer.append(&amendment)?;
            }
        }
        Ok(writer.map_or(Ok(()), |writer| writer.sync())?)
    }

    /// The status of the merged run, of which `open` trials have no end.
    fn status(&self, open: u64) -> Status {
        let mut reasons = Vec::new();
        let missing = self.missing();
        if !missing.is_empty() {
            let names: Vec<String> = missing
                .iter()
                .map(|shard| shard.index().to_string())
                .collect();
            let (noun, verb) = match names.len() {
                1 => ("shard", "is"),
                _ => ("shards", "are"),
            };
            let count = missing[0].count();
            reasons.push(format!(
                "{noun} {} of {count} {verb} missing",
                names.join(", ")
            ));
        }
        for share in &self.shares {
            let shard = share.shard;
            match &share.manifest.status {
                Status::Complete => {}
                Status::Running => {
                    reasons.push(format!("shard {shard} is still running, or was killed"));
                }
                Status::Interrupted => reasons.push(format!("shard {shard} was interrupted")),
                Status::Incomplete(reason) => {
                    reasons.push(format!("shard {shard} is incomplete: {reason}"));
                }
            }
        }
        if reasons.is_empty() && open > 0 {
            reasons.push(format!(
                "{} without a sample that can be read",
                plural(open, "trial")
            ));
        }
        match reasons.is_empty() {
            true => Status::Complete,
            false => Status::Incomplete(reasons.join("; ")),
        }
    }
}

/// The manifest of the shares of these clocks, joined.
fn merged_manifest(
    clocks: &[Vec<&Share>],
    whole: &Plan,
    parts: Vec<RunPart>,
    status: Status,
) -> Manifest {
    let each = || clocks.iter().map(|clock| &clock[0].manifest);
    let first = &clocks[0][0].manifest;
    let earliest = each().map(|manifest| manifest.started_at).min();
    let started_at = earliest.unwrap_or(first.started_at);
    let mut platforms: Vec<&str> = each().map(|one| one.platform.as_str()).collect();
    platforms.sort_unstable();
    platforms.dedup();
    let run = match clocks {
        [_] => first.run.clone(),
        _ => {
            // The same shares give the same name, which no other run has.
            let names: Vec<&str> = each().map(|manifest| manifest.run.as_str()).collect();
            let id = digest(names.join("\n").as_bytes());
            run_name(started_at, u64::from_str_radix(&id, 16).unwrap_or(0))
        }
    };
    let estimates = each().map(|manifest| manifest.estimate.clone());
    Manifest {
        run,
        started_at,
        status,
        shard: None,
        planned_trials: whole.trial_count(),
        estimate: estimates.reduce(EstimateRecord::sum).flatten(),
        warming: sum_warming(each()),
        judging: each().fold(None, |sum, one| Judging::sum(sum, one.judging.clone())),
        parts,
        platform: platforms.join(", "),
        ..first.clone()
    }
}

fn sum_warming<'m>(manifests: impl Iterator<Item = &'m Manifest>) -> Vec<Warming> {
    let mut sums: BTreeMap<&str, Warming> = BTreeMap::new();
    for warming in manifests.flat_map(|manifest| &manifest.warming) {
        match sums.get_mut(warming.variant.as_str()) {
            None => {
                sums.insert(&warming.variant, warming.clone());
            }
            Some(sum) => {
                sum.requests += warming.requests;
                sum.unknown += warming.unknown;
                sum.spent_usd = [sum.spent_usd, warming.spent_usd].into_iter().sum();
            }
        }
    }
    sums.into_values().collect()
}

/// The parts of the shares of one clock, which begins at `begins` on that of the merged run.
fn parts_of(clock: &[&Share], begins: Nanos) -> Vec<RunPart> {
    let share = clock[0];
    let mut parts = share.manifest.parts.clone();
    if parts.is_empty() {
        parts.push(share.manifest.only_part());
    }
    for part in &mut parts {
        part.shard = Some(share.shard);
        part.start_ns = Nanos(part.start_ns.0.saturating_add(begins.0));
    }
    parts
}

/// Differences between two shares, each as a line.
fn differences(one: &Manifest, other: &Manifest) -> Vec<String> {
    let mut found = Vec::new();
    let mut differs = |what: &str, one: &str, other: &str| {
        if one != other {
            found.push(format!("{what}: {one} and {other}"));
        }
    };
    let count = |manifest: &Manifest| {
        let count = manifest.shard.map_or(1, Shard::count);
        count.to_string()
    };
    differs("version", &one.tool, &other.tool);
    differs(
        "record format",
        &one.version.to_string(),
        &other.version.to_string(),
    );
    differs("number of shards", &count(one), &count(other));
    differs("suite", &one.suite.name, &other.suite.name);
    differs(
        "seed",
        &one.suite.seed.to_string(),
        &other.suite.seed.to_string(),
    );
    differs(
        "digest of the suite",
        &suite_digest(one),
        &suite_digest(other),
    );
    differs("order of the plan", &one.plan_digest, &other.plan_digest);
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    differs(
        "environment",
        &or_none(&one.environment),
        &or_none(&other.environment),
    );
    let (a, b) = (&one.endpoint, &other.endpoint);
    differs("endpoint", &a.name, &b.name);
    differs("base URL", &or_none(&a.base_url), &or_none(&b.base_url));
    differs(
        "variable of the key",
        &or_none(&a.key_variable),
        &or_none(&b.key_variable),
    );
    differs("scenario", &or_none(&a.scenario), &or_none(&b.scenario));
    for setting in &one.client {
        let mut others = other.client.iter();
        let same = others.find(|other| other.name == setting.name);
        let value = same.map_or("none", |same| same.value.as_str());
        differs(
            &format!("client setting `{}`", setting.name),
            &setting.value,
            value,
        );
    }
    differs(
        "number of client settings",
        &one.client.len().to_string(),
        &other.client.len().to_string(),
    );
    let prices = |manifest: &Manifest| {
        let prices = manifest.prices.as_ref();
        prices.map_or_else(Vec::new, |prices| prices.models.clone())
    };
    if prices(one) != prices(other) {
        found.push("prices: not the same for every model".to_owned());
    }
    found
}

/// The digest of the suite as it stands in the manifest, whatever the manifest says.
fn suite_digest(manifest: &Manifest) -> String {
    digest(&serde_json::to_vec(&manifest.suite).expect("a suite is always JSON"))
}

/// Opens a journal; `None` if there is none.
fn open_journal<E: super::Entry>(
    folder: &Path,
) -> Result<Option<JournalReader<BufReader<fs::File>, E>>, JournalError> {
    match JournalReader::open(folder) {
        Ok(reader) => Ok(Some(reader)),
        Err(JournalError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn lost_line<T>(share: &Share, problem: &Result<T, JournalError>) -> String {
    let problem = problem.as_ref().err().map(ToString::to_string);
    format!(
        "{}/{}",
        share.run.folder().display(),
        problem.unwrap_or_default()
    )
}

/// Joins the samples of one clock, in the order of their ends; those of a single share keep theirs.
fn join(
    clock: &[&Share],
    whole: &Plan,
    begins: Nanos,
    writer: &mut SampleWriter,
    lost: &mut Vec<String>,
) -> Result<(), MergeError> {
    let mut readers = Vec::with_capacity(clock.len());
    for share in clock {
        readers.push(ShareReader::open(share, *whole)?);
    }
    loop {
        let heads = readers.iter().enumerate();
        let heads = heads.filter_map(|(index, reader)| {
            let head = reader.head.as_ref()?;
            Some((head.end(), head.trial, index))
        });
        let Some((_, _, index)) = heads.min() else {
            break;
        };
        let Some(mut sample) = readers[index].advance()? else {
            break;
        };
        sample.move_by(begins);
        writer.append(sample)?;
    }
    lost.extend(readers.into_iter().flat_map(|reader| reader.lost));
    Ok(())
}

/// The samples of a share, checked.
struct ShareReader<'s> {
    share: &'s Share,
    whole: Plan,
    reader: Option<JournalReader<BufReader<fs::File>, Sample>>,
    /// The next sample; `None` at the end.
    head: Option<Sample>,
    /// Lines that cannot be read.
    lost: Vec<String>,
}

impl<'s> ShareReader<'s> {
    fn open(share: &'s Share, whole: Plan) -> Result<Self, MergeError> {
        let mut reader = Self {
            share,
            whole,
            // A share that was killed before its first sample has no file.
            reader: open_journal(share.run.folder())?,
            head: None,
            lost: Vec::new(),
        };
        reader.advance()?;
        Ok(reader)
    }

    /// Returns the next sample, and reads the one after it.
    fn advance(&mut self) -> Result<Option<Sample>, MergeError> {
        let mut next = None;
        while let Some(read) = self.reader.as_mut().and_then(Iterator::next) {
            match read {
                Ok(sample) => {
                    self.check(&sample)?;
                    next = Some(sample);
                    break;
                }
                Err(JournalError::Line { .. }) => self.lost.push(lost_line(self.share, &read)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(std::mem::replace(&mut self.head, next))
    }

    /// Refuses a sample of a trial that the share does not have.
    fn check(&self, sample: &Sample) -> Result<(), MergeError> {
        let shard = self.share.shard;
        let variants = self.share.manifest.suite.variants.len() as u64;
        let is_own = sample.trial < self.whole.trial_count()
            && sample.trial.checked_div(variants) == Some(sample.slot)
            && shard.has_slot(sample.slot);
        if is_own {
            return Ok(());
        }
        Err(MergeError::Foreign {
            folder: self.share.run.folder().to_owned(),
            shard,
            trial: sample.trial,
        })
    }
}

/// The samples of a merged run as they are written.
struct SampleWriter {
    journal: JournalWriter<Sample>,
    batch: Vec<Sample>,
    /// Whether each trial of the plan has ended.
    ended: Vec<bool>,
    /// The first instant after all samples and parts so far.
    next_free: Nanos,
}

impl SampleWriter {
    fn new(journal: JournalWriter<Sample>, whole: &Plan) -> Self {
        Self {
            journal,
            batch: Vec::new(),
            ended: vec![false; usize::try_from(whole.trial_count()).unwrap_or(usize::MAX)],
            next_free: Nanos::ZERO,
        }
    }

    fn append(&mut self, sample: Sample) -> Result<(), JournalError> {
        self.reserve_until(sample.end());
        if !sample.outcome.is_abandoned() {
            let trial = usize::try_from(sample.trial).ok();
            if let Some(ended) = trial.and_then(|trial| self.ended.get_mut(trial)) {
                *ended = true;
            }
        }
        self.batch.push(sample);
        if self.batch.len() == BATCH {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        self.journal.append_all(&self.batch)?;
        self.batch.clear();
        Ok(())
    }

    /// No later share begins at or before this instant.
    fn reserve_until(&mut self, instant: Nanos) {
        self.next_free = self.next_free.max(Nanos(instant.0.saturating_add(1)));
    }

    fn ended(&self) -> u64 {
        self.ended.iter().filter(|ended| **ended).count() as u64
    }
}

#[cfg(test)]
mod tests;
