//! The models that the simulated gateway offers: a compiled-in snapshot of a real catalog.
//!
//! Owns the reading of the snapshot. Must not know how models behave: that is in `scenario`. Invariant: every
//! entry keeps the bytes it came from, so that `/v1/models` repeats them.

use serde::Deserialize;
use serde_json::Value;

use super::bill::{Prices, PricingWire};

/// Entries in the shape of `GET /v1/models`, one a line.
const SNAPSHOT: &str = include_str!("catalog.json");

/// One model of the snapshot.
#[derive(Debug, Clone)]
pub struct SnapshotModel {
    /// `creator/model`.
    pub id: String,
    /// True if it answers chats.
    pub language: bool,
    /// True if it is tagged as a reasoning model.
    pub reasoning: bool,
    /// True if prompt prefixes must be marked to be cached.
    pub explicit_caching: bool,
    /// List prices; absent unless both input and output are listed.
    pub prices: Option<Prices>,
    /// The maximum number of completion tokens.
    pub max_tokens: u64,
    /// The entry as it is served.
    pub entry: Value,
}

/// The fields of an entry that the simulator uses.
#[derive(Deserialize)]
struct EntryWire {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    pricing: PricingWire,
    #[serde(default)]
    max_tokens: u64,
}

/// Returns every model of the snapshot, in its order.
pub fn listings() -> Vec<SnapshotModel> {
    let entries: Vec<Value> =
        serde_json::from_str(SNAPSHOT).expect("the snapshot is compiled in, and a test reads it");
    entries.into_iter().map(listing).collect()
}

fn listing(entry: Value) -> SnapshotModel {
    let wire = EntryWire::deserialize(&entry)
        .expect("every entry of the snapshot has an id, a type and decimal prices");
    let tagged = |tag: &str| wire.tags.iter().any(|found| found == tag);
    SnapshotModel {
        language: wire.kind == "language",
        reasoning: tagged("reasoning"),
        explicit_caching: tagged("explicit-caching"),
        prices: wire.pricing.prices(),
        max_tokens: wire.max_tokens,
        id: wire.id,
        entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snapshot_is_complete() {
        // The expectations in this file hold because the compiled-in snapshot satisfies them.
        let listings = listings();
        assert_eq!(listings.len(), 58);
        let priced = |listing: &&SnapshotModel| listing.language && listing.prices.is_some();
        assert_eq!(listings.iter().filter(priced).count(), 56);
        assert!(listings.iter().all(|listing| listing.id.contains('/')));
    }
}
