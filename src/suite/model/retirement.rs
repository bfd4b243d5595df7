//! Retirement dates that the user declares for an endpoint.
//!
//! Owns which entry applies to a model. Must not know other sources of such dates. Invariant: an entry without a
//! date says that the model is served on.

use jiff::civil::Date;

use crate::units::ModelId;

use super::select::fits;

/// The retirement of each model that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRetirement {
    /// A model's id, or a glob of ids.
    pub model: String,
    /// The day from which it is no longer served; absent: the endpoint serves it on.
    pub date: Option<Date>,
}

impl OwnRetirement {
    /// Returns true if it applies to this model.
    pub fn fits(&self, model: &ModelId) -> bool {
        fits(&self.model, model)
    }
}
