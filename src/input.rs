//! Opening files to read, and visiting folders.
//!
//! Owns which files may be opened and how much of a tree is visited. Must not know the contents of a file.
//! Invariants: nothing here waits for another process, except for a descriptor that the user's shell handed
//! over; no walk follows a link to a folder, and none is without a limit.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Folders that one walk visits: a large checkout with its dependencies has fewer.
pub const WALK_FOLDERS: usize = 20_000;
/// Entries of all folders that one walk visits: they are read within a second.
pub const WALK_ENTRIES: usize = 200_000;

/// Opens a regular file to read it; links are followed.
///
/// # Errors
/// If it cannot be opened, or is a folder, a FIFO, a socket or a device: none of these is waited for.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Checked before it is opened: to open a device can have effects of its own.
    must_be_regular(&fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    let file = options.open(path)?;
    // Checked again: the path may lead to something else meanwhile.
    must_be_regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens a file to write it: a regular one, or a new one where the options create it.
///
/// # Errors
/// If it cannot be opened, or is none, as of [`open_regular`].
pub fn open_regular_to_write(path: &Path, options: &OpenOptions) -> io::Result<File> {
    // Checked before it is opened: to open a FIFO would wait for another process.
    match fs::metadata(path) {
        Ok(metadata) => must_be_regular(&metadata)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let file = options.open(path)?;
    must_be_regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens a file that the user named on the command line: a regular file, or a descriptor of this
/// process such as `/dev/stdin` or what a shell puts in place of `<(command)`.
///
/// # Errors
/// Those of [`open_regular`]; also where standard input is named by `-` a second time.
pub fn open_named(path: &Path) -> io::Result<File> {
    if path == Path::new(STANDARD_INPUT) {
        if STANDARD_INPUT_IS_READ.swap(true, Ordering::Relaxed) {
            let message = "it was read already, and can be named by `-` only once: name a file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        return standard_input();
    }
    if is_descriptor(path) {
        return File::open(path);
    }
    open_regular(path)
}

/// The path that names standard input, as most tools spell it.
pub const STANDARD_INPUT: &str = "-";

/// True once standard input was opened: its contents are not there a second time.
static STANDARD_INPUT_IS_READ: AtomicBool = AtomicBool::new(false);

#[cfg(unix)]
fn standard_input() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

#[cfg(not(unix))]
fn standard_input() -> io::Result<File> {
    let message = "standard input cannot be read as a file on this system";
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

/// Reports if the path names a descriptor that this process was started with.
pub fn is_descriptor(path: &Path) -> bool {
    let parent = path.parent();
    [STANDARD_INPUT, "/dev/stdin"]
        .iter()
        .any(|name| path == Path::new(name))
        || ["/dev/fd", "/proc/self/fd"]
            .iter()
            .any(|folder| parent == Some(Path::new(folder)))
}

/// The bytes of a file; `None` where there are more than `limit`.
///
/// # Errors
/// If the file cannot be read.
pub fn read_at_most(file: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    // A buffer that grew may be twice as long as the file.
    bytes.shrink_to_fit();
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit))
}

/// Appends the rest of a line to `line`, with its newline, as [`BufRead::read_until`] does, in less time; the number of bytes,
/// 0 at the end of the file.
///
/// # Errors
/// If the source fails.
pub fn read_line(source: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    let before = line.len();
    loop {
        let buffer = match source.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        let newline = memchr::memchr(b'\n', buffer);
        let taken = newline.map_or(buffer.len(), |at| at + 1);
        line.extend_from_slice(&buffer[..taken]);
        source.consume(taken);
        if newline.is_some() || taken == 0 {
            return Ok(line.len() - before);
        }
    }
}

fn must_be_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let kind = kind_of(metadata.file_type());
    let message = format!("it is {kind}, not a regular file");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// The kind of a file that is not regular, with its article.
fn kind_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a FIFO";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    "a device"
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkEntry {
    /// The folder's path with the name of the entry.
    pub path: PathBuf,
    /// The kind of the entry itself: a link is a link, whatever it leads to.
    pub kind: FileType,
}

/// The reason that a folder was not visited.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// [`WALK_FOLDERS`] were visited already.
    #[error("there are more than {WALK_FOLDERS} folders")]
    Folders,
    /// [`WALK_ENTRIES`] were visited already.
    #[error("there are more than {WALK_ENTRIES} entries in the folders")]
    Entries,
}

impl From<WalkError> for io::Error {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Io(error) => error,
            limit => Self::other(limit.to_string()),
        }
    }
}

/// The budget of one walk through folders.
#[derive(Debug)]
pub struct Walk {
    folders_left: usize,
    entries_left: usize,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            folders_left: WALK_FOLDERS,
            entries_left: WALK_ENTRIES,
        }
    }
}

impl Walk {
    /// The entries of a folder, in no certain order.
    ///
    /// # Errors
    /// If the folder cannot be read, or a limit of the walk is reached.
    pub fn entries(&mut self, folder: &Path) -> Result<Vec<WalkEntry>, WalkError> {
        let folders_left = self.folders_left.checked_sub(1);
        self.folders_left = folders_left.ok_or(WalkError::Folders)?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let entries_left = self.entries_left.checked_sub(1);
            self.entries_left = entries_left.ok_or(WalkError::Entries)?;
            entries.push(WalkEntry {
                path: entry.path(),
                kind: entry.file_type()?,
            });
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_ends_at_its_limits() {
        // A tree that grows while it is visited, or has no end, must not hold a command for ever.
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "").unwrap();
        fs::write(folder.path().join("b"), "").unwrap();
        let mut walk = Walk {
            folders_left: 1,
            entries_left: 2,
        };
        assert_eq!(walk.entries(folder.path()).unwrap().len(), 2);
        let ended = walk.entries(folder.path());
        assert!(matches!(ended, Err(WalkError::Folders)));
        let mut walk = Walk {
            folders_left: 2,
            entries_left: 3,
        };
        assert!(walk.entries(folder.path()).is_ok());
        let ended = walk.entries(folder.path());
        assert!(matches!(ended, Err(WalkError::Entries)));
    }

    #[test]
    fn what_is_larger_than_the_limit_is_not_returned() {
        // A file cut at its limit would be taken for a whole one.
        assert_eq!(read_at_most(&b"abc"[..], 3).unwrap().unwrap(), b"abc");
        assert_eq!(read_at_most(&b"abcd"[..], 3).unwrap(), None);
    }

    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_opened() {
        // A FIFO without a writer blocks its reader; a device may have no end.
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for (path, kind) in [
            (folder.path(), "a folder"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
            (&link, "a device"),
        ] {
            for opened in [open_regular(path), open_named(path)] {
                let message = opened.unwrap_err().to_string();
                assert_eq!(message, format!("it is {kind}, not a regular file"));
            }
        }
        let file = folder.path().join("file");
        fs::write(&file, "text").unwrap();
        let text = read_at_most(open_regular(&file).unwrap(), 10).unwrap();
        assert_eq!(text.unwrap(), b"text");
    }

    #[test]
    fn descriptors_are_known_by_their_path() {
        // What the user's own shell hands over may be a pipe; a path below it is not handed over.
        for path in ["/dev/stdin", "/dev/fd/63", "/proc/self/fd/3"] {
            assert!(is_descriptor(Path::new(path)), "{path}");
        }
        for path in ["/dev/zero", "/dev/fd/3/x", "/proc/self/environ", "stdin"] {
            assert!(!is_descriptor(Path::new(path)), "{path}");
        }
    }
}
