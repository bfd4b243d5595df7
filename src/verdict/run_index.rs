//! The places of the variants and prompts of a run.
//!
//! Owns the way from the names in a sample to indices. Must not know what is kept there. Invariant: every variant and
//! prompt of the suite has one place.

use std::collections::HashMap;
use std::sync::Arc;

use crate::record::Sample;
use crate::suite::Suite;

/// The variant and the prompt of a sample: indices in the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SamplePlace {
    pub(super) variant: usize,
    pub(super) prompt: usize,
}

/// The indices of variants and prompts by name.
#[derive(Debug)]
pub(super) struct RunIndex {
    variants: HashMap<String, usize>,
    prompts: HashMap<Arc<str>, usize>,
    prompt_count: usize,
    cell_count: usize,
}

impl RunIndex {
    /// The index of a suite whose prompts have these ids, which it shares.
    pub(super) fn new<'a>(suite: &Suite, ids: impl Iterator<Item = &'a Arc<str>>) -> Self {
        let variants = suite.variants.iter().enumerate();
        Self {
            variants: variants
                .map(|(index, variant)| (variant.label.clone(), index))
                .collect(),
            prompts: ids
                .enumerate()
                .map(|(index, id)| (Arc::clone(id), index))
                .collect(),
            prompt_count: suite.prompts.len(),
            cell_count: suite.variants.len() * suite.prompts.len(),
        }
    }

    /// The place of a sample; `None` if the suite does not name its variant or its prompt.
    pub(super) fn place(&self, sample: &Sample) -> Option<SamplePlace> {
        Some(SamplePlace {
            variant: *self.variants.get(&sample.variant)?,
            prompt: *self.prompts.get(sample.prompt.as_str())?,
        })
    }

    /// The number of pairs of a variant and a prompt.
    pub(super) fn cells(&self) -> usize {
        self.cell_count
    }

    /// The index of a pair, variant by variant.
    pub(super) fn cell(&self, place: SamplePlace) -> usize {
        place.variant * self.prompt_count + place.prompt
    }
}
