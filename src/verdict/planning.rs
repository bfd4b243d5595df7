//! The number of prompts and repetitions that a suite needs, and their maximum cost.
//!
//! Owns the noise estimated from a stored run, and the table of sizes. Must not know where runs are stored nor
//! how a table looks. Invariant: an unknown price makes a cost absent or is counted; it is never 0.

use crate::catalog::WorstCase;
use crate::stats::MIN_PROMPTS;
use crate::stats::size::{DetectionGoal, Noise, PilotPrompt};
use crate::suite::{Metric, limits};
use crate::units::Usd;

use super::evidence::Evidence;
use super::observation::Observation;

/// Numbers of prompts in the table of sizes, in addition to the suite's own.
const TABLE_PROMPTS: [u64; 5] = [10, 20, 30, 50, 100];

/// The noise of TTFT between the reference of a run and a candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct PilotNoise {
    /// Label of the candidate.
    pub candidate: String,
    /// The estimated noise.
    pub noise: Noise,
    /// Prompts with values on both sides.
    pub prompts: u64,
}

/// A sample size with enough power, or a number of prompts that cannot have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedSize {
    /// Prompts.
    pub prompts: u64,
    /// Repetitions of each prompt; absent where no number of them is enough.
    pub repetitions: Option<u64>,
}

/// The maximum cost of a suite's requests at list price, the warm-up and all attempts included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorstCost {
    /// Cost of one repetition of all prompts, over the variants with a bounded cost.
    pub per_round: Usd,
    /// Cost of the warm-up, over the same variants.
    pub warm_up: Usd,
    /// Variants with a bounded cost.
    pub known: u64,
    /// All variants.
    pub variants: u64,
}

/// The noise of TTFT for each candidate of a run, in the order of the suite; only for candidates where two
/// prompts have repeated values on both sides.
pub fn pilot_noise(evidence: &Evidence, reference: &str) -> Vec<PilotNoise> {
    let Some(base) = evidence.variant(reference) else {
        return Vec::new();
    };
    let logs = |observations: &[Observation]| -> Vec<f64> {
        let fair = observations.iter().filter(|observed| !observed.excluded);
        let values = fair.filter_map(|observed| observed.value(Metric::Ttft));
        values.map(|value| value.value.ln()).collect()
    };
    let of_candidate = |candidate: &super::VariantEvidence| {
        let sides: Vec<(Vec<f64>, Vec<f64>)> = base
            .prompts
            .iter()
            .zip(&candidate.prompts)
            .map(|(a, b)| (logs(a), logs(b)))
            .filter(|(a, b)| !a.is_empty() && !b.is_empty())
            .collect();
        let pilot: Vec<PilotPrompt<'_>> = sides.iter().map(|(a, b)| PilotPrompt { a, b }).collect();
        Some(PilotNoise {
            candidate: candidate.label.clone(),
            noise: Noise::from_pilot(&pilot)?,
            prompts: pilot.len() as u64,
        })
    };
    let candidates = evidence.variants.iter().filter(|v| v.label != reference);
    candidates.filter_map(of_candidate).collect()
}

/// The noisiest candidate: a size that suffices for it suffices for the others. Noise within prompts counts as
/// with ten repetitions.
pub fn noisiest(shown: &[PilotNoise]) -> Option<&PilotNoise> {
    let variance = |noise: Noise| 0.22 * noise.within.powi(2) + noise.between.powi(2);
    shown
        .iter()
        .max_by(|a, b| variance(a.noise).total_cmp(&variance(b.noise)))
}

/// Sizes that reach the goal, by ascending number of prompts, including the suite's own number. If its own
/// cannot reach it, the smallest number of prompts that can is included too.
pub fn planned_sizes(own_prompts: u64, goal: DetectionGoal, noise: Noise) -> Vec<PlannedSize> {
    let mut counts: Vec<u64> = TABLE_PROMPTS.to_vec();
    counts.push(own_prompts);
    if goal.repetitions(own_prompts, noise).is_none() {
        counts.extend(goal.min_prompts(noise));
    }
    // With fewer prompts there is no verdict, however often they are repeated.
    let enough = |prompts| prompts >= MIN_PROMPTS as u64;
    let planned = |prompts| PlannedSize {
        prompts,
        repetitions: goal
            .repetitions(prompts, noise)
            .filter(|repetitions| *repetitions <= u64::from(limits::REPETITIONS))
            .filter(|_| enough(prompts)),
    };
    if !enough(own_prompts) {
        counts.push(MIN_PROMPTS as u64);
    }
    counts.sort_unstable();
    counts.dedup();
    counts.into_iter().map(planned).collect()
}

impl WorstCost {
    /// The maximum cost by the worst case of each request: the *at most* of the estimate before a run. Variants without
    /// a bound are excluded from the sums.
    pub fn new(worst: &WorstCase) -> Self {
        let of_variant = |variant| Some((worst.round(variant).ok()?, worst.warm_up(variant).ok()?));
        let known: Vec<(Usd, Usd)> = (0..worst.labels().len()).filter_map(of_variant).collect();
        Self {
            per_round: known.iter().map(|(per_round, _)| *per_round).sum(),
            warm_up: known.iter().map(|(_, warm_up)| *warm_up).sum(),
            known: known.len() as u64,
            variants: worst.labels().len() as u64,
        }
    }

    /// The maximum cost of `planned` (prompts, repetitions), where the suite has `own_prompts`: prompts that
    /// are not written yet are assumed to cost as much as the existing ones. `None` if no variant's cost is
    /// bounded.
    pub fn total(&self, planned: (u64, u64), own_prompts: u64) -> Option<Usd> {
        let (prompts, repetitions) = planned;
        if self.known == 0 || own_prompts == 0 {
            return None;
        }
        let all = self.per_round.times(prompts)?.times(repetitions)?;
        Usd(all.0 / i128::from(own_prompts)).plus(self.warm_up)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::UnboundedCost;
    use crate::record::Sample;
    use crate::stats::interval::Alpha;
    use crate::verdict::EvidenceFold;
    use crate::verdict::fixture::{answered, manifest};

    const NOISE: Noise = Noise {
        within: 0.5,
        between: 0.1,
    };

    fn goal(change: f64) -> DetectionGoal {
        DetectionGoal {
            change,
            tolerance: 0.0,
            alpha: Alpha::FIVE_PERCENT,
            power: 0.8,
        }
    }

    #[test]
    fn sizes_match_the_published_table() {
        // +20 % at typical noise, tolerance 0: 9, 6 and 3 repetitions of 20, 30 and 50 prompts.
        let planned = planned_sizes(20, goal(0.2), NOISE);
        let at = |prompts| planned.iter().find(|p| p.prompts == prompts).unwrap();
        assert_eq!(
            [20, 30, 50].map(|p| at(p).repetitions),
            [Some(9), Some(6), Some(3)]
        );
    }

    #[test]
    fn the_smallest_sufficient_number_of_prompts_is_listed_where_repetitions_do_not_suffice() {
        // Ten prompts cannot show +5 %, and five cannot show anything; the number that can is in the table.
        let few = planned_sizes(5, goal(0.5), NOISE);
        assert_eq!((few[0].repetitions, few[1].prompts), (None, 6));
        assert!(few[1].repetitions.is_some());
        let planned = planned_sizes(10, goal(0.05), NOISE);
        assert_eq!(
            planned[0],
            PlannedSize {
                prompts: 10,
                repetitions: None
            }
        );
        let min_count = goal(0.05).min_prompts(NOISE).unwrap();
        assert!(planned.iter().any(|planned| planned.prompts == min_count));
    }

    #[test]
    fn noise_is_estimated_per_candidate() {
        // Candidates are estimated one by one, against the reference; excluded samples are left out.
        let run = manifest(&["a/x", "b/y", "c/z"], &["p", "q", "r"], 4);
        let ttft = [100, 200, 105, 90, 400, 92, 130, 100, 118, 110, 500, 102];
        let samples: Vec<Sample> = (0..36)
            .map(|trial| {
                let index = usize::try_from(trial).unwrap();
                let wild = index % 3 == 1;
                answered(
                    &run,
                    trial,
                    if wild { ttft[index / 3] } else { 100 + trial },
                )
            })
            .collect();
        let mut fold = EvidenceFold::new(&run);
        for sample in &samples {
            fold.add(sample);
        }
        let shown = pilot_noise(&fold.snapshot(), "a/x");
        let labels: Vec<&str> = shown.iter().map(|shown| shown.candidate.as_str()).collect();
        assert_eq!(labels, ["b/y", "c/z"]);
        assert_eq!(noisiest(&shown).unwrap().candidate, "b/y");
        assert_eq!(pilot_noise(&fold.snapshot(), "unknown"), []);
        assert_eq!(noisiest(&[]), None);
    }

    #[test]
    fn an_unbounded_cost_is_not_zero() {
        // A variant with one unbounded prompt is in no sum, and is counted.
        let suite = manifest(&["a/x", "b/y"], &["p", "q"], 4).suite;
        let model: crate::units::ModelId = "b/y".parse().unwrap();
        let reason = UnboundedCost::NoTokenLimit { model };
        let none = WorstCase::new(&suite, |_, _| Err(reason.clone()));
        let none = WorstCost::new(&none);
        assert_eq!((none.known, none.total((2, 4), 2)), (0, None));
        let worst = WorstCase::new(&suite, |prompt, index| match prompt {
            Some(prompt) if prompt.id == "p" => Ok(Usd(7)),
            _ if index == 0 => Ok(Usd(30)),
            _ => Err(reason.clone()),
        });
        let worst = WorstCost::new(&worst);
        assert_eq!((worst.known, worst.variants), (1, 2));
        // Three attempts for each trial, and one warm-up request.
        assert_eq!((worst.per_round, worst.warm_up), (Usd(3 * 37), Usd(30)));
        let total = 6 * worst.per_round.0 + worst.warm_up.0;
        assert_eq!(worst.total((4, 3), 2), Some(Usd(total)));
    }

    proptest! {
        // A larger change never needs a larger size, and the suite's own number is always included.
        #[test]
        fn larger_changes_need_no_larger_size(own in 2_u64..200, change in 0.06_f64..1.0) {
            let small = planned_sizes(own, goal(change), NOISE);
            let large = planned_sizes(own, goal(change * 1.5), NOISE);
            prop_assert!(small.is_sorted_by_key(|planned| planned.prompts));
            prop_assert!(small.iter().any(|planned| planned.prompts == own));
            for planned in &large {
                let same = small.iter().find(|other| other.prompts == planned.prompts);
                if let Some(repetitions) = same.and_then(|other| other.repetitions) {
                    prop_assert!(planned.repetitions.unwrap() <= repetitions);
                }
            }
        }
    }
}
