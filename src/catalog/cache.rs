//! Model lists on disk, so that a look-up and a run need not fetch them again.
//!
//! Owns the files of the cache: for each endpoint the newest list, and the last one before it that differed.
//! Must not know the content of a list, nor the time: bytes, dates and the comparison of lists are passed in.
//! Invariant: a file is whole or absent, and one that cannot be read counts as
//! absent.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::input::{open_regular, read_at_most};
use crate::private_file;
use crate::suite::Redacted;
use crate::units::digest;

use super::MAX_LIST_BYTES;

/// Version of the stored format; files of another version are ignored and overwritten.
const VERSION: u32 = 1;
/// Maximum size of a file: a list as JSON text, in which each byte of the list may take two, and its frame.
const MAX_FILE_BYTES: u64 = 2 * MAX_LIST_BYTES as u64 + (64 << 10);

/// A folder of lists, up to two files for each endpoint.
#[derive(Debug, Clone)]
pub struct ListCache {
    folder: PathBuf,
}

/// A stored list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedList {
    /// Time of the fetch.
    pub fetched_at: Timestamp,
    /// The response of `GET /models`, without keys.
    pub list: Redacted<String>,
}

/// One of the two lists of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CacheSlot {
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

impl ListCache {
    /// Creates a cache in this folder, which need not exist yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The newest list of the endpoint at `base_url`; `None` if there is none that can be read.
    pub fn get(&self, base_url: &str) -> Option<CachedList> {
        self.read(base_url, CacheSlot::Newest)
    }

    /// Returns true if there is a file for the newest list of the endpoint at `base_url`, readable or not.
    pub fn has_file(&self, base_url: &str) -> bool {
        self.path(base_url, CacheSlot::Newest).exists()
    }

    /// The last list before the newest that differed from it; `None` if there is none.
    pub fn before(&self, base_url: &str) -> Option<CachedList> {
        self.read(base_url, CacheSlot::Before)
    }

    /// Stores the newest list of the endpoint at `base_url`. The previous newest list becomes
    /// the one before if it `differs`; otherwise the one before is unchanged.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be created or a file cannot be written.
    pub fn put(
        &self,
        base_url: &str,
        cached: &CachedList,
        differs: impl FnOnce(&CachedList) -> bool,
    ) -> io::Result<()> {
        if let Some(older) = self.get(base_url).filter(differs) {
            self.write(base_url, CacheSlot::Before, &older)?;
        }
        self.write(base_url, CacheSlot::Newest, cached)
    }

    fn read(&self, base_url: &str, slot: CacheSlot) -> Option<CachedList> {
        let file = open_regular(&self.path(base_url, slot)).ok()?;
        let bytes = read_at_most(file, MAX_FILE_BYTES).ok()??;
        let wire: WireCached = serde_json::from_slice(&bytes).ok()?;
        // Two base URLs may share a digest: the file names its own.
        (wire.version == VERSION && wire.base_url == base_url).then_some(CachedList {
            fetched_at: wire.fetched_at,
            list: Redacted::from_stored(wire.list),
        })
    }

    fn write(&self, base_url: &str, slot: CacheSlot, cached: &CachedList) -> io::Result<()> {
        let path = self.path(base_url, slot);
        let text = serde_json::to_vec(&WireCached {
            version: VERSION,
            base_url: base_url.to_owned(),
            fetched_at: cached.fetched_at,
            list: cached.list.to_string(),
        })?;
        private_file::replace(&path, &text)
    }

    fn path(&self, base_url: &str, slot: CacheSlot) -> PathBuf {
        let before = match slot {
            CacheSlot::Newest => "",
            CacheSlot::Before => "-before",
        };
        let name = format!("models-{}{before}.json", digest(base_url.as_bytes()));
        self.folder.join(name)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    const URL: &str = "https://gateway.example/v1";

    fn cached(list: &str) -> CachedList {
        CachedList {
            fetched_at: "2026-11-22T10:00:00Z".parse().unwrap(),
            list: Redacted::from_stored(list.to_owned()),
        }
    }

    proptest! {
        // A stored list comes back byte for byte, to its endpoint alone, and the last one counts.
        #[test]
        fn lists_come_back(list in "\\PC{0,200}", url in "https://[a-z]{1,9}/v1") {
            let folder = tempfile::tempdir().unwrap();
            let cache = ListCache::new(folder.path().join("a/b"));
            prop_assert!(cache.get(&url).is_none() && !cache.has_file(&url));
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
            let cache = ListCache::new(folder.path().to_owned());
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
        let cache = ListCache::new(folder.path().to_owned());
        cache.put(URL, &cached("{}"), |_| true).unwrap();
        let path = cache.path(URL, CacheSlot::Newest);
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
            // A caller that falls back to another list can report that this one is damaged.
            assert!(cache.has_file(URL));
            cache.put(URL, &cached("{}"), |_| true).unwrap();
            assert_eq!(cache.get(URL), Some(cached("{}")));
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        // The caller must be able to report that nothing was stored.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let cache = ListCache::new(file.join("below"));
        assert!(cache.put(URL, &cached("{}"), |_| true).is_err());
        assert_eq!(cache.get(URL), None);
    }
}
