//! The process that holds the lock of a file, as far as the system says.
//!
//! Owns the reading of the system's list of locks. Must not know why a file is locked. Invariant: a process that is
//! named held the file when the list was read; where the system has no list, none is named.

use std::fmt;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::Path;

/// A lock that another process holds.
#[derive(Debug)]
pub struct HeldLock<'a> {
    path: &'a Path,
    file: &'a File,
}

impl<'a> HeldLock<'a> {
    pub(super) fn new(path: &'a Path, file: &'a File) -> Self {
        Self { path, file }
    }

    /// The locked file.
    pub fn path(&self) -> &Path {
        self.path
    }

    /// The process that holds it now, if the system says which it is.
    pub fn holder(&self) -> Option<LockHolder> {
        lock_holder(self.file)
    }
}

/// Waits a moment for a lock that another process holds; [`ControlFlow::Break`] gives up.
pub type LockWait<'w> = &'w mut dyn FnMut(&HeldLock<'_>) -> ControlFlow<()>;

/// A process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// Its number.
    pub process: u32,
    /// Its command, if it can be read.
    pub command: Option<String>,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.process)?;
        match &self.command {
            Some(command) => write!(f, " ({command})"),
            None => Ok(()),
        }
    }
}

/// The process that holds the lock of this file, if the system lists it.
pub(in crate::record) fn lock_holder(file: &File) -> Option<LockHolder> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let process = holder_in(&locks, inode(file)?)?;
    let command = fs::read_to_string(format!("/proc/{process}/comm")).ok();
    let command = command.map(|name| name.trim().to_owned());
    Some(LockHolder {
        process,
        command: command.filter(|name| !name.is_empty()),
    })
}

#[cfg(unix)]
fn inode(file: &File) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    Some(file.metadata().ok()?.ino())
}

#[cfg(not(unix))]
fn inode(_: &File) -> Option<u64> {
    None
}

/// The holder of the lock of the file with this number. A line is `4: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF`,
/// with `->` after the number for a process that waits. The device is not compared: layered file systems report
/// another one than their files have.
fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        if words.next()? != "FLOCK" {
            return None;
        }
        let process = words.nth(2)?.parse().ok()?;
        let of_file = words.next()?.rsplit(':').next()?.parse() == Ok(inode);
        // 0: a process of another container.
        (of_file && process > 0).then_some(process)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_read_from_the_list() {
        // A user who waits must know for whom, and is not sent to another process that waits too.
        let locks = "1: POSIX  ADVISORY  WRITE 11 08:01:77 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 12 08:01:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 13 00:2f:77 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 0 00:2f:78 0 EOF\n";
        assert_eq!(holder_in(locks, 77), Some(13));
        assert_eq!(holder_in(locks, 78), None);
        assert_eq!(holder_in("nonsense", 77), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found_while_it_holds_a_lock() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(lock_holder(&file), None);
        file.lock().unwrap();
        let holder = lock_holder(&file).map(|holder| holder.process);
        assert_eq!(holder, Some(std::process::id()));
    }
}
