//! Files that their owner alone can read, where the system has owners.
//!
//! Owns the mode of every file that may hold prompts, answers or text from outside. Must not know the contents.
//! Invariant: a file that is created here was never open to others, not even while it was empty.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Opens a file to write it from its beginning. One that is there already is closed to others first.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options_for_new(options.write(true).create(true).truncate(true)).open(path)?;
    close_to_others(&file)?;
    Ok(file)
}

/// Puts a file with these bytes in the place of one that may be there: a reader finds the old one or the new one, whole. Its
/// folder is created if it is missing.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    // In the same folder, so that it can be renamed, under a name that no other process uses.
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let write = |mut file: File| file.write_all(bytes).and_then(|()| file.sync_all());
    let replaced = create(&temporary)
        .and_then(write)
        .and_then(|()| fs::rename(&temporary, path));
    if replaced.is_err() {
        // Half a file is of no use; a failure to remove it changes nothing.
        let _ = fs::remove_file(&temporary);
    }
    replaced
}

/// The options, with the mode of a file that they create.
pub(crate) fn options_for_new(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(unix)]
fn close_to_others(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    // A file system without modes may refuse to set what it does not have.
    if file.metadata()?.permissions().mode().trailing_zeros() >= 6 {
        return Ok(());
    }
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "on unix it can fail")]
fn close_to_others(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[test]
    fn a_file_is_for_its_owner_whether_it_was_there_or_not() {
        // A file of an earlier version, which others could read, must not stay open to them.
        use std::os::unix::fs::PermissionsExt as _;

        use super::*;

        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let new = folder.path().join("new");
        create(&new).unwrap();
        assert_eq!(mode(&new), 0o600);
        let old = folder.path().join("old");
        std::fs::write(&old, "text").unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o644)).unwrap();
        create(&old).unwrap();
        assert_eq!(
            (mode(&old), std::fs::read(&old).unwrap()),
            (0o600, Vec::new())
        );
    }
}
