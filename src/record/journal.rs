//! Journals: files of records, one JSON object a line, only ever appended to.
//!
//! Owns how a record becomes a line and a line a record, and the messages about lines that are not records.
//! Must not know the records beyond [`Entry`]. Invariant: the kernel has a record when `append` returns, no
//! matter how the process ends; and one bad line costs no other.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::input::{open_named, open_regular, open_regular_to_write, read_line};

use super::{Amendment, InvalidRecord, Sample};
use crate::private_file::options_for_new;

mod holder;
mod truncated;

pub(super) use holder::lock_holder;
pub use holder::{HeldLock, LockHolder, LockWait};
use truncated::ends_within_a_line;
pub use truncated::{TruncatedLine, move_truncated_line};

/// Maximum bytes of one line: above the longest answer that is stored, with every character escaped. A longer
/// line is not bakeoff's, and is skipped without being held in memory.
pub const MAX_LINE_BYTES: usize = 256 << 20;

/// Bytes of the buffer that a writer retains between lines; a longer line's buffer is freed.
const RETAINED_BUFFER_BYTES: usize = 1 << 20;

/// Bytes read from the file at once.
const READ_BUFFER_BYTES: usize = 256 << 10;

/// A record that is stored in a journal.
pub trait Entry: Serialize + DeserializeOwned {
    /// Name of the journal in the run's folder.
    const FILE: &'static str;
    /// Version of the format that is written; older ones can be read too.
    const VERSION: u32;

    /// The record's own version.
    fn version(&self) -> u32;

    /// Checks the record for contradictions.
    ///
    /// # Errors
    /// The field that is wrong.
    fn check(&self) -> Result<(), InvalidRecord>;
}

impl Entry for Sample {
    const FILE: &'static str = "samples.jsonl";
    const VERSION: u32 = Self::VERSION;

    fn version(&self) -> u32 {
        self.version
    }

    fn check(&self) -> Result<(), InvalidRecord> {
        self.check()
    }
}

impl Entry for Amendment {
    const FILE: &'static str = "amendments.jsonl";
    const VERSION: u32 = Self::VERSION;

    fn version(&self) -> u32 {
        self.version
    }

    fn check(&self) -> Result<(), InvalidRecord> {
        super::check::check_grades(&self.grades, self.pass_threshold)
    }
}

/// The reason why a journal, or one line of it, could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file failed. A reader ends with this.
    #[error("{}: {source}", path.display())]
    File {
        /// The file; its bare name where it was not opened here.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// One line is no record; those after it can be read.
    #[error("{file}:{line}: {problem}")]
    Line {
        /// The bare name of a run's journal: reports name such lines, and no path goes into reports. For a file
        /// that the user named, the name as given.
        file: Cow<'static, str>,
        /// Number of the line, from 1.
        line: u64,
        /// The problem with it.
        problem: LineProblem,
    },
    /// Another process holds the journal.
    #[error(
        "{} is in use by {}",
        path.display(), holder.as_ref().map_or_else(|| "another process".to_owned(), LockHolder::to_string)
    )]
    Held {
        /// The file.
        path: PathBuf,
        /// That process, if the system says which it is.
        holder: Option<LockHolder>,
    },
    /// A record was not written, because it could not have been read again.
    #[error("{file}: not written: {problem}")]
    Refused {
        /// The journal's bare name.
        file: &'static str,
        /// The problem with the record.
        problem: LineProblem,
    },
}

/// The problem with a line.
#[derive(Debug, thiserror::Error)]
pub enum LineProblem {
    /// It is not a record of this kind.
    #[error("column {}: {}", .0.column(), parse_message(.0))]
    Broken(serde_json::Error),
    /// It is one of a version that this program cannot read.
    #[error(
        "version {found}, but this program reads up to version {newest}: \
         it was written by a newer one"
    )]
    Newer {
        /// The line's version.
        found: u32,
        /// The newest version known here.
        newest: u32,
    },
    /// There never was such a version.
    #[error("version {0} does not exist")]
    NoSuchVersion(u32),
    /// Its figures contradict each other.
    #[error(transparent)]
    InvalidRecord(#[from] InvalidRecord),
    /// It is the last one, and is incomplete.
    #[error("it is incomplete: the last line has no end")]
    Unfinished,
    /// It is longer than [`MAX_LINE_BYTES`].
    #[error("longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
}

/// The message without the parser's line number, which is always 1 here.
fn parse_message(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).unwrap_or(&message).to_owned()
}

/// Appends records to a journal, without retaining them.
#[derive(Debug)]
pub struct JournalWriter<E> {
    file: File,
    path: PathBuf,
    line: Vec<u8>,
    /// The file ends in the middle of a line: a write failed, or an earlier process was killed.
    truncated_line: bool,
    entry: PhantomData<fn(&E)>,
}

impl<E: Entry> JournalWriter<E> {
    /// Opens a new journal in `folder`, readable by its owner only.
    ///
    /// # Errors
    /// It cannot be created, or exists already.
    pub fn create(folder: &Path) -> Result<Self, JournalError> {
        let mut options = OpenOptions::new();
        let private = options_for_new(options.create_new(true).read(true).append(true));
        Self::open_with(folder.join(E::FILE), private)
    }

    /// Opens the journal in `folder` to append to it; a new one where there is none.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn append_to(folder: &Path) -> Result<Self, JournalError> {
        let mut options = OpenOptions::new();
        let private = options_for_new(options.create(true).read(true).append(true));
        Self::open_with(folder.join(E::FILE), private)?.after_what_is_there()
    }

    /// Opens the file of that name to append to it, and creates its folder if it does not exist. A new file is
    /// for its owner alone; an existing one retains its mode: it is the user's own file, to be committed and
    /// shared.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn append_to_file(path: &Path) -> Result<Self, JournalError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| file_error(folder, source))?;
        }
        let mut options = OpenOptions::new();
        let options = options_for_new(options.create(true).read(true).append(true));
        Self::open_with(path.to_owned(), options)?.after_what_is_there()
    }

    /// Checks that [`JournalWriter::append_to_file`] would succeed now. Creates the folder if it does not
    /// exist, but not the file: another process may begin it at this moment, so another name in the folder is
    /// tried.
    ///
    /// # Errors
    /// The file, or a new one in its folder, cannot be written.
    pub fn can_append_to_file(path: &Path) -> Result<(), JournalError> {
        if path.exists() {
            return Self::append_to_file(path).map(drop);
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.try", std::process::id()));
        let probe = path.with_file_name(name);
        match Self::append_to_file(&probe) {
            Ok(tried) => drop(tried),
            // The error names the requested file, not the one that was tried.
            Err(JournalError::File { source, .. }) => return Err(file_error(path, source)),
            Err(error) => return Err(error),
        }
        fs::remove_file(&probe).map_err(|source| file_error(&probe, source))
    }

    /// Waits until no other process has locked the journal, and locks it until this is dropped. Locks bind only
    /// those that request them. `wait` is called again and again meanwhile.
    ///
    /// # Errors
    /// [`JournalError::Held`] if `wait` gives up; or the system's error about the lock: not every file system has
    /// locks. The journal can be written anyway.
    pub fn lock(&mut self, wait: LockWait<'_>) -> Result<(), JournalError> {
        while !self
            .try_lock()
            .map_err(|source| file_error(&self.path, source))?
        {
            if wait(&HeldLock::new(&self.path, &self.file)).is_break() {
                let (path, holder) = (self.path.clone(), self.holder());
                return Err(JournalError::Held { path, holder });
            }
        }
        Ok(())
    }

    /// Locks the journal, if no other process has: returns true then.
    ///
    /// # Errors
    /// The system's error about the lock.
    pub(super) fn try_lock(&mut self) -> io::Result<bool> {
        loop {
            match self.file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => return Ok(false),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        self.truncated_line = ends_within_a_line(&mut self.file)?;
        Ok(true)
    }

    /// The process that holds the journal, if the system says so.
    pub(super) fn holder(&self) -> Option<LockHolder> {
        lock_holder(&self.file)
    }

    /// Returns true if the file was deleted: what is written to it is lost with this process.
    pub fn is_deleted(&self) -> bool {
        is_deleted(&self.file)
    }

    /// Reads the journal from its beginning, through the file that is open here; a file opened anew would wait
    /// for this one's lock.
    ///
    /// # Errors
    /// The file failed, or was not opened to be read.
    pub fn read(&self) -> Result<JournalReader<BufReader<&File>, E>, JournalError> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))
            .map_err(|source| file_error(&self.path, source))?;
        Ok(JournalReader::new(BufReader::with_capacity(
            READ_BUFFER_BYTES,
            file,
        )))
    }

    fn after_what_is_there(mut self) -> Result<Self, JournalError> {
        self.truncated_line =
            ends_within_a_line(&mut self.file).map_err(|source| file_error(&self.path, source))?;
        Ok(self)
    }

    fn open_with(path: PathBuf, options: &OpenOptions) -> Result<Self, JournalError> {
        let file =
            open_regular_to_write(&path, options).map_err(|source| file_error(&path, source))?;
        Ok(Self {
            file,
            path,
            line: Vec::new(),
            truncated_line: false,
            entry: PhantomData,
        })
    }

    /// Appends one record. On return the kernel has the whole line: the process may be killed, and only a crash
    /// of the system can lose it until [`JournalWriter::sync`].
    ///
    /// # Errors
    /// The record would not be readable, and then nothing was written; or the file failed, and then the next
    /// record begins a new line.
    pub fn append(&mut self, entry: &E) -> Result<(), JournalError> {
        self.append_all(std::slice::from_ref(entry))
    }

    /// Appends records as one write: another process that appends to the same file finds its own lines
    /// before or after them, never between.
    ///
    /// # Errors
    /// As [`JournalWriter::append`]; where one record is refused, none is written.
    pub fn append_all(&mut self, entries: &[E]) -> Result<(), JournalError> {
        self.line.clear();
        self.line.shrink_to(RETAINED_BUFFER_BYTES);
        if entries.is_empty() {
            return Ok(());
        }
        if self.is_deleted() {
            let source = io::Error::new(io::ErrorKind::NotFound, "the file was deleted");
            return Err(file_error(&self.path, source));
        }
        if self.truncated_line {
            self.line.push(b'\n');
        }
        for entry in entries {
            self.write_line(entry)
                .map_err(|problem| JournalError::Refused {
                    file: E::FILE,
                    problem,
                })?;
        }
        self.truncated_line = true;
        // One write call, as long as the system takes the lines whole, as files do.
        self.file
            .write_all(&self.line)
            .map_err(|source| file_error(&self.path, source))?;
        self.truncated_line = false;
        Ok(())
    }

    fn write_line(&mut self, entry: &E) -> Result<(), LineProblem> {
        entry.check()?;
        if entry.version() != E::VERSION {
            return Err(LineProblem::NoSuchVersion(entry.version()));
        }
        let before = self.line.len();
        serde_json::to_writer(&mut self.line, entry).map_err(LineProblem::Broken)?;
        self.line.push(b'\n');
        if self.line.len() - before > MAX_LINE_BYTES {
            return Err(LineProblem::TooLong);
        }
        Ok(())
    }

    /// Flushes everything written so far to the disk.
    ///
    /// # Errors
    /// The file failed.
    pub fn sync(&self) -> Result<(), JournalError> {
        self.file
            .sync_all()
            .map_err(|source| file_error(&self.path, source))
    }
}

pub(super) fn file_error(path: &Path, source: io::Error) -> JournalError {
    JournalError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(unix)]
fn is_deleted(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}

#[cfg(not(unix))]
fn is_deleted(_: &File) -> bool {
    // An open file cannot be deleted there.
    false
}

/// Reads a journal record by record. A line that is no record is an error value in its place, and reading goes
/// on after it. A last line that is incomplete is left by a killed process: it is skipped and reported by
/// [`JournalReader::truncated_line`].
#[derive(Debug)]
pub struct JournalReader<R, E> {
    source: R,
    /// Name of the file in messages: [`Entry::FILE`], or the name that the user gave.
    name: Cow<'static, str>,
    line: Vec<u8>,
    number: u64,
    broken: u64,
    truncated_line: Option<u64>,
    failed: bool,
    /// [`MAX_LINE_BYTES`], but for tests.
    limit: usize,
    entry: PhantomData<fn() -> E>,
}

/// Reads a journal from a file.
pub(super) type FileReader<E> = JournalReader<BufReader<File>, E>;

/// The end of a line.
enum LineEnd {
    Newline,
    EndOfFile,
    TooLong,
}

impl<E: Entry> JournalReader<BufReader<File>, E> {
    /// Opens the journal in `folder`.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(E::FILE);
        let file = open_regular(&path).map_err(|source| file_error(&path, source))?;
        Ok(Self::new(BufReader::with_capacity(READ_BUFFER_BYTES, file)))
    }

    /// Opens the file of that name.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_file(path: &Path) -> Result<Self, JournalError> {
        let file = open_named(path).map_err(|source| file_error(path, source))?;
        let mut reader = Self::new(BufReader::with_capacity(READ_BUFFER_BYTES, file));
        reader.name = path.display().to_string().into();
        Ok(reader)
    }
}

impl<R: BufRead, E: Entry> JournalReader<R, E> {
    /// Reads from `source`.
    pub fn new(source: R) -> Self {
        Self {
            source,
            name: Cow::Borrowed(E::FILE),
            line: Vec::new(),
            number: 0,
            broken: 0,
            truncated_line: None,
            failed: false,
            limit: MAX_LINE_BYTES,
            entry: PhantomData,
        }
    }

    /// Number of the last line, if it is incomplete; known at the end.
    pub fn truncated_line(&self) -> Option<u64> {
        self.truncated_line
    }

    /// Returns true if the line just read is wrong at its very end, within a number: cut there, it reads as a
    /// wrong number instead of an unfinished line.
    pub fn cut_within_a_number(&self, error: &serde_json::Error) -> bool {
        error.column() >= self.line.len()
            && matches!(self.line.last(), Some(b'-' | b'+' | b'.' | b'e' | b'E'))
    }

    /// Counts lines that lie before the source.
    pub(super) fn skip_numbers(&mut self, lines: u64) {
        self.number += lines;
    }

    /// Number of the line that was read last.
    pub(super) fn line(&self) -> u64 {
        self.number
    }

    /// The number of lines so far that were no records, without an incomplete last one.
    pub fn broken(&self) -> u64 {
        self.broken
    }

    /// Reads the next line into the buffer, without its newline; `None` at the end.
    fn read_line(&mut self) -> io::Result<Option<LineEnd>> {
        self.line.clear();
        let mut source = (&mut self.source).take(self.limit as u64 + 1);
        if read_line(&mut source, &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            return Ok(Some(LineEnd::Newline));
        }
        if self.line.len() <= self.limit {
            return Ok(Some(LineEnd::EndOfFile));
        }
        self.line = Vec::new();
        self.source.skip_until(b'\n')?;
        Ok(Some(LineEnd::TooLong))
    }

    /// Reads on to the next record or problem; `None` at the end.
    fn read_entry(&mut self) -> io::Result<Option<Result<E, LineProblem>>> {
        while let Some(ending) = self.read_line()? {
            let read = match ending {
                LineEnd::TooLong => Err(LineProblem::TooLong),
                _ if self.line.trim_ascii().is_empty() => continue,
                _ => parse(&self.line),
            };
            match (&read, ending) {
                // A cut object is never a whole one, so this line was not finished. One that is
                // whole, and lacks but its newline, is a record.
                (Err(LineProblem::Broken(error)), LineEnd::EndOfFile) if !error.is_data() => {
                    self.truncated_line = Some(self.number);
                }
                _ => return Ok(Some(read)),
            }
        }
        Ok(None)
    }
}

impl<R: BufRead, E: Entry> Iterator for JournalReader<R, E> {
    type Item = Result<E, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = match self.read_entry() {
            Ok(read) => read?,
            Err(source) => {
                self.failed = true;
                return Some(Err(file_error(Path::new(self.name.as_ref()), source)));
            }
        };
        Some(read.map_err(|problem| {
            self.broken += 1;
            JournalError::Line {
                file: self.name.clone(),
                line: self.number,
                problem,
            }
        }))
    }
}

/// Reads one line of any version up to the newest: their fields differ in names alone, which are aliases.
fn parse<E: Entry>(line: &[u8]) -> Result<E, LineProblem> {
    // Encoding is checked for the whole line; where it is wrong, a parser of any value finds the column.
    let parsed: Result<E, _> = match str::from_utf8(line) {
        Ok(line) => serde_json::from_str(line),
        Err(error) => serde_json::from_slice::<Value>(line)
            .and_then(|_| Err(serde_json::Error::custom(error))),
    };
    let error = match parsed {
        Ok(entry) if (1..=E::VERSION).contains(&entry.version()) => {
            entry.check()?;
            return Ok(entry);
        }
        Ok(_) => None,
        Err(error) => Some(error),
    };
    let Versioned { version: found } = serde_json::from_slice(line).map_err(LineProblem::Broken)?;
    if found > E::VERSION {
        return Err(LineProblem::Newer {
            found,
            newest: E::VERSION,
        });
    }
    Err(match error {
        Some(error) if found > 0 => LineProblem::Broken(error),
        _ => LineProblem::NoSuchVersion(found),
    })
}

/// A stored object with the version that it declares.
#[derive(Deserialize)]
#[serde(expecting = "an object with a version")]
pub(super) struct Versioned {
    pub(super) version: u32,
}

#[cfg(test)]
mod tests;
