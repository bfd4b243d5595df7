//! How many prompts and repetitions a suite needs, and what they cost at most.
//!
//! Owns the noise that a stored run shows, and the table of sizes. Must not know where runs lie nor how a
//! table looks. Invariant: an unknown price makes a cost absent or says how many have none; never 0.

use crate::stats::FEWEST_PROMPTS;
use crate::stats::size::{Aim, Noise, PilotPrompt};
use crate::suite::{Metric, Prompt, Suite, limits};
use crate::units::Usd;

use super::evidence::{Evidence, Observation};

/// Numbers of prompts that are told beside a suite's own.
const PROMPTS_TOLD: [u64; 5] = [10, 20, 30, 50, 100];

/// The noise of TTFT that a run shows between its reference and a candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Label of the candidate.
    pub candidate: String,
    /// The noise.
    pub noise: Noise,
    /// Prompts with values on both sides.
    pub prompts: u64,
}

/// One size of a run that finds what was asked for, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Prompts.
    pub prompts: u64,
    /// Repetitions of each; absent where no number of them is enough.
    pub repetitions: Option<u64>,
}

/// The most that a suite's requests cost by list price, each sent once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorstCost {
    /// Of one repetition of all prompts, over the variants whose cost can be known.
    pub a_round: Usd,
    /// Variants whose cost can be known.
    pub known: u64,
    /// Variants.
    pub variants: u64,
}

/// The noise of TTFT that each candidate of a run shows, in the order of the suite; only those of which
/// two prompts have repeated values on both sides.
pub fn noise_shown(evidence: &Evidence, reference: &str) -> Vec<Shown> {
    let Some(base) = evidence.variant(reference) else {
        return Vec::new();
    };
    let logs = |observations: &[Observation]| -> Vec<f64> {
        let fair = observations.iter().filter(|observed| !observed.set_aside);
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
        Some(Shown {
            candidate: candidate.label.clone(),
            noise: Noise::from_pilot(&pilot)?,
            prompts: pilot.len() as u64,
        })
    };
    let candidates = evidence.variants.iter().filter(|v| v.label != reference);
    candidates.filter_map(of_candidate).collect()
}

/// The noisiest candidate: with it the others are found as well. Noise within counts as at ten
/// repetitions.
pub fn noisiest(shown: &[Shown]) -> Option<&Shown> {
    let variance = |noise: Noise| 0.22 * noise.within.powi(2) + noise.between.powi(2);
    shown
        .iter()
        .max_by(|a, b| variance(a.noise).total_cmp(&variance(b.noise)))
}

/// Sizes that reach the aim, by rising number of prompts, the suite's own number among them. Where its
/// own cannot, the fewest prompts that can are among them too.
pub fn sizes(own_prompts: u64, aim: Aim, noise: Noise) -> Vec<Planned> {
    let mut counts: Vec<u64> = PROMPTS_TOLD.to_vec();
    counts.push(own_prompts);
    if aim.repetitions(own_prompts, noise).is_none() {
        counts.extend(aim.fewest_prompts(noise));
    }
    // Of fewer prompts no verdict comes, however often they are repeated.
    let enough = |prompts| prompts >= FEWEST_PROMPTS as u64;
    let planned = |prompts| Planned {
        prompts,
        repetitions: aim
            .repetitions(prompts, noise)
            .filter(|repetitions| *repetitions <= u64::from(limits::REPETITIONS))
            .filter(|_| enough(prompts)),
    };
    if !enough(own_prompts) {
        counts.push(FEWEST_PROMPTS as u64);
    }
    counts.sort_unstable();
    counts.dedup();
    counts.into_iter().map(planned).collect()
}

/// The most that a suite costs. `bound` is the most that one request can be billed, of a prompt and the variant
/// at a place in the suite; `None` where nothing bounds it, and then the variant is not in the sum. A request
/// that warms a cache is paid like the one that it warms it for.
pub fn worst_cost(suite: &Suite, bound: impl Fn(&Prompt, usize) -> Option<Usd>) -> WorstCost {
    let of_variant = |place: usize| {
        let mut prompts = suite.prompts.iter();
        let mode = suite.cache_of(&suite.variants[place]);
        let requests = u64::from(mode.requests_per_trial());
        prompts.try_fold(Usd::ZERO, |sum, prompt| {
            sum.plus(bound(prompt, place)?.times(requests)?)
        })
    };
    let known: Vec<Usd> = (0..suite.variants.len()).filter_map(of_variant).collect();
    WorstCost {
        a_round: known.iter().copied().sum(),
        known: known.len() as u64,
        variants: suite.variants.len() as u64,
    }
}

impl WorstCost {
    /// Of so many repetitions of so many prompts, where the suite has `own_prompts`: prompts that are
    /// not written yet cost as much as those that are. Absent where no variant's cost is known.
    pub fn of(&self, planned: (u64, u64), own_prompts: u64) -> Option<Usd> {
        let (prompts, repetitions) = planned;
        if self.known == 0 || own_prompts == 0 {
            return None;
        }
        let all = self.a_round.times(prompts)?.times(repetitions)?;
        Some(Usd(all.0 / i128::from(own_prompts)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Sample;
    use crate::stats::interval::Alpha;
    use crate::verdict::EvidenceFold;
    use crate::verdict::fixture::{answered, manifest};

    const NOISE: Noise = Noise {
        within: 0.5,
        between: 0.1,
    };

    fn aim(change: f64) -> Aim {
        Aim {
            change,
            tolerance: 0.0,
            alpha: Alpha::FIVE_PERCENT,
            power: 0.8,
        }
    }

    #[test]
    fn sizes_are_those_of_the_published_table() {
        // +20 % at typical noise, tolerance 0: 9, 6 and 3 repetitions of 20, 30 and 50 prompts.
        let planned = sizes(20, aim(0.2), NOISE);
        let at = |prompts| planned.iter().find(|p| p.prompts == prompts).unwrap();
        assert_eq!(
            [20, 30, 50].map(|p| at(p).repetitions),
            [Some(9), Some(6), Some(3)]
        );
    }

    #[test]
    fn where_repetitions_cannot_do_it_the_fewest_prompts_are_told() {
        // Ten prompts cannot show +5 %, nor five anything; the number that can stands in the table.
        let few = sizes(5, aim(0.5), NOISE);
        assert_eq!((few[0].repetitions, few[1].prompts), (None, 6));
        assert!(few[1].repetitions.is_some());
        let planned = sizes(10, aim(0.05), NOISE);
        assert_eq!(
            planned[0],
            Planned {
                prompts: 10,
                repetitions: None
            }
        );
        let fewest = aim(0.05).fewest_prompts(NOISE).unwrap();
        assert!(planned.iter().any(|planned| planned.prompts == fewest));
    }

    #[test]
    fn a_run_shows_its_noise() {
        // Candidates are looked at one by one, against the reference; what is set aside is left out.
        let run = manifest(&["a/x", "b/y", "c/z"], &["p", "q", "r"], 4);
        let ttft = [100, 200, 105, 90, 400, 92, 130, 100, 118, 110, 500, 102];
        let samples: Vec<Sample> = (0..36)
            .map(|trial| {
                let place = usize::try_from(trial).unwrap();
                let wild = place % 3 == 1;
                answered(
                    &run,
                    trial,
                    if wild { ttft[place / 3] } else { 100 + trial },
                )
            })
            .collect();
        let mut fold = EvidenceFold::new(&run);
        for sample in &samples {
            fold.add(sample);
        }
        let shown = noise_shown(&fold.snapshot(), "a/x");
        let labels: Vec<&str> = shown.iter().map(|shown| shown.candidate.as_str()).collect();
        assert_eq!(labels, ["b/y", "c/z"]);
        assert_eq!(noisiest(&shown).unwrap().candidate, "b/y");
        assert_eq!(noise_shown(&fold.snapshot(), "nobody"), []);
        assert_eq!(noisiest(&[]), None);
    }

    #[test]
    fn a_cost_without_a_bound_is_not_nothing() {
        // A variant of which one prompt has no bound is in no sum, and is counted.
        let suite = manifest(&["a/x", "b/y"], &["p", "q"], 4).suite;
        let none = worst_cost(&suite, |_, _| None);
        assert_eq!((none.known, none.of((2, 4), 2)), (0, None));
        let worst = worst_cost(&suite, |prompt, place| {
            (place == 0 || prompt.id == "p").then_some(Usd(if prompt.id == "p" { 7 } else { 30 }))
        });
        assert_eq!((worst.known, worst.variants), (1, 2));
        assert_eq!(worst.a_round, Usd(37));
        assert_eq!(worst.of((4, 3), 2), Some(Usd(6 * worst.a_round.0)));
        // A request that warms a cache is paid like the one that it warms it for.
        let mut warmed = suite;
        warmed.cache = crate::suite::CacheMode::Warm;
        let twice = worst_cost(&warmed, |_, place| (place == 0).then_some(Usd(5)));
        assert_eq!(twice.a_round, Usd(2 * 2 * 5));
    }

    proptest! {
        // A larger change needs no more of anything, and the suite's own number is always told.
        #[test]
        fn larger_changes_need_no_more(own in 2_u64..200, change in 0.06_f64..1.0) {
            let small = sizes(own, aim(change), NOISE);
            let large = sizes(own, aim(change * 1.5), NOISE);
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
