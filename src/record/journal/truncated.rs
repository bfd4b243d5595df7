//! A last line that a killed process did not finish: it is moved out before others are appended.
//!
//! Owns the file that it is stored in. Must not know records. Invariant: no byte of a journal is deleted before it
//! is on the disk elsewhere.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::input::open_regular_to_write;
use crate::private_file::options_for_new;

use super::{JournalError, file_error};

/// Bytes that are read at once, from the end of the journal backwards.
const STEP: u64 = 64 << 10;

/// A line that was moved out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruncatedLine {
    /// Its bytes.
    pub bytes: u64,
    /// The file that has it now, beside the journal.
    pub file: PathBuf,
}

/// Moves an unfinished last line of the journal at `path` to a file next to it, with `.truncated` appended to its name.
/// `None` if the journal ends with a whole line, or does not exist. A line that lacks but its newline is whole: the
/// next writer ends it.
///
/// # Errors
/// If either file cannot be read or written; the journal is unchanged then.
pub fn move_truncated_line(path: &Path) -> Result<Option<TruncatedLine>, JournalError> {
    let mut options = OpenOptions::new();
    let mut journal = match open_regular_to_write(path, options.read(true).write(true)) {
        Ok(journal) => journal,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error(path, error)),
    };
    let failed = |source| file_error(path, source);
    let length = journal.seek(SeekFrom::End(0)).map_err(failed)?;
    let begins = last_line_start(&mut journal, length).map_err(failed)?;
    journal.seek(SeekFrom::Start(begins)).map_err(failed)?;
    let mut line = Vec::new();
    journal.read_to_end(&mut line).map_err(failed)?;
    if line.is_empty() || serde_json::from_slice::<serde::de::IgnoredAny>(&line).is_ok() {
        return Ok(None);
    }
    let mut name = OsString::from(path);
    name.push(".truncated");
    let file = PathBuf::from(name);
    let mut options = OpenOptions::new();
    let options = options_for_new(options.create(true).append(true));
    line.push(b'\n');
    open_regular_to_write(&file, options)
        .and_then(|mut moved| {
            moved.write_all(&line)?;
            moved.sync_all()
        })
        .map_err(|source| file_error(&file, source))?;
    journal.set_len(begins).map_err(failed)?;
    journal.sync_all().map_err(failed)?;
    let bytes = length - begins;
    Ok(Some(TruncatedLine { bytes, file }))
}

/// The place behind the last newline.
fn last_line_start(journal: &mut (impl Read + Seek), length: u64) -> io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let begin = end.saturating_sub(STEP);
        journal.seek(SeekFrom::Start(begin))?;
        let mut block = Vec::new();
        journal.by_ref().take(end - begin).read_to_end(&mut block)?;
        if let Some(at) = memchr::memrchr(b'\n', &block) {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// Returns true if the last line of a file has no end.
pub(super) fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Cut at any byte, the journal retains its whole lines, and the rest is in the other file: nothing is lost.
        #[test]
        fn a_cut_journal_is_divided(lines in prop::collection::vec("[a-z]{0,40}", 0..6), cut in 0_usize..400) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal");
            let lines = lines.iter().map(|text| format!("{{\"text\":\"{text}\"}}\n"));
            let whole = lines.collect::<Vec<_>>().concat();
            let cut = cut.min(whole.len());
            fs::write(&path, &whole[..cut]).unwrap();
            let moved_line = move_truncated_line(&path).unwrap();
            let left = fs::read_to_string(&path).unwrap();
            let moved = moved_line.as_ref().map(|line| fs::read_to_string(&line.file).unwrap());
            let moved = moved.unwrap_or_default();
            prop_assert_eq!(format!("{left}{}", moved.trim_end_matches('\n')), &whole[..cut]);
            let is_whole = whole.get(cut..=cut) == Some("\n") || cut == 0 || whole[..cut].ends_with('\n');
            prop_assert_eq!(moved_line.is_none(), is_whole);
            prop_assert!(moved_line.is_none() || left.is_empty() || left.ends_with('\n'));
            // Once.
            prop_assert_eq!(move_truncated_line(&path).unwrap(), None);
        }
    }

    #[test]
    fn a_line_longer_than_one_step_is_moved_out_and_others_are_added_to() {
        // Answers can be long, and a run can be killed twice.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        assert_eq!(move_truncated_line(&path).unwrap(), None);
        let long = format!("{{\"text\":\"{}", "a".repeat(200_000));
        for _ in 0..2 {
            fs::write(&path, format!("{{}}\n{long}")).unwrap();
            let line = move_truncated_line(&path).unwrap().unwrap();
            assert_eq!(line.bytes, long.len() as u64);
            assert_eq!(fs::read(&path).unwrap(), b"{}\n");
        }
        let moved = fs::read_to_string(folder.path().join("journal.truncated")).unwrap();
        assert_eq!(moved, format!("{long}\n{long}\n"));
    }
}
