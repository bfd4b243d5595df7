//! Two runs: before and after a change.
//!
//! Owns when two runs may be compared, which changes the user must declare, and which variants and prompts are
//! paired. Must not know metrics. Invariant: an undeclared difference is rejected or noted, never ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::record::{HistoryPrompt, HistoryRun, HistoryVariant};
use crate::suite::Gate;

use super::super::incomparable::{DeclaredChange, flags};
use super::super::judgement::{ComparisonDesign, Judgement};
use super::judge;
use super::matching::{MatchingRuns, counted, major};

/// The earlier run with the names of the later one: paired variants and prompts have the same names and
/// digests.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPair {
    /// The earlier run.
    pub before: HistoryRun,
    /// Labels of paired variants, (before, after), in the order of the later run.
    pub variants: Vec<(String, String)>,
    /// Labels of the variants that were asked the same in the same way: only the day differs.
    pub unchanged: BTreeSet<String>,
    /// Digests of prompts of the earlier run, mapped to those of the later run.
    pub prompts: BTreeMap<Arc<str>, Arc<str>>,
    /// Notes on the pairing.
    pub notes: Vec<String>,
}

/// The reasons why two runs cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct IncomparableRuns {
    /// Sentences, at least one.
    pub reasons: Vec<String>,
    /// The changes that the user would have to declare; empty if that would not help.
    pub missing_flags: BTreeSet<DeclaredChange>,
}

impl fmt::Display for IncomparableRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "these runs cannot be compared: {}",
            self.reasons.join("; ")
        )?;
        if self.missing_flags.is_empty() {
            return Ok(());
        }
        write!(
            f,
            ". If you changed that, run with: {}",
            flags(&self.missing_flags)
        )
    }
}

/// The differences between two runs, collected.
struct Differences<'a> {
    declared: &'a [DeclaredChange],
    rejection: IncomparableRuns,
    notes: Vec<String>,
}

impl<'a> Differences<'a> {
    /// No differences yet, of which these may be declared.
    const fn none(declared: &'a [DeclaredChange]) -> Self {
        Self {
            declared,
            rejection: IncomparableRuns {
                reasons: Vec::new(),
                missing_flags: BTreeSet::new(),
            },
            notes: Vec::new(),
        }
    }

    /// Adds a difference: a note if the user declared it, else a reason to refuse.
    fn add(&mut self, what: String, missing_flags: &[DeclaredChange]) {
        if missing_flags
            .iter()
            .any(|change| self.declared.contains(change))
        {
            self.notes.push(format!("Declared as changed: {what}."));
        } else {
            self.rejection.missing_flags.extend(missing_flags.first());
            self.rejection.reasons.push(what);
        }
    }
}

/// Pairs two runs: variants by label, else by model; prompts by their digest, or by id where the user declared
/// that they changed.
///
/// # Errors
/// All undeclared differences at once; or that the runs have nothing in common.
pub fn pair_runs(
    mut before: HistoryRun,
    after: &HistoryRun,
    declared: &[DeclaredChange],
) -> Result<RunPair, IncomparableRuns> {
    let mut differences = Differences::none(declared);
    compare_conditions(&before, after, &mut differences);
    let variants = pair_variants(&before, after, &mut differences);
    let prompts = pair_prompts(&before, after, &mut differences);
    if !differences.rejection.reasons.is_empty() {
        return Err(differences.rejection);
    }
    let conditions = |run: &HistoryRun| {
        let conditions = &run.conditions;
        (
            conditions.endpoint.clone(),
            conditions.stream,
            conditions.concurrency,
            conditions.load.clone(),
        )
    };
    let is_same = prompts.is_empty() && conditions(&before) == conditions(after);
    let is_unchanged = |(then, now): &&(usize, &HistoryVariant)| {
        let then = &before.variants[*then];
        is_same && (&then.model, &then.overrides) == (&now.model, &now.overrides)
    };
    let unchanged = variants.iter().filter(is_unchanged);
    let unchanged = unchanged.map(|(_, now)| now.label.clone()).collect();
    let label = |then: usize| before.variants[then].label.clone();
    let labels = variants.iter();
    let labels = labels.map(|&(then, now)| (label(then), now.label.clone()));
    let labels = labels.collect();
    // Its prompts are moved, not copied: a large suite has as many for each variant.
    let mut left: Vec<_> = before.variants.drain(..).map(Some).collect();
    let renamed = variants.into_iter().filter_map(|(then, now)| {
        let mut variant = left[then].take()?;
        variant.label.clone_from(&now.label);
        variant.model.clone_from(&now.model);
        variant.overrides.clone_from(&now.overrides);
        for prompt in &mut variant.prompts {
            if let Some(digest) = prompts.get(&prompt.digest) {
                prompt.digest = Arc::clone(digest);
            }
        }
        Some(variant)
    });
    before.variants = renamed.collect();
    Ok(RunPair {
        before,
        variants: labels,
        unchanged,
        prompts,
        notes: differences.notes,
    })
}

/// The differences between the newest run of a history and today's, those included that two runs may have and a
/// history may not. Empty if nothing was changed.
pub(super) fn history_differences(newest: &HistoryRun, today: &HistoryRun) -> IncomparableRuns {
    let mut differences = Differences::none(&[]);
    compare_conditions(newest, today, &mut differences);
    pair_variants(newest, today, &mut differences);
    pair_prompts(newest, today, &mut differences);
    let reasons = &mut differences.rejection.reasons;
    let (then, now) = (&newest.conditions, &today.conditions);
    if newest.suite != today.suite {
        let (then, now) = (&newest.suite, &today.suite);
        reasons.push(format!("the suite was `{then}` and is `{now}`"));
    }
    if then.slot_size != now.slot_size {
        let (then, now) = (then.slot_size, now.slot_size);
        reasons.push(format!("the number of models was {then} and is {now}"));
    }
    if then.environment != now.environment {
        let word = |label: &Option<String>| match label {
            Some(label) => format!("`{label}`"),
            None => "not set".to_owned(),
        };
        let (then, now) = (word(&then.environment), word(&now.environment));
        reasons.push(format!("the environment was {then} and is {now}"));
    }
    if then.clock != now.clock {
        let (then, now) = (then.clock.word(), now.clock.word());
        reasons.push(format!("the clock was `{then}` and is `{now}`"));
    }
    let is_new = |label: &&String| newest.variant(label).is_none();
    let labels = today.variants.iter().map(|variant| &variant.label);
    let new: Vec<String> = labels
        .filter(is_new)
        .map(|label| format!("`{label}`"))
        .collect();
    if !new.is_empty() && reasons.is_empty() {
        reasons.push(format!("no accepted run has {}", new.join(", ")));
    }
    differences.rejection
}

fn compare_conditions(before: &HistoryRun, after: &HistoryRun, differences: &mut Differences<'_>) {
    if major(&before.tool) != major(&after.tool) {
        // No declaration makes figures of different versions comparable.
        differences.rejection.reasons.push(format!(
            "they were made by {} and {}, whose figures may differ in meaning",
            before.tool, after.tool
        ));
    }
    if after.started_at < before.started_at {
        differences.notes.push(format!(
            "{} is older than {}, which is named first: changes since then are reported in the wrong direction.",
            after.run, before.run
        ));
    }
    let (then, now) = (&before.conditions, &after.conditions);
    if then.endpoint != now.endpoint {
        let what = format!("the endpoint was {} and is {}", then.endpoint, now.endpoint);
        differences.add(what, &[DeclaredChange::Provider]);
    }
    if then.stream != now.stream {
        let wording = |stream| if stream { "streamed" } else { "not streamed" };
        let what = format!(
            "answers were {} and are {}",
            wording(then.stream),
            wording(now.stream)
        );
        differences.add(what, &[DeclaredChange::Parameters]);
    }
    if then.concurrency != now.concurrency {
        let (then, now) = (then.concurrency, now.concurrency);
        let what = format!("the concurrency was {then} and is {now}");
        differences.add(what, &[DeclaredChange::Parameters]);
    }
    if then.load != now.load {
        let what = "the load (rates, levels or trace) was another one".to_owned();
        differences.add(what, &[DeclaredChange::Parameters]);
    }
    if then.slot_size != now.slot_size {
        differences.notes.push(format!(
            "{} asked at the same moment before, {} after: a different load.",
            counted(then.slot_size as usize, "variant was", "variants were"),
            now.slot_size
        ));
    }
    if then.environment != now.environment {
        let word = |label: &Option<String>| label.clone().unwrap_or_else(|| "(none)".to_owned());
        differences.notes.push(format!(
            "The runs were made in different environments: {} and {}.",
            word(&then.environment),
            word(&now.environment)
        ));
    }
    if then.clock != now.clock {
        differences.notes.push(format!(
            "The runs were stamped by different clocks, `{}` and `{}`, which differ by the client's own delay.",
            then.clock.word(),
            now.clock.word()
        ));
    }
    if before.suite != after.suite {
        differences.notes.push(format!(
            "The suites have different names: {} and {}.",
            before.suite, after.suite
        ));
    }
}

/// Paired variants: the index of one in the earlier run, and the one of the later run.
fn pair_variants<'a>(
    before: &HistoryRun,
    after: &'a HistoryRun,
    differences: &mut Differences<'_>,
) -> Vec<(usize, &'a HistoryVariant)> {
    let only_one = before.variants.len() == 1 && after.variants.len() == 1;
    let is_replacement = only_one && differences.declared.contains(&DeclaredChange::Model);
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    let mut pairs = Vec::new();
    for now in &after.variants {
        let mut all = before.variants.iter();
        let by_model = || {
            before.variants.iter().position(|then| {
                then.model == now.model
                    && after.variant(&then.label).is_none()
                    && !taken.contains(then.label.as_str())
            })
        };
        let Some(index) = all
            .position(|then| then.label == now.label)
            .or_else(by_model)
            .or(is_replacement.then_some(0))
        else {
            continue;
        };
        let then = &before.variants[index];
        taken.insert(&then.label);
        pairs.push((index, now));
        let label = &now.label;
        if then.model != now.model {
            let what = format!("{label} was {} and is {}", then.model, now.model);
            differences.add(what, &[DeclaredChange::Model]);
        }
        if then.overrides != now.overrides {
            // A pinned provider is one of a variant's own parameters.
            let what = format!("{label} has other parameters or another system text of its own");
            differences.add(
                what,
                &[DeclaredChange::Parameters, DeclaredChange::Provider],
            );
        }
    }
    let missing = |run: &HistoryRun, known: BTreeSet<&str>| -> Vec<String> {
        let labels = run.variants.iter().map(|variant| variant.label.clone());
        labels
            .filter(|label| !known.contains(label.as_str()))
            .collect()
    };
    let paired_now = pairs.iter().map(|(_, now)| now.label.as_str()).collect();
    for (run, labels) in [
        ("before", missing(before, taken)),
        ("after", missing(after, paired_now)),
    ] {
        if !labels.is_empty() {
            let labels = labels.join(", ");
            differences.notes.push(format!(
                "Only in the run {run}, and so not compared: {labels}."
            ));
        }
    }
    if pairs.is_empty() && only_one {
        let (then, now) = (&before.variants[0].model, &after.variants[0].model);
        differences.add(
            format!("the model was {then} and is {now}"),
            &[DeclaredChange::Model],
        );
    } else if pairs.is_empty() {
        let reason = "they have no common variant".to_owned();
        differences.rejection.reasons.push(reason);
    }
    pairs
}

/// Digests of the earlier run, each with the digest of its counterpart in the later run.
fn pair_prompts(
    before: &HistoryRun,
    after: &HistoryRun,
    differences: &mut Differences<'_>,
) -> BTreeMap<Arc<str>, Arc<str>> {
    fn digests<'a>(prompts: &BTreeMap<&str, &'a HistoryPrompt>) -> BTreeSet<&'a Arc<str>> {
        prompts.values().map(|prompt| &prompt.digest).collect()
    }
    let (then, now) = (prompts(before), prompts(after));
    let (digests_before, digests_after) = (digests(&then), digests(&now));
    let mut paired = BTreeMap::new();
    let (mut texts, mut parameters) = (0, 0);
    for (id, prompt) in &now {
        // The same prompt under any id, or a changed one under the same id.
        let Some(earlier) = then
            .get(id)
            .filter(|_| !digests_before.contains(&prompt.digest))
        else {
            continue;
        };
        if digests_after.contains(&earlier.digest) {
            continue;
        }
        texts += usize::from(earlier.text != prompt.text);
        parameters += usize::from(earlier.parameters != prompt.parameters);
        paired.insert(Arc::clone(&earlier.digest), Arc::clone(&prompt.digest));
    }
    if texts > 0 {
        let what = format!(
            "{} other texts",
            counted(texts, "prompt has", "prompts have")
        );
        differences.add(what, &[DeclaredChange::Prompt]);
    }
    if parameters > 0 {
        let prompts = counted(parameters, "prompt has", "prompts have");
        let what = format!("{prompts} other parameters");
        differences.add(what, &[DeclaredChange::Parameters]);
    }
    let is_common =
        |digest: &&&Arc<str>| digests_after.contains(paired.get(**digest).unwrap_or(digest));
    let common = digests_before.iter().filter(is_common).count();
    if common == 0 {
        let reason = "they have no prompt in common".to_owned();
        differences.rejection.reasons.push(reason);
    } else if common < digests_before.len().max(digests_after.len()) {
        differences.notes.push(format!(
            "Compared on the {} of both runs; {} only before, {} only after.",
            counted(common, "prompt", "prompts"),
            digests_before.len() - common,
            digests_after.len().saturating_sub(common)
        ));
    }
    paired
}

/// The prompts of a run by id, from any variant.
fn prompts(run: &HistoryRun) -> BTreeMap<&str, &HistoryPrompt> {
    let all = run.variants.iter().flat_map(|variant| &variant.prompts);
    all.map(|prompt| (&*prompt.prompt, prompt)).collect()
}

/// Compares a run with an earlier one, as a history of that single run.
pub fn compare_runs(after: &HistoryRun, run_pair: &RunPair, gate: &Gate) -> Judgement {
    let before = vec![&run_pair.before];
    let matching = MatchingRuns {
        accepted: before.clone(),
        flagged: Vec::new(),
        level: before,
    };
    let mut notes = vec![
        "Two runs differ as wholes: by hour, load and route. One earlier run does not show by how much, so only large changes can be detected; a history of runs detects smaller ones, and variants of one run the smallest."
            .to_owned(),
    ];
    notes.extend(run_pair.notes.iter().cloned());
    let is_unchanged = |label: &str| run_pair.unchanged.contains(label);
    judge(
        ComparisonDesign::TwoRuns,
        after,
        &matching,
        gate,
        is_unchanged,
        notes,
    )
}

#[cfg(test)]
#[path = "before_tests.rs"]
mod tests;
