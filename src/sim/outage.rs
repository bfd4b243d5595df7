//! Outages and pauses: spans of time in which models answer with a fault, or the server sends nothing.
//!
//! Owns what falls into one. Must not use the clock: the time since the first conversation is an argument.
//! Invariant: an outage ends.

use serde::Deserialize;

use super::fault::{Fault, FaultSet, FaultTurn, ModelSelector};
use super::model_profile::Millis;
use crate::units::Nanos;

/// A span of time, counted from the arrival of the first conversation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// Its beginning.
    pub from_ms: Millis,
    /// Its length.
    pub for_ms: Millis,
    /// The fault of every answer in it.
    pub fault: Fault,
    /// The models that have it; empty: all.
    #[serde(default)]
    pub models: Vec<String>,
}

impl Outage {
    /// Returns true if a request to this model, without its faults, falls into the outage.
    fn holds(&self, model: &str, since_first: Nanos) -> bool {
        let from = self.from_ms.nanos().0;
        let span = from..from.saturating_add(self.for_ms.nanos().0);
        span.contains(&since_first.0)
            && (self.models.is_empty() || self.models.iter().any(|named| named == model))
    }
}

/// A span of time, counted from the arrival of the first conversation, in which the server sends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerPause {
    /// Its beginning.
    pub from_ms: Millis,
    /// Its length.
    pub for_ms: Millis,
}

impl ServerPause {
    /// The instant at which something leaves that is due then.
    pub fn postpone(&self, due: Nanos) -> Nanos {
        let from = self.from_ms.nanos().0;
        let end = from.saturating_add(self.for_ms.nanos().0);
        if (from..end).contains(&due.0) {
            Nanos(end)
        } else {
            due
        }
    }
}

/// Returns the selector of a request with the fault of the first outage that it falls into.
pub fn with_outage(
    outages: &[Outage],
    selector: ModelSelector,
    since_first: Nanos,
) -> ModelSelector {
    let mut found = outages.iter();
    let Some(outage) = found.find(|outage| outage.holds(&selector.model, since_first)) else {
        return selector;
    };
    let mut faults = FaultSet::default();
    faults.add(outage.fault);
    ModelSelector {
        faults,
        turn: FaultTurn::Always,
        ..selector
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Scenario;

    #[test]
    fn an_outage_has_its_time_and_its_models() {
        // What a test or a user scripts must happen then, to these, and end.
        let text = "[[outages]]\nfrom_ms = 1000\nfor_ms = 500\nfault = \"503\"\nmodels = [\"a/b\"]";
        let scenario = Scenario::parse(text).unwrap();
        for (model, millis, expected) in [
            ("a/b", 999, false),
            ("a/b", 1_000, true),
            ("a/b", 1_499, true),
            ("a/b", 1_500, false),
            ("a/c", 1_200, false),
        ] {
            let selector = model.parse().unwrap();
            let at = Nanos::from_millis(millis);
            let found = with_outage(&scenario.outages, selector, at);
            assert_eq!(
                found.faults.has(Fault::Unavailable),
                expected,
                "{model} {millis}"
            );
        }
        assert!(Scenario::parse(&text.replace("503", "nonsense")).is_err());
    }
}
