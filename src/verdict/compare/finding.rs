//! One metric of one pair: the test results, before any verdict.
//!
//! Owns when a comparison can be tested at all, and the split of cache hits and misses that must not be pooled.
//! Must not know other comparisons. Invariant: a finding without tests has a reason that withholds its verdict.
//!
//! Where the shares of cache hits differ, hits are compared with hits and misses with misses, and a claim holds
//! only if it holds in both parts: its p value is the larger of the two. A part with less than a tenth of the
//! values is skipped; any other that cannot be tested withholds the verdict.

use std::rc::Rc;
use std::sync::Arc;

use crate::stats::MIN_PROMPTS;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::paired::Paired;
use crate::stats::quantile::quantile_unsorted;
use crate::suite::{Bounds, Metric};
use crate::verdict::judgement::{Procedure, Reason, SampleSize, Tests};

use super::super::conditions::MAX_DROPPED_SHARE;
use super::approach::{Approach, tests};
use super::comparability::Comparability;
use super::procedure::{approach, procedure};
use super::ranks::AlignedRanks;
use super::sides::{MetricSides, SampleFilter, VariantPair, is_to_first_token};

/// A part with a smaller share of all values is skipped.
const PART_MIN: f64 = 0.10;

/// The observations of a run up to which a finding keeps its values: reading them again takes longer, but they take 200
/// bytes an observation.
const STORED_OBSERVATIONS_MAX: usize = 150_000;

/// A comparison to make: the metric, its bounds, and whether it may fail a build.
#[derive(Debug, Clone, Copy)]
pub(in crate::verdict) struct ComparisonSpec {
    /// The metric to compare.
    pub(in crate::verdict) metric: Metric,
    /// True if a worsening can fail a build.
    pub(in crate::verdict) primary: bool,
    /// The tolerance, margin and floor.
    pub(in crate::verdict) bounds: Bounds,
}

/// Two sides and the approach that compares them as a whole.
pub(in crate::verdict) struct SideComparison {
    /// The values of both sides.
    pub(in crate::verdict) sides: Arc<MetricSides>,
    /// The procedure behind `approach`.
    procedure: Procedure,
    /// The test and interval of these sides.
    pub(in crate::verdict) approach: Box<dyn Approach>,
}

/// The sides that were compared last, for findings of the same pair that compare the same values: without reasoning and
/// retries, all times to a first token are.
#[derive(Default)]
pub(in crate::verdict) struct LastSides(Option<Rc<SideComparison>>);

/// The values of two sides, which a finding of few observations stores.
#[derive(Clone)]
struct StoredSides {
    sides: Arc<MetricSides>,
    /// Their logarithms, in order, if the procedure needs these.
    paired: Option<Arc<Paired>>,
}

/// The values that a finding compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Division {
    /// None.
    Nothing,
    /// All together.
    Whole,
    /// Hits and misses of the cache.
    ByCache,
}

/// The result of one comparison, before any verdict. Where they are many, the values take memory only while it is
/// [open](OpenFinding).
pub(in crate::verdict) struct SideFinding<'a> {
    /// The compared variants.
    pub(in crate::verdict) pair: VariantPair<'a>,
    /// The comparison that was made.
    pub(in crate::verdict) spec: ComparisonSpec,
    filter: SampleFilter,
    division: Division,
    /// The values that need not be read again.
    stored: Option<StoredSides>,
    /// The number of prompts and values compared.
    pub(in crate::verdict) size: SampleSize,
    /// True if more repetitions of the same prompts can change nothing.
    is_exhausted: bool,
    /// Reasons that withhold a verdict.
    pub(in crate::verdict) withhold_reasons: Vec<Reason>,
    /// Reasons that a verdict is reported with.
    pub(in crate::verdict) caveats: Vec<Reason>,
    /// The p values; absent where a verdict is withheld.
    pub(in crate::verdict) tests: Option<Tests>,
    /// The p values with the excluded samples included, where there are any.
    pub(in crate::verdict) tests_with_excluded: Option<Tests>,
}

/// A finding with the values that it compares.
pub(in crate::verdict) struct OpenFinding<'f, 'a> {
    /// The finding.
    pub(in crate::verdict) finding: &'f SideFinding<'a>,
    /// The compared parts: usually one, two where cache hits and misses are split.
    parts: Vec<Rc<SideComparison>>,
}

impl<'a> SideFinding<'a> {
    /// Compares one metric of a pair, in the rounds up to `rounds`.
    pub(in crate::verdict) fn new(
        pair: &VariantPair<'a>,
        comparability: &Comparability,
        (spec, rounds): (ComparisonSpec, u32),
        last: &mut LastSides,
    ) -> Self {
        let mut finding = Self {
            pair: pair.clone(),
            spec,
            filter: SampleFilter::up_to(rounds),
            division: Division::Nothing,
            stored: None,
            size: SampleSize::default(),
            is_exhausted: false,
            withhold_reasons: comparability.withhold_reasons(pair, spec.metric),
            caveats: comparability.caveats(pair, spec.metric),
            tests: None,
            tests_with_excluded: None,
        };
        let parts = finding.compare(comparability, last);
        finding.size = size(&parts);
        finding.is_exhausted = parts.iter().any(|part| part.approach.is_exhausted());
        if finding.withhold_reasons.is_empty() {
            finding.tests = finding.tests_of_all(&parts);
            if finding.tests.is_none() {
                finding.withhold_reasons.push(Reason::NotMeasured);
            }
        }
        finding
    }

    /// Returns true if either side has no value at all.
    pub(in crate::verdict) fn is_not_measured(&self) -> bool {
        self.withhold_reasons.contains(&Reason::NotMeasured)
    }

    /// Returns true if more rounds might lead to a verdict where there is none yet.
    pub(in crate::verdict) fn may_be_decided_later(&self) -> bool {
        let never = |reason: &Reason| {
            matches!(
                reason,
                Reason::NotMeasured | Reason::TooFewPrompts { .. } | Reason::ReasoningDiffers
            )
        };
        !self.withhold_reasons.iter().any(never) && !self.is_exhausted
    }

    /// The finding with its values, which are read again if they were not stored.
    pub(in crate::verdict) fn open(&self, last: &mut LastSides) -> OpenFinding<'_, 'a> {
        let metric = self.spec.metric;
        let parts = match self.division {
            Division::Nothing => Vec::new(),
            Division::Whole if let Some(stored) = &self.stored => {
                last.compare(metric, stored.clone()).into_iter().collect()
            }
            Division::Whole => {
                let sides = MetricSides::new(&self.pair, metric, self.filter);
                let sides = StoredSides::new(sides);
                last.compare(metric, sides).into_iter().collect()
            }
            Division::ByCache => self.split_by_cache().unwrap_or_default(),
        };
        OpenFinding {
            finding: self,
            parts,
        }
    }

    /// Compares the sides, and returns the compared parts.
    fn compare(
        &mut self,
        comparability: &Comparability,
        last: &mut LastSides,
    ) -> Vec<Rc<SideComparison>> {
        let metric = self.spec.metric;
        let sides = MetricSides::new(&self.pair, metric, self.filter);
        if sides.has_values != (true, true) {
            self.withhold_reasons.push(Reason::NotMeasured);
            return Vec::new();
        }
        if self.withhold_reasons.contains(&Reason::ReasoningDiffers) {
            return Vec::new();
        }
        self.withhold_reasons.extend(too_few_prompts(&sides));
        let dropped = sides.eligible - sides.indices.len();
        if dropped as f64 > MAX_DROPPED_SHARE * sides.eligible as f64 {
            self.withhold_reasons.push(Reason::PromptsDropped {
                dropped: dropped as u64,
            });
        }
        if let Some((reference, candidate)) = comparability.differing_cache_hits(metric) {
            let parts = self.split_by_cache();
            let reason = Reason::CacheHitsDiffer {
                reference,
                candidate,
                split: parts.is_some(),
            };
            let Some(parts) = parts else {
                self.withhold_reasons.push(reason);
                return Vec::new();
            };
            self.caveats.push(reason);
            self.division = Division::ByCache;
            return parts;
        }
        self.division = Division::Whole;
        let parts = last.compare(metric, StoredSides::new(sides));
        let parts: Vec<_> = parts.into_iter().collect();
        if self.pair.evidence.observation_count() <= STORED_OBSERVATIONS_MAX {
            self.stored = parts.first().map(|part| StoredSides {
                sides: Arc::clone(&part.sides),
                paired: part.approach.paired(),
            });
        }
        if is_to_first_token(metric)
            && comparability.has_exclusions()
            && self.withhold_reasons.is_empty()
        {
            let with_excluded = SampleFilter {
                with_excluded: true,
                ..self.filter
            };
            let all = compare_sides(metric, MetricSides::new(&self.pair, metric, with_excluded));
            self.tests_with_excluded = self.tests_of_all(all.as_slice());
        }
        parts
    }

    /// Splits hits and misses of the cache; `None` where a part that matters cannot be tested.
    fn split_by_cache(&self) -> Option<Vec<Rc<SideComparison>>> {
        let metric = self.spec.metric;
        let sides = [true, false].map(|hit| {
            let of_cache = SampleFilter {
                cache_hit: Some(hit),
                ..self.filter
            };
            let sides = MetricSides::new(&self.pair, metric, of_cache);
            let all = MetricSides::count_values(&self.pair, metric, of_cache);
            (sides, all)
        });
        let total: usize = sides.iter().map(|(_, values)| values).sum();
        let mut parts = Vec::new();
        for (sides, values) in sides {
            if values as f64 >= PART_MIN * total as f64 {
                if too_few_prompts(&sides).is_some() {
                    return None;
                }
                parts.push(compare_sides(metric, sides)?);
            }
        }
        Some(parts)
    }

    /// The p values for claims that must hold in every part.
    fn tests_of_all(&self, parts: &[Rc<SideComparison>]) -> Option<Tests> {
        let ComparisonSpec { metric, bounds, .. } = self.spec;
        let tested = parts
            .iter()
            .map(|part| tests(part.approach.as_ref(), metric, bounds));
        let both = |one: Tests, other: Tests| Tests {
            worse: one.worse.max(other.worse),
            better: one.better.max(other.better),
            within_margin: one.within_margin.max(other.within_margin),
        };
        let tested: Option<Vec<Tests>> = tested.collect();
        tested?.into_iter().reduce(both)
    }

    /// [`OpenFinding::median_change`], with values that are read for it.
    pub(in crate::verdict) fn median_change(&self) -> Option<f64> {
        self.open(&mut LastSides::default()).median_change()
    }
}

impl LastSides {
    /// Pairs the sides with their approach, or returns the last comparison if it is of the same values.
    fn compare(&mut self, metric: Metric, stored: StoredSides) -> Option<Rc<SideComparison>> {
        let is_same = |last: &&Rc<SideComparison>| {
            last.procedure == procedure(metric)
                && (Arc::ptr_eq(&last.sides, &stored.sides) || last.sides == stored.sides)
        };
        if let Some(last) = self.0.as_ref().filter(is_same) {
            return Some(Rc::clone(last));
        }
        self.0 = None;
        self.0 = stored.compare(metric);
        self.0.clone()
    }
}

impl StoredSides {
    /// Sides whose logarithms are not computed yet.
    fn new(sides: MetricSides) -> Self {
        Self {
            sides: Arc::new(sides),
            paired: None,
        }
    }

    /// Pairs the sides with their approach; `None` where there is nothing to compare.
    fn compare(self, metric: Metric) -> Option<Rc<SideComparison>> {
        let Self { sides, paired } = self;
        let approach: Box<dyn Approach> = match paired {
            Some(paired) => Box::new(AlignedRanks::from_paired(paired)),
            None => approach(metric, &sides)?,
        };
        Some(Rc::new(SideComparison {
            procedure: procedure(metric),
            sides,
            approach,
        }))
    }
}

/// The number of prompts and values compared.
fn size(parts: &[Rc<SideComparison>]) -> SampleSize {
    let mut size = SampleSize::default();
    for part in parts {
        let (reference, candidate) = part.sides.counts();
        size.prompts = size.prompts.max(part.sides.indices.len() as u64);
        size.reference += reference as u64;
        size.candidate += candidate as u64;
    }
    size
}

impl OpenFinding<'_, '_> {
    /// The compared part, unless there are two or none.
    pub(in crate::verdict) fn whole(&self) -> Option<&SideComparison> {
        match self.parts.as_slice() {
            [part] => Some(part),
            _ => None,
        }
    }

    /// The effect, and its interval where enough prompts take part. With two parts: the estimate of the larger
    /// one, and an interval that covers both.
    pub(in crate::verdict) fn effect(&self, alpha: Alpha) -> Option<(f64, Interval)> {
        let values = |part: &Rc<SideComparison>| {
            let (reference, candidate) = part.sides.counts();
            reference + candidate
        };
        let effects: Option<Vec<(usize, f64, Interval)>> = self
            .parts
            .iter()
            .map(|part| {
                let (estimate, interval) = part.approach.effect(alpha)?;
                let has_enough_prompts = too_few_prompts(&part.sides).is_none();
                let interval = if has_enough_prompts {
                    interval
                } else {
                    Interval::NONE
                };
                Some((values(part), estimate, interval))
            })
            .collect();
        let (_, estimate, interval) = effects?.into_iter().reduce(|one, other| {
            let estimate = if other.0 > one.0 { other.1 } else { one.1 };
            let end = |one: Option<f64>, other: Option<f64>, pick: fn(f64, f64) -> f64| {
                Some(pick(one?, other?))
            };
            let hull = Interval {
                lower: end(one.2.lower, other.2.lower, f64::min),
                upper: end(one.2.upper, other.2.upper, f64::max),
            };
            (one.0.max(other.0), estimate, hull)
        })?;
        Some((estimate, interval))
    }

    /// The median over prompts of the candidate's median minus the reference's.
    pub(in crate::verdict) fn median_change(&self) -> Option<f64> {
        let prompts = self.parts.iter().flat_map(|part| part.sides.values.iter());
        let median = |values: &[f64]| quantile_unsorted(&mut values.to_vec(), 0.5);
        let changes: Option<Vec<f64>> = prompts
            .map(|sides| Some(median(sides.b())? - median(sides.a())?))
            .collect();
        quantile_unsorted(&mut changes?, 0.5)
    }
}

/// The reason to withhold a verdict with too few prompts, or with weights that make them worth too few.
pub(in crate::verdict) fn too_few_prompts(sides: &MetricSides) -> Option<Reason> {
    let worth = sides.weights.effective_count();
    let min_count = MIN_PROMPTS as f64;
    if sides.indices.len() as f64 >= min_count && worth >= min_count {
        return None;
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of prompts"
    )]
    let usable = worth as u64;
    Some(Reason::TooFewPrompts { usable })
}

/// Pairs the sides with their approach; `None` where there is nothing to compare.
pub(in crate::verdict) fn compare_sides(
    metric: Metric,
    sides: MetricSides,
) -> Option<Rc<SideComparison>> {
    StoredSides::new(sides).compare(metric)
}
