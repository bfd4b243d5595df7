//! Differences between a stored run and what would continue it.
//!
//! Owns which of them matter, and their sentences. Must not know how they are accepted. Invariant: without a
//! difference the next part sends the requests that the run would have sent, to the same endpoint at the same prices.

use crate::record::{Manifest, ModelPrices};
use crate::units::digest_of_json;

use super::job::Job;
use crate::command::base::endpoint::OpenEndpoint;
use crate::command::base::runtime::TOOL;

/// The differences, each as one line.
pub(super) fn differences(stored: &Manifest, job: &Job, opened: &OpenEndpoint) -> Vec<String> {
    let now = job.manifest(opened, stored.run.clone(), stored.started_at);
    let mut found = Vec::new();
    let mut differs = |what: &str, was: &str, is: &str| {
        if was != is {
            found.push(format!("{what}: was {was}, is {is}"));
        }
    };
    let version = |tool: &str| compatible_version(tool).to_owned();
    if version(&stored.tool) != version(TOOL) {
        differs("version", &stored.tool, TOOL);
    }
    let suite = digest_of_json(&stored.suite).expect("a suite is always JSON");
    differs("suite in the manifest", &stored.suite_digest, &suite);
    let settings = stored.differences(&now).into_iter();
    found.extend(
        settings.map(|one| format!("{}: was {}, is {}", one.setting, one.first, one.second)),
    );
    found.extend(price_differences(stored, &now));
    found
}

/// The part of a version that compatible ones share: the first number that is not 0, and those before it.
fn compatible_version(tool: &str) -> &str {
    let numbers = tool.rsplit(' ').next().unwrap_or(tool);
    let first = numbers.find(|c: char| ('1'..='9').contains(&c));
    let end = first.map_or(numbers.len(), |first| {
        let after = numbers[first..].find('.');
        after.map_or(numbers.len(), |after| first + after)
    });
    &numbers[..end]
}

/// Models whose prices are no longer those that the run began with.
fn price_differences(stored: &Manifest, now: &Manifest) -> Vec<String> {
    let models = |manifest: &Manifest| -> Vec<ModelPrices> {
        let prices = manifest.prices.as_ref();
        prices.map_or_else(Vec::new, |prices| prices.models.clone())
    };
    let (was, is) = (models(stored), models(now));
    let names = was.iter().chain(&is).map(|prices| prices.model.clone());
    let names: std::collections::BTreeSet<_> = names.collect();
    let changed = names.into_iter().filter(|model| {
        let of_model = |prices: &[ModelPrices]| {
            let mut prices = prices.iter();
            prices.find(|prices| prices.model == *model).cloned()
        };
        of_model(&was) != of_model(&is)
    });
    changed
        .map(|model| format!("prices of {model}: not those that the run began with"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compatible_up_to_its_first_number_above_0() {
        // 0.2 and 0.3 may read a suite differently; 0.2.0 and 0.2.1, or 1.2 and 1.3, must not.
        for (one, other, compatible) in [
            ("bakeoff 0.2.0", "bakeoff 0.2.7", true),
            ("bakeoff 0.2.0", "bakeoff 0.3.0", false),
            ("bakeoff 1.2.0", "bakeoff 1.3.0", true),
            ("bakeoff 1.2.0", "bakeoff 2.2.0", false),
            ("bakeoff 0.2.0", "bakeoff 0.12.0", false),
            ("bakeoff 10.0.0", "bakeoff 1.0.0", false),
        ] {
            let is_same = compatible_version(one) == compatible_version(other);
            assert_eq!(is_same, compatible, "{one} {other}");
        }
    }
}
