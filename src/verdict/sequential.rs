//! Interim looks: stopping a run when its verdict is decided.
//!
//! Owns the rounds after which a run looks, and the level of a comparison at each look. Must not know the
//! engine, nor money. Invariant: over all looks together, the probability of calling a comparison regressed
//! without a worsening is at most its share of alpha / 2; a decision of one look stands, except that an *ok*
//! may still become *improved* or *regressed*.
//!
//! The unit is a whole round. Each of the m primary comparisons spends alpha / (2 m) per side by a spending
//! function of O'Brien and Fleming's type (`stats::sequential`); the run may stop when all are decided, and
//! none is dropped before. A comparison that no further round of the same prompts can decide (nothing measured,
//! too few prompts, shares that are equal on every prompt) does not delay the stop. *Ok* is nearly always the
//! first claim to be certain, also for a model that is much better: while "better" or "worse" is promising, it
//! does not stop a run. All looks are paid for in advance, so that continuing costs requests and no certainty.
//! A run that ends between looks, or before it is decided, makes its last look there, with the error rate that
//! is left: fair only if its end was independent of its results.

use crate::stats::distributions::normal_sf;
use crate::stats::interval::Alpha;
use crate::stats::sequential::boundaries;
use crate::suite::{Gate, Metric};

use super::compare::ruling::ErrorControl;
use super::compare::run_notes;
use super::evidence::Evidence;
use super::interleaved::{PairFindings, Scope, gate_alpha, variant_pairs};
use super::judgement::{Comparison, ComparisonDesign, Judgement, Reason, Verdict};

/// The maximum number of looks: with more, each may spend so little that nothing is saved.
const LOOKS_MAX: u32 = 10;
/// A claim with a p value below this may become certain a few rounds later.
const PROMISING: f64 = 0.10;
/// One round says nothing about noise.
const FIRST_LOOK: u32 = 2;

/// The rounds after which a run looks, and the one-sided level of a comparison at each look.
#[derive(Debug, Clone, PartialEq)]
pub struct InterimLooks {
    rounds: Vec<u32>,
    rounds_max: u32,
    one_side: f64,
    levels: Vec<f64>,
}

/// The state of a primary comparison at a look.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonState {
    /// Label of the candidate.
    pub candidate: String,
    /// The compared metric.
    pub metric: Metric,
    /// The verdict, and the round after which it was decided.
    pub decided: Option<(Verdict, u32)>,
    /// True if no further round can decide it.
    pub exhausted: bool,
    /// True if it is *ok*, and a few more rounds may show that it is better (or worse) than that.
    pub promising: bool,
}

/// The state of a run after some rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct SequentialState {
    /// Number of completed rounds.
    pub rounds: u32,
    /// Comparisons by candidate in the order of the suite, and metric in the order of [`Metric::ALL`].
    pub comparisons: Vec<ComparisonState>,
    /// True if every one is decided, or cannot be: the run may stop.
    pub all_decided: bool,
}

impl InterimLooks {
    /// At most ten looks, evenly spaced up to `rounds_max`, the first after round 2 at the earliest, for a run
    /// with this number of candidates (variants other than the reference).
    pub fn new(rounds_max: u32, candidates: usize, gate: &Gate) -> Self {
        let last = rounds_max.max(1);
        let step = last.saturating_sub(1).div_ceil(LOOKS_MAX).max(1);
        let mut rounds: Vec<u32> = (0..LOOKS_MAX)
            .map_while(|back| last.checked_sub(back * step))
            .take_while(|&round| round >= FIRST_LOOK.min(last))
            .collect();
        rounds.reverse();
        Self::with_levels(rounds, last, candidates, gate)
    }

    /// The stored looks of a run; `None` unless these are ascending rounds up to `rounds_max`, and not too
    /// many.
    pub fn from_rounds(
        rounds: &[u32],
        rounds_max: u32,
        candidates: usize,
        gate: &Gate,
    ) -> Option<Self> {
        let ascending = rounds.windows(2).all(|pair| pair[0] < pair[1]);
        let first = *rounds.first()?;
        let is_valid = ascending && first > 0 && *rounds.last()? == rounds_max;
        let looks = Self::with_levels(rounds.to_vec(), rounds_max, candidates, gate);
        (is_valid && looks.levels.len() == rounds.len()).then_some(looks)
    }

    fn with_levels(rounds: Vec<u32>, rounds_max: u32, candidates: usize, gate: &Gate) -> Self {
        let comparisons = (candidates * gate.primary.len()).max(1);
        let one_side = gate_alpha(gate).shared_by(comparisons).one_side();
        let share = |&round: &u32| f64::from(round) / f64::from(rounds_max);
        let information: Vec<f64> = rounds.iter().map(share).collect();
        let levels = levels(&information, one_side);
        Self {
            rounds,
            rounds_max,
            one_side,
            levels,
        }
    }

    /// Rounds after which to look, ascending; the last is the maximum of the run.
    pub fn rounds(&self) -> &[u32] {
        &self.rounds
    }

    /// The looks of a run that ended undecided after `rounds_done`: its last look spends the rest of the error
    /// rate.
    fn ended_after(&self, rounds_done: u32) -> Self {
        if rounds_done == 0 || rounds_done >= self.rounds_max {
            return self.clone();
        }
        let before = self.rounds.iter().copied();
        let mut rounds: Vec<u32> = before.filter(|&round| round < rounds_done).collect();
        let share = |&round: &u32| f64::from(round) / f64::from(self.rounds_max);
        let mut information: Vec<f64> = rounds.iter().map(share).collect();
        rounds.push(rounds_done);
        information.push(1.0);
        Self {
            levels: levels(&information, self.one_side),
            rounds,
            ..self.clone()
        }
    }
}

/// The one-sided level of each look; empty if the looks cannot be planned.
fn levels(information: &[f64], one_side: f64) -> Vec<f64> {
    boundaries(information, one_side)
        .map(|boundaries| boundaries.into_iter().map(normal_sf).collect())
        .unwrap_or_default()
}

/// The state of the primary comparisons of a run after its first `rounds_done` rounds, by all looks up to then.
pub fn sequential_state(
    evidence: &Evidence,
    reference: &str,
    gate: &Gate,
    looks: &InterimLooks,
    rounds_done: u32,
) -> SequentialState {
    let variant_pairs = variant_pairs(evidence, reference);
    let mut states: Vec<ComparisonState> = Vec::new();
    for (&round, &level) in looks.rounds.iter().zip(&looks.levels) {
        if round > rounds_done {
            break;
        }
        let findings = PairFindings::new(&variant_pairs, gate, round, Scope::PLANNED);
        let how = (gate_alpha(gate), ErrorControl::PerTest(level));
        let rows = findings.findings().iter().zip(findings.verdicts(how));
        for (finding, (candidate, metric, verdict)) in rows {
            let known = states
                .iter()
                .position(|one| one.candidate == candidate && one.metric == metric);
            let index = known.unwrap_or(states.len());
            if known.is_none() {
                states.push(ComparisonState {
                    candidate,
                    metric,
                    decided: None,
                    exhausted: false,
                    promising: false,
                });
            }
            let one = &mut states[index];
            one.exhausted = !finding.may_be_decided_later();
            one.promising = finding
                .tests
                .is_some_and(|tests| tests.worse.min(tests.better) < PROMISING);
            let is_open = match one.decided.map(|(before, _)| before) {
                None => true,
                Some(before) => before == Verdict::Ok && verdict != Verdict::Ok,
            };
            if is_open && verdict != Verdict::Inconclusive {
                one.decided = Some((verdict, round));
            }
            one.promising &= one
                .decided
                .is_some_and(|(verdict, _)| verdict == Verdict::Ok);
        }
    }
    let settled =
        |one: &ComparisonState| one.exhausted || (one.decided.is_some() && !one.promising);
    SequentialState {
        rounds: rounds_done,
        all_decided: !states.is_empty() && states.iter().all(settled),
        comparisons: states,
    }
}

/// Judges a run with planned looks after `rounds_done` complete rounds. Each primary comparison has the verdict
/// of the look that decided it; everything else covers the rounds up to the last look, with intervals of
/// primary comparisons at its level.
pub fn compare_sequential(
    evidence: &Evidence,
    reference: &str,
    gate: &Gate,
    looks: &InterimLooks,
    rounds_done: u32,
) -> Judgement {
    let mut state = sequential_state(evidence, reference, gate, looks, rounds_done);
    let mut used = looks.clone();
    if !state.all_decided {
        used = looks.ended_after(rounds_done);
        state = sequential_state(evidence, reference, gate, &used, rounds_done);
    }
    let look_count = used
        .rounds
        .iter()
        .take_while(|&&round| round <= rounds_done)
        .count();
    let last = look_count.checked_sub(1);
    let at_last = |all: &[f64]| last.and_then(|last| all.get(last).copied());
    let level = at_last(&used.levels).unwrap_or(0.0);
    let rounds = last.map_or(0, |last| used.rounds[last]);
    let variant_pairs = variant_pairs(evidence, reference);
    let findings = PairFindings::new(&variant_pairs, gate, rounds, Scope::PLANNED_AND_EXPLORATORY);
    let shown = Alpha::new(2.0 * level).unwrap_or_else(|| gate_alpha(gate).shared_by(usize::MAX));
    let mut comparisons = findings.compare((gate_alpha(gate), ErrorControl::PerTest(level)), shown);
    for comparison in comparisons.iter_mut().filter(|one| one.primary) {
        apply_decision(comparison, &state);
    }
    let mut notes = vec![course_note(&state, looks, look_count, rounds_done)];
    notes.extend(run_notes::run_notes(evidence));
    Judgement::new(ComparisonDesign::Interleaved, comparisons, notes)
}

/// Gives a comparison the verdict of the look that decided it.
fn apply_decision(comparison: &mut Comparison, state: &SequentialState) {
    let same = |one: &&ComparisonState| {
        one.candidate == comparison.candidate && one.metric == comparison.metric
    };
    let standing = state.comparisons.iter().find(same);
    let Some((verdict, round)) = standing.and_then(|one| one.decided) else {
        return;
    };
    if comparison.verdict == verdict {
        return;
    }
    // An early decision stands, whatever later rounds added.
    comparison.verdict = verdict;
    comparison
        .reasons
        .retain(|reason| *reason != Reason::TooWide);
    comparison.reasons.push(Reason::DecidedEarlier { round });
    comparison.influence = None;
    comparison.required_size = None;
}

/// A sentence on the course of the run.
fn course_note(
    state: &SequentialState,
    looks: &InterimLooks,
    look_count: usize,
    rounds_done: u32,
) -> String {
    let ended = if state.all_decided {
        "every primary comparison was decided, or more rounds cannot decide it"
    } else if rounds_done >= looks.rounds_max {
        "the last round was reached"
    } else {
        "it ended before every comparison was decided, and its last look used the rest of the error rate"
    };
    format!(
        "This run was to stop once its verdict was decided: it looked {look_count} times in {rounds_done} of at most \
         {} rounds; {ended}. A verdict must go further at an early look than at the last, so that all looks \
         together have the error rate of one.",
        looks.rounds_max
    )
}

#[cfg(test)]
mod tests;
