//! The boundary of the files that a suite may read: regular files of its project, and none that hold keys.
//!
//! Owns where a project begins and which of its files a suite cannot read. Must not know the contents of the
//! files. Invariant: the checked file is the opened one, after every link is resolved.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::input::open_regular;

/// Entries that mark the folder of a project.
const ROOT_MARKS: [&str; 2] = [super::files::PROJECT, ".git"];

/// Folders of the system whose regular files are windows into processes and the kernel.
const SYSTEM_FOLDERS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The folders that the files of a suite may lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum Reach {
    /// In the suite's project.
    Project,
    /// Anywhere: the user said `--allow-outside`.
    Anywhere,
}

impl Reach {
    /// The reach that the flag `--allow-outside` gives.
    pub(in crate::command) const fn from_flag(allow_outside: bool) -> Self {
        if allow_outside {
            Self::Anywhere
        } else {
            Self::Project
        }
    }
}

/// The boundary around the files of one suite.
pub(super) struct Boundary {
    /// The folder of the project, without links.
    root: PathBuf,
    reach: Reach,
}

impl Boundary {
    /// The boundary of a suite in this folder: the nearest folder at or above it that holds
    /// `bakeoff.toml` or `.git`, else the folder itself.
    ///
    /// # Errors
    /// If the folder cannot be resolved.
    pub(super) fn new(folder: &Path, reach: Reach) -> io::Result<Self> {
        let folder = fs::canonicalize(Path::new(".").join(folder))?;
        let is_root = |folder: &&Path| {
            let mut marks = ROOT_MARKS.iter();
            marks.any(|mark| folder.join(mark).symlink_metadata().is_ok())
        };
        let root = folder.ancestors().find(is_root).unwrap_or(&folder);
        Ok(Self {
            root: root.to_owned(),
            reach,
        })
    }

    /// Opens a file that the suite names, which messages call `name`.
    ///
    /// # Errors
    /// If it cannot be opened, is no regular file, or lies beyond the boundary, as a sentence.
    pub(super) fn open(&self, path: &Path, name: &str) -> Result<File, String> {
        let failed = |error: io::Error| format!("`{name}` could not be read: {error}");
        let file = open_regular(path).map_err(failed)?;
        let real = fs::canonicalize(path).map_err(failed)?;
        if !is_same_file(&file, &real).map_err(failed)? {
            return Err(format!(
                "`{name}` was replaced while it was opened: run the command again"
            ));
        }
        if path.file_name().is_some_and(is_environment_file) {
            return Err(holds_keys(name));
        }
        self.check(&real, name)?;
        Ok(file)
    }

    /// Checks a folder that is to be searched.
    ///
    /// # Errors
    /// If it cannot be resolved or lies beyond the boundary, as a sentence.
    pub(super) fn check_folder(&self, path: &Path, name: &str) -> Result<(), String> {
        let real = fs::canonicalize(path);
        let real = real.map_err(|error| format!("`{name}` could not be read: {error}"))?;
        self.check(&real, name)
    }

    /// `real` is a path without links.
    fn check(&self, real: &Path, name: &str) -> Result<(), String> {
        let inside = real.strip_prefix(&self.root).ok();
        let below = inside.unwrap_or(real);
        if below.iter().any(|part| part.eq_ignore_ascii_case(".git"))
            || real.file_name().is_some_and(is_environment_file)
        {
            return Err(holds_keys(name));
        }
        if self.reach == Reach::Anywhere || (inside.is_some() && !self.is_of_system(real)) {
            return Ok(());
        }
        Err(format!(
            "`{name}` lies outside the project folder `{}`: move it there, or add --allow-outside if you \
             trust this suite",
            self.root.display()
        ))
    }

    /// Reports if the path lies in a folder of the system that the project does not lie in: a project
    /// may begin at the root of a container's file system.
    fn is_of_system(&self, real: &Path) -> bool {
        SYSTEM_FOLDERS
            .iter()
            .any(|folder| real.starts_with(folder) && !self.root.starts_with(folder))
    }
}

fn holds_keys(name: &str) -> String {
    format!(
        "`{name}` can hold keys, so that no suite reads it (`.env`, `.env.*` and what lies in `.git`): move \
         the text to another file"
    )
}

/// Reports if a file of this name holds variables: `.env` and `.env.*`.
fn is_environment_file(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_lowercase();
    name == ".env" || name.starts_with(".env.")
}

#[cfg(unix)]
fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let (opened, named) = (file.metadata()?, fs::symlink_metadata(path)?);
    Ok((opened.dev(), opened.ino()) == (named.dev(), named.ino()))
}

#[cfg(not(unix))]
fn is_same_file(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boundary(root: &str, reach: Reach) -> Boundary {
        let root = PathBuf::from(root);
        Boundary { root, reach }
    }

    #[test]
    fn the_nearest_mark_is_the_root() {
        // A project within another must not open the outer one's files.
        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        let deep = home.join("outer/inner/suites/deep");
        fs::create_dir_all(&deep).unwrap();
        let root = || Boundary::new(&deep, Reach::Project).unwrap().root;
        assert_eq!(root(), deep);
        fs::create_dir(home.join("outer/.git")).unwrap();
        assert_eq!(root(), home.join("outer"));
        fs::write(home.join("outer/inner/bakeoff.toml"), "").unwrap();
        assert_eq!(root(), home.join("outer/inner"));
    }

    #[test]
    fn paths_are_judged_by_where_they_lie() {
        // A file next to the project whose name begins alike is not in it; keys stay unread even for a suite
        // that is trusted.
        for (root, path, in_project, anywhere) in [
            ("/a/b", "/a/b/c.txt", true, true),
            ("/a/b", "/a/bc.txt", false, true),
            ("/a/b", "/a/b2/c.txt", false, true),
            ("/a/b", "/a/b/.env", false, false),
            ("/a/b", "/a/b/c/.ENV.local", false, false),
            ("/a/b", "/a/b/.envoy", true, true),
            ("/a/b", "/a/b/.git/config", false, false),
            ("/a/b", "/c/.git/config", false, false),
            ("/a/.git/b", "/a/.git/b/c.txt", true, true),
            ("/", "/c.txt", true, true),
            ("/", "/proc/self/environ", false, true),
            ("/dev/shm/x", "/dev/shm/x/c.txt", true, true),
        ] {
            for (reach, right) in [(Reach::Project, in_project), (Reach::Anywhere, anywhere)] {
                let checked = boundary(root, reach).check(Path::new(path), "c.txt");
                assert_eq!(
                    checked.is_ok(),
                    right,
                    "{root} {path} {reach:?}: {checked:?}"
                );
            }
        }
    }

    #[test]
    fn an_outside_file_is_named_with_what_to_do() {
        // The message is all that a user has: it names the file, the project and both ways on.
        let checked = boundary("/a/b", Reach::Project).check(Path::new("/c"), "../../c");
        insta::assert_snapshot!(checked.unwrap_err(), @"`../../c` lies outside the project folder `/a/b`: move it there, or add --allow-outside if you trust this suite");
    }
}
