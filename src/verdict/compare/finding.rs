//! One metric of one pair: what was found before any verdict.
//!
//! Owns when a comparison can be tested at all, and hits and misses of a cache that must not be pooled.
//! Must not know other comparisons. Invariant: a finding without tests has a reason to be withheld.
//!
//! Where the shares of cache hits differ, hits are compared with hits and misses with misses, and a claim
//! holds only where it holds in both parts: its p value is the larger of the two. A part with less than a
//! tenth of the values is left out; any other that cannot be tested withholds the verdict.

use std::rc::Rc;

use crate::stats::FEWEST_PROMPTS;
use crate::stats::interval::{Alpha, Interval};
use crate::stats::quantile::quantile_f64;
use crate::suite::{Bounds, Metric};
use crate::verdict::judgement::{Procedure, Reason, Size, Tests};

use super::approach::{Approach, tests};
use super::procedure::{approach, procedure};
use super::screen::Facts;
use super::sides::{Pair, Part, Sides, is_to_first_token};

/// Above this share of prompts without a value the others are no longer the suite.
const DROPPED_MAX: f64 = 0.20;
/// A part with a smaller share of all values is left out.
const PART_MIN: f64 = 0.10;

/// What is asked: a metric, whether it may fail a build, and what is tolerated.
#[derive(Debug, Clone, Copy)]
pub(in crate::verdict) struct Question {
    /// What is compared.
    pub(in crate::verdict) metric: Metric,
    /// Whether it can fail a build.
    pub(in crate::verdict) primary: bool,
    /// What is tolerated.
    pub(in crate::verdict) bounds: Bounds,
}

/// Sides that are compared as a whole.
pub(in crate::verdict) struct Compared {
    /// Their values.
    pub(in crate::verdict) sides: Sides,
    /// The one that `approach` follows.
    procedure: Procedure,
    /// How they are compared.
    pub(in crate::verdict) approach: Box<dyn Approach>,
}

/// What was found.
pub(in crate::verdict) struct Finding<'a> {
    /// Of whom.
    pub(in crate::verdict) pair: Pair<'a>,
    /// Of what.
    pub(in crate::verdict) question: Question,
    /// What there is to compare: usually one part, two where hits and misses of a cache stand apart. One of
    /// the pair's other findings may have the same.
    pub(in crate::verdict) parts: Vec<Rc<Compared>>,
    /// Why there is no verdict.
    pub(in crate::verdict) withheld: Vec<Reason>,
    /// What to say beside it.
    pub(in crate::verdict) beside: Vec<Reason>,
    /// Present where nothing withholds a verdict.
    pub(in crate::verdict) tests: Option<Tests>,
    /// The same with the samples that were set aside, where there are any.
    pub(in crate::verdict) tests_with_set_aside: Option<Tests>,
}

impl<'a> Finding<'a> {
    /// Looks at one metric of a pair, in the rounds up to one. What it has in common with `others` of the
    /// pair is worked out once: without reasoning and retries all times to a first token are one.
    pub(in crate::verdict) fn of(
        pair: Pair<'a>,
        facts: &Facts,
        (question, rounds): (Question, u32),
        others: &[Finding<'_>],
    ) -> Self {
        let mut finding = Self {
            pair,
            question,
            parts: Vec::new(),
            withheld: facts.withheld(&pair, question.metric),
            beside: facts.beside(question.metric),
            tests: None,
            tests_with_set_aside: None,
        };
        let part = Part::up_to(rounds);
        finding.compare(facts, part, others);
        if finding.withheld.is_empty() {
            finding.tests = finding.tests_of_all(&finding.parts);
            if finding.tests.is_none() {
                finding.withheld.push(Reason::NotMeasured);
            }
        }
        finding
    }

    /// Whether either side has no value at all.
    pub(in crate::verdict) fn is_not_measured(&self) -> bool {
        self.withheld.contains(&Reason::NotMeasured)
    }

    /// Whether more rounds might bring a verdict that there is not yet.
    pub(in crate::verdict) fn may_be_decided_later(&self) -> bool {
        let never = |reason: &Reason| {
            matches!(
                reason,
                Reason::NotMeasured | Reason::TooFewPrompts { .. } | Reason::ReasoningDiffers
            )
        };
        let exhausted = |part: &Rc<Compared>| part.approach.is_exhausted();
        !self.withheld.iter().any(never) && !self.parts.iter().any(exhausted)
    }

    fn compare(&mut self, facts: &Facts, part: Part, others: &[Finding<'_>]) {
        let metric = self.question.metric;
        let sides = Sides::of(&self.pair, metric, part);
        if sides.measured != (true, true) {
            self.withheld.push(Reason::NotMeasured);
            return;
        }
        if self.withheld.contains(&Reason::ReasoningDiffers) {
            return;
        }
        self.withheld.extend(too_few(&sides));
        let dropped = sides.asked - sides.places.len();
        if dropped as f64 > DROPPED_MAX * sides.asked as f64 {
            self.withheld.push(Reason::PromptsDropped {
                dropped: dropped as u64,
            });
        }
        if let Some((reference, candidate)) = facts.cache_divides(metric) {
            let parts = self.apart(part);
            let reason = Reason::CacheHitsDiffer {
                reference,
                candidate,
                apart: parts.is_some(),
            };
            if let Some(parts) = parts {
                self.parts = parts;
                self.beside.push(reason);
            } else {
                self.withheld.push(reason);
            }
            return;
        }
        let with_same = others
            .iter()
            .flat_map(|other| &other.parts)
            .find(|other| other.procedure == procedure(metric) && other.sides == sides);
        match with_same {
            Some(other) => self.parts.push(Rc::clone(other)),
            None => self.parts.extend(compared(metric, sides)),
        }
        if is_to_first_token(metric) && facts.any_set_aside() && self.withheld.is_empty() {
            let with_set_aside = Part {
                with_set_aside: true,
                ..part
            };
            let all = compared(metric, Sides::of(&self.pair, metric, with_set_aside));
            self.tests_with_set_aside = self.tests_of_all(all.as_slice());
        }
    }

    /// Hits with hits and misses with misses; `None` where a part that matters cannot be tested.
    fn apart(&self, part: Part) -> Option<Vec<Rc<Compared>>> {
        let metric = self.question.metric;
        let sides = [true, false].map(|hit| {
            let of_cache = Part {
                cache_hit: Some(hit),
                ..part
            };
            let sides = Sides::of(&self.pair, metric, of_cache);
            let all = Sides::values_in(&self.pair, metric, of_cache);
            (sides, all)
        });
        let total: usize = sides.iter().map(|(_, values)| values).sum();
        let mut parts = Vec::new();
        for (sides, values) in sides {
            if values as f64 >= PART_MIN * total as f64 {
                if too_few(&sides).is_some() {
                    return None;
                }
                parts.push(compared(metric, sides)?);
            }
        }
        Some(parts)
    }

    /// The p values by which a claim holds in every part.
    pub(in crate::verdict) fn tests_of_all(&self, parts: &[Rc<Compared>]) -> Option<Tests> {
        let Question { metric, bounds, .. } = self.question;
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

    /// What it stands on.
    pub(in crate::verdict) fn size(&self) -> Size {
        let mut size = Size::default();
        for part in &self.parts {
            let (reference, candidate) = part.sides.counts();
            size.prompts = size.prompts.max(part.sides.places.len() as u64);
            size.reference += reference as u64;
            size.candidate += candidate as u64;
        }
        size
    }

    /// The effect, and its interval where enough prompts take part. Of two parts: the estimate of the
    /// larger one, and an interval that holds those of both.
    pub(in crate::verdict) fn effect(&self, alpha: Alpha) -> Option<(f64, Interval)> {
        let values = |part: &Rc<Compared>| {
            let (reference, candidate) = part.sides.counts();
            reference + candidate
        };
        let effects: Option<Vec<(usize, f64, Interval)>> = self
            .parts
            .iter()
            .map(|part| {
                let (estimate, interval) = part.approach.effect(alpha)?;
                let told = too_few(&part.sides).is_none();
                let interval = if told { interval } else { Interval::NONE };
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

    /// The median over prompts of how much higher the candidate's median is than the reference's.
    pub(in crate::verdict) fn median_change(&self) -> Option<f64> {
        let prompts = self.parts.iter().flat_map(|part| &part.sides.values);
        let changes: Option<Vec<f64>> = prompts
            .map(|(a, b)| Some(median(b.clone())? - median(a.clone())?))
            .collect();
        median(changes?)
    }
}

/// Fewer prompts than a verdict can stand on, or weights that make them worth no more.
pub(in crate::verdict) fn too_few(sides: &Sides) -> Option<Reason> {
    let worth = sides.weights.effective_count();
    let fewest = FEWEST_PROMPTS as f64;
    if sides.places.len() as f64 >= fewest && worth >= fewest {
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

/// Sides with their approach; `None` where there is nothing to compare.
pub(in crate::verdict) fn compared(metric: Metric, sides: Sides) -> Option<Rc<Compared>> {
    let approach = approach(metric, &sides)?;
    Some(Rc::new(Compared {
        procedure: procedure(metric),
        sides,
        approach,
    }))
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    quantile_f64(&values, 0.5)
}
