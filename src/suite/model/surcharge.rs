//! Charges of an endpoint in addition to tokens, for the models that a pattern names.
//!
//! Owns which surcharge applies to a model. Must not know the cost of a request. Invariant: an amount is at
//! least 0.

use crate::units::{ModelId, Usd};

use super::select::fits;

/// The maximum surcharge of a request to each model that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surcharge {
    /// A model's id, or a glob of ids.
    pub model: String,
    /// Charge per request for everything except tokens and images (searches, allow lists, ...).
    pub per_request: Option<Usd>,
    /// Charge per image of the prompt; the image's tokens are then not counted.
    pub per_image: Option<Usd>,
}

impl Surcharge {
    /// Returns true if it applies to this model.
    pub fn fits(&self, model: &ModelId) -> bool {
        fits(&self.model, model)
    }
}
