//! One metric of one pair: the test results, before any verdict.
//!
//! Owns when a comparison can be tested at all, and the split of cache hits and misses that must not be pooled.
//! Must not know other comparisons. Invariant: a finding without tests has a reason that withholds its verdict.
//!
//! Where the shares of cache hits differ, hits are compared with hits and misses with misses, and a claim holds
//! only if it holds in both parts: its p value is the larger of the two. A part with less than a tenth of the
//! values is skipped; any other that cannot be tested withholds the verdict.

use std::rc::Rc;

use crate::stats::MIN_PROMPTS;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::quantile::quantile_f64;
use crate::suite::{Bounds, Metric};
use crate::verdict::judgement::{Procedure, Reason, SampleSize, Tests};

use super::super::conditions::MAX_DROPPED_SHARE;
use super::approach::{Approach, tests};
use super::comparability::Comparability;
use super::procedure::{approach, procedure};
use super::sides::{MetricSides, SampleFilter, VariantPair, is_to_first_token};

/// A part with a smaller share of all values is skipped.
const PART_MIN: f64 = 0.10;

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
    pub(in crate::verdict) sides: MetricSides,
    /// The procedure behind `approach`.
    procedure: Procedure,
    /// The test and interval of these sides.
    pub(in crate::verdict) approach: Box<dyn Approach>,
}

/// The result of one comparison, before any verdict.
pub(in crate::verdict) struct SideFinding<'a> {
    /// The compared variants.
    pub(in crate::verdict) pair: VariantPair<'a>,
    /// The comparison that was made.
    pub(in crate::verdict) spec: ComparisonSpec,
    /// The compared parts: usually one, two where cache hits and misses are split. Other findings of the pair
    /// may share them.
    pub(in crate::verdict) parts: Vec<Rc<SideComparison>>,
    /// Reasons that withhold a verdict.
    pub(in crate::verdict) withhold_reasons: Vec<Reason>,
    /// Reasons that a verdict is reported with.
    pub(in crate::verdict) caveats: Vec<Reason>,
    /// The p values; absent where a verdict is withheld.
    pub(in crate::verdict) tests: Option<Tests>,
    /// The p values with the excluded samples included, where there are any.
    pub(in crate::verdict) tests_with_excluded: Option<Tests>,
}

impl<'a> SideFinding<'a> {
    /// Compares one metric of a pair, in the rounds up to `rounds`. Work that it has in common with `others` of
    /// the pair is shared: without reasoning and retries, all times to a first token are the same values.
    pub(in crate::verdict) fn new(
        pair: VariantPair<'a>,
        comparability: &Comparability,
        (spec, rounds): (ComparisonSpec, u32),
        others: &[SideFinding<'_>],
    ) -> Self {
        let mut finding = Self {
            pair,
            spec,
            parts: Vec::new(),
            withhold_reasons: comparability.withhold_reasons(&pair, spec.metric),
            caveats: comparability.caveats(&pair, spec.metric),
            tests: None,
            tests_with_excluded: None,
        };
        let part = SampleFilter::up_to(rounds);
        finding.compare(comparability, part, others);
        if finding.withhold_reasons.is_empty() {
            finding.tests = finding.tests_of_all(&finding.parts);
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
        let exhausted = |part: &Rc<SideComparison>| part.approach.is_exhausted();
        !self.withhold_reasons.iter().any(never) && !self.parts.iter().any(exhausted)
    }

    fn compare(
        &mut self,
        comparability: &Comparability,
        part: SampleFilter,
        others: &[SideFinding<'_>],
    ) {
        let metric = self.spec.metric;
        let sides = MetricSides::new(&self.pair, metric, part);
        if sides.has_values != (true, true) {
            self.withhold_reasons.push(Reason::NotMeasured);
            return;
        }
        if self.withhold_reasons.contains(&Reason::ReasoningDiffers) {
            return;
        }
        self.withhold_reasons.extend(too_few_prompts(&sides));
        let dropped = sides.eligible - sides.indices.len();
        if dropped as f64 > MAX_DROPPED_SHARE * sides.eligible as f64 {
            self.withhold_reasons.push(Reason::PromptsDropped {
                dropped: dropped as u64,
            });
        }
        if let Some((reference, candidate)) = comparability.differing_cache_hits(metric) {
            let parts = self.split_by_cache(part);
            let reason = Reason::CacheHitsDiffer {
                reference,
                candidate,
                split: parts.is_some(),
            };
            if let Some(parts) = parts {
                self.parts = parts;
                self.caveats.push(reason);
            } else {
                self.withhold_reasons.push(reason);
            }
            return;
        }
        let with_same = others
            .iter()
            .flat_map(|other| &other.parts)
            .find(|other| other.procedure == procedure(metric) && other.sides == sides);
        match with_same {
            Some(other) => self.parts.push(Rc::clone(other)),
            None => self.parts.extend(compare_sides(metric, sides)),
        }
        if is_to_first_token(metric)
            && comparability.has_exclusions()
            && self.withhold_reasons.is_empty()
        {
            let with_excluded = SampleFilter {
                with_excluded: true,
                ..part
            };
            let all = compare_sides(metric, MetricSides::new(&self.pair, metric, with_excluded));
            self.tests_with_excluded = self.tests_of_all(all.as_slice());
        }
    }

    /// Splits hits and misses of the cache; `None` where a part that matters cannot be tested.
    fn split_by_cache(&self, part: SampleFilter) -> Option<Vec<Rc<SideComparison>>> {
        let metric = self.spec.metric;
        let sides = [true, false].map(|hit| {
            let of_cache = SampleFilter {
                cache_hit: Some(hit),
                ..part
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
    pub(in crate::verdict) fn tests_of_all(&self, parts: &[Rc<SideComparison>]) -> Option<Tests> {
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

    /// The number of prompts and values compared.
    pub(in crate::verdict) fn size(&self) -> SampleSize {
        let mut size = SampleSize::default();
        for part in &self.parts {
            let (reference, candidate) = part.sides.counts();
            size.prompts = size.prompts.max(part.sides.indices.len() as u64);
            size.reference += reference as u64;
            size.candidate += candidate as u64;
        }
        size
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
        let prompts = self.parts.iter().flat_map(|part| &part.sides.values);
        let changes: Option<Vec<f64>> = prompts
            .map(|(a, b)| Some(median(b.clone())? - median(a.clone())?))
            .collect();
        median(changes?)
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
    let approach = approach(metric, &sides)?;
    Some(Rc::new(SideComparison {
        procedure: procedure(metric),
        sides,
        approach,
    }))
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    quantile_f64(&values, 0.5)
}
