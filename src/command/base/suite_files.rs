//! The files that a suite names: found below its folder, and read.
//!
//! Owns patterns, folders, and the limits on what is read. Must not know what is in the files.
//! Invariants: a path that is there is taken as it is written, before it is taken for a pattern; the
//! order of what is found does not depend on the system; nothing is read beyond its limit.

use std::io::Read;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use crate::suite::{FoundFile, Wanted, WantedKind, limits};

/// Folders within folders that a pattern is looked for in: links may lead in a circle.
const DEPTH_MAX: usize = 32;

/// What makes a path a pattern.
const PATTERN_SIGNS: [char; 4] = ['*', '?', '[', '{'];

/// The folder that a suite's paths begin at.
pub(in crate::command) struct Folder {
    path: PathBuf,
    /// Bytes that may still be read for this suite.
    bytes_left: usize,
}

impl Folder {
    /// The folder of this suite.
    pub(in crate::command) fn of(suite: &Path) -> Self {
        Self {
            path: suite.parent().unwrap_or(Path::new("")).to_owned(),
            bytes_left: limits::PROMPTS_BYTES,
        }
    }

    /// The files that are wanted, by name; or why there are none, as a sentence.
    pub(in crate::command) fn find(&mut self, wanted: &Wanted) -> Result<Vec<FoundFile>, String> {
        let path = self.path.join(&wanted.path);
        let paths = if wanted.kind == WantedKind::Prompts && path.is_dir() {
            files_in(&path)?
        } else if wanted.kind == WantedKind::Prompts
            && !path.exists()
            && wanted.path.contains(PATTERN_SIGNS)
        {
            self.matching(&wanted.path)?
        } else {
            vec![path]
        };
        let found = paths.iter().map(|path| self.read(path, wanted.kind));
        found.collect()
    }

    fn read(&mut self, path: &Path, kind: WantedKind) -> Result<FoundFile, String> {
        let name = shown(path);
        let failed = |error: std::io::Error| format!("`{name}` could not be read: {error}");
        let file = std::fs::File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(format!("`{name}` is a folder"));
        }
        let most = kind.max_bytes().min(self.bytes_left);
        let mut bytes = Vec::new();
        file.take(most as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() > kind.max_bytes() {
            let most = kind.max_bytes() >> 20;
            return Err(format!("`{name}` is larger than {most} MiB"));
        }
        let Some(left) = self.bytes_left.checked_sub(bytes.len()) else {
            let most = limits::PROMPTS_BYTES >> 20;
            return Err(format!(
                "with `{name}` the files of this suite are larger than {most} MiB"
            ));
        };
        self.bytes_left = left;
        Ok(FoundFile { name, bytes })
    }

    /// The files that a pattern matches, sorted. `*` stays within a folder, `**` does not.
    fn matching(&self, pattern: &str) -> Result<Vec<PathBuf>, String> {
        // Only what the suite wrote is a pattern, not the name of the folder it lies in.
        let base = globset::escape(&shown(&self.path));
        let whole = match base.as_str() {
            "" => pattern.to_owned(),
            base => format!("{base}/{pattern}"),
        };
        let whole = whole.strip_prefix("./").unwrap_or(&whole);
        let glob = GlobBuilder::new(whole)
            .literal_separator(true)
            .build()
            .map_err(|error| format!("`{pattern}` is not a pattern: {}", error.kind()))?
            .compile_matcher();
        let plain = Path::new(pattern)
            .iter()
            .take_while(|part| !part.to_string_lossy().contains(PATTERN_SIGNS));
        let start = Path::new(".")
            .join(&self.path)
            .join(plain.collect::<PathBuf>());
        let mut matching = Vec::new();
        let mut folders = vec![(start, 0)];
        while let Some((folder, depth)) = folders.pop() {
            for path in entries(&folder)? {
                if path.is_dir() {
                    if depth < DEPTH_MAX {
                        folders.push((path, depth + 1));
                    }
                } else if glob.is_match(shown(&path)) {
                    matching.push(path);
                }
            }
            check_count(matching.len() + folders.len(), pattern)?;
        }
        if matching.is_empty() {
            return Err(format!("no file matches `{pattern}`"));
        }
        matching.sort_by_key(|path| shown(path));
        Ok(matching)
    }
}

/// The files of a folder, those in its folders not, sorted by name.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let name = shown(folder);
    let mut files = entries(folder)?;
    files.retain(|path| !path.is_dir());
    check_count(files.len(), &name)?;
    if files.is_empty() {
        return Err(format!("the folder `{name}` holds no file"));
    }
    files.sort_by_key(|path| shown(path));
    Ok(files)
}

/// What is in a folder, but for hidden files, which systems and editors leave there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("`{}` could not be read: {error}", shown(folder));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
        check_count(paths.len(), &shown(folder))?;
    }
    Ok(paths)
}

fn check_count(count: usize, path: &str) -> Result<(), String> {
    if count > limits::FOUND_FILES {
        let most = limits::FOUND_FILES;
        return Err(format!("`{path}` leads to more than {most} files"));
    }
    Ok(())
}

/// A path as messages and patterns spell it.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "/");
    text.strip_prefix("./").unwrap_or(&text).to_owned()
}
