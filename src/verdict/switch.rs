//! The switch gate: whether traffic should move from the reference to a candidate.
//!
//! Owns the conditions of a switch, their error rates, and the outcome. Must not know words nor exit codes. Invariant:
//! *switch* needs every condition to be shown on its own; a condition that cannot be tested leaves it undecided.
//!
//! The advice is wrong if one condition does not hold, and it is given only if each of them is shown. So each test can
//! have the whole level (the intersection-union test of Berger, "Multiparameter hypothesis testing and acceptance
//! sampling", Technometrics 24, 1982): a wrong *switch* needs the test of a condition that does not hold to pass. *Do
//! not switch* needs one refuted condition of several, so its level is shared by the conditions (Bonferroni). Several
//! candidates share the level of *switch*.

use std::borrow::Cow;

use crate::stats::interval::Alpha;
use crate::suite::{Bounds, Gate, Metric, OnInconclusive};

use super::compare::claim::{Claim, Line};
use super::compare::finding::{LastSides, OpenFinding, SideFinding};
use super::compare::power::prompts_to_settle;
use super::evidence::Evidence;
use super::interleaved::{ALL_ROUNDS, PairFindings, Scope, gate_alpha, variant_pairs};
use super::judgement::{Effect, Reason, Tests};

/// The outcome of the switch gate for one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SwitchOutcome {
    /// Every condition is met.
    Switch,
    /// A condition is open, and none is refuted.
    Undecided,
    /// A condition is refuted.
    DoNotSwitch,
}

/// The state of one condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It is shown to hold.
    Met,
    /// It is shown not to hold.
    Refuted,
    /// The run cannot tell.
    Open,
}

/// One condition of a switch.
#[derive(Debug, Clone, PartialEq)]
pub struct SwitchCondition {
    /// Its metric: the pass rate (over all requests, where a failure is no right answer), a time to the first token, or
    /// the cost.
    pub metric: Metric,
    /// The largest worsening that is allowed: 0.05 for 5 % or 5 points; of the cost the smallest saving.
    pub bound: f64,
    /// Its state.
    pub status: ConditionStatus,
    /// The effect, with an interval of the level of the decision.
    pub effect: Option<Effect>,
    /// The reasons that leave it open.
    pub reasons: Vec<Reason>,
    /// Further prompts, with as many repetitions, that would settle an open one with 80 % power if the effect
    /// is as estimated; absent where no number would.
    pub more_prompts: Option<u64>,
}

/// The decision on one candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct SwitchDecision {
    /// Label of the candidate.
    pub candidate: String,
    /// Label of the reference.
    pub reference: String,
    /// The outcome.
    pub outcome: SwitchOutcome,
    /// The conditions: quality, then time, then cost.
    pub conditions: Vec<SwitchCondition>,
}

impl SwitchOutcome {
    /// The stored word.
    pub fn word(self) -> &'static str {
        self.into()
    }

    fn from_conditions(conditions: &[SwitchCondition]) -> Self {
        let any = |status| conditions.iter().any(|one| one.status == status);
        if any(ConditionStatus::Refuted) {
            Self::DoNotSwitch
        } else if any(ConditionStatus::Open) || conditions.is_empty() {
            Self::Undecided
        } else {
            Self::Switch
        }
    }

    /// The outcome of several candidates: one to switch to is enough, and as long as one is undecided it may be one.
    pub fn of_all(decisions: &[SwitchDecision]) -> Option<Self> {
        decisions.iter().map(|decision| decision.outcome).min()
    }
}

impl SwitchDecision {
    /// Further prompts that would settle all open conditions; `None` where no number would settle one of them, and
    /// where none is open.
    pub fn more_prompts(&self) -> Option<u64> {
        let open = self.conditions.iter();
        let open = open.filter(|one| one.status == ConditionStatus::Open);
        let all: Option<Vec<u64>> = open.map(|one| one.more_prompts).collect();
        all?.into_iter().max()
    }
}

/// The one-sided levels of the claims.
#[derive(Debug, Clone, Copy)]
struct ClaimLevels {
    met: f64,
    refuted: f64,
}

/// Decides on every candidate of a run; nothing where the gate has no `switch`.
pub fn decide_switches(evidence: &Evidence, reference: &str, gate: &Gate) -> Vec<SwitchDecision> {
    let Some(rule) = gate.switch else {
        return Vec::new();
    };
    let evidence = with_failures_as_wrong(evidence);
    let gate = conditions_gate(gate, rule.saving);
    let pairs = variant_pairs(&evidence, reference);
    let one_side = gate_alpha(&gate).one_side();
    let candidates = pairs.len().max(1) as f64;
    let decisions = pairs.iter().map(|pair| {
        let findings = PairFindings::new(
            std::slice::from_ref(pair),
            &gate,
            ALL_ROUNDS,
            Scope::PRIMARY,
        );
        let count = findings.findings().len().max(1) as f64;
        let levels = ClaimLevels {
            met: one_side / candidates,
            refuted: one_side / count,
        };
        let judged = findings.findings().iter().enumerate();
        let mut conditions: Vec<SwitchCondition> = judged
            .map(|(index, finding)| {
                let excluded = findings.exclusion_reason(index);
                condition(finding, excluded, levels, rule.saving)
            })
            .collect();
        conditions.sort_by_key(|one| (one.metric != Metric::PassRate, one.metric));
        SwitchDecision {
            candidate: pair.candidate.label.clone(),
            reference: pair.reference.label.clone(),
            outcome: SwitchOutcome::from_conditions(&conditions),
            conditions,
        }
    });
    decisions.collect()
}

/// The evidence with failed trials as answers that are not right: who relies on a model gets no right answer from one
/// that fails. Rate-limited trials are left out, as everywhere, and so are prompts without grades.
fn with_failures_as_wrong(evidence: &Evidence) -> Cow<'_, Evidence> {
    let mut all = evidence
        .variants
        .iter()
        .flat_map(|v| v.prompts.iter().flatten());
    if !all.any(|one| one.passed.is_some()) {
        return Cow::Borrowed(evidence);
    }
    let mut evidence = evidence.clone();
    for prompt in 0..evidence.prompts.len() {
        let mut observed = evidence.variants.iter().flat_map(|v| &v.prompts[prompt]);
        if !observed.any(|one| one.passed.is_some()) {
            continue;
        }
        for variant in &mut evidence.variants {
            for one in &mut variant.prompts[prompt] {
                if one.passed.is_none() && !one.answered() && one.counts_toward_completion() {
                    one.passed = Some(false);
                }
            }
        }
    }
    Cow::Owned(evidence)
}

/// A gate whose primary comparisons are the conditions: the lines of its claims are those of the switch.
fn conditions_gate(gate: &Gate, saving: f64) -> Gate {
    let at_margin = |metric: Metric| {
        let bounds = gate.bounds_of(metric);
        Bounds {
            tolerance: bounds.margin,
            ..bounds
        }
    };
    // Lower by a fifth is a ratio of 0.8, which a fifth more on the other side is not.
    let cost = saving / (1.0 - saving);
    let mut bounds = vec![
        (Metric::Ttft, at_margin(Metric::Ttft)),
        (
            Metric::Cost,
            Bounds {
                tolerance: cost,
                margin: cost,
                floor_ns: None,
            },
        ),
        (Metric::PassRate, at_margin(Metric::PassRate)),
    ];
    for metric in [Metric::Ttfa, Metric::ExperiencedTtft] {
        if gate.bounds.iter().any(|(named, _)| *named == metric) {
            bounds.push((metric, at_margin(metric)));
        }
    }
    Gate {
        primary: vec![Metric::Ttft, Metric::Cost, Metric::PassRate],
        alpha: gate.alpha,
        bounds,
        limits: Vec::new(),
        on_inconclusive: OnInconclusive::Fail,
        ..gate.clone()
    }
}

/// The claim that a condition makes.
const fn claim(metric: Metric) -> Claim {
    match metric {
        Metric::Cost => Claim::Better,
        _ => Claim::WithinMargin,
    }
}

fn status(metric: Metric, tests: Tests, levels: ClaimLevels) -> ConditionStatus {
    let p = match claim(metric) {
        Claim::Better => tests.better,
        _ => tests.within_margin,
    };
    if p < levels.met {
        ConditionStatus::Met
    } else if 1.0 - p < levels.refuted {
        ConditionStatus::Refuted
    } else {
        ConditionStatus::Open
    }
}

fn condition(
    finding: &SideFinding<'_>,
    excluded: Reason,
    levels: ClaimLevels,
    saving: f64,
) -> SwitchCondition {
    let metric = finding.spec.metric;
    let open = finding.open(&mut LastSides::default());
    let alpha = Alpha::new(2.0 * levels.met).unwrap_or(Alpha::FIVE_PERCENT);
    let mut found = SwitchCondition {
        metric,
        bound: if metric == Metric::Cost {
            saving
        } else {
            finding.spec.bounds.margin
        },
        status: ConditionStatus::Open,
        effect: open.effect(alpha).map(|(estimate, interval)| Effect {
            estimate,
            interval,
            level: 1.0 - alpha.two_sided(),
        }),
        reasons: finding.withhold_reasons.clone(),
        more_prompts: None,
    };
    let Some(tests) = finding.tests.filter(|_| found.reasons.is_empty()) else {
        return found;
    };
    let plain = status(metric, tests, levels);
    let with_excluded = finding.tests_with_excluded.unwrap_or(tests);
    if status(metric, with_excluded, levels) != plain {
        found.reasons.push(excluded);
        return found;
    }
    found.status = plain;
    match plain {
        ConditionStatus::Refuted if is_below_floor(&open) => {
            found.status = ConditionStatus::Met;
        }
        ConditionStatus::Open => {
            found.reasons.push(Reason::TooWide);
            let line = claim(metric).line(metric, finding.spec.bounds);
            found.more_prompts = more_prompts(&open, found.effect, line, alpha);
        }
        ConditionStatus::Met | ConditionStatus::Refuted => {}
    }
    found
}

/// Returns true if a longer time is longer by less than the floor that matters.
fn is_below_floor(open: &OpenFinding<'_, '_>) -> bool {
    let spec = open.finding.spec;
    let floor = spec.bounds.floor_ns.filter(|_| spec.metric.is_time());
    floor.is_some_and(|floor| {
        let change = open.median_change();
        change.is_some_and(|change| change < floor.0 as f64)
    })
}

fn more_prompts(
    open: &OpenFinding<'_, '_>,
    effect: Option<Effect>,
    line: Line,
    alpha: Alpha,
) -> Option<u64> {
    let part = open.whole()?;
    let Effect {
        estimate, interval, ..
    } = effect?;
    let metric = open.finding.spec.metric;
    let needed = prompts_to_settle(metric, part, (estimate, interval), line.at, alpha)?;
    let present = part.sides.indices.len() as u64;
    Some(needed.saturating_sub(present).max(1))
}

#[cfg(test)]
mod tests;
