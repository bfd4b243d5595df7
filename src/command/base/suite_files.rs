//! The files that a suite names: found below its folder, and read.
//!
//! Owns patterns, folders, and the limits on reading. Must not know the contents of the files. Invariants: an
//! existing path is used as written before it is treated as a pattern; the order of the files does not depend
//! on the system; nothing is read beyond its limit or beyond the boundary of the project.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::input::{Walk, WalkEntry, WalkError, is_descriptor, read_at_most};
use crate::suite::{FileKind, FileRef, Glob, GlobStyle, LoadedFile, limits};

use super::boundary::{Boundary, Reach};
use super::failure::Failure;

/// The characters that make a path a pattern.
const PATTERN_SIGNS: [char; 4] = ['*', '?', '[', '{'];

/// The folder that a suite's paths begin at.
pub(in crate::command) struct Folder {
    path: PathBuf,
    boundary: Boundary,
    /// Bytes that may still be read for this suite.
    bytes_left: usize,
    /// Bytes that were read for each reference.
    bytes_of: HashMap<FileRef, usize>,
}

impl Folder {
    /// The folder of this suite; of one that a shell hands over, the current folder.
    pub(in crate::command) fn of(suite: &Path, reach: Reach) -> Result<Self, Failure> {
        let folder = suite.parent().filter(|_| !is_descriptor(suite));
        let path = folder.unwrap_or(Path::new("")).to_owned();
        let boundary = Boundary::new(&path, reach).map_err(|error| {
            let folder = Path::new(".").join(&path);
            Failure::usage(format!(
                "the folder `{}` could not be resolved: {error}",
                folder.display()
            ))
        })?;
        Ok(Self {
            path,
            boundary,
            bytes_left: limits::PROMPTS_BYTES,
            bytes_of: HashMap::new(),
        })
    }

    /// Returns the requested files, by name; or the reason why there are none, as a sentence.
    pub(in crate::command) fn find(&mut self, file: &FileRef) -> Result<Vec<LoadedFile>, String> {
        let path = self.path.join(&file.path);
        let paths = if file.kind == FileKind::Prompts && path.is_dir() {
            self.files_in(&path)?
        } else if file.kind == FileKind::Prompts
            && !path.exists()
            && file.path.contains(PATTERN_SIGNS)
        {
            self.matching(&file.path)?
        } else {
            vec![path]
        };
        // Read again in place of what was handed over.
        self.bytes_left += self.bytes_of.remove(file).unwrap_or(0);
        let left = self.bytes_left;
        let found = paths.iter().map(|path| self.read(path, file.kind));
        let found = found.collect();
        let read = left - self.bytes_left;
        self.bytes_of.insert(file.clone(), read);
        found
    }

    fn read(&mut self, path: &Path, kind: FileKind) -> Result<LoadedFile, String> {
        let name = shown(path);
        let file = self.boundary.open(path, &name)?;
        let limit = kind.max_bytes().min(self.bytes_left);
        let bytes = read_at_most(file, limit as u64)
            .map_err(|error| format!("`{name}` could not be read: {error}"))?;
        let Some(bytes) = bytes else {
            return Err(if limit == kind.max_bytes() {
                format!("`{name}` is larger than {} MiB", limit >> 20)
            } else {
                let max = limits::PROMPTS_BYTES >> 20;
                format!("with `{name}` the files of this suite are larger than {max} MiB")
            });
        };
        self.bytes_left -= bytes.len();
        Ok(LoadedFile { name, bytes })
    }

    /// The files that a pattern matches, sorted. `*` stays within a folder, `**` does not.
    fn matching(&self, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let plain = pattern.strip_prefix("./").unwrap_or(pattern);
        let glob = Glob::new(plain, GlobStyle::Paths)
            .map_err(|error| format!("`{pattern}` is not a pattern: {error}"))?;
        let is_plain = |part: &&OsStr| !part.to_string_lossy().contains(PATTERN_SIGNS);
        let parts = Path::new(plain).iter();
        let levels = parts.clone().skip_while(is_plain).count();
        let base = Path::new(".").join(&self.path);
        let start = base.join(parts.take_while(is_plain).collect::<PathBuf>());
        // A class may match a `/`.
        let depth = (!plain.contains("**")).then_some(levels + plain.matches('[').count());
        self.boundary.check_folder(&start, &shown(&start))?;
        let mut walk = Walk::default();
        let mut matching = Vec::new();
        let mut folders = vec![(start, 1)];
        while let Some((folder, level)) = folders.pop() {
            for WalkEntry { path, kind } in entries(&mut walk, &folder, pattern)? {
                if kind.is_dir() {
                    if depth.is_none_or(|depth| level < depth) {
                        folders.push((path, level + 1));
                    }
                    continue;
                }
                // Only the string of the suite is a pattern, not the name of the folder it lies in.
                let inside = if Path::new(plain).is_absolute() {
                    &path
                } else {
                    path.strip_prefix(&base).unwrap_or(&path)
                };
                // A link to a folder is not followed: two of them can lead in a circle.
                if glob.is_match(&shown(inside)) && !(kind.is_symlink() && path.is_dir()) {
                    matching.push(path);
                }
            }
            check_count(matching.len(), pattern)?;
        }
        if matching.is_empty() {
            return Err(format!("no file matches `{pattern}`"));
        }
        matching.sort_by_key(|path| shown(path));
        Ok(matching)
    }

    /// The files of a folder, those in its folders not, sorted by name.
    fn files_in(&self, folder: &Path) -> Result<Vec<PathBuf>, String> {
        let name = shown(folder);
        self.boundary.check_folder(folder, &name)?;
        let entries = entries(&mut Walk::default(), folder, &name)?;
        let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path).collect();
        files.retain(|path| !path.is_dir());
        check_count(files.len(), &name)?;
        if files.is_empty() {
            return Err(format!("the folder `{name}` holds no file"));
        }
        files.sort_by_key(|path| shown(path));
        Ok(files)
    }
}

/// The entries of a folder without hidden files, which systems and editors leave there. `searched` is the
/// path as the suite spells it.
fn entries(walk: &mut Walk, folder: &Path, searched: &str) -> Result<Vec<WalkEntry>, String> {
    let entries = walk.entries(folder).map_err(|error| match error {
        WalkError::Io(error) => format!("`{}` could not be read: {error}", shown(folder)),
        limit => format!("`{searched}` is too wide, {limit}: name a folder with fewer"),
    });
    let mut entries = entries?;
    entries.retain(|entry| {
        let name = entry.path.file_name().unwrap_or_default();
        !name.to_string_lossy().starts_with('.')
    });
    Ok(entries)
}

fn check_count(count: usize, path: &str) -> Result<(), String> {
    if count > limits::FOUND_FILES {
        let max = limits::FOUND_FILES;
        return Err(format!("`{path}` contains more than {max} files"));
    }
    Ok(())
}

/// A path as messages and patterns spell it.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "/");
    text.strip_prefix("./").unwrap_or(&text).to_owned()
}
