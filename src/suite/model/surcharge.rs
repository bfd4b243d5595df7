//! What an endpoint may bill beside tokens, for the models that a pattern names.
//!
//! Owns which surcharge holds for a model. Must not know what a request costs. Invariant: an amount is at
//! least 0.

use crate::units::{ModelId, Usd};

use super::select::fits;

/// The most that a request to each model that fits is billed beside its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surcharge {
    /// A model's id, or a glob of ids.
    pub model: String,
    /// Beside its tokens and its images, whatever else has a price (searches, allow lists, ...).
    pub per_request: Option<Usd>,
    /// For each image of the prompt, whose tokens then count for nothing.
    pub per_image: Option<Usd>,
}

impl Surcharge {
    /// Whether it is of this model.
    pub fn fits(&self, model: &ModelId) -> bool {
        fits(&self.model, model)
    }
}
