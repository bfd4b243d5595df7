//! The verdicts and similarities of earlier runs, by the content of their requests.
//!
//! Owns where they are read and stored. Must not know what was graded. Invariant: those of the simulator are invented, so
//! that they are neither read nor stored.

use std::collections::{BTreeMap, HashMap};

use crate::command::base::model_list::cache_folder;
use crate::record::StoredVerdict;

/// Returns the score and the reason that an earlier run found for each of these requests. `key`: the name of a request to an endpoint with
/// this base URL.
pub(super) fn read<'r, R: Ord + Clone + 'r>(
    base_url: Option<&str>,
    requests: impl IntoIterator<Item = &'r R>,
    key: impl Fn(&R, &str) -> String,
) -> BTreeMap<R, (f64, String)> {
    let (Some(base_url), Some(folder)) = (base_url, cache_folder()) else {
        return BTreeMap::new();
    };
    let stored: HashMap<String, (f64, String)> = StoredVerdict::read_all(&folder);
    let found = requests.into_iter().filter_map(|request| {
        let verdict = stored.get(&key(request, base_url))?;
        Some((request.clone(), verdict.clone()))
    });
    found.collect()
}

/// Stores requests with their scores and reasons for later runs; a cache that cannot be written costs money and no result.
pub(super) fn append<'r, R: 'r>(
    base_url: Option<&str>,
    found: impl Iterator<Item = (&'r R, f64, &'r str)>,
    key: impl Fn(&R, &str) -> String,
) {
    let (Some(base_url), Some(folder)) = (base_url, cache_folder()) else {
        return;
    };
    let verdicts = found.map(|(request, score, reason)| StoredVerdict {
        version: StoredVerdict::VERSION,
        request: key(request, base_url),
        score,
        reason: reason.to_owned(),
    });
    let verdicts: Vec<StoredVerdict> = verdicts.collect();
    if !verdicts.is_empty() {
        let _ = StoredVerdict::append_all(&folder, &verdicts);
    }
}
