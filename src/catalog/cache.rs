//! Lists of models on disk, so that a look-up and a run need not ask for them again.
//!
//! Owns the files of the cache. Must not know what a list means, nor which clock is right: bytes and
//! dates are given. Invariant: a file is there whole or not at all, and one that cannot be read is one
//! that is not there.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::units::digest;

use super::MAX_LIST_BYTES;

/// Version of the stored format; files of another version are not read, and written over.
const VERSION: u32 = 1;
/// Bytes of a file: a list as JSON text, in which each byte of the list may take two, and its frame.
const MAX_FILE_BYTES: u64 = 2 * MAX_LIST_BYTES as u64 + (64 << 10);

/// A folder of lists, one file for each endpoint.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

/// A stored list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// When it was obtained.
    pub fetched_at: Timestamp,
    /// The answer of `GET /models`, as it came.
    pub list: String,
}

/// A file of the cache.
#[derive(Debug, Serialize, Deserialize)]
struct WireCached {
    version: u32,
    base_url: String,
    fetched_at: Timestamp,
    list: String,
}

impl Cache {
    /// The cache in this folder, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The list of the endpoint at `base_url`; `None` where there is none that can be read.
    pub fn get(&self, base_url: &str) -> Option<Cached> {
        let file = fs::File::open(self.path(base_url)).ok()?;
        let mut text = String::new();
        (file.take(MAX_FILE_BYTES).read_to_string(&mut text)).ok()?;
        let wire: WireCached = serde_json::from_str(&text).ok()?;
        // Two base URLs may share a digest: the file says whose it is.
        (wire.version == VERSION && wire.base_url == base_url).then_some(Cached {
            fetched_at: wire.fetched_at,
            list: wire.list,
        })
    }

    /// Stores the list of the endpoint at `base_url`, in place of an older one.
    ///
    /// # Errors
    /// Where the folder cannot be made or the file not written.
    pub fn put(&self, base_url: &str, cached: &Cached) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let path = self.path(base_url);
        let text = serde_json::to_vec(&WireCached {
            version: VERSION,
            base_url: base_url.to_owned(),
            fetched_at: cached.fetched_at,
            list: cached.list.clone(),
        })?;
        // In the same folder, so that it can be renamed, under a name that no other process uses.
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = write_new(&temporary, &text).and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            // Half a file is of no use; a failure to remove it changes nothing.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn path(&self, base_url: &str) -> PathBuf {
        let name = format!("models-{}.json", digest(base_url.as_bytes()));
        self.folder.join(name)
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const URL: &str = "https://gateway.example/v1";

    fn cached(list: &str) -> Cached {
        Cached {
            fetched_at: "2026-11-22T10:00:00Z".parse().unwrap(),
            list: list.to_owned(),
        }
    }

    proptest! {
        // What was stored comes back byte for byte, to its endpoint alone, and the last one counts.
        #[test]
        fn lists_come_back(list in "\\PC{0,200}", url in "https://[a-z]{1,9}/v1") {
            let folder = tempfile::tempdir().unwrap();
            let cache = Cache::new(folder.path().join("a/b"));
            prop_assert_eq!(cache.get(&url), None);
            cache.put(&url, &cached("older")).unwrap();
            cache.put(&url, &cached(&list)).unwrap();
            prop_assert_eq!(cache.get(&url), Some(cached(&list)));
            prop_assert_eq!(cache.get("https://other.example/v1"), None);
            prop_assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_damaged_file_is_no_file() {
        // Half a file, another version, another endpoint's: none may be taken for a list, and each
        // is replaced by the next one.
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        cache.put(URL, &cached("{}")).unwrap();
        let path = cache.path(URL);
        let whole = fs::read_to_string(&path).unwrap();
        for damaged in [
            whole[..whole.len() / 2].to_owned(),
            whole.replace("\"version\":1", "\"version\":2"),
            whole.replace("gateway.example", "gateway.invalid"),
            String::new(),
        ] {
            assert_ne!(damaged, whole);
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.get(URL), None);
            cache.put(URL, &cached("{}")).unwrap();
            assert_eq!(cache.get(URL), Some(cached("{}")));
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        // The caller must be able to say that nothing was kept.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let cache = Cache::new(file.join("below"));
        assert!(cache.put(URL, &cached("{}")).is_err());
        assert_eq!(cache.get(URL), None);
    }
}
