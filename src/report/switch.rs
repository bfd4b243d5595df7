//! The switch gate in words, the same in every format.
//!
//! Owns the sentence on each candidate. Must not know how it was decided. Invariant: the words of a condition say what
//! was shown, and never more; numbers are those of the decision.

use crate::suite::Metric;
use crate::units::plural;
use crate::verdict::{
    ConditionStatus, GateStatus, Reason, SwitchCondition, SwitchDecision, SwitchOutcome,
};

use super::figure::share;
use super::recommendations::{effect_text, metric_words};
use super::wording;

/// The decision on a candidate in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchText {
    /// Label of the candidate.
    pub candidate: String,
    /// Label of the reference.
    pub reference: String,
    /// The outcome.
    pub outcome: SwitchOutcome,
    /// The decision in sentences.
    pub sentence: String,
    /// Further prompts that would settle what is open.
    pub more_prompts: Option<u64>,
    /// The conditions: stored words of metric and status.
    pub conditions: Vec<(&'static str, &'static str)>,
}

impl SwitchText {
    /// The decision in words.
    pub(super) fn new(decision: &SwitchDecision) -> Self {
        let deciding_status = match decision.outcome {
            SwitchOutcome::Switch => ConditionStatus::Met,
            SwitchOutcome::Undecided => ConditionStatus::Open,
            SwitchOutcome::DoNotSwitch => ConditionStatus::Refuted,
        };
        let deciding = decision.conditions.iter();
        let deciding = deciding.filter(|one| one.status == deciding_status);
        let phrases: Vec<String> = deciding.map(phrase).collect();
        let outcome = outcome_words(decision.outcome);
        let candidate = &decision.candidate;
        let mut sentence = format!(
            "Switch gate: {candidate}: {outcome}: {}.",
            phrases.join(", ")
        );
        if decision.outcome == SwitchOutcome::Undecided {
            sentence.push(' ');
            sentence.push_str(&remedy(decision));
        }
        Self {
            candidate: candidate.clone(),
            reference: decision.reference.clone(),
            outcome: decision.outcome,
            sentence,
            more_prompts: decision.more_prompts(),
            conditions: (decision.conditions.iter())
                .map(|one| (one.metric.word(), status_word(one.status)))
                .collect(),
        }
    }

    /// The outcome in a headline: `a/x: do not switch`.
    pub(super) fn headline(&self) -> String {
        format!("{}: {}", self.candidate, outcome_words(self.outcome))
    }

    /// The status that the outcome has for a build.
    pub(super) const fn status(&self) -> GateStatus {
        match self.outcome {
            SwitchOutcome::Switch => GateStatus::Passed,
            SwitchOutcome::Undecided => GateStatus::Inconclusive,
            SwitchOutcome::DoNotSwitch => GateStatus::Failed,
        }
    }
}

/// The outcome in words.
const fn outcome_words(outcome: SwitchOutcome) -> &'static str {
    match outcome {
        SwitchOutcome::Switch => "switch",
        SwitchOutcome::Undecided => "undecided",
        SwitchOutcome::DoNotSwitch => "do not switch",
    }
}

/// The stored word of a status.
const fn status_word(status: ConditionStatus) -> &'static str {
    match status {
        ConditionStatus::Met => "met",
        ConditionStatus::Refuted => "refuted",
        ConditionStatus::Open => "open",
    }
}

/// `right answers not worse (-0.5 points, -2.1 to +1.1; margin 5 points)`.
fn phrase(condition: &SwitchCondition) -> String {
    let metric = condition.metric;
    let scale = metric.scale();
    let bound = wording::allowance(scale, condition.bound);
    let name = match metric {
        Metric::PassRate => "right answers",
        _ => metric_words(metric)[2],
    };
    let words = match (condition.status, metric) {
        (ConditionStatus::Met, Metric::Cost) => format!("costs at least {bound} less"),
        (ConditionStatus::Refuted, Metric::Cost) => format!("does not cost {bound} less"),
        (ConditionStatus::Open, Metric::Cost) => format!("{bound} lower cost inconclusive"),
        (ConditionStatus::Met, _) => format!("{name} not worse"),
        (ConditionStatus::Refuted, _) => format!("{name} worse"),
        (ConditionStatus::Open, _) => format!("{name} inconclusive"),
    };
    let mut details = Vec::new();
    if let Some(effect) = &condition.effect {
        details.push(effect_text(&wording::effect_cell(scale, effect), true));
        if metric != Metric::Cost {
            details.push(format!("margin {bound}"));
        }
    }
    let reasons = condition.reasons.iter();
    details.extend(reasons.filter_map(|reason| obstacle(metric, reason)));
    if details.is_empty() {
        words
    } else {
        format!("{words} ({})", details.join("; "))
    }
}

/// The obstacle to a test, in a few words; nothing for an interval that is too wide.
fn obstacle(metric: Metric, reason: &Reason) -> Option<String> {
    Some(match reason {
        Reason::TooWide => return None,
        Reason::NotMeasured if metric == Metric::PassRate => "answers are not graded".to_owned(),
        Reason::NotMeasured => "not measured on both sides".to_owned(),
        Reason::TooFewPrompts { usable } => format!("only {}", plural(*usable, "prompt")),
        Reason::PromptsDropped { dropped } => {
            format!("{} without a value on one side", plural(*dropped, "prompt"))
        }
        Reason::TooManyErrors { share: failed } => {
            format!(
                "{} of the requests of one side failed",
                share(*failed).shown()
            )
        }
        Reason::Excluded { .. } => "excluded samples decide".to_owned(),
        reason => wording::reason_word(reason).replace('_', " "),
    })
}

/// The size that would settle an undecided gate.
fn remedy(decision: &SwitchDecision) -> String {
    let open = decision.conditions.iter();
    let open = open.filter(|one| one.status == ConditionStatus::Open);
    let not_graded = |one: &SwitchCondition| {
        one.metric == Metric::PassRate && one.reasons.contains(&Reason::NotMeasured)
    };
    let is_wide = |one: &SwitchCondition| one.reasons.contains(&Reason::TooWide);
    let is_few = |one: &SwitchCondition| {
        let few = |reason: &Reason| matches!(reason, Reason::TooFewPrompts { .. });
        one.reasons.iter().any(few)
    };
    match decision.more_prompts() {
        Some(more) => format!("About {} would settle it.", plural(more, "more prompt")),
        None if open.clone().any(not_graded) => "Grade the answers: `bakeoff score`.".to_owned(),
        None if open.clone().any(is_few) => "More prompts are needed.".to_owned(),
        None if open.clone().all(is_wide) => {
            "It is too close to a bound for any number of prompts.".to_owned()
        }
        None => "More prompts alone would not settle it.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::interval::Interval;
    use crate::verdict::Effect;

    fn condition(metric: Metric, status: ConditionStatus, effect: [f64; 3]) -> SwitchCondition {
        let [estimate, lower, upper] = effect;
        let bound = match metric {
            Metric::PassRate => 0.05,
            Metric::Cost => 0.1,
            _ => 0.2,
        };
        let is_open = status == ConditionStatus::Open;
        SwitchCondition {
            metric,
            bound,
            status,
            effect: Some(Effect {
                estimate,
                interval: Interval::new(lower, upper),
                level: 0.95,
            }),
            reasons: if is_open {
                vec![Reason::TooWide]
            } else {
                Vec::new()
            },
            more_prompts: is_open.then_some(34),
        }
    }

    fn sentence(outcome: SwitchOutcome, conditions: Vec<SwitchCondition>) -> String {
        SwitchText::new(&SwitchDecision {
            candidate: "b/new".to_owned(),
            reference: "a/usual".to_owned(),
            outcome,
            conditions,
        })
        .sentence
    }

    #[test]
    fn each_outcome_names_what_decided_it() {
        // Who reads one line must know what was shown, or what is missing and how much of it.
        use ConditionStatus::{Met, Open, Refuted};
        let right = |status| condition(Metric::PassRate, status, [-0.005, -0.021, 0.011]);
        let ttft = |status| condition(Metric::Ttft, status, [0.58, 0.5, 0.7]);
        let cost = |status| condition(Metric::Cost, status, [0.5, 0.45, 0.56]);
        let mut ungraded = right(Open);
        (ungraded.effect, ungraded.more_prompts) = (None, None);
        ungraded.reasons = vec![Reason::NotMeasured];
        let mut close = right(Open);
        close.more_prompts = None;
        let sentences = [
            sentence(
                SwitchOutcome::Switch,
                vec![right(Met), ttft(Met), cost(Met)],
            ),
            sentence(
                SwitchOutcome::DoNotSwitch,
                vec![right(Refuted), ttft(Met), cost(Refuted)],
            ),
            sentence(
                SwitchOutcome::Undecided,
                vec![right(Open), ttft(Met), cost(Open)],
            ),
            sentence(
                SwitchOutcome::Undecided,
                vec![ungraded, ttft(Met), cost(Met)],
            ),
            sentence(SwitchOutcome::Undecided, vec![close, ttft(Met), cost(Met)]),
        ];
        insta::assert_snapshot!(sentences.join("\n"), @"
        Switch gate: b/new: switch: right answers not worse (-0.5 points, -2.1 to +1.1; margin 5 points), TTFT not worse (0.58x, 0.50–0.70; margin 20 %), costs at least 10 % less (0.50x, 0.45–0.56).
        Switch gate: b/new: do not switch: right answers worse (-0.5 points, -2.1 to +1.1; margin 5 points), does not cost 10 % less (0.50x, 0.45–0.56).
        Switch gate: b/new: undecided: right answers inconclusive (-0.5 points, -2.1 to +1.1; margin 5 points), 10 % lower cost inconclusive (0.50x, 0.45–0.56). About 34 more prompts would settle it.
        Switch gate: b/new: undecided: right answers inconclusive (answers are not graded). Grade the answers: `bakeoff score`.
        Switch gate: b/new: undecided: right answers inconclusive (-0.5 points, -2.1 to +1.1; margin 5 points). It is too close to a bound for any number of prompts.
        ");
    }
}
