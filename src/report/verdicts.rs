//! Verdicts as every format prints them: sentences and tables of each judgement.
//!
//! Owns the content of a judgement's section and its order. Must not know Markdown, CSV or a terminal, nor
//! how a verdict was computed. Invariant: every number is one of the judgement's; primary comparisons come
//! before exploratory ones, which are never mixed with them.

use std::collections::{BTreeMap, HashMap};

use crate::suite::{Gate, Metric, OnExceeded, OnInconclusive};
use crate::verdict::{
    Comparison, ComparisonDesign, Judgement, LimitCheck, LimitStatus, Procedure, Reason,
    SharedShift, Verdict,
};

use super::figure::{Figure, Thousandths};
use super::output_tokens::Outputs;
use super::prompt_effects::PromptEffects;
use super::switch::SwitchText;
use super::table::{FigureTable, MAX_PROMPT_ROWS};
use super::verdict_tables::{comparisons, extremes_row, limits, routes};
use super::{limit_wording, wording};
use crate::verdict::{Evaluation, GatedJudgement};

/// All judgements and limits, ready to be rendered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdicts {
    /// One section per judgement.
    pub sections: Vec<Section>,
    /// One row per variant and absolute limit.
    pub limits: FigureTable,
    /// The limits in words.
    pub limit_texts: Vec<LimitText>,
    /// Differences in answer length.
    pub outputs: Outputs,
    /// The decisions of the switch gate in words.
    pub switches: Vec<SwitchText>,
    /// True if the suite asks for warnings about inconclusive verdicts.
    pub warn_inconclusive: bool,
}

/// An absolute limit in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitText {
    /// Label of the variant.
    pub variant: String,
    /// The limit's key in the suite, and its prompt.
    pub limit: String,
    /// True if it is the limit of one prompt.
    pub of_prompt: bool,
    /// Status of the limit.
    pub holds: LimitStatus,
    /// The status in one sentence with its numbers.
    pub sentence: String,
}

/// A judgement, ready to be rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The design that its comparisons share.
    pub design: ComparisonDesign,
    /// The two sides of the comparison.
    pub title: String,
    /// True if a regression in it fails a build.
    pub gates: bool,
    /// Text to read before the verdicts, such as a history that cannot be compared.
    pub alerts: Vec<JudgementAlert>,
    /// The primary comparisons in words.
    pub comparison_texts: Vec<ComparisonText>,
    /// One row per primary comparison.
    pub primary: FigureTable,
    /// One row per exploratory comparison; these never fail a build.
    pub exploratory: FigureTable,
    /// The exploratory rows that have an effect, for people.
    pub exploratory_shown: FigureTable,
    /// Reasons why the other exploratory comparisons have no effect or no verdict, other than chance: each
    /// reason once, with the comparisons it applies to.
    pub exploratory_reasons: Vec<String>,
    /// Remarks that apply to several primary comparisons, each once: the rest is in
    /// [`ComparisonText::own_remarks`].
    pub shared_remarks: Vec<String>,
    /// Remarks on the primary verdicts, each once, with the comparisons it applies to.
    pub remarks: Vec<String>,
    /// Directions and extremes of the primary effects, by prompt.
    pub extremes: FigureTable,
    /// One row per prompt and candidate: the effect on each metric. The first rows alone are stored.
    pub prompts: FigureTable,
    /// The effects that all of its rows are made of.
    pub effects: PromptEffects,
    /// One row per comparison and provider, if the shares of providers differ.
    pub routes: FigureTable,
    /// The legend of the verdicts.
    pub legend: Vec<String>,
    /// The procedures and the error rate.
    pub method: Vec<String>,
    /// Notes on the judgement as a whole.
    pub notes: Vec<String>,
}

/// A finding on a judgement as a whole, printed before its verdicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgementAlert {
    /// The stored word of its kind.
    pub kind: &'static str,
    /// The sentence.
    pub text: String,
}

/// A primary comparison in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparisonText {
    /// Label of the candidate.
    pub candidate: String,
    /// Label of the reference.
    pub reference: String,
    /// Stored word of the metric.
    pub metric: &'static str,
    /// The design of the comparison, which selects the verdict's word.
    pub design: ComparisonDesign,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict in one sentence with its numbers.
    pub sentence: String,
    /// Reasons for the verdict, and what would help.
    pub remarks: Vec<String>,
    /// Remarks that apply to no other primary comparison.
    pub own_remarks: Vec<String>,
}

impl Verdicts {
    /// Renders an evaluation into sections and tables; an empty judgement has no section.
    pub fn new(evaluation: &Evaluation) -> Self {
        let judgements = evaluation.judgements.iter();
        let sections = judgements
            .filter(|gated| {
                let judgement = &gated.judgement;
                !judgement.comparisons.is_empty()
                    || !judgement.notes.is_empty()
                    || judgement.incomparable.is_some()
            })
            .map(|gated| Section::new(gated, &evaluation.gate));
        Self {
            sections: sections.collect(),
            limits: limits(&evaluation.limits),
            limit_texts: evaluation.limits.iter().map(LimitText::new).collect(),
            outputs: Outputs::new(&evaluation.outputs),
            switches: evaluation.switches.iter().map(SwitchText::new).collect(),
            warn_inconclusive: evaluation.gate.on_inconclusive != OnInconclusive::Pass,
        }
    }

    /// Counts the primary comparisons with this verdict among those that can fail a build (or among all, if
    /// none can), by the printed word.
    pub fn counts(&self, verdict: Verdict) -> BTreeMap<&'static str, usize> {
        let any_gates = self.sections.iter().any(|section| section.gates);
        let sections = self.sections.iter();
        let counted = sections.filter(|section| section.gates || !any_gates);
        let texts = counted.flat_map(|section| &section.comparison_texts);
        let mut counts = BTreeMap::new();
        for text in texts.filter(|text| text.verdict == verdict) {
            *counts.entry(verdict.printed_word(text.design)).or_default() += 1;
        }
        counts
    }
}

impl LimitText {
    fn new(check: &LimitCheck) -> Self {
        Self {
            variant: check.variant.clone(),
            limit: limit_wording::name(check),
            of_prompt: check.prompt.is_some(),
            holds: check.status,
            sentence: limit_wording::sentence(check),
        }
    }
}

impl Section {
    fn new(gated: &GatedJudgement, gate: &Gate) -> Self {
        let judgement = &gated.judgement;
        let (primary, exploratory): (Vec<&Comparison>, Vec<&Comparison>) = judgement
            .comparisons
            .iter()
            .partition(|comparison| comparison.primary);
        let design = judgement.design;
        let effects = PromptEffects::new(judgement);
        let alerts = alerts(judgement, gate);
        // What is printed first is not repeated for each comparison.
        let without_alerts = |mut remarks: Vec<String>| {
            remarks.retain(|remark| !alerts.iter().any(|alert| alert.text == *remark));
            remarks
        };
        let all_remarks = Remarks::collect(judgement, &primary, |one| {
            without_alerts(wording::remarks(design, one))
        });
        let texts = primary
            .iter()
            .map(|comparison| ComparisonText::new(design, comparison, &all_remarks));
        let with_effect = exploratory.iter().filter(|one| one.effect.is_some());
        let exploratory_shown: Vec<&Comparison> = with_effect.copied().collect();
        // A reader of TTFA must know why TTFT is missing.
        let replaced = |one: &&&Comparison| one.reasons.contains(&Reason::ReasoningDiffers);
        let replaced = exploratory.iter().filter(replaced);
        let remarked: Vec<&Comparison> = primary.iter().chain(replaced).copied().collect();
        let remarks_on = |one: &Comparison| {
            let mut remarks = reasons(design, one);
            remarks.extend(wording::wide_interval_remark(one));
            remarks.extend(wording::influence(design, one));
            without_alerts(remarks)
        };
        Self {
            design,
            title: title(judgement),
            gates: gated.gates,
            comparison_texts: texts.collect(),
            primary: comparisons(design, &primary),
            exploratory: comparisons(design, &exploratory),
            exploratory_shown: comparisons(design, &exploratory_shown),
            exploratory_reasons: Remarks::collect(judgement, &exploratory, |one| {
                exploratory_reasons(design, one)
            })
            .lines(1),
            shared_remarks: all_remarks.lines(2),
            remarks: Remarks::collect(judgement, &remarked, remarks_on).lines(1),
            extremes: FigureTable::from_rows(primary.iter().copied().filter_map(extremes_row)),
            prompts: FigureTable::from_first_rows(effects.rows(), MAX_PROMPT_ROWS),
            effects,
            routes: routes(judgement),
            legend: legend(gated, &primary),
            method: method(judgement, &primary, gate),
            notes: notes(judgement, &alerts),
            alerts,
        }
    }
}

impl ComparisonText {
    fn new(design: ComparisonDesign, comparison: &Comparison, all_remarks: &Remarks<'_>) -> Self {
        let remarks = wording::remarks(design, comparison);
        let own_remarks = remarks
            .iter()
            .filter(|remark| all_remarks.count(remark) == 1);
        Self {
            own_remarks: own_remarks.cloned().collect(),
            candidate: comparison.candidate.clone(),
            reference: comparison.reference.clone(),
            metric: comparison.metric.word(),
            design,
            verdict: comparison.verdict,
            sentence: wording::sentence(design, comparison),
            remarks,
        }
    }
}

/// The findings to print before the verdicts.
fn alerts(judgement: &Judgement, gate: &Gate) -> Vec<JudgementAlert> {
    let incomparable = judgement
        .incomparable
        .iter()
        .map(|incomparable| JudgementAlert {
            kind: "incomparable",
            text: incomparable.to_string(),
        });
    let warns = gate.shared_shift.on_exceeded != OnExceeded::Pass;
    let is_alert = |shift: &&SharedShift| warns && shift.status == LimitStatus::Exceeded;
    let shifts = judgement.shared_shifts.iter().filter(is_alert);
    let shifts = shifts.map(|shift| JudgementAlert {
        kind: "shared_shift",
        text: wording::shared_shift(shift),
    });
    incomparable.chain(shifts).collect()
}

/// The notes of a judgement, with the shared shifts that are no alerts first.
fn notes(judgement: &Judgement, alerts: &[JudgementAlert]) -> Vec<String> {
    let shifts = judgement.shared_shifts.iter().map(wording::shared_shift);
    let shifts = shifts.filter(|text| !alerts.iter().any(|alert| alert.text == *text));
    shifts.chain(judgement.notes.iter().cloned()).collect()
}

fn title(judgement: &Judgement) -> String {
    match judgement.design {
        ComparisonDesign::Interleaved => {
            let first = judgement.comparisons.first();
            first.map_or_else(
                || "Against the reference".to_owned(),
                |comparison| format!("Against the reference {}", comparison.reference),
            )
        }
        ComparisonDesign::TwoRuns => "After against before".to_owned(),
        ComparisonDesign::History => "Today against the past".to_owned(),
    }
}

/// The reasons for the verdict of a comparison, as sentences.
fn reasons(design: ComparisonDesign, comparison: &Comparison) -> Vec<String> {
    let reasons = comparison.reasons.iter();
    reasons
        .map(|reason| wording::reason(design, comparison, reason))
        .collect()
}

/// The reasons printed below the table of exploratory comparisons: why one has no effect, or no verdict. The
/// table itself shows an interval that is too wide.
fn exploratory_reasons(design: ComparisonDesign, comparison: &Comparison) -> Vec<String> {
    let needs_reason = comparison.verdict == Verdict::Inconclusive || comparison.effect.is_none();
    let is_listed = |reason: &&Reason| comparison.effect.is_none() || **reason != Reason::TooWide;
    let reasons = comparison
        .reasons
        .iter()
        .filter(|_| needs_reason)
        .filter(is_listed);
    reasons
        .map(|reason| wording::reason(design, comparison, reason))
        .collect()
}

/// Sentences about comparisons, each once, with the comparisons it applies to.
struct Remarks<'a> {
    /// In the order of their first use.
    sentences: Vec<String>,
    /// The candidates of each sentence, by metric.
    candidates: HashMap<String, BTreeMap<Metric, Vec<&'a str>>>,
    /// Number of comparisons of each metric in the judgement.
    comparisons: BTreeMap<Metric, usize>,
}

impl<'a> Remarks<'a> {
    /// Collects the remarks that `remarks_on` returns for each of the comparisons.
    fn collect(
        judgement: &Judgement,
        comparisons: &[&'a Comparison],
        remarks_on: impl Fn(&Comparison) -> Vec<String>,
    ) -> Self {
        let mut remarks = Self {
            sentences: Vec::new(),
            candidates: HashMap::new(),
            comparisons: BTreeMap::new(),
        };
        for comparison in &judgement.comparisons {
            *remarks.comparisons.entry(comparison.metric).or_default() += 1;
        }
        for comparison in comparisons {
            for sentence in remarks_on(comparison) {
                if !remarks.candidates.contains_key(&sentence) {
                    remarks.sentences.push(sentence.clone());
                }
                let by_metric = remarks.candidates.entry(sentence).or_default();
                let candidates = by_metric.entry(comparison.metric).or_default();
                candidates.push(&comparison.candidate);
            }
        }
        remarks
    }

    /// Number of comparisons that a sentence applies to.
    fn count(&self, sentence: &str) -> usize {
        let by_metric = self
            .candidates
            .get(sentence)
            .into_iter()
            .flat_map(BTreeMap::values);
        by_metric.map(Vec::len).sum()
    }

    /// The sentences that apply to at least `min` comparisons, those about the same comparisons in one line.
    fn lines(&self, min: usize) -> Vec<String> {
        let mut lines: Vec<(String, String)> = Vec::new();
        for sentence in &self.sentences {
            if self.count(sentence) < min {
                continue;
            }
            let subjects = self.subjects(sentence);
            match lines.iter_mut().find(|(known, _)| *known == subjects) {
                Some((_, sentences)) => sentences.extend([" ", sentence]),
                None => lines.push((subjects, sentence.clone())),
            }
        }
        let lines = lines.into_iter();
        lines
            .map(|(subjects, sentences)| format!("{subjects}: {sentences}"))
            .collect()
    }

    /// Names the comparisons of a sentence; metrics with the same candidates are grouped.
    fn subjects(&self, sentence: &str) -> String {
        let mut groups: Vec<(Vec<&str>, String)> = Vec::new();
        for (metric, candidates) in &self.candidates[sentence] {
            let total = self.comparisons[metric];
            let name = wording::metric_name(*metric);
            let candidates = if candidates.len() == total && total > 1 {
                format!("all {total}")
            } else {
                candidates.join(", ")
            };
            match groups.iter_mut().find(|(_, same)| *same == candidates) {
                Some((metrics, _)) => metrics.push(name),
                None => groups.push((vec![name], candidates)),
            }
        }
        let groups = groups.iter();
        let groups =
            groups.map(|(metrics, candidates)| format!("{} of {candidates}", metrics.join(", ")));
        groups.collect::<Vec<_>>().join("; ")
    }
}

/// The legend: tolerances, levels of the intervals, and what can fail a build.
fn legend(gated: &GatedJudgement, primary: &[&Comparison]) -> Vec<String> {
    let mut legend = Vec::new();
    let mut levels: Vec<String> = Vec::new();
    let mut tolerances: Vec<String> = Vec::new();
    let add = |list: &mut Vec<String>, text: String| {
        if !list.contains(&text) {
            list.push(text);
        }
    };
    for comparison in primary {
        let text = wording::tolerances(comparison.metric, comparison.bounds);
        add(&mut tolerances, text);
        if let Some(effect) = &comparison.effect {
            add(
                &mut levels,
                wording::percent(wording::printed_level(effect.level)),
            );
        }
    }
    if !levels.is_empty() {
        let over = match gated.judgement.design {
            ComparisonDesign::Interleaved => {
                "candidate over reference (points: candidate less reference)"
            }
            ComparisonDesign::TwoRuns => "after over before (points: after less before)",
            ComparisonDesign::History => "today over the past (points: today less the past)",
        };
        let levels = levels.join(" or ");
        legend.push(format!(
            "Effects are {over}, in brackets their {levels} intervals.{}",
            estimators(primary)
        ));
    }
    if !tolerances.is_empty() {
        let [worse, better, not_worse] = match gated.judgement.design {
            ComparisonDesign::Interleaved => ["Worse", "better", "not worse"],
            ComparisonDesign::TwoRuns | ComparisonDesign::History => {
                ["Regressed", "improved", "ok"]
            }
        };
        legend.push(format!(
            "{worse} or {better}: by more than the tolerance; {not_worse}: surely not worse by more than \
             the margin. Tolerance / margin: {}.",
            tolerances.join(", ")
        ));
    }
    if gated.judgement.design == ComparisonDesign::Interleaved && !gated.gates {
        legend.push(
            "These verdicts do not affect the exit code; `against_reference = true` under [gate] would make them."
                .to_owned(),
        );
    }
    legend
}

/// Names the estimators of the primary effects, which are not the ratios of the figures in other tables.
fn estimators(primary: &[&Comparison]) -> String {
    let any = |procedure: Procedure| primary.iter().any(|one| one.procedure == procedure);
    let times = any(Procedure::AlignedRanks).then_some(
        "times: the typical ratio on the same prompt (aligned ranks), not the ratio of medians",
    );
    let costs =
        any(Procedure::RatioOfMeans).then_some("cost: the ratio of mean costs over prompts");
    let named: Vec<&str> = times.into_iter().chain(costs).collect();
    if named.is_empty() {
        return String::new();
    }
    format!(" Of {}.", named.join("; of "))
}

/// The comparison design, the error rate and the procedures.
fn method(judgement: &Judgement, primary: &[&Comparison], gate: &Gate) -> Vec<String> {
    let mut method = vec![wording::question(judgement.design).to_owned()];
    let tested = primary.iter().filter(|one| one.tests.is_some()).count();
    if tested > 0 {
        method.push(error_rate(judgement.design, tested, gate.alpha));
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

/// The error rate of all primary verdicts together.
fn error_rate(design: ComparisonDesign, tested: usize, alpha: f64) -> String {
    let one_sided = Thousandths::new(0.5 * alpha).map_or(Figure::Absent, Figure::Share);
    let one_sided = one_sided.shown();
    let [worse, better] =
        [Verdict::Regressed, Verdict::Improved].map(|verdict| verdict.printed_word(design));
    if tested == 1 {
        return format!(
            "The probability of calling it {worse} where it is not worse by more than its tolerance is at most \
             {one_sided}; the same for {better}."
        );
    }
    format!(
        "The probability of calling any of the {tested} primary comparisons {worse} where none is worse by \
         more than its tolerance is at most {one_sided} in all; the same for {better}. Exploratory ones are \
         adjusted for their number (Benjamini-Hochberg): of those called {worse}, a share of at most \
         {one_sided} is expected to be wrong."
    )
}
