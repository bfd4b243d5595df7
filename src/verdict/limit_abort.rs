//! Limits that can no longer hold, whatever is left of a run.
//!
//! Owns the best case of the trials that are left. Must not know how a run ends. Invariant: a limit is not reported
//! if the best case of what is left would leave it met or inconclusive; no error rate is spent by looking, because
//! nothing is concluded from chance.

use crate::suite::Gate;
use crate::units::Nanos;

use super::evidence::Evidence;
use super::gate::check_limits;
use super::judgement::{LimitCheck, LimitStatus};
use super::limit_values::LimitValue;
use super::observation::Observation;
use crate::units::compact::{OptionalSpan, OptionalUsd};

/// Returns the first limit that asks to end the run, and that is exceeded even if each prompt is answered up to so
/// many repetitions by every variant, at once and for nothing.
pub fn unreachable_limit(evidence: &Evidence, gate: &Gate, repetitions: u32) -> Option<LimitCheck> {
    let gate = Gate {
        limits: (gate.limits.iter())
            .filter(|limit| limit.abort)
            .cloned()
            .collect(),
        ..gate.clone()
    };
    if gate.limits.is_empty() {
        return None;
    }
    let mut best = evidence.clone();
    let repetitions = usize::try_from(repetitions).unwrap_or(usize::MAX);
    for (index, variant) in best.variants.iter_mut().enumerate() {
        for (prompt, observed) in variant.prompts.iter_mut().enumerate() {
            let left = repetitions.saturating_sub(observed.len());
            observed.extend(std::iter::repeat_n(BEST, left));
            for limited in &mut best.limited {
                let best = LimitValue::best(limited.quantity);
                let values = &mut limited.values[index][prompt];
                values.extend(best.into_iter().cycle().take(left));
            }
        }
    }
    let mut checks = check_limits(&best, &gate).into_iter();
    checks.find(|check| check.status == LimitStatus::Exceeded)
}

/// The best answer that a trial can have.
const BEST: Observation = Observation {
    round: u32::MAX,
    slot: u32::MAX,
    ttft_ns: AT_ONCE,
    ttfa_ns: AT_ONCE,
    latency_ns: AT_ONCE,
    mean_gap_ns: AT_ONCE,
    cost: OptionalUsd::ZERO,
    passed: Some(true),
    ..Observation::UNKNOWN
};
const AT_ONCE: OptionalSpan = OptionalSpan::new(Nanos(1));

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::record::Outcome;
    use crate::suite::{GateLimit, LimitBound, Metric, Quantity};
    use crate::verdict::evidence::{PromptKey, VariantEvidence};

    fn observed(ttft_ms: u64, is_answered: bool) -> Observation {
        let mut one = BEST;
        one.ttft_ns = Some(Nanos::from_millis(ttft_ms)).into();
        if !is_answered {
            one.outcome = Outcome::ServerError;
            one.ttft_ns = None.into();
        }
        one
    }

    fn evidence(prompts: Vec<Vec<Observation>>) -> Evidence {
        let key = |_| PromptKey {
            id: "p".into(),
            digest: Arc::default(),
            weight: 1.0,
        };
        Evidence {
            prompts: prompts.iter().map(key).collect(),
            variants: vec![VariantEvidence {
                label: "v".to_owned(),
                model: "a/b".parse().unwrap(),
                prompts,
            }],
            sharing: Vec::new(),
            part_starts: Vec::new(),
            providers: Vec::new(),
            limited: Vec::new(),
        }
    }

    fn gate(abort: bool) -> Gate {
        let limit = |quantity, bound| GateLimit {
            quantity,
            bound,
            per_prompt: false,
            abort,
        };
        let ttft = Quantity::Time {
            metric: Metric::Ttft,
            percent: 50,
        };
        Gate {
            limits: vec![
                limit(ttft, LimitBound::Time(Nanos::from_millis(500))),
                limit(Quantity::ErrorRate, LimitBound::Share(0.2)),
            ],
            ..Gate::default()
        }
    }

    #[test]
    fn a_limit_is_given_up_when_the_rest_cannot_repair_it() {
        // Half of the answers must be above the limit for its median to be: not after five of twenty.
        let slow = |count: usize| evidence(vec![vec![observed(900, true); count]; 4]);
        assert_eq!(unreachable_limit(&slow(5), &gate(true), 20), None);
        let found = unreachable_limit(&slow(18), &gate(true), 20).unwrap();
        assert_eq!(
            (found.variant.as_str(), found.quantity.word()),
            ("v", "ttft_p50".to_owned())
        );
        // The suite does not ask for it.
        assert_eq!(unreachable_limit(&slow(18), &gate(false), 20), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        // Whatever comes after a limit was given up, the complete run does not meet it.
        #[test]
        fn what_is_given_up_is_never_met(
            trials in prop::collection::vec(prop::collection::vec((1_u64..1_000, 0_u32..10), 12), 1..5),
            done in 0_usize..12,
            slow in 0_u64..900,
        ) {
            let all: Vec<Vec<Observation>> = trials
                .iter()
                .map(|one| one.iter().map(|(ms, dice)| observed(ms + slow, *dice > 2)).collect())
                .collect();
            let begun = all.iter().map(|one| one[..done].to_vec()).collect();
            if let Some(given_up) = unreachable_limit(&evidence(begun), &gate(true), 12) {
                let checks = check_limits(&evidence(all), &gate(true));
                let end = checks.iter().find(|check| check.quantity == given_up.quantity).unwrap();
                prop_assert_ne!(end.status, LimitStatus::Within);
            }
        }
    }
}
