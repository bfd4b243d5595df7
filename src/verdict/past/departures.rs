//! The models that depart from the shift that all of them share, and those that do not.
//!
//! Owns which models a model is compared with. Must not know how departures are tested. Invariant: a model is never
//! compared with itself, and with one that departed only if no other is left.

use crate::record::HistoryVariant;

/// The departures of a metric: the models that share the shift, and the p below which none was named.
pub(super) struct Departures<'a> {
    /// All models that were unchanged and measured, at least two.
    pub unchanged: Vec<&'a HistoryVariant>,
    /// Those of them that did not depart.
    pub sharing: Vec<&'a HistoryVariant>,
    /// The p of the largest departure that may be chance; 1 if too few models were left.
    pub p_of_rest: f64,
}

impl<'a> Departures<'a> {
    /// The models that a model's level is compared with: those that share the shift, without itself.
    pub(super) fn controls(&self, label: &str) -> Vec<&'a HistoryVariant> {
        let without = |variants: &[&'a HistoryVariant]| -> Vec<&'a HistoryVariant> {
            let others = variants.iter().filter(|variant| variant.label != label);
            others.copied().collect()
        };
        let controls = without(&self.sharing);
        if controls.is_empty() {
            without(&self.unchanged)
        } else {
            controls
        }
    }

    /// The p below which a model must not be called changed; 0 for one that departed, and for one that was changed
    /// on purpose.
    pub(super) fn p_at_least(&self, label: &str) -> f64 {
        if self.sharing.iter().any(|one| one.label == label) {
            self.p_of_rest
        } else {
            0.0
        }
    }
}
