//! Merging: the shares of one plan, sent by several machines, become one run.
//!
//! Owns which shares belong together, and how they are joined. Must not know what samples mean. Invariants: every sample
//! of every share is in the merged run once, unchanged but for its place on the clock; and no two shares with a clock of
//! their own share an instant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::plan::{Plan, Shard};
use crate::suite::PromptList;
use crate::units::{Nanos, digest, digest_of_json, plural};

use super::journal::{JournalError, JournalWriter};
use super::{
    Amendment, ClientSetting, ConnectionSetUp, EstimateRecord, Judging, Manifest, Run, RunError,
    RunPart, Status, TtftError, Warming, run_name,
};

mod differences;
mod samples;

use differences::differences;
use samples::{SampleWriter, join, lost_line, open_journal};

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
struct ShardRun {
    run: Run,
    manifest: Manifest,
    shard: Shard,
    /// Digest of the suite as it stands in the manifest, whatever the manifest says.
    suite_digest: String,
}

/// Shares of one plan, which may be incomplete.
#[derive(Debug)]
pub struct Shares {
    /// At least one, by index.
    shares: Vec<ShardRun>,
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
        let mut shares: Vec<ShardRun> = Vec::with_capacity(runs.len());
        let mut prompts = PromptList::default();
        for run in runs {
            // The prompts of a large suite are held once, and their turns never twice.
            prompts.release_turns();
            let mut manifest = run.manifest()?;
            let Some(shard) = manifest.shard else {
                return Err(MergeError::Whole(run.folder().to_owned()));
            };
            let suite_digest = digest_of_json(&manifest.suite).expect("a suite is always JSON");
            prompts = std::mem::take(&mut manifest.suite.prompts);
            shares.push(ShardRun {
                run,
                manifest,
                shard,
                suite_digest,
            });
        }
        if let [first, others @ ..] = shares.as_slice() {
            for other in others {
                let differences = differences(first, other);
                if !differences.is_empty() {
                    return Err(MergeError::Differ {
                        first: first.run.folder().to_owned(),
                        second: other.run.folder().to_owned(),
                        differences,
                    });
                }
            }
        }
        for share in &mut shares {
            // They have the same digest.
            share.manifest.suite.prompts = prompts.clone();
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

    /// Name of the suite that they are of.
    pub fn suite_name(&self) -> &str {
        &self.shares[0].manifest.suite.name
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
        let mut written = None;
        let run = Run::create_whole(out, |run| {
            written = Some(self.write(run)?);
            Ok::<_, MergeError>(())
        })?;
        let (manifest, lost) = written.expect("it was written, or an error was returned");
        Ok(MergedRun {
            run,
            manifest,
            lost,
        })
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
    fn clocks(&self) -> Vec<Vec<&ShardRun>> {
        let mut clocks: Vec<Vec<&ShardRun>> = Vec::new();
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
        if reasons.is_empty() {
            Status::Complete
        } else {
            Status::Incomplete(reasons.join("; "))
        }
    }
}

/// The manifest of the shares of these clocks, joined.
fn merged_manifest(
    clocks: &[Vec<&ShardRun>],
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
    let run = if clocks.len() == 1 {
        first.run.clone()
    } else {
        // The same shares give the same name, which no other run has.
        let names: Vec<&str> = each().map(|manifest| manifest.run.as_str()).collect();
        let id = digest(names.join("\n").as_bytes());
        run_name(started_at, u64::from_str_radix(&id, 16).unwrap_or(0))
    };
    let estimates = each().map(|manifest| manifest.estimate.clone());
    Manifest {
        run,
        started_at,
        status,
        shard: None,
        planned_trials: whole.trial_count(),
        estimate: estimates.reduce(EstimateRecord::sum).flatten(),
        set_up: common_set_up(each()),
        ttft_error: each()
            .map(|one| one.ttft_error)
            .reduce(TtftError::combine)
            .unwrap_or_default(),
        warming: sum_warming(each()),
        judging: each().fold(None, |sum, one| Judging::sum(sum, one.judging.clone())),
        embeddings: each().fold(None, |sum, one| Judging::sum(sum, one.embeddings.clone())),
        parts,
        platform: platforms.join(", "),
        client: first.client.iter().map(ClientSetting::of_whole).collect(),
        ..first.clone()
    }
}

/// The times of opening connections where every share recorded the same, as the shares of a recorded run do; medians of
/// different machines have no common one.
fn common_set_up<'m>(manifests: impl Iterator<Item = &'m Manifest>) -> Option<ConnectionSetUp> {
    let mut times = manifests.map(|manifest| manifest.set_up);
    let first = times.next()?;
    first.filter(|_| times.all(|other| other == first))
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
fn parts_of(clock: &[&ShardRun], begins: Nanos) -> Vec<RunPart> {
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

#[cfg(test)]
mod tests;
