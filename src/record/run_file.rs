//! A file that is written under another name before it replaces the old one.
//!
//! Owns what becomes of it. Must not know its contents. Invariant: a file that is never put in its place leaves nothing behind.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::private_file;

/// A file that has another name until it is put in its place; without that it is removed.
#[derive(Debug)]
pub struct PreparedFile {
    path: PathBuf,
    /// `None` once it is in its place.
    temporary: Option<PathBuf>,
}

impl PreparedFile {
    /// Writes a file for `path`, and settles it.
    pub(super) fn new(
        path: &Path,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
        settle: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<Self> {
        let temporary = temporary_sibling(path);
        let created = private_file::create(&temporary);
        let written = Self {
            path: path.to_owned(),
            temporary: Some(temporary),
        };
        let mut buffered = BufWriter::new(created?);
        fill(&mut buffered)?;
        settle(&buffered.into_inner()?)?;
        Ok(written)
    }

    /// Its place.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in its place.
    pub(super) fn put(mut self) -> io::Result<()> {
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path)?;
        }
        self.temporary = None;
        Ok(())
    }
}

impl Drop for PreparedFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // It may not exist; the error that led here is the relevant one.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// A name in the same folder that no other process uses, so that the file can be renamed to `path`.
pub(super) fn temporary_sibling(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.new", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_replaces_the_old_one_only_when_it_is_put() {
        // A report that fails half-way must neither damage the files that are there nor leave half of one.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.csv");
        fs::write(&path, "old").unwrap();
        let prepare = || PreparedFile::new(&path, |file| file.write_all(b"new"), |_| Ok(()));
        drop(prepare().unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        prepare().unwrap().put().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
