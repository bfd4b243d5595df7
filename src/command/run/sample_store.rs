//! The samples of a run as they are written, and where they go once its folder cannot be written any more.
//!
//! Owns the folder in the system's place for temporary files. Must not know why a sample was taken. Invariant: a
//! sample is in the run's folder, in that other folder or, as a last resort, on standard error.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::record::{JournalError, JournalReader, JournalWriter, Manifest, Run, RunError, Sample};
use crate::units::plural;

use crate::command::base::exit;
use crate::command::base::failure::Failure;
use crate::command::base::stdio::stderr;

/// The journal of a run's samples, and what takes its place.
pub(super) struct SampleStore {
    run: Run,
    suite: String,
    name: String,
    journal: JournalWriter<Sample>,
    rescue: Rescue,
}

/// The place of samples that the journal could not take.
enum Rescue {
    /// The journal takes them.
    NotNeeded,
    /// A run folder in the system's place for temporary files. `is_whole`: it has all samples of the run.
    Folder {
        run: Run,
        journal: JournalWriter<Sample>,
        samples: u64,
        is_whole: bool,
    },
    /// Standard error; those before it may be in the other folder.
    Stderr {
        samples: u64,
        folder: Option<PathBuf>,
    },
}

impl SampleStore {
    /// The samples of a run in this journal.
    pub(super) fn new(run: &Run, manifest: &Manifest, journal: JournalWriter<Sample>) -> Self {
        Self {
            run: run.clone(),
            suite: manifest.suite.name.clone(),
            name: manifest.run.clone(),
            journal,
            rescue: Rescue::NotNeeded,
        }
    }

    /// Stores a sample.
    ///
    /// # Errors
    /// The first failure of the journal: the run must send nothing more. The sample is stored elsewhere then, as are
    /// all later ones.
    pub(super) fn append(&mut self, sample: &Sample) -> Result<(), Failure> {
        if !matches!(self.rescue, Rescue::NotNeeded) {
            self.store_elsewhere(sample);
            return Ok(());
        }
        match self.journal.append(sample) {
            Ok(()) => Ok(()),
            Err(error @ JournalError::Refused { .. }) => Err(error.into()),
            Err(error) => {
                self.begin_rescue();
                self.store_elsewhere(sample);
                Err(Failure::incomplete(error.to_string()))
            }
        }
    }

    /// Flushes the journal to the disk.
    ///
    /// # Errors
    /// If the file failed.
    pub(super) fn sync(&self) -> Result<(), JournalError> {
        self.journal.sync()
    }

    /// Opens the other folder. Where the run's files were deleted, their samples are still in the open journal, and
    /// are copied.
    fn begin_rescue(&mut self) {
        let is_whole = self.journal.is_deleted();
        self.rescue = match self.rescue_folder(is_whole) {
            Ok((run, journal, samples)) => Rescue::Folder {
                run,
                journal,
                samples,
                is_whole,
            },
            Err(error) => {
                // With standard error closed nothing is left to try.
                let _ = writeln!(
                    stderr(),
                    "error: samples cannot be stored in the temporary folder either ({error}); they follow, one \
                     JSON object a line"
                );
                Rescue::Stderr {
                    samples: 0,
                    folder: None,
                }
            }
        };
    }

    fn rescue_folder(&self, copies: bool) -> Result<(Run, JournalWriter<Sample>, u64), RunError> {
        let around = std::env::temp_dir().join(format!("bakeoff-{}", self.name));
        let run = Run::create(&around, &self.suite, &self.name)?;
        let mut journal = run.new_samples()?;
        let mut samples = 0;
        if copies {
            for sample in self.journal.read()?.flatten() {
                journal.append(&sample)?;
                samples += 1;
            }
        }
        Ok((run, journal, samples))
    }

    fn store_elsewhere(&mut self, sample: &Sample) {
        if let Rescue::Folder {
            journal, samples, ..
        } = &mut self.rescue
            && journal.append(sample).is_ok()
        {
            *samples += 1;
            return;
        }
        let line = serde_json::to_string(sample).unwrap_or_default();
        let _ = writeln!(stderr(), "{line}");
        match &mut self.rescue {
            Rescue::Stderr { samples, .. } => *samples += 1,
            Rescue::Folder { run, .. } => {
                let folder = Some(run.folder().to_owned());
                self.rescue = Rescue::Stderr { samples: 1, folder };
            }
            Rescue::NotNeeded => {}
        }
    }

    /// Writes the manifest beside samples that are stored elsewhere, so that they are a run of their own.
    pub(super) fn finish(&mut self, manifest: &Manifest) {
        // Perhaps it was deleted after the last sample.
        if matches!(self.rescue, Rescue::NotNeeded) && self.journal.is_deleted() {
            self.begin_rescue();
        }
        if let Rescue::Folder { run, journal, .. } = &self.rescue {
            let written = journal.sync().map_err(RunError::from);
            if let Err(error) = written.and_then(|()| run.write_manifest(manifest)) {
                let _ = writeln!(stderr(), "error: {error}");
            }
        }
    }

    /// The failure with the places of all samples, and what to do: nothing that was paid for is lost.
    pub(super) fn with_places(&self, failure: &Failure) -> Failure {
        let folder = self.run.folder().display();
        let places = match &self.rescue {
            Rescue::NotNeeded => format!(
                "every finished sample is in {folder}; once the trouble is gone, `bakeoff resume {folder}` finishes \
                 the run, and `bakeoff report {folder}` makes the reports"
            ),
            Rescue::Folder {
                run,
                is_whole: true,
                ..
            } => format!(
                "the folder of the run was deleted; its samples are in {0}, and `bakeoff resume {0}` finishes the run \
                 there",
                run.folder().display()
            ),
            Rescue::Folder { run, samples, .. } => format!(
                "the last {} in {}, those before in {folder}; once the trouble is gone, `bakeoff resume {folder} \
                 --rescued {1}` puts them together and finishes the run",
                are(*samples),
                run.folder().display()
            ),
            Rescue::Stderr {
                samples,
                folder: rescued,
            } => {
                let rescued = rescued.as_ref().map(|rescued| rescued.display());
                let before = rescued.as_ref().map(|folder| format!(" and {folder}"));
                let flag = rescued.map(|folder| format!(" --rescued {folder}"));
                format!(
                    "the last {} above, one JSON object a line, those before in {folder}{}; once the trouble is gone, \
                     store these lines in a file, and `bakeoff resume {folder}{} --rescued FILE` puts them together and \
                     finishes the run",
                    are(*samples),
                    before.unwrap_or_default(),
                    flag.unwrap_or_default(),
                )
            }
        };
        Failure {
            message: format!("{failure}\n  {places}"),
            code: match failure.code {
                exit::INTERRUPTED => exit::INTERRUPTED,
                _ => exit::INCOMPLETE,
            },
        }
    }
}

/// `1 sample is`, `2 samples are`.
fn are(samples: u64) -> String {
    let verb = if samples == 1 { "is" } else { "are" };
    format!("{} {verb}", plural(samples, "sample"))
}

/// Appends the rescued samples that belong to the run and whose trials have no end in it: those of a run folder, or the lines
/// of a file that are samples. Returns their number.
///
/// # Errors
/// If either cannot be read, or the run's folder cannot be written.
pub(super) fn join_rescued(run: &Run, name: &str, rescued: &Path) -> Result<u64, Failure> {
    let standing = run.standing()?;
    let mut journal: JournalWriter<Sample> = JournalWriter::append_to(run.folder())?;
    let mut joined = 0;
    let mut join = |sample: Sample| {
        if sample.request_id.starts_with(name) && standing.outcome(sample.trial).is_none() {
            journal.append(&sample)?;
            joined += 1;
        }
        Ok::<_, Failure>(())
    };
    if rescued.is_file() {
        let mut lines = JournalReader::<_, Sample>::open_file(rescued)?;
        lines.by_ref().flatten().try_for_each(&mut join)?;
    } else {
        let samples = Run::open(rescued)?.all_samples()?;
        samples.flatten().try_for_each(&mut join)?;
    }
    journal.sync()?;
    Ok(joined)
}

/// The failure of a rescue folder that is none of this run.
pub(super) fn other_run(path: &Path, name: &str) -> Failure {
    Failure::usage(format!(
        "`{}` has no samples of {name}\n  give --rescued the folder that the run named when it ended, or a file with the samples that it printed",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_run_that_sent_requests_is_that_of_an_incomplete_one() {
        // A CI job must distinguish a suite that cannot be run from one that was paid for and broke off.
        let folder = tempfile::tempdir().unwrap();
        let manifest = crate::record::example::manifest("s");
        let run = Run::create(folder.path(), "s", "r").unwrap();
        let journal = run.new_samples().unwrap();
        let store = SampleStore::new(&run, &manifest, journal);
        let failure = store.with_places(&Failure::usage("the disk is full"));
        assert_eq!(failure.code, exit::INCOMPLETE);
        assert!(failure.message.contains("every finished sample is in"));
    }

    #[test]
    fn samples_of_a_deleted_folder_are_copied() {
        // The folder of a run was deleted while it went on: the open file still has what was paid for.
        let folder = tempfile::tempdir().unwrap();
        let manifest = crate::record::example::manifest("s");
        let name = format!("r{}", std::process::id());
        let manifest = Manifest {
            run: name.clone(),
            ..manifest
        };
        let run = Run::create(folder.path(), "s", &name).unwrap();
        let mut store = SampleStore::new(&run, &manifest, run.new_samples().unwrap());
        for trial in 0..3 {
            store
                .append(&crate::record::example::plain_sample(trial))
                .unwrap();
        }
        std::fs::remove_dir_all(run.folder()).unwrap();
        let failed = store.append(&crate::record::example::plain_sample(3));
        assert!(failed.unwrap_err().message.contains("was deleted"));
        store
            .append(&crate::record::example::plain_sample(4))
            .unwrap();
        store.finish(&manifest);
        let Rescue::Folder { run: rescued, .. } = &store.rescue else {
            panic!("there is a temporary folder")
        };
        let trials: Vec<u64> = rescued
            .samples()
            .unwrap()
            .map(|one| one.unwrap().trial)
            .collect();
        assert_eq!(trials, [0, 1, 2, 3, 4]);
        assert_eq!(rescued.manifest().unwrap().run, name);
        std::fs::remove_dir_all(rescued.folder().ancestors().nth(2).unwrap()).unwrap();
    }
}
