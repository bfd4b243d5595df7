//! Verdicts as every format tells them: sentences and tables of each judgement.
//!
//! Owns what is told of a judgement and in which order. Must not know Markdown, CSV or a terminal, nor
//! how a verdict was found. Invariant: every number is one of the judgement's; primary comparisons come
//! before exploratory ones, which are never mixed with them.

use std::collections::{BTreeMap, HashMap};

use crate::suite::{Gate, Metric, OnInconclusive};
use crate::verdict::{
    Comparison, Holds, Judgement, LimitCheck, Procedure, Reason, Situation, Verdict,
};

use super::figure::{Figure, Thousandths};
use super::output_tokens::Outputs;
use super::table::Table;
use super::verdict_tables::{comparisons, extremes_row, limits, prompts, routes, situation_word};
use super::wording;
use crate::verdict::{Gated, Judged};

/// Everything that is judged, ready to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// One a judgement.
    pub sections: Vec<Section>,
    /// One row per variant and absolute limit.
    pub limits: Table,
    /// The limits in words.
    pub limits_told: Vec<LimitTold>,
    /// How much longer answers are, and what their length was spent on.
    pub outputs: Outputs,
    /// Whether the suite wants to be told of what is inconclusive.
    pub warns: bool,
}

/// An absolute limit in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitTold {
    /// Label of the variant.
    pub variant: String,
    /// The limit's key in the suite.
    pub limit: String,
    /// Whether it holds.
    pub holds: Holds,
    /// The same in one sentence with its numbers.
    pub sentence: String,
}

/// A judgement, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Which question was asked: `interleaved`, `two_runs` or `history`.
    pub situation: &'static str,
    /// What is compared with what.
    pub title: String,
    /// Whether a regression in it fails a build.
    pub gates: bool,
    /// The primary comparisons in words.
    pub told: Vec<Told>,
    /// One row per primary comparison.
    pub primary: Table,
    /// One row per exploratory comparison: they never fail anything.
    pub exploratory: Table,
    /// The rows of these that have an effect, for people.
    pub explored: Table,
    /// Why the others have none, and what but chance is in the way of those that are inconclusive: each reason
    /// once with all it is true of.
    pub unexplored: Vec<String>,
    /// What is true of several primary comparisons, each thing once: the rest is in [`Told::own`].
    pub shared: Vec<String>,
    /// What to know beside the primary verdicts, each thing once with all it is true of.
    pub remarks: Vec<String>,
    /// On how many prompts each primary effect goes which way, and where it is largest.
    pub extremes: Table,
    /// One row per prompt and candidate: the effect on each metric.
    pub prompts: Table,
    /// One row per comparison and provider, where shares of providers differ.
    pub routes: Table,
    /// How to read the verdicts.
    pub reading: Vec<String>,
    /// How it was judged, and why so.
    pub method: Vec<String>,
    /// What a reader must know of the whole.
    pub notes: Vec<String>,
}

/// A primary comparison in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Label of the candidate.
    pub candidate: String,
    /// Label of the reference.
    pub reference: String,
    /// Stored word of the metric.
    pub metric: &'static str,
    /// What is said.
    pub verdict: Verdict,
    /// The same in one sentence with its numbers.
    pub sentence: String,
    /// Why there is no better answer, and what to know beside it.
    pub remarks: Vec<String>,
    /// Those of the remarks that are true of no other primary comparison.
    pub own: Vec<String>,
}

impl Verdicts {
    /// Of everything that was judged; a judgement with nothing to say has no section.
    pub fn new(judged: &Judged) -> Self {
        let judgements = judged.judgements.iter();
        let sections = judgements
            .filter(|gated| {
                let judgement = &gated.judgement;
                !judgement.comparisons.is_empty() || !judgement.notes.is_empty()
            })
            .map(|gated| Section::new(gated, &judged.gate));
        Self {
            sections: sections.collect(),
            limits: limits(&judged.limits),
            limits_told: judged.limits.iter().map(LimitTold::new).collect(),
            outputs: Outputs::new(&judged.outputs),
            warns: judged.gate.on_inconclusive != OnInconclusive::Pass,
        }
    }

    /// How many of the primary comparisons that can fail a build (or of all, where none can) came out
    /// so.
    pub fn count(&self, verdict: Verdict) -> usize {
        let any_gates = self.sections.iter().any(|section| section.gates);
        let sections = self.sections.iter();
        let counted = sections.filter(|section| section.gates || !any_gates);
        let told = counted.flat_map(|section| &section.told);
        told.filter(|told| told.verdict == verdict).count()
    }
}

impl LimitTold {
    fn new(check: &LimitCheck) -> Self {
        Self {
            variant: check.variant.clone(),
            limit: wording::limit_word(check.quantity),
            holds: check.holds,
            sentence: wording::limit_sentence(check),
        }
    }
}

impl Section {
    fn new(gated: &Gated, gate: &Gate) -> Self {
        let judgement = &gated.judgement;
        let (primary, exploratory): (Vec<&Comparison>, Vec<&Comparison>) = judgement
            .comparisons
            .iter()
            .partition(|comparison| comparison.primary);
        let situation = judgement.situation;
        let everything = Remarks::of(&primary, |one| wording::remarks(situation, one));
        let told = primary
            .iter()
            .map(|comparison| Told::new(situation, comparison, &everything));
        let with_effect = exploratory.iter().filter(|one| one.effect.is_some());
        let explored: Vec<&Comparison> = with_effect.copied().collect();
        // Whoever reads of TTFA must know where TTFT is.
        let replaced = |one: &&&Comparison| one.reasons.contains(&Reason::ReasoningDiffers);
        let replaced = exploratory.iter().filter(replaced);
        let remarked: Vec<&Comparison> = primary.iter().chain(replaced).copied().collect();
        let beside = |one: &Comparison| {
            let mut remarks = reasons(situation, one);
            remarks.extend(wording::without_ends(one));
            remarks.extend(wording::influence(one));
            remarks
        };
        Self {
            situation: situation_word(situation),
            title: title(judgement),
            gates: gated.gates,
            told: told.collect(),
            primary: comparisons(situation, &primary),
            exploratory: comparisons(situation, &exploratory),
            explored: comparisons(situation, &explored),
            unexplored: Remarks::of(&exploratory, |one| unexplored(situation, one)).lines(1),
            shared: everything.lines(2),
            remarks: Remarks::of(&remarked, beside).lines(1),
            extremes: Table::from_rows(primary.iter().copied().filter_map(extremes_row)),
            prompts: prompts(judgement),
            routes: routes(judgement),
            reading: reading(gated, &primary),
            method: method(judgement, &primary, gate),
            notes: judgement.notes.clone(),
        }
    }
}

impl Told {
    fn new(situation: Situation, comparison: &Comparison, everything: &Remarks<'_>) -> Self {
        let remarks = wording::remarks(situation, comparison);
        let own = remarks.iter().filter(|remark| everything.count(remark) < 2);
        Self {
            own: own.cloned().collect(),
            candidate: comparison.candidate.clone(),
            reference: comparison.reference.clone(),
            metric: comparison.metric.word(),
            verdict: comparison.verdict,
            sentence: wording::sentence(situation, comparison),
            remarks,
        }
    }
}

fn title(judgement: &Judgement) -> String {
    match judgement.situation {
        Situation::Interleaved => {
            let first = judgement.comparisons.first();
            first.map_or_else(
                || "Against the reference".to_owned(),
                |comparison| format!("Against the reference {}", comparison.reference),
            )
        }
        Situation::TwoRuns => "After against before".to_owned(),
        Situation::History => "Today against the past".to_owned(),
    }
}

/// Why there is no better answer to a comparison.
fn reasons(situation: Situation, comparison: &Comparison) -> Vec<String> {
    let reasons = comparison.reasons.iter();
    reasons
        .map(|reason| wording::reason(situation, comparison, reason))
        .collect()
}

/// What is told below the table of exploratory comparisons: why one has no effect, or no verdict. Of an interval
/// that is too wide the table itself tells.
fn unexplored(situation: Situation, comparison: &Comparison) -> Vec<String> {
    let untold = comparison.verdict == Verdict::Inconclusive || comparison.effect.is_none();
    let told = |reason: &&Reason| comparison.effect.is_none() || **reason != Reason::TooWide;
    let reasons = comparison.reasons.iter().filter(|_| untold).filter(told);
    reasons
        .map(|reason| wording::reason(situation, comparison, reason))
        .collect()
}

/// Sentences beside comparisons, each once, with the comparisons it is true of.
struct Remarks<'a> {
    /// In the order in which they were first said.
    sentences: Vec<String>,
    /// Of each: the candidates by metric.
    of: HashMap<String, BTreeMap<Metric, Vec<&'a str>>>,
    /// How many comparisons there are of each metric.
    asked: BTreeMap<Metric, usize>,
}

impl<'a> Remarks<'a> {
    /// What `say` says of each of the comparisons.
    fn of(comparisons: &[&'a Comparison], say: impl Fn(&Comparison) -> Vec<String>) -> Self {
        let mut remarks = Self {
            sentences: Vec::new(),
            of: HashMap::new(),
            asked: BTreeMap::new(),
        };
        for comparison in comparisons {
            *remarks.asked.entry(comparison.metric).or_default() += 1;
            for sentence in say(comparison) {
                if !remarks.of.contains_key(&sentence) {
                    remarks.sentences.push(sentence.clone());
                }
                let by_metric = remarks.of.entry(sentence).or_default();
                let candidates = by_metric.entry(comparison.metric).or_default();
                candidates.push(&comparison.candidate);
            }
        }
        remarks
    }

    /// Of how many comparisons a sentence is true.
    fn count(&self, sentence: &str) -> usize {
        let by_metric = self.of.get(sentence).into_iter().flat_map(BTreeMap::values);
        by_metric.map(Vec::len).sum()
    }

    /// Those true of so many comparisons or more, all that are true of the same ones in one line.
    fn lines(&self, fewest: usize) -> Vec<String> {
        let mut lines: Vec<(String, String)> = Vec::new();
        for sentence in &self.sentences {
            if self.count(sentence) < fewest {
                continue;
            }
            let subjects = self.subjects(sentence);
            match lines.iter_mut().find(|(whose, _)| *whose == subjects) {
                Some((_, said)) => said.extend([" ", sentence]),
                None => lines.push((subjects, sentence.clone())),
            }
        }
        let lines = lines.into_iter();
        lines
            .map(|(whose, said)| format!("{whose}: {said}"))
            .collect()
    }

    /// Metrics that it is true of for the same candidates stand together.
    fn subjects(&self, sentence: &str) -> String {
        let mut whose: Vec<(Vec<&str>, String)> = Vec::new();
        for (metric, candidates) in &self.of[sentence] {
            let asked = self.asked[metric];
            let name = wording::metric_name(*metric);
            let candidates = if candidates.len() == asked && asked > 1 {
                format!("all {asked}")
            } else {
                candidates.join(", ")
            };
            match whose.iter_mut().find(|(_, same)| *same == candidates) {
                Some((metrics, _)) => metrics.push(name),
                None => whose.push((vec![name], candidates)),
            }
        }
        let whose = whose.iter();
        let whose =
            whose.map(|(metrics, candidates)| format!("{} of {candidates}", metrics.join(", ")));
        whose.collect::<Vec<_>>().join("; ")
    }
}

/// What is tolerated, how sure the intervals are, and what fails.
fn reading(gated: &Gated, primary: &[&Comparison]) -> Vec<String> {
    let mut reading = Vec::new();
    let mut levels: Vec<String> = Vec::new();
    let mut tolerated: Vec<String> = Vec::new();
    let add = |to: &mut Vec<String>, said: String| {
        if !to.contains(&said) {
            to.push(said);
        }
    };
    for comparison in primary {
        let said = wording::tolerated(comparison.metric, comparison.bounds);
        add(&mut tolerated, said);
        if let Some(effect) = &comparison.effect {
            add(
                &mut levels,
                wording::percent(wording::told_level(effect.level)),
            );
        }
    }
    if !levels.is_empty() {
        let over = match gated.judgement.situation {
            Situation::Interleaved => "candidate over reference (points: candidate less reference)",
            Situation::TwoRuns => "after over before (points: after less before)",
            Situation::History => "today over the past (points: today less the past)",
        };
        let levels = levels.join(" or ");
        reading.push(format!(
            "Effects are {over}, in brackets their {levels} intervals."
        ));
    }
    if !tolerated.is_empty() {
        reading.push(format!(
            "Regressed or improved: by more than the tolerance; ok: surely not worse by more than the \
             margin. Tolerance / margin: {}.",
            tolerated.join(", ")
        ));
    }
    if gated.judgement.situation == Situation::Interleaved && !gated.gates {
        reading.push(
            "These verdicts fail no build; `against_reference = true` under [gate] would make them."
                .to_owned(),
        );
    }
    reading
}

/// The question, the error rate and the procedures.
fn method(judgement: &Judgement, primary: &[&Comparison], gate: &Gate) -> Vec<String> {
    let mut method = vec![wording::question(judgement.situation).to_owned()];
    let tested = primary.iter().filter(|one| one.tests.is_some()).count();
    if tested > 0 {
        method.push(error_rate(tested, gate.alpha));
    }
    let mut by_procedure: BTreeMap<Procedure, Vec<&str>> = BTreeMap::new();
    for comparison in &judgement.comparisons {
        let metrics = by_procedure.entry(comparison.procedure).or_default();
        let name = wording::metric_name(comparison.metric);
        if comparison.effect.is_some() && !metrics.contains(&name) {
            metrics.push(name);
        }
    }
    for (procedure, metrics) in by_procedure {
        if !metrics.is_empty() {
            let how = wording::procedure(procedure);
            method.push(format!("{}: {how}.", metrics.join(", ")));
        }
    }
    method
}

/// How sure all primary verdicts together are.
fn error_rate(tested: usize, alpha: f64) -> String {
    let a_side = Thousandths::new(0.5 * alpha).map_or(Figure::Absent, Figure::Share);
    let a_side = a_side.shown();
    if tested == 1 {
        return format!(
            "The chance to call it regressed where it is not worse by more than its tolerance is at most \
             {a_side}; the same for improved."
        );
    }
    format!(
        "The chance to call any of the {tested} primary comparisons regressed where none is worse by more \
         than its tolerance is at most {a_side} in all; the same for improved. Exploratory ones stand \
         alone, at {a_side} each."
    )
}
