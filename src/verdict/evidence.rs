//! The samples of a run as verdicts read them: raw, by variant and prompt.
//!
//! Owns where an observation is kept. Must not know what it holds, nor the comparisons. Invariant: the order in which
//! samples are added, and by which thread, changes nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use crate::record::{Manifest, Sample};
use crate::threads::{Threads, lock, unlock};
use crate::units::{ModelId, Nanos};

use super::limit_values::{LimitFold, LimitedQuantity};
use super::observation::Observation;
use super::run_index::{RunIndex, SamplePlace};

/// Observations that a new cell has room for, if so many are planned: the memory that the turns of a suite left is used by the
/// thread that freed them, and others add the samples.
const FIRST_OBSERVATIONS: usize = 4;
/// The number of characters that are stored of a provider's name.
const NAME_CHARS: usize = 100;

/// The samples of one run, by variant and prompt.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Prompts in the order of the suite.
    pub prompts: Vec<PromptKey>,
    /// Variants in the order of the suite.
    pub variants: Vec<VariantEvidence>,
    /// Labels of variants that share a prompt cache.
    pub sharing: Vec<Vec<String>>,
    /// Starts of the parts of a run that was resumed, ascending; empty for a run in one piece.
    pub part_starts: Vec<Nanos>,
    /// Names of providers, sorted; an [`Observation`] stores an index into this list.
    pub providers: Vec<String>,
    /// Values for limits on what observations do not have.
    pub limited: Vec<LimitedQuantity>,
}

/// A prompt and its weight in the traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptKey {
    /// Its id in the suite.
    pub id: Arc<str>,
    /// Digest of its content; empty where the run has no sample of it.
    pub digest: Arc<str>,
    /// Weight relative to the other prompts; positive and finite.
    pub weight: f64,
}

/// The observations of one variant.
#[derive(Debug, Clone)]
pub struct VariantEvidence {
    /// The label in reports.
    pub label: String,
    /// The requested model.
    pub model: ModelId,
    /// One list per prompt, in the order of [`Evidence::prompts`]; each in the order of slots.
    pub prompts: Vec<Vec<Observation>>,
}

impl Evidence {
    /// Index of the part that an instant of the run belongs to.
    pub fn part_at(&self, instant: Nanos) -> usize {
        let begun = self.part_starts.partition_point(|start| *start <= instant);
        begun.saturating_sub(1)
    }

    /// The number of observations.
    pub(super) fn observation_count(&self) -> usize {
        let cells = self.variants.iter().flat_map(|variant| &variant.prompts);
        cells.map(Vec::len).sum()
    }

    /// The variant with this label.
    pub fn variant(&self, label: &str) -> Option<&VariantEvidence> {
        self.variants.iter().find(|variant| variant.label == label)
    }
}

/// A fold that builds the evidence from a manifest and its samples. Several threads can add to one at once.
pub struct EvidenceFold {
    index: RunIndex,
    evidence: Evidence,
    /// One per variant and prompt, variant by variant.
    cells: Vec<Mutex<Vec<Observation>>>,
    /// Observations that a cell is expected to have.
    rounds: usize,
    /// A digest per prompt, once there is one.
    digests: Vec<OnceLock<Arc<str>>>,
    providers: Mutex<Providers>,
    limits: Mutex<LimitFold>,
    has_limits: bool,
}

/// Names of providers in the order in which they came.
#[derive(Debug, Clone, Default)]
struct Providers {
    names: Vec<String>,
    indices: HashMap<String, u32>,
}

impl EvidenceFold {
    /// An empty fold for the variants and prompts of this run.
    pub fn new(manifest: &Manifest) -> Self {
        let suite = &manifest.suite;
        let prompts = suite.prompts.iter().map(|prompt| PromptKey {
            id: prompt.id.as_str().into(),
            digest: Arc::default(),
            weight: prompt.weight,
        });
        let prompts: Vec<PromptKey> = prompts.collect();
        let index = RunIndex::new(suite, prompts.iter().map(|prompt| &prompt.id));
        let rounds = usize::try_from(manifest.rounds()).unwrap_or(0);
        let first = rounds.min(FIRST_OBSERVATIONS);
        let cells = std::iter::repeat_with(|| Mutex::new(Vec::with_capacity(first)));
        let limits = LimitFold::new(manifest);
        Self {
            cells: cells.take(index.cells()).collect(),
            rounds,
            digests: suite.prompts.iter().map(|_| OnceLock::new()).collect(),
            providers: Mutex::default(),
            has_limits: !limits.limited.is_empty(),
            limits: Mutex::new(limits),
            index,
            evidence: Evidence {
                prompts,
                variants: (suite.variants.iter())
                    .map(|variant| VariantEvidence {
                        label: variant.label.clone(),
                        model: variant.model.clone(),
                        prompts: Vec::new(),
                    })
                    .collect(),
                sharing: (suite.shared_caches().into_iter())
                    .map(|(_, labels)| labels.into_iter().map(str::to_owned).collect())
                    .collect(),
                part_starts: manifest.parts.iter().map(|part| part.start_ns).collect(),
                providers: Vec::new(),
                limited: Vec::new(),
            },
        }
    }

    /// The place of each variant and prompt of the run.
    pub(super) fn index(&self) -> &RunIndex {
        &self.index
    }

    /// Adds a sample; one that the manifest does not name is skipped (the summary counts it), and so is an
    /// abandoned one, which ended with the run and says nothing of its model.
    pub fn add(&mut self, sample: &Sample) {
        if let Some(place) = self.index.place(sample) {
            self.add_at(place, sample);
        }
    }

    /// Adds a sample of the variant and prompt at `place`, unless it was abandoned.
    pub(super) fn add_at(&self, place: SamplePlace, sample: &Sample) {
        if sample.outcome.is_abandoned() {
            return;
        }
        let provider = (sample.provider.as_deref()).map(|name| lock(&self.providers).index(name));
        let observation = Observation::new(sample, provider);
        let digest = &self.digests[place.prompt];
        if digest.get().is_none() && !sample.prompt_digest.is_empty() {
            digest.get_or_init(|| sample.prompt_digest.as_str().into());
        }
        {
            let mut cell = lock(&self.cells[self.index.cell(place)]);
            if cell.len() == cell.capacity() {
                let left = self.rounds.saturating_sub(cell.len());
                cell.reserve_exact(left);
            }
            cell.push(observation);
        }
        if self.has_limits {
            lock(&self.limits).add(sample, place);
        }
    }

    /// The evidence so far, independent of the order of samples; more samples can be added afterwards.
    pub fn snapshot(&self) -> Evidence {
        let cells = self.cells.iter().map(|cell| lock(cell).clone());
        let parts = FoldParts {
            digests: self.digests.clone(),
            providers: lock(&self.providers).names.clone(),
            limited: lock(&self.limits).limited.clone(),
        };
        // Other threads would disturb the requests that are timed meanwhile.
        in_order(self.evidence.clone(), cells, parts, Threads::ONE)
    }

    /// The evidence of everything that was added, independent of the order of samples.
    pub fn finish(self) -> Evidence {
        // It is as large as a small suite, and its samples are in their cells.
        drop(self.index);
        let cells = self.cells.into_iter().map(unlock);
        let parts = FoldParts {
            digests: self.digests,
            providers: unlock(self.providers).names,
            limited: unlock(self.limits).limited,
        };
        in_order(self.evidence, cells, parts, Threads::for_processors())
    }
}

impl Providers {
    fn index(&mut self, name: &str) -> u32 {
        if let Some(&index) = self.indices.get(name) {
            return index;
        }
        let name: String = name.chars().take(NAME_CHARS).collect();
        if let Some(&index) = self.indices.get(&name) {
            return index;
        }
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.clone());
        self.indices.insert(name, index);
        index
    }
}

/// The parts of a fold that are no observations.
struct FoldParts {
    digests: Vec<OnceLock<Arc<str>>>,
    providers: Vec<String>,
    limited: Vec<LimitedQuantity>,
}

/// The evidence with its observations in the order of slots, and its providers in that of their names.
fn in_order(
    mut evidence: Evidence,
    mut cells: impl Iterator<Item = Vec<Observation>>,
    parts: FoldParts,
    threads: Threads,
) -> Evidence {
    let mut providers = parts.providers;
    let mut sorted: Vec<usize> = (0..providers.len()).collect();
    sorted.sort_unstable_by_key(|&index| &providers[index]);
    let mut rank = vec![0; sorted.len()];
    for (new, &old) in (0..).zip(&sorted) {
        rank[old] = new;
    }
    providers.sort_unstable();
    let prompt_count = evidence.prompts.len();
    let per_variant: Vec<Vec<Vec<Observation>>> = (evidence.variants.iter())
        .map(|_| cells.by_ref().take(prompt_count).collect())
        .collect();
    let per_variant = threads.map(per_variant, |mut prompts| {
        for observations in &mut prompts {
            observations.sort_by_key(|observed| {
                let times = (observed.due_ns, observed.latency_ns.get());
                (observed.slot, observed.sent_ns, times)
            });
            for observed in observations {
                let rank = observed.provider.get().map(|old| rank[old as usize]);
                observed.provider = rank.into();
            }
        }
        prompts
    });
    for (variant, prompts) in evidence.variants.iter_mut().zip(per_variant) {
        variant.prompts = prompts;
    }
    for (key, digest) in evidence.prompts.iter_mut().zip(parts.digests) {
        key.digest = digest.into_inner().unwrap_or_default();
    }
    evidence.providers = providers;
    evidence.limited = parts.limited;
    evidence
}
