//! Lists of models on disk, so that a look-up and a run need not ask for them again.
//!
//! Owns the files of the cache: of each endpoint the newest list, and the last one before it that differed.
//! Must not know what a list means, nor which clock is right: bytes and dates are given, and whether two
//! lists differ. Invariant: a file is there whole or not at all, and one that cannot be read is one that is
//! not there.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::private_file;
use crate::suite::Redacted;
use crate::units::digest;

use super::MAX_LIST_BYTES;

/// Version of the stored format; files of another version are not read, and written over.
const VERSION: u32 = 1;
/// Bytes of a file: a list as JSON text, in which each byte of the list may take two, and its frame.
const MAX_FILE_BYTES: u64 = 2 * MAX_LIST_BYTES as u64 + (64 << 10);

/// A folder of lists, up to two files for each endpoint.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

/// A stored list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// When it was obtained.
    pub fetched_at: Timestamp,
    /// The answer of `GET /models`, without keys.
    pub list: Redacted<String>,
}

/// Which of an endpoint's two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Newest,
    Before,
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

    /// The newest list of the endpoint at `base_url`; `None` where there is none that can be read.
    pub fn get(&self, base_url: &str) -> Option<Cached> {
        self.read(base_url, Place::Newest)
    }

    /// Whether there is a file for the newest list of the endpoint at `base_url`, be it one that can be read or not.
    pub fn holds(&self, base_url: &str) -> bool {
        self.path(base_url, Place::Newest).exists()
    }

    /// The last list before the newest that differed from it; `None` where none was kept.
    pub fn before(&self, base_url: &str) -> Option<Cached> {
        self.read(base_url, Place::Before)
    }

    /// Stores the newest list of the endpoint at `base_url`. The one that was the newest until now becomes
    /// the one before where it `differs`; otherwise the one before stays what it is.
    ///
    /// # Errors
    /// Where the folder cannot be made or a file not written.
    pub fn put(
        &self,
        base_url: &str,
        cached: &Cached,
        differs: impl FnOnce(&Cached) -> bool,
    ) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        if let Some(older) = self.get(base_url).filter(differs) {
            self.write(base_url, Place::Before, &older)?;
        }
        self.write(base_url, Place::Newest, cached)
    }

    fn read(&self, base_url: &str, place: Place) -> Option<Cached> {
        let file = fs::File::open(self.path(base_url, place)).ok()?;
        let mut text = String::new();
        (file.take(MAX_FILE_BYTES).read_to_string(&mut text)).ok()?;
        let wire: WireCached = serde_json::from_str(&text).ok()?;
        // Two base URLs may share a digest: the file says whose it is.
        (wire.version == VERSION && wire.base_url == base_url).then_some(Cached {
            fetched_at: wire.fetched_at,
            list: Redacted::from_stored(wire.list),
        })
    }

    fn write(&self, base_url: &str, place: Place, cached: &Cached) -> io::Result<()> {
        let path = self.path(base_url, place);
        let text = serde_json::to_vec(&WireCached {
            version: VERSION,
            base_url: base_url.to_owned(),
            fetched_at: cached.fetched_at,
            list: cached.list.to_string(),
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

    fn path(&self, base_url: &str, place: Place) -> PathBuf {
        let before = match place {
            Place::Newest => "",
            Place::Before => "-before",
        };
        let name = format!("models-{}{before}.json", digest(base_url.as_bytes()));
        self.folder.join(name)
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private_file::create(path)?;
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
            list: Redacted::from_stored(list.to_owned()),
        }
    }

    proptest! {
        // What was stored comes back byte for byte, to its endpoint alone, and the last one counts.
        #[test]
        fn lists_come_back(list in "\\PC{0,200}", url in "https://[a-z]{1,9}/v1") {
            let folder = tempfile::tempdir().unwrap();
            let cache = Cache::new(folder.path().join("a/b"));
            prop_assert!(cache.get(&url).is_none() && !cache.holds(&url));
            cache.put(&url, &cached("older"), |_| true).unwrap();
            prop_assert_eq!(cache.before(&url), None);
            cache.put(&url, &cached(&list), |older| *older.list != list).unwrap();
            prop_assert_eq!(cache.get(&url), Some(cached(&list)));
            prop_assert_eq!(cache.get("https://other.example/v1"), None);
            prop_assert_eq!(cache.before(&url), Some(cached("older")).filter(|_| list != "older"));
        }

        // However often the same list is fetched, the last one that differed stays to be compared with.
        #[test]
        fn the_list_before_is_the_last_that_differed(lists in prop::collection::vec(0_u8..3, 1..12)) {
            let folder = tempfile::tempdir().unwrap();
            let cache = Cache::new(folder.path().to_owned());
            for list in &lists {
                let list = cached(&list.to_string());
                cache.put(URL, &list, |older| older.list != list.list).unwrap();
            }
            let newest = lists[lists.len() - 1];
            let before = lists.iter().rev().find(|list| **list != newest);
            prop_assert_eq!(cache.get(URL), Some(cached(&newest.to_string())));
            prop_assert_eq!(cache.before(URL), before.map(|list| cached(&list.to_string())));
        }
    }

    #[test]
    fn a_damaged_file_is_no_file() {
        // Half a file, another version, another endpoint's: none may be taken for a list, and each
        // is replaced by the next one.
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        cache.put(URL, &cached("{}"), |_| true).unwrap();
        let path = cache.path(URL, Place::Newest);
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
            // Whoever falls back to another list can say that this one is damaged.
            assert!(cache.holds(URL));
            cache.put(URL, &cached("{}"), |_| true).unwrap();
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
        assert!(cache.put(URL, &cached("{}"), |_| true).is_err());
        assert_eq!(cache.get(URL), None);
    }
}
