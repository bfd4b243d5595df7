//! Differences between two manifests in where and how their requests were sent.
//!
//! Owns which settings these are. Must not know what follows from a difference. Invariant: without one, requests of the same suite went
//! in the same order to the same endpoint by the same client.

use super::Manifest;

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestDifference {
    /// The setting, in words.
    pub setting: String,
    /// Its value in the first manifest.
    pub first: String,
    /// Its value in the second one.
    pub second: String,
}

impl Manifest {
    /// Returns the settings of sending that differ in `second`: record format, order of the plan, clock, endpoint, and those of the client that
    /// `second` has.
    pub fn differences(&self, second: &Self) -> Vec<ManifestDifference> {
        let mut found = Vec::new();
        let mut compare = |setting: &str, first: &str, second: &str| {
            if first != second {
                found.push(ManifestDifference {
                    setting: setting.to_owned(),
                    first: first.to_owned(),
                    second: second.to_owned(),
                });
            }
        };
        let version = |manifest: &Self| manifest.version.to_string();
        compare("record format", &version(self), &version(second));
        compare("order of the plan", &self.plan_digest, &second.plan_digest);
        compare("clock", self.clock.word(), second.clock.word());
        let (ours, theirs) = (&self.endpoint, &second.endpoint);
        compare("endpoint", &ours.name, &theirs.name);
        for (setting, ours, theirs) in [
            ("base URL", &ours.base_url, &theirs.base_url),
            (
                "variable of the key",
                &ours.key_variable,
                &theirs.key_variable,
            ),
            ("scenario", &ours.scenario, &theirs.scenario),
        ] {
            let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
            compare(setting, &or_none(ours), &or_none(theirs));
        }
        for theirs in &second.client {
            let mut ours = self.client.iter();
            let ours = ours.find(|ours| ours.name == theirs.name);
            let value = ours.map_or("none", |ours| ours.value.as_str());
            compare(
                &format!("client setting `{}`", theirs.name),
                value,
                &theirs.value,
            );
        }
        found
    }
}
