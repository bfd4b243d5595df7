//! The retirements that a run begins with.
//!
//! Owns which models of a run are worth a warning. Must not know its words. Invariant: a model is listed once.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, Retirement};
use crate::suite::OwnRetirement;
use crate::units::ModelId;

/// The retirement of a model of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRetirement {
    /// The model.
    pub model: ModelId,
    /// The day from which it is no longer served.
    pub date: Date,
    /// The source of the date, in words.
    pub source: String,
}

impl ModelRetirement {
    /// Creates the retirement of a model.
    pub fn new(model: ModelId, retirement: Retirement) -> Self {
        Self {
            model,
            date: retirement.date,
            source: retirement.source,
        }
    }

    /// Returns those of `models` whose retirement has come or is near, ordered by id. `own`: the user's entries.
    pub fn near<'m>(
        models: impl IntoIterator<Item = &'m ModelId>,
        catalog: &Catalog,
        own: &[OwnRetirement],
        today: Date,
    ) -> Vec<Self> {
        let models: BTreeSet<&ModelId> = models.into_iter().collect();
        let near = models.into_iter().filter_map(|model| {
            let retirement = catalog.retirement(model, own)?;
            let is_near = retirement.is_near(today);
            is_near.then(|| Self::new(model.clone(), retirement))
        });
        near.collect()
    }
}
