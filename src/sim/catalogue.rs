//! The models that the simulated gateway offers: a snapshot of a real catalogue, compiled in.
//!
//! Owns the reading of the snapshot. Must not know how models behave: that is `world`'s.
//! Invariant: every listing keeps the bytes it came from, so that `/v1/models` repeats them.

use serde::Deserialize;
use serde_json::Value;

use super::bill::{Prices, PricingWire};

/// Entries in the shape of `GET /v1/models`, one a line.
const SNAPSHOT: &str = include_str!("catalogue.json");

/// One model of the catalogue.
#[derive(Debug, Clone)]
pub struct Listing {
    /// `creator/model`.
    pub id: String,
    /// Whether it answers chats.
    pub language: bool,
    /// Whether it is tagged as thinking first.
    pub reasoning: bool,
    /// Whether prompt prefixes must be marked to be cached.
    pub explicit_caching: bool,
    /// Listed prices, where both input and output are.
    pub prices: Option<Prices>,
    /// The most completion tokens it can write.
    pub max_tokens: u64,
    /// The entry as it is served.
    pub entry: Value,
}

/// The fields of an entry that matter here.
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

/// Every model of the snapshot, in its order.
pub fn listings() -> Vec<Listing> {
    let entries: Vec<Value> =
        serde_json::from_str(SNAPSHOT).expect("the snapshot is compiled in, and a test reads it");
    entries.into_iter().map(listing).collect()
}

fn listing(entry: Value) -> Listing {
    let wire = EntryWire::deserialize(&entry)
        .expect("every entry of the snapshot has an id, a type and decimal prices");
    let tagged = |tag: &str| wire.tags.iter().any(|found| found == tag);
    Listing {
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
    fn the_snapshot_is_whole() {
        // The expectations in this file hold because the compiled-in snapshot satisfies them.
        let listings = listings();
        assert_eq!(listings.len(), 54);
        let priced = |listing: &&Listing| listing.language && listing.prices.is_some();
        assert_eq!(listings.iter().filter(priced).count(), 52);
        assert!(listings.iter().all(|listing| listing.id.contains('/')));
    }
}
