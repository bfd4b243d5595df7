//! Differences between two shards that keep them from being one run.
//!
//! Owns which of them matter, and their sentences. Must not know shards that lack something. Invariant: shards without a
//! difference sent shares of the same requests in the same order, to the same endpoint at the same prices.

use crate::plan::Shard;
use crate::record::Manifest;

use super::ShardRun;

/// Differences between two shares, each as a line.
pub(super) fn differences(first: &ShardRun, second: &ShardRun) -> Vec<String> {
    let (one, other) = (&first.manifest, &second.manifest);
    let mut found = Vec::new();
    let mut differs = |what: &str, one: &str, other: &str| {
        if one != other {
            found.push(format!("{what}: {one} and {other}"));
        }
    };
    let count = |manifest: &Manifest| {
        let count = manifest.shard.map_or(1, Shard::count);
        count.to_string()
    };
    differs("version", &one.tool, &other.tool);
    differs("number of shards", &count(one), &count(other));
    differs("suite", &one.suite.name, &other.suite.name);
    differs(
        "seed",
        &one.suite.seed.to_string(),
        &other.suite.seed.to_string(),
    );
    differs(
        "digest of the suite",
        &first.suite_digest,
        &second.suite_digest,
    );
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    differs(
        "environment",
        &or_none(&one.environment),
        &or_none(&other.environment),
    );
    differs(
        "number of client settings",
        &one.client.len().to_string(),
        &other.client.len().to_string(),
    );
    for setting in one.differences(other) {
        found.push(format!(
            "{}: {} and {}",
            setting.setting, setting.first, setting.second
        ));
        if setting.setting == "scenario" {
            found.push("run every shard with the same `--scenario` and `--sim-seed`".to_owned());
        }
    }
    let prices = |manifest: &Manifest| {
        let prices = manifest.prices.as_ref();
        prices.map_or_else(Vec::new, |prices| prices.models.clone())
    };
    if prices(one) != prices(other) {
        found.push("prices: not the same for every model".to_owned());
    }
    found
}
