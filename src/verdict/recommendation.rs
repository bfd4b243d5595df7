//! The recommendation on each candidate of a run: the answer to "should we switch?".
//!
//! Owns the rule that turns primary verdicts into advice. Must not know words nor formats. Invariant: a pure
//! function of the verdicts and of who answered: advice to switch goes with no worse metric, advice to keep the reference
//! with no better one, a trade-off has both, and a model without any answer gets no advice.

use crate::suite::Metric;

use super::judgement::{Comparison, ComparisonDesign, Effect, Judgement, RequiredSize, Verdict};
use super::summary::VariantSummary;

/// The advice on a candidate, the one that asks most for action first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Advice {
    /// Better in at least one primary metric, and worse in none.
    Switch,
    /// Better in one primary metric and worse in another.
    TradeOff,
    /// Worse in no primary metric, but one that matters is inconclusive.
    Undecided,
    /// Better in no primary metric, and worse in one or decided in all.
    KeepReference,
    /// None: the candidate or the reference answered nothing.
    NoResult,
}

/// The advice on a candidate, with the verdicts behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// Label of the candidate.
    pub candidate: String,
    /// Label of the reference.
    pub reference: String,
    /// The advice.
    pub advice: Advice,
    /// The primary verdicts and that on the pass rate, in the order of the metrics.
    pub components: Vec<RecommendationComponent>,
    /// The side that answered nothing, which is why there is no advice.
    pub unanswered: Option<UnansweredSide>,
}

/// A side of a comparison that answered nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnansweredSide {
    /// True for the reference.
    pub is_reference: bool,
    /// Its requests that ended.
    pub requests: u64,
}

/// One verdict behind a recommendation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecommendationComponent {
    /// The metric.
    pub metric: Metric,
    /// Its verdict.
    pub verdict: Verdict,
    /// Its effect; absent where there was nothing to compare.
    pub effect: Option<Effect>,
    /// The sample size required for a decision.
    pub required_size: Option<RequiredSize>,
}

impl Advice {
    /// The stored word.
    pub fn word(self) -> &'static str {
        self.into()
    }

    fn from_components(components: &[RecommendationComponent]) -> Self {
        let any = |verdict: Verdict| components.iter().any(|one| one.verdict == verdict);
        match (any(Verdict::Improved), any(Verdict::Regressed)) {
            (true, true) => Self::TradeOff,
            (_, false) if components.iter().any(RecommendationComponent::blocks) => Self::Undecided,
            (true, false) => Self::Switch,
            (false, _) => Self::KeepReference,
        }
    }
}

impl RecommendationComponent {
    /// Returns true if the metric is inconclusive and may speak against a switch. Few runs have enough requests
    /// to exclude a loss of completed answers; where the candidate completed no fewer, nothing speaks for one.
    pub fn blocks(&self) -> bool {
        let nothing_lost = self.metric == Metric::Completed
            && self.effect.is_some_and(|effect| effect.estimate >= 0.0);
        self.verdict == Verdict::Inconclusive && !nothing_lost
    }
}

impl From<&Comparison> for RecommendationComponent {
    fn from(comparison: &Comparison) -> Self {
        Self {
            metric: comparison.metric,
            verdict: comparison.verdict,
            effect: comparison.effect,
            required_size: comparison.required_size,
        }
    }
}

/// One recommendation per candidate, in the order of the judgement; none for past runs, between which there is
/// nothing to switch. `variants` are the figures of the run.
pub fn recommend(judgement: &Judgement, variants: &[VariantSummary]) -> Vec<Recommendation> {
    let mut all: Vec<Recommendation> = Vec::new();
    if judgement.design != ComparisonDesign::Interleaved {
        return all;
    }
    // Whether answers are right has a say wherever they were graded.
    let has_say = |one: &&Comparison| one.primary || one.metric == Metric::PassRate;
    for comparison in judgement.comparisons.iter().filter(has_say) {
        let component = RecommendationComponent::from(comparison);
        match all
            .iter_mut()
            .find(|one| one.candidate == comparison.candidate)
        {
            Some(known) => known.components.push(component),
            None => all.push(Recommendation {
                candidate: comparison.candidate.clone(),
                reference: comparison.reference.clone(),
                advice: Advice::NoResult,
                components: vec![component],
                unanswered: None,
            }),
        }
    }
    for one in &mut all {
        one.unanswered = unanswered(one, variants);
        if one.unanswered.is_none() {
            one.advice = Advice::from_components(&one.components);
        }
    }
    all
}

/// The side that answered nothing: the candidate, or else the reference.
fn unanswered(one: &Recommendation, variants: &[VariantSummary]) -> Option<UnansweredSide> {
    let sides = [(&one.candidate, false), (&one.reference, true)];
    sides.into_iter().find_map(|(label, is_reference)| {
        let variant = variants.iter().find(|variant| variant.label == *label)?;
        let counts = &variant.figures.counts;
        (counts.answered == 0).then_some(UnansweredSide {
            is_reference,
            requests: counts.done,
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::stats::interval::Interval;
    use crate::verdict::fixture;

    use super::*;

    fn component(metric: Metric, verdict: Verdict, estimate: f64) -> RecommendationComponent {
        RecommendationComponent {
            metric,
            verdict,
            effect: Some(Effect {
                estimate,
                interval: Interval::NONE,
                level: 0.95,
            }),
            required_size: None,
        }
    }

    #[test]
    fn the_advice_follows_from_the_verdicts() {
        // The table that METHODOLOGY.md states: speed, cost and completion of one candidate.
        use Advice::{KeepReference, Switch, TradeOff, Undecided};
        use Verdict::{Improved as B, Inconclusive as I, Ok as N, Regressed as W};
        for ([speed, cost, completed], lost, advice) in [
            ([B, B, N], 0.0, Switch),
            ([N, B, N], 0.0, Switch),
            ([B, N, I], 0.0, Switch),
            ([B, B, I], -0.05, Undecided),
            ([I, B, N], 0.0, Undecided),
            ([I, N, I], 0.0, Undecided),
            ([W, B, I], 0.0, TradeOff),
            ([B, B, W], 0.0, TradeOff),
            ([W, I, I], 0.0, KeepReference),
            ([I, W, N], 0.0, KeepReference),
            ([N, N, N], 0.0, KeepReference),
            ([N, N, I], 0.0, KeepReference),
        ] {
            let components = [
                component(Metric::Ttft, speed, 0.5),
                component(Metric::Cost, cost, 0.5),
                component(Metric::Completed, completed, lost),
            ];
            let found = Advice::from_components(&components);
            assert_eq!(found, advice, "{speed:?} {cost:?} {completed:?} {lost}");
        }
    }

    #[test]
    fn candidates_of_one_run_get_advice_and_past_runs_do_not() {
        // Exploratory verdicts have no say, and a model is not switched to its own past.
        let mut judgement = fixture::judgement();
        let [one] = recommend(&judgement, &[]).try_into().unwrap();
        assert_eq!(one.advice, Advice::TradeOff);
        let metrics: Vec<Metric> = one.components.iter().map(|one| one.metric).collect();
        assert_eq!(metrics, [Metric::Ttft, Metric::Cost, Metric::Completed]);
        judgement.design = ComparisonDesign::History;
        assert!(recommend(&judgement, &[]).is_empty());
    }

    #[test]
    fn a_candidate_that_is_less_often_right_is_never_one_to_switch_to() {
        // Faster and cheaper counts for nothing there, also where the suite does not gate the pass rate.
        let mut judgement = fixture::judgement();
        judgement.comparisons.retain(|one| one.primary);
        for one in &mut judgement.comparisons {
            one.verdict = Verdict::Improved;
        }
        let advice = |judgement: &Judgement| recommend(judgement, &[])[0].advice;
        assert_eq!(advice(&judgement), Advice::Switch);
        let mut graded = judgement.comparisons[0].clone();
        (graded.metric, graded.primary) = (Metric::PassRate, false);
        judgement.comparisons.push(graded);
        for (verdict, expected) in [
            (Verdict::Regressed, Advice::TradeOff),
            (Verdict::Inconclusive, Advice::Undecided),
            (Verdict::Ok, Advice::Switch),
        ] {
            if let Some(last) = judgement.comparisons.last_mut() {
                last.verdict = verdict;
            }
            assert_eq!(advice(&judgement), expected);
        }
    }

    fn any_verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            Just(Verdict::Regressed),
            Just(Verdict::Improved),
            Just(Verdict::Ok),
            Just(Verdict::Inconclusive),
        ]
    }

    proptest! {
        // No advice contradicts a verdict, whatever the metrics and effects are; the order changes nothing.
        #[test]
        fn advice_contradicts_no_verdict(
            verdicts in proptest::collection::vec((any_verdict(), 0..Metric::ALL.len(), -1.0..2.0_f64), 1..6)
        ) {
            let components: Vec<_> = verdicts
                .iter()
                .map(|&(verdict, metric, estimate)| component(Metric::ALL[metric], verdict, estimate))
                .collect();
            let any = |expected: Verdict| verdicts.iter().any(|(verdict, ..)| *verdict == expected);
            let (better, worse) = (any(Verdict::Improved), any(Verdict::Regressed));
            let advice = Advice::from_components(&components);
            match advice {
                Advice::Switch => prop_assert!(better && !worse),
                Advice::TradeOff => prop_assert!(better && worse),
                Advice::Undecided => prop_assert!(!worse && any(Verdict::Inconclusive)),
                Advice::KeepReference => prop_assert!(!better),
                Advice::NoResult => prop_assert!(false, "verdicts alone give advice"),
            }
            let mut reversed = components;
            reversed.reverse();
            prop_assert_eq!(Advice::from_components(&reversed), advice);
        }
    }
}
