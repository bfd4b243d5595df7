//! The levels of a prompt by metric, as a condensed run stores them.
//!
//! Owns their form in memory. Must not know how levels are computed. Invariant: in the order of the metrics, each at most
//! once; a run of 100,000 prompts has as many of these lists for each variant, so they have no room for more.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::suite::Metric;

/// The level of a metric on one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Natural logarithm of the level, in the metric's unit (ns, tokens a second, tokens, pico-dollars):
    /// the Hodges-Lehmann estimate of logarithms, of cost and tokens the logarithm of the mean.
    pub ln: f64,
    /// Values it was computed from.
    pub n: u32,
}

/// The levels of a prompt by metric, stored as an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricLevels(Box<[StoredLevel]>);

/// A metric and its level, without the padding of a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
struct StoredLevel {
    ln: f64,
    n: u32,
    metric: Metric,
}

impl MetricLevels {
    /// The level of a metric.
    pub fn get(&self, metric: Metric) -> Option<Level> {
        let index = self.0.binary_search_by_key(&metric, |stored| stored.metric);
        Some(self.0[index.ok()?].level())
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The levels, in the order of the metrics.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, Level)> {
        self.0.iter().map(|stored| (stored.metric, stored.level()))
    }
}

impl StoredLevel {
    const fn level(&self) -> Level {
        Level {
            ln: self.ln,
            n: self.n,
        }
    }
}

impl FromIterator<(Metric, Level)> for MetricLevels {
    /// Of two levels of a metric the later one stays.
    fn from_iter<I: IntoIterator<Item = (Metric, Level)>>(levels: I) -> Self {
        let levels: BTreeMap<Metric, Level> = levels.into_iter().collect();
        let stored = levels.into_iter().map(|(metric, level)| StoredLevel {
            ln: level.ln,
            n: level.n,
            metric,
        });
        Self(stored.collect())
    }
}

impl<const N: usize> From<[(Metric, Level); N]> for MetricLevels {
    fn from(levels: [(Metric, Level); N]) -> Self {
        levels.into_iter().collect()
    }
}

impl Serialize for MetricLevels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for MetricLevels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let levels = BTreeMap::<Metric, Level>::deserialize(deserializer)?;
        Ok(levels.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_stored_as_an_object_in_the_order_of_the_metrics() {
        // A history is read by other programs, and by those that know no list.
        let level = |ln| Level { ln, n: 2 };
        let levels = MetricLevels::from([
            (Metric::Latency, level(1.0)),
            (Metric::Ttft, level(2.0)),
            (Metric::Latency, level(3.0)),
        ]);
        let stored = r#"{"ttft":{"ln":2.0,"n":2},"latency":{"ln":3.0,"n":2}}"#;
        assert_eq!(serde_json::to_string(&levels).unwrap(), stored);
        assert_eq!(
            serde_json::from_str::<MetricLevels>(stored).unwrap(),
            levels
        );
        assert_eq!(levels.get(Metric::Ttft), Some(level(2.0)));
        assert_eq!(levels.get(Metric::Cost), None);
        assert_eq!(size_of::<StoredLevel>(), 16);
    }
}
