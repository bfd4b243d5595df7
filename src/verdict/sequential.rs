//! Looking before the end: is the verdict in?
//!
//! Owns when a run looks, and how certain a comparison must be at each look. Must not know the engine, nor
//! money. Invariant: all looks together call a comparison regressed without a worsening with a chance of at
//! most its share of alpha / 2; what was decided at one look stays decided, but for an *ok*, which may yet
//! become more than that.
//!
//! Whole rounds are the unit. Each of the m primary comparisons spends alpha / (2 m) a side by a spending
//! function of O'Brien and Fleming's type (`stats::sequential`); the run may stop when all are decided, and
//! none is dropped before. A comparison that no further round of the same prompts can decide (nothing
//! measured, too few prompts, shares that are equal on every prompt) holds no run up. *Ok* is nearly always
//! the first to be certain, also of a model that is much better: while "better" or "worse" is promising, it
//! does not stop a run. All looks are paid for, so that going on costs requests and no certainty. A run that ends
//! between looks, or before it is decided, makes its last look there, with all that is left to spend: fair
//! only where its end had nothing to do with its results.

use crate::stats::distributions::normal_sf;
use crate::stats::interval::Alpha;
use crate::stats::sequential::boundaries;
use crate::suite::{Gate, Metric};

use super::compare::during;
use super::compare::ruling::Standard;
use super::evidence::Evidence;
use super::interleaved::{Found, Scope, alpha_of, pairs};
use super::judgement::{Comparison, Judgement, Reason, Situation, Verdict};

/// The most looks: more spend so little each that they save nothing.
const LOOKS_MAX: u32 = 10;
/// A claim with a p value below this may be certain a few rounds later.
const PROMISING: f64 = 0.10;
/// Of one round nothing can be said about noise.
const FIRST_LOOK: u32 = 2;

/// When a run looks, and the chance on a side that a comparison may spend at each look.
#[derive(Debug, Clone, PartialEq)]
pub struct Looks {
    rounds: Vec<u32>,
    rounds_max: u32,
    one_side: f64,
    levels: Vec<f64>,
}

/// A primary comparison at a look.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Label of the candidate.
    pub candidate: String,
    /// What is compared.
    pub metric: Metric,
    /// The verdict, and the round after which it was in.
    pub decided: Option<(Verdict, u32)>,
    /// No further round can decide it.
    pub exhausted: bool,
    /// It is *ok*, and a few more rounds may show that it is better (or worse) than that.
    pub promising: bool,
}

/// How a run stands after some rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct SequentialState {
    /// Rounds that count.
    pub rounds: u32,
    /// Candidates in the order of the suite, metrics in the order of [`Metric::ALL`].
    pub comparisons: Vec<Standing>,
    /// Every one is decided, or cannot be: the run may stop.
    pub all_decided: bool,
}

impl Looks {
    /// At most ten looks, evenly up to `rounds_max`, the first after round 2 at the earliest, for a run with
    /// so many candidates (variants but for the reference).
    pub fn plan(rounds_max: u32, candidates: usize, gate: &Gate) -> Self {
        let last = rounds_max.max(1);
        let step = last.saturating_sub(1).div_ceil(LOOKS_MAX).max(1);
        let mut rounds: Vec<u32> = (0..LOOKS_MAX)
            .map_while(|back| last.checked_sub(back * step))
            .take_while(|&round| round >= FIRST_LOOK.min(last))
            .collect();
        rounds.reverse();
        Self::at(rounds, last, candidates, gate)
    }

    /// The looks that a run had planned; `None` where these are no rounds in rising order up to
    /// `rounds_max`, or too many.
    pub fn planned(
        rounds: &[u32],
        rounds_max: u32,
        candidates: usize,
        gate: &Gate,
    ) -> Option<Self> {
        let rising = rounds.windows(2).all(|pair| pair[0] < pair[1]);
        let first = *rounds.first()?;
        let proper = rising && first > 0 && *rounds.last()? == rounds_max;
        let looks = Self::at(rounds.to_vec(), rounds_max, candidates, gate);
        (proper && looks.levels.len() == rounds.len()).then_some(looks)
    }

    fn at(rounds: Vec<u32>, rounds_max: u32, candidates: usize, gate: &Gate) -> Self {
        let comparisons = (candidates * gate.primary.len()).max(1);
        let one_side = alpha_of(gate).shared_by(comparisons).one_side();
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

    /// Rounds after which to look, rising; the last is the most that the run may have.
    pub fn rounds(&self) -> &[u32] {
        &self.rounds
    }

    /// The looks of a run that ended after `rounds_done` without being decided: its last look spends what
    /// is left.
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

/// The chance on a side that each look may spend; none where looks cannot be planned.
fn levels(information: &[f64], one_side: f64) -> Vec<f64> {
    boundaries(information, one_side)
        .map(|boundaries| boundaries.into_iter().map(normal_sf).collect())
        .unwrap_or_default()
}

/// How the primary comparisons of a run stand after its first `rounds_done` rounds, by all looks up to
/// there.
pub fn decided(
    evidence: &Evidence,
    reference: &str,
    gate: &Gate,
    looks: &Looks,
    rounds_done: u32,
) -> SequentialState {
    let pairs = pairs(evidence, reference);
    let mut standing: Vec<Standing> = Vec::new();
    for (&round, &level) in looks.rounds.iter().zip(&looks.levels) {
        if round > rounds_done {
            break;
        }
        let found = Found::of(&pairs, gate, round, Scope::PLANNED);
        let how = (alpha_of(gate), Standard::Each(level));
        let rows = found.findings().iter().zip(found.verdicts(how));
        for (finding, (candidate, metric, verdict)) in rows {
            let known = standing
                .iter()
                .position(|one| one.candidate == candidate && one.metric == metric);
            let place = known.unwrap_or(standing.len());
            if known.is_none() {
                standing.push(Standing {
                    candidate,
                    metric,
                    decided: None,
                    exhausted: false,
                    promising: false,
                });
            }
            let one = &mut standing[place];
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
    let settled = |one: &Standing| one.exhausted || (one.decided.is_some() && !one.promising);
    SequentialState {
        rounds: rounds_done,
        all_decided: !standing.is_empty() && standing.iter().all(settled),
        comparisons: standing,
    }
}

/// The judgement of a run that was to look at these rounds and has `rounds_done` whole ones. Each primary
/// comparison has the verdict of the look at which it was decided; everything else is told of the rounds up
/// to the last look, intervals of primary comparisons at its level.
pub fn sequential(
    evidence: &Evidence,
    reference: &str,
    gate: &Gate,
    looks: &Looks,
    rounds_done: u32,
) -> Judgement {
    let mut state = decided(evidence, reference, gate, looks, rounds_done);
    let mut used = looks.clone();
    if !state.all_decided {
        used = looks.ended_after(rounds_done);
        state = decided(evidence, reference, gate, &used, rounds_done);
    }
    let looked = used
        .rounds
        .iter()
        .take_while(|&&round| round <= rounds_done)
        .count();
    let last = looked.checked_sub(1);
    let at_last = |all: &[f64]| last.and_then(|last| all.get(last).copied());
    let level = at_last(&used.levels).unwrap_or(0.0);
    let rounds = last.map_or(0, |last| used.rounds[last]);
    let pairs = pairs(evidence, reference);
    let found = Found::of(&pairs, gate, rounds, Scope::PLANNED_AND_EXPLORATORY);
    let shown = Alpha::new(2.0 * level).unwrap_or_else(|| alpha_of(gate).shared_by(usize::MAX));
    let mut comparisons = found.compare((alpha_of(gate), Standard::Each(level)), shown);
    for comparison in comparisons.iter_mut().filter(|one| one.primary) {
        stands(comparison, &state);
    }
    let mut notes = vec![course(&state, looks, looked, rounds_done)];
    notes.extend(during::notes(evidence));
    Judgement {
        situation: Situation::Interleaved,
        comparisons,
        notes,
    }
}

/// Gives a comparison the verdict of the look at which it was decided.
fn stands(comparison: &mut Comparison, state: &SequentialState) {
    let same =
        |one: &&Standing| one.candidate == comparison.candidate && one.metric == comparison.metric;
    let standing = state.comparisons.iter().find(same);
    let Some((verdict, round)) = standing.and_then(|one| one.decided) else {
        return;
    };
    if comparison.verdict == verdict {
        return;
    }
    // What was decided early stands, whatever later rounds added.
    comparison.verdict = verdict;
    comparison
        .reasons
        .retain(|reason| *reason != Reason::TooWide);
    comparison.reasons.push(Reason::DecidedEarlier { round });
    comparison.influence = None;
    comparison.needed = None;
}

/// How the run went, in a plain sentence.
fn course(state: &SequentialState, looks: &Looks, looked: usize, rounds_done: u32) -> String {
    let ended = if state.all_decided {
        "every primary comparison was decided, or could not be by more rounds"
    } else if rounds_done >= looks.rounds_max {
        "the last round was reached"
    } else {
        "it ended before all was decided, and its last look spent what was left of the error rate"
    };
    format!(
        "This run was to stop when its verdict was in: it looked {looked} times in {rounds_done} of at most \
         {} rounds; {ended}. A verdict must go further at an early look than at the last, so that all looks \
         together have the error rate of one.",
        looks.rounds_max
    )
}

#[cfg(test)]
mod tests;
