//! The folder of a run: its name, its manifest, its journals, and `latest`, which points at the
//! newest.
//!
//! Owns the layout of the folder and how files are written. Must not know what reports are made of. Invariant:
//! no run is ever overwritten, and a file that is replaced is at every moment either the old one or the new
//! one, whole.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write};
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::input::{open_regular, open_regular_to_write, read_at_most};
use crate::plan::Shard;
use crate::private_file;

use super::amendment::Amendments;
use super::journal::{Entry, JournalError, JournalReader, JournalWriter, Versioned};
use super::run_file::{PreparedFile, temporary_sibling};
use super::samples::Samples;
use super::{Amendment, Manifest, ManifestOutline, RequestLog, Sample, StandingSamples};

/// Name of the manifest in the run's folder.
pub(super) const MANIFEST: &str = "manifest.json";
/// Name of the file that holds the space of the last manifest while a run goes on.
const RESERVE: &str = ".manifest.reserve";
/// Bytes that the last manifest may have beyond one and a half times the first one's: the reason of its end. What each
/// variant cost is less than what it was estimated to.
const RESERVE_BYTES: u64 = 4 << 10;
/// Name, in the folder of a suite's runs, of the link or file that points at the newest.
pub(super) const LATEST: &str = "latest";
/// Bytes of a manifest: above the largest suite that is accepted, resolved.
const MAX_MANIFEST_BYTES: u64 = 256 << 20;
/// Bytes of a `latest` that is a file: it holds one name.
const MAX_POINTER_BYTES: u64 = 256;
/// Problems of `amendments.jsonl` that are reported one by one. A file with more is not one.
const MAX_PROBLEMS: usize = 100;

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    folder: PathBuf,
}

/// The reason why a run could not be created, found, read or written.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The system refused.
    #[error("cannot {deed} {}: {source}", path.display())]
    System {
        /// The operation that failed.
        deed: &'static str,
        /// Its path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The path is there or not, but it is not the folder of a run.
    #[error("no run at `{}`: {reason}", path.display())]
    NotARun {
        /// The given path.
        path: PathBuf,
        /// The missing file, and a suggestion.
        reason: String,
    },
    /// A name that would lead out of its folder.
    #[error("`{0}` cannot be the name of a folder or file")]
    Name(String),
    /// The manifest is not one.
    #[error("{}: {source}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The problem with it.
        source: serde_json::Error,
    },
    /// The manifest is larger than any that was written.
    #[error("{}: larger than {MAX_MANIFEST_BYTES} bytes", path.display())]
    ManifestTooLarge {
        /// The manifest.
        path: PathBuf,
    },
    /// The manifest is of a version that this program cannot read.
    #[error(
        "{}: version {found}, but this program reads up to version {}: \
         read it with the program that wrote it, or a newer one",
        path.display(), Manifest::VERSION
    )]
    Version {
        /// The manifest.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A journal of the run.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The name of a run that began at this time: UTC time and six letters of `random`'s lower 48 bits. Names sort
/// by time and hold no character that some file system forbids.
pub fn run_name(started_at: Timestamp, random: u64) -> String {
    // Crockford's base 32, which leaves out letters that look like others.
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let places = random.to_be_bytes().map(|byte| usize::from(byte % 32));
    let id: String = places[2..]
        .iter()
        .map(|&letter| char::from(LETTERS[letter]))
        .collect();
    format!("{}-{id}", started_at.strftime("%Y%m%dT%H%M%SZ"))
}

/// The name of a run that sends this share of a plan: `<name>-shard-3-of-8`.
pub fn shard_run_name(name: &str, shard: Shard) -> String {
    format!("{name}-shard-{}-of-{}", shard.index(), shard.count())
}

impl RunError {
    /// Returns true if the disk, or the user's share of it, is full.
    fn is_full_disk(&self) -> bool {
        let Self::System { source, .. } = self else {
            return false;
        };
        let kind = source.kind();
        matches!(
            kind,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

impl Run {
    /// Creates the folder `reports`/`suite`/`name`.
    ///
    /// # Errors
    /// If it cannot be made or is there already, or where a name is not that of one folder.
    pub fn create(reports: &Path, suite: &str, name: &str) -> Result<Self, RunError> {
        let suite_folder = reports.join(single_name(suite)?);
        let folder = suite_folder.join(single_name(name)?);
        fs::create_dir_all(&suite_folder)
            .map_err(to_run_error("make the folder", &suite_folder))?;
        fs::create_dir(&folder).map_err(to_run_error("make the folder", &folder))?;
        Ok(Self { folder })
    }

    /// Creates the run at `folder` with what `fill` writes: whole, or not at all.
    ///
    /// # Errors
    /// If the folder is there already or cannot be made, or `fill` fails.
    pub(super) fn create_whole<E: From<RunError>>(
        folder: &Path,
        fill: impl FnOnce(&Self) -> Result<(), E>,
    ) -> Result<Self, E> {
        if let Some(above) = folder.parent() {
            fs::create_dir_all(above).map_err(to_run_error("make the folder", above))?;
        }
        let temporary = temporary_sibling(folder);
        fs::create_dir(&temporary).map_err(to_run_error("make the folder", &temporary))?;
        let run = Self { folder: temporary };
        let filled = fill(&run).and_then(|()| {
            let made = fs::rename(&run.folder, folder);
            Ok(made.map_err(to_run_error("make the folder", folder))?)
        });
        if let Err(error) = filled {
            // The error is the relevant one.
            let _ = fs::remove_dir_all(&run.folder);
            return Err(error);
        }
        let folder = folder.to_owned();
        Ok(Self { folder })
    }

    /// Finds the run at `path`: its folder, or the suite's `latest`, be it a link or a file. A `latest` is
    /// followed once, here: a run that begins later does not change what is read.
    ///
    /// # Errors
    /// Where there is no run.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        // Rebuilt from its components: `latest/` with a slash would hide that it is a link.
        let path: PathBuf = path.components().collect();
        let not_a_run = |reason: &str| RunError::NotARun {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        let folder = pointed_at(&path)?;
        if !folder.exists() {
            return Err(if folder == path {
                not_a_run("no such file or folder")
            } else {
                not_a_run("it points to a run that no longer exists")
            });
        }
        if !folder.is_dir() {
            return Err(not_a_run("it is a file; name its folder"));
        }
        if !folder.join(MANIFEST).exists() {
            let suite = folder.join(LATEST).symlink_metadata().is_ok();
            return Err(if suite {
                not_a_run("it is the folder of a suite; name one of its runs, or its `latest`")
            } else {
                not_a_run(&format!("it has no {MANIFEST}"))
            });
        }
        Ok(Self { folder })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes the manifest, replacing the old one, and flushes it to the disk.
    ///
    /// # Errors
    /// If it cannot be written; the one before stays.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), RunError> {
        let fill = |file: &mut dyn Write| {
            serde_json::to_writer_pretty(&mut *file, manifest)?;
            file.write_all(b"\n")
        };
        self.write_source(MANIFEST, fill)
    }

    /// Reserves the space of the last manifest: at the end of the run the disk may be full.
    ///
    /// # Errors
    /// If the disk has no such space.
    pub fn reserve_manifest(&self, manifest: &Manifest) -> Result<(), RunError> {
        let path = self.folder.join(RESERVE);
        let mut written = ByteCount(0);
        let reserved = serde_json::to_writer_pretty(&mut written, manifest)
            .map_err(io::Error::from)
            .and_then(|()| {
                let mut file = private_file::create(&path)?;
                let bytes = written.0 + written.0 / 2 + RESERVE_BYTES;
                io::copy(&mut io::repeat(b' ').take(bytes), &mut file)?;
                file.sync_all()
            });
        reserved.map_err(to_run_error("write", &path))
    }

    /// Writes the manifest of a run that has ended, as [`Run::write_manifest`]: on a full disk into the space that was
    /// reserved, which is free afterwards.
    ///
    /// # Errors
    /// If it cannot be written; the one before stays.
    pub fn write_last_manifest(&self, manifest: &Manifest) -> Result<(), RunError> {
        match self.write_manifest(manifest) {
            Err(error) if error.is_full_disk() => self.write_reserved(manifest).map_err(|_| error),
            written => {
                // It may not exist: a run that was resumed by an older version has none.
                let _ = fs::remove_file(self.folder.join(RESERVE));
                written
            }
        }
    }

    /// Writes the manifest over the reserve, whose blocks the disk has already, and renames that.
    fn write_reserved(&self, manifest: &Manifest) -> io::Result<()> {
        let path = self.folder.join(RESERVE);
        let file = open_regular_to_write(&path, OpenOptions::new().write(true))?;
        let mut buffered = BufWriter::new(file);
        serde_json::to_writer_pretty(&mut buffered, manifest)?;
        buffered.write_all(b"\n")?;
        let mut file = buffered.into_inner()?;
        let end = file.stream_position()?;
        file.set_len(end)?;
        file.sync_all()?;
        fs::rename(&path, self.folder.join(MANIFEST))
    }

    /// Writes a file that cannot be generated again, replacing the old one, and flushes it to the disk.
    pub(super) fn write_source(
        &self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), RunError> {
        let written = self.fill(name, fill, File::sync_all)?;
        self.put(written)
    }

    /// Writes the file `name`, replacing the old one, with the output of `fill`.
    ///
    /// # Errors
    /// If it cannot be written or `fill` fails; the one before stays.
    pub fn write(
        &self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), RunError> {
        // Files made from the records can be made again: there is no need to wait for the disk.
        self.put(self.prepare(name, fill)?)
    }

    /// Writes a file with the output of `fill`, to be [put](Run::put) in the place of the one of this name.
    ///
    /// # Errors
    /// As [`Run::write`].
    pub fn prepare(
        &self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<PreparedFile, RunError> {
        self.fill(name, fill, |_| Ok(()))
    }

    /// Puts a prepared file in its place; that of a large one may wait for the disk.
    ///
    /// # Errors
    /// If it cannot be renamed; the one before stays.
    pub fn put(&self, file: PreparedFile) -> Result<(), RunError> {
        let path = file.path().to_owned();
        file.put().map_err(to_run_error("write", &path))
    }

    fn fill(
        &self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
        settle: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<PreparedFile, RunError> {
        let path = self.folder.join(single_name(name)?);
        PreparedFile::new(&path, fill, settle).map_err(to_run_error("write", &path))
    }

    /// Reads the manifest.
    ///
    /// # Errors
    /// If it cannot be read, is not one, or is of a version not known here.
    pub fn manifest(&self) -> Result<Manifest, RunError> {
        self.read_versioned(|manifest: &Manifest| manifest.version)
    }

    /// Reads the manifest for reports. Its prompts have no turns, unless the run is judged by a history, which knows prompts by
    /// digests of them; without turns it cannot be written.
    ///
    /// # Errors
    /// As [`Run::manifest`].
    pub fn manifest_for_reports(&self) -> Result<Manifest, RunError> {
        let mut manifest = self.manifest()?;
        if !self.has_past() {
            manifest.suite.prompts.release_turns();
        }
        Ok(manifest)
    }

    /// Reads the manifest without its suite, which may be large.
    ///
    /// # Errors
    /// As [`Run::manifest`].
    pub fn manifest_outline(&self) -> Result<ManifestOutline, RunError> {
        self.read_versioned(|outline: &ManifestOutline| outline.version)
    }

    fn read_versioned<T: DeserializeOwned>(
        &self,
        version: impl Fn(&T) -> u32,
    ) -> Result<T, RunError> {
        // The fields of older versions differ in names alone, which are aliases.
        let manifest = self.read_manifest::<T>();
        let found = match &manifest {
            Ok(manifest) => version(manifest),
            // A manifest of a newer version may look like a damaged one.
            Err(RunError::Manifest { .. }) => self.read_manifest::<Versioned>()?.version,
            Err(_) => return manifest,
        };
        match found {
            1..=Manifest::VERSION => manifest,
            found => {
                let path = self.folder.join(MANIFEST);
                Err(RunError::Version { path, found })
            }
        }
    }

    /// Reads some fields of the manifest, or all of them. Its text, which may be large, is not held.
    fn read_manifest<T: DeserializeOwned>(&self) -> Result<T, RunError> {
        let path = self.folder.join(MANIFEST);
        let open = || {
            let file = open_regular(&path)?;
            Ok((file.metadata()?.len(), file))
        };
        let (bytes, file) = open().map_err(to_run_error("read", &path))?;
        if bytes > MAX_MANIFEST_BYTES {
            return Err(RunError::ManifestTooLarge { path });
        }
        let text = BufReader::new(file.take(MAX_MANIFEST_BYTES));
        serde_json::from_reader(text).map_err(|source| {
            if source.is_io() {
                return to_run_error("read", &path)(source.into());
            }
            RunError::Manifest { path, source }
        })
    }

    /// Returns true if the run has parts. Its suite, which may be large, is not built.
    fn is_resumed(&self) -> bool {
        #[derive(Deserialize)]
        struct Parts {
            #[serde(default)]
            parts: Vec<IgnoredAny>,
        }
        let parts = self.read_manifest::<Parts>();
        matches!(parts, Ok(Parts { parts }) if !parts.is_empty())
    }

    /// Opens the new journal of samples.
    ///
    /// # Errors
    /// If it cannot be made, or is there already.
    pub fn new_samples(&self) -> Result<JournalWriter<Sample>, RunError> {
        Ok(JournalWriter::create(&self.folder)?)
    }

    /// Opens the new log of requests, which is held until it is dropped; `None` where the file system has no locks.
    ///
    /// # Errors
    /// If it cannot be made, or is there already.
    pub fn new_requests(&self) -> Result<Option<RequestLog>, RunError> {
        Ok(RequestLog::create(&self.folder)?)
    }

    /// Opens the journal of amendments to append to it.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn amend(&self) -> Result<JournalWriter<Amendment>, RunError> {
        Ok(JournalWriter::append_to(&self.folder)?)
    }

    /// Reads the sample of each trial, with its amendments applied, in the order in which they finished. Of a trial
    /// that was sent again, after an interruption or because it had failed, the sample that counts is read.
    ///
    /// # Errors
    /// Where a journal cannot be opened, or the amendments cannot be read to their end. Lines that
    /// cannot be read are not errors here: they come as values, those of the amendments (the first
    /// 100 of them) first.
    pub fn samples(&self) -> Result<Samples, RunError> {
        self.samples_that(self.standing_if_resumed()?)
    }

    /// Reads every sample, as [`Run::samples`], those that another one replaces included: they were paid for.
    ///
    /// # Errors
    /// As [`Run::samples`].
    pub fn all_samples(&self) -> Result<Samples, RunError> {
        self.samples_that(None)
    }

    /// The samples that count, the amendments, and the lines that are no amendments.
    pub(super) fn selection(
        &self,
    ) -> Result<(Option<StandingSamples>, Amendments, Vec<JournalError>), RunError> {
        let (amendments, problems) = self.amendments()?;
        Ok((self.standing_if_resumed()?, amendments, problems))
    }

    /// The sample that counts for each trial; `None` for a run in one piece, where all of them do.
    fn standing_if_resumed(&self) -> Result<Option<StandingSamples>, RunError> {
        self.is_resumed().then(|| self.standing()).transpose()
    }

    fn samples_that(&self, standing: Option<StandingSamples>) -> Result<Samples, RunError> {
        let (amendments, problems) = self.amendments()?;
        let reader = JournalReader::open(&self.folder)?;
        Ok(Samples::new(reader, standing, amendments, problems))
    }

    /// Reads which trials have ended, and which sample counts for each.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn standing(&self) -> Result<StandingSamples, RunError> {
        match JournalReader::open(&self.folder) {
            Ok(reader) => Ok(StandingSamples::read(reader)?),
            // It was killed before its first sample.
            Err(JournalError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(StandingSamples::default())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The path of the journal of samples.
    pub fn samples_path(&self) -> PathBuf {
        self.folder.join(<Sample as Entry>::FILE)
    }

    /// Size of the journal of samples in bytes; 0 if unknown.
    pub fn samples_bytes(&self) -> u64 {
        fs::metadata(self.samples_path()).map_or(0, |file| file.len())
    }

    fn amendments(&self) -> Result<(Amendments, Vec<JournalError>), RunError> {
        let mut amendments = Amendments::default();
        let mut problems = Vec::new();
        let reader = match JournalReader::<_, Amendment>::open(&self.folder) {
            Ok(reader) => reader,
            // Most runs have none.
            Err(JournalError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok((amendments, problems));
            }
            Err(error) => return Err(error.into()),
        };
        for read in reader {
            match read {
                Ok(amendment) => amendments.add(amendment),
                Err(problem @ JournalError::Line { .. }) if problems.len() < MAX_PROBLEMS => {
                    problems.push(problem);
                }
                Err(JournalError::Line { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((amendments, problems))
    }

    /// The path of the suite's `latest`, whichever run it points at.
    pub fn latest_path(&self) -> PathBuf {
        self.folder.with_file_name(LATEST)
    }

    /// Makes the suite's `latest` point at this run: a link, or a file with the run's name where links are not
    /// available.
    ///
    /// # Errors
    /// Where neither can be made, or the run was opened by a path that does not end in its name.
    pub fn point_latest(&self) -> Result<(), RunError> {
        let nameless = || RunError::Name(self.folder.display().to_string());
        let name = self.folder.file_name().ok_or_else(nameless)?;
        let latest = self.latest_path();
        let temporary = temporary_sibling(&latest);
        // Left over from a process of the same number that was killed just here, or not there.
        let _ = fs::remove_file(&temporary);
        link(name, &temporary)
            .or_else(|_| fs::write(&temporary, name.as_encoded_bytes()))
            .and_then(|()| fs::rename(&temporary, &latest))
            .map_err(to_run_error("write", &latest))
    }
}

/// Counts the bytes that are written.
struct ByteCount(u64);

impl Write for ByteCount {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn to_run_error(deed: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::System { deed, path, source }
}

/// The name itself, where it is that of one file or folder and nothing else.
fn single_name(name: &str) -> Result<&str, RunError> {
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == OsStr::new(name) => Ok(name),
        _ => Err(RunError::Name(name.to_owned())),
    }
}

/// The folder that a `latest` points at; any other path is itself.
fn pointed_at(path: &Path) -> Result<PathBuf, RunError> {
    if let Ok(target) = fs::read_link(path) {
        return Ok(path.with_file_name(target));
    }
    if path.file_name() != Some(OsStr::new(LATEST)) || !path.is_file() {
        return Ok(path.to_owned());
    }
    let bytes = open_regular(path).and_then(|file| read_at_most(file, MAX_POINTER_BYTES));
    let bytes = bytes.map_err(to_run_error("read", path))?;
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let name = name.unwrap_or_default();
    Ok(path.with_file_name(single_name(name.trim())?))
}

#[cfg(unix)]
fn link(target: &OsStr, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

#[cfg(not(unix))]
fn link(_target: &OsStr, _at: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests;
