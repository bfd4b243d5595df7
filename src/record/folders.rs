//! Every run below a folder of reports: finding, counting and deleting them.
//!
//! Owns which folders are runs of bakeoff, and how one is deleted. Must not know why one is deleted.
//! Invariants: no link is followed, and only the plain files of one run's folder are deleted, its manifest
//! last, so that a run that could be deleted only in part is still found.

use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::input::Walk;
use jiff::Timestamp;

use super::journal::{JournalError, JournalReader};
use super::run::{LATEST, MANIFEST, to_run_error};
use super::standing::{SampleHeader, StandingSamples};
use super::{Run, RunError, Status};

/// A run on the disk, with the facts that a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    /// Its folder.
    pub folder: PathBuf,
    /// Name of the suite.
    pub suite: String,
    /// Its name.
    pub run: String,
    /// Time at which it began.
    pub started_at: Timestamp,
    /// Its status.
    pub status: Status,
    /// Trials in its plan.
    pub planned_trials: u64,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// True if the `latest` of its suite points at it.
    pub is_latest: bool,
    /// True if its folder has another name than the run.
    pub is_renamed: bool,
    /// The first entry of the folder that is no plain file, if any.
    pub foreign: Option<String>,
}

/// The number of trials that a run finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunProgress {
    /// Lines that are samples of trials that ended.
    pub samples: u64,
    /// Samples with an answer.
    pub answered: u64,
}

/// The contents of a folder of reports.
#[derive(Debug, Default)]
pub struct StoredRuns {
    /// The runs, newest first.
    pub runs: Vec<StoredRun>,
    /// Folders that cannot be read, or whose manifest cannot, or is of another program.
    pub unreadable: Vec<RunError>,
}

/// Finds every run in `reports` and in the folders in it, which is where runs are put.
///
/// # Errors
/// The folder cannot be read.
pub fn find_runs(reports: &Path) -> Result<StoredRuns, RunError> {
    let mut found = StoredRuns::default();
    let mut walk = Walk::default();
    look(reports, &mut walk, &mut found)?;
    for folder in folders_in(reports, &mut walk)? {
        // One folder that is closed to us hides no other.
        if !has_manifest(&folder)
            && let Err(error) = look(&folder, &mut walk, &mut found)
        {
            found.unreadable.push(error);
        }
    }
    found.runs.sort_by(StoredRun::newer_first);
    Ok(found)
}

/// Adds the runs that lie in `group` itself.
fn look(group: &Path, walk: &mut Walk, found: &mut StoredRuns) -> Result<(), RunError> {
    let latest = Run::open(&group.join(LATEST)).ok();
    let latest = latest.and_then(|run| fs::canonicalize(run.folder()).ok());
    for folder in folders_in(group, walk)? {
        if !has_manifest(&folder) {
            continue;
        }
        match StoredRun::read(&folder, latest.as_deref()) {
            Ok(run) => found.runs.push(run),
            Err(error) => found.unreadable.push(error),
        }
    }
    Ok(())
}

/// The folders in a folder, links to folders left out, sorted.
fn folders_in(folder: &Path, walk: &mut Walk) -> Result<Vec<PathBuf>, RunError> {
    let entries = walk.entries(folder).map_err(io::Error::from);
    let entries = entries.map_err(to_run_error("read the folder", folder))?;
    let folders = entries.into_iter().filter(|entry| entry.kind.is_dir());
    let mut folders: Vec<_> = folders.map(|entry| entry.path).collect();
    folders.sort_unstable();
    Ok(folders)
}

fn has_manifest(folder: &Path) -> bool {
    let manifest = folder.join(MANIFEST).symlink_metadata();
    manifest.is_ok_and(|manifest| manifest.is_file())
}

/// The contents of a run's folder.
#[derive(Default)]
struct FolderContents {
    /// The plain files.
    files: Vec<PathBuf>,
    /// Bytes of them all.
    bytes: u64,
    /// The first entry, by name, that is no plain file.
    foreign: Option<String>,
}

impl FolderContents {
    fn read(folder: &Path) -> Result<Self, RunError> {
        let read = || -> io::Result<Self> {
            let mut contents = Self::default();
            for entry in Walk::default().entries(folder)? {
                if entry.kind.is_file() {
                    contents.bytes += entry.path.symlink_metadata()?.len();
                    contents.files.push(entry.path);
                } else {
                    let name = entry.path.file_name().unwrap_or_default();
                    let name = name.to_string_lossy().into_owned();
                    let before = contents.foreign.take();
                    contents.foreign = before.into_iter().chain([name]).min();
                }
            }
            Ok(contents)
        };
        read().map_err(to_run_error("read the folder", folder))
    }
}

impl StoredRun {
    /// Reads the run in `folder`; `latest` is the folder that the `latest` of its suite points at.
    fn read(folder: &Path, latest: Option<&Path>) -> Result<Self, RunError> {
        let manifest = Run::open(folder)?.manifest()?;
        if !manifest.tool.starts_with("bakeoff ") {
            return Err(RunError::NotARun {
                path: folder.to_owned(),
                reason: format!("its {MANIFEST} was not written by bakeoff"),
            });
        }
        let FolderContents { bytes, foreign, .. } = FolderContents::read(folder)?;
        let name = folder.file_name().unwrap_or_default();
        Ok(Self {
            folder: folder.to_owned(),
            suite: manifest.suite.name,
            is_renamed: name != manifest.run.as_str(),
            run: manifest.run,
            started_at: manifest.started_at,
            status: manifest.status,
            planned_trials: manifest.planned_trials,
            size_bytes: bytes,
            is_latest: latest.is_some() && fs::canonicalize(folder).ok().as_deref() == latest,
            foreign,
        })
    }

    /// The order of lists: newest first. Where two began in the same second, the one that `latest`
    /// points at is the newer, and names decide between the others.
    pub fn newer_first(&self, other: &Self) -> Ordering {
        let key = |run: &Self| (run.started_at, run.is_latest);
        key(other)
            .cmp(&key(self))
            .then_with(|| other.folder.cmp(&self.folder))
    }

    /// Counts the samples without reading their contents. Lines that are not samples are left out.
    ///
    /// # Errors
    /// The journal exists and cannot be read to its end.
    pub fn progress(&self) -> Result<RunProgress, RunError> {
        let reader = match JournalReader::<_, SampleHeader>::open(&self.folder) {
            Ok(reader) => reader,
            // It was killed before its first sample.
            Err(JournalError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(RunProgress::default());
            }
            Err(error) => return Err(error.into()),
        };
        let mut progress = RunProgress::default();
        for outcome in StandingSamples::read(reader)?.outcomes() {
            progress.samples += 1;
            progress.answered += u64::from(outcome.answered());
        }
        Ok(progress)
    }

    /// Deletes the run, unless it has changed since it was found.
    ///
    /// # Errors
    /// The folder has changed, or something in it cannot be deleted: its manifest is then still there.
    pub fn delete(&self) -> Result<(), RunError> {
        let changed = || RunError::NotARun {
            path: self.folder.clone(),
            reason: "it changed during the check; nothing was deleted".to_owned(),
        };
        let folder = self.folder.symlink_metadata();
        if !folder.is_ok_and(|folder| folder.is_dir()) || !has_manifest(&self.folder) {
            return Err(changed());
        }
        let latest = self.folder.with_file_name(LATEST);
        let latest = Run::open(&latest).ok();
        let latest = latest.and_then(|run| fs::canonicalize(run.folder()).ok());
        if Self::read(&self.folder, latest.as_deref())? != *self {
            return Err(changed());
        }
        let files = FolderContents::read(&self.folder)?.files.into_iter();
        let (manifest, others): (Vec<_>, Vec<_>) = files.partition(|path| path.ends_with(MANIFEST));
        for path in others.into_iter().chain(manifest) {
            fs::remove_file(&path).map_err(to_run_error("delete", &path))?;
        }
        fs::remove_dir(&self.folder).map_err(to_run_error("delete the folder", &self.folder))
    }
}

#[cfg(test)]
mod tests;
