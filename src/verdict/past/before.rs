//! Two runs: before and after a change.
//!
//! Owns when two runs may be compared, what the user must have named as changed, and which variant and
//! prompt of one stands against which of the other. Must not know metrics. Invariant: what differs
//! and was not named is refused or told, never passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::record::{HistoryPrompt, HistoryRun, HistoryVariant};
use crate::suite::Gate;

use super::super::judgement::{Judgement, Situation};
use super::judge;
use super::matching::{Matching, counted, major};

/// What the user says was changed between two runs (`--changed`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Changed {
    /// Texts of prompts: they pair by id.
    Prompt,
    /// The model of a variant.
    Model,
    /// Request parameters, streaming or concurrency.
    Parameters,
    /// The endpoint or the provider behind it.
    Provider,
}

impl Changed {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Prompt, Self::Model, Self::Parameters, Self::Provider];

    /// The word on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Model => "model",
            Self::Parameters => "parameters",
            Self::Provider => "provider",
        }
    }
}

/// A run before, told in the words of the run after: variants and prompts that stand against each other
/// have the same names and digests.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparable {
    /// The run before.
    pub before: HistoryRun,
    /// Labels that stand against each other, (before, after), in the order of the run after.
    pub variants: Vec<(String, String)>,
    /// Digests of prompts of the run before that were given those of the run after.
    pub prompts: BTreeMap<String, String>,
    /// What a reader must know of the pairing.
    pub notes: Vec<String>,
}

/// Why two runs cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// Sentences, at least one.
    pub reasons: Vec<String>,
    /// What the user would have to name as changed; empty where nothing helps.
    pub name: BTreeSet<Changed>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "these runs cannot be compared: {}",
            self.reasons.join("; ")
        )?;
        if self.name.is_empty() {
            return Ok(());
        }
        let flags = self.name.iter().map(|c| format!("--changed {}", c.word()));
        let flags: Vec<String> = flags.collect();
        write!(
            f,
            ". If that is what you changed, say so: {}",
            flags.join(" ")
        )
    }
}

/// What stands against a comparison, collected.
struct Objections<'a> {
    named: &'a [Changed],
    refusal: Refusal,
    notes: Vec<String>,
}

impl Objections<'_> {
    /// Something differs: a note where the user named it, else an objection.
    fn differs(&mut self, what: String, name: &[Changed]) {
        if name.iter().any(|changed| self.named.contains(changed)) {
            self.notes.push(format!("Named as changed: {what}."));
        } else {
            self.refusal.name.extend(name.first());
            self.refusal.reasons.push(what);
        }
    }
}

/// Lays two runs side by side: variants by label, else by model; prompts by what they ask, by id where the
/// user says that this was changed.
///
/// # Errors
/// What differs and was not named, all of it at once; or that the runs have nothing in common.
pub fn comparable(
    before: &HistoryRun,
    after: &HistoryRun,
    changed: &[Changed],
) -> Result<Comparable, Refusal> {
    let mut objections = Objections {
        named: changed,
        refusal: Refusal {
            reasons: Vec::new(),
            name: BTreeSet::new(),
        },
        notes: Vec::new(),
    };
    compare_conditions(before, after, &mut objections);
    let variants = pair_variants(before, after, &mut objections);
    let prompts = pair_prompts(before, after, &mut objections);
    if !objections.refusal.reasons.is_empty() {
        return Err(objections.refusal);
    }
    let mut told = before.clone();
    let labels = variants.iter();
    let labels = labels.map(|(then, now)| (then.label.clone(), now.label.clone()));
    let labels = labels.collect();
    told.variants = variants
        .into_iter()
        .map(|(then, now)| HistoryVariant {
            label: now.label.clone(),
            model: now.model.clone(),
            overrides: now.overrides.clone(),
            prompts: then
                .prompts
                .iter()
                .map(|prompt| HistoryPrompt {
                    digest: prompts
                        .get(&prompt.digest)
                        .unwrap_or(&prompt.digest)
                        .clone(),
                    ..prompt.clone()
                })
                .collect(),
            ..then.clone()
        })
        .collect();
    Ok(Comparable {
        before: told,
        variants: labels,
        prompts,
        notes: objections.notes,
    })
}

fn compare_conditions(before: &HistoryRun, after: &HistoryRun, objections: &mut Objections<'_>) {
    if major(&before.tool) != major(&after.tool) {
        // Nothing that the user can name makes figures of another version the same thing.
        objections.refusal.reasons.push(format!(
            "they were made by {} and {}, whose figures may mean different things",
            before.tool, after.tool
        ));
    }
    if after.started_at < before.started_at {
        objections.notes.push(format!(
            "{} is older than {}, which is named first: what was changed since is told the wrong way round.",
            after.run, before.run
        ));
    }
    let (then, now) = (&before.conditions, &after.conditions);
    if then.endpoint != now.endpoint {
        let what = format!("the endpoint was {} and is {}", then.endpoint, now.endpoint);
        objections.differs(what, &[Changed::Provider]);
    }
    if then.stream != now.stream {
        let word = |stream| if stream { "streamed" } else { "not streamed" };
        let what = format!(
            "answers were {} and are {}",
            word(then.stream),
            word(now.stream)
        );
        objections.differs(what, &[Changed::Parameters]);
    }
    if then.concurrency != now.concurrency {
        let (then, now) = (then.concurrency, now.concurrency);
        let what = format!("the concurrency was {then} and is {now}");
        objections.differs(what, &[Changed::Parameters]);
    }
    if then.slot_size != now.slot_size {
        objections.notes.push(format!(
            "{} asked at the same moment before, {} after: another load on the way.",
            counted(then.slot_size as usize, "variant was", "variants were"),
            now.slot_size
        ));
    }
    if then.environment != now.environment {
        let word = |label: &Option<String>| label.clone().unwrap_or_else(|| "(none)".to_owned());
        objections.notes.push(format!(
            "The runs were made in different environments: {} and {}.",
            word(&then.environment),
            word(&now.environment)
        ));
    }
    if before.suite != after.suite {
        objections.notes.push(format!(
            "The suites have different names: {} and {}.",
            before.suite, after.suite
        ));
    }
}

/// Variants that stand against each other, (before, after).
fn pair_variants<'a>(
    before: &'a HistoryRun,
    after: &'a HistoryRun,
    objections: &mut Objections<'_>,
) -> Vec<(&'a HistoryVariant, &'a HistoryVariant)> {
    let only_one = before.variants.len() == 1 && after.variants.len() == 1;
    let replaced = only_one && objections.named.contains(&Changed::Model);
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    let mut pairs = Vec::new();
    for now in &after.variants {
        let by_model = || {
            before.variants.iter().find(|then| {
                then.model == now.model
                    && after.variant(&then.label).is_none()
                    && !taken.contains(then.label.as_str())
            })
        };
        let alone = || before.variants.first().filter(|_| replaced);
        let Some(then) = before.variant(&now.label).or_else(by_model).or_else(alone) else {
            continue;
        };
        taken.insert(&then.label);
        pairs.push((then, now));
        let label = &now.label;
        if then.model != now.model {
            let what = format!("{label} was {} and is {}", then.model, now.model);
            objections.differs(what, &[Changed::Model]);
        }
        if then.overrides != now.overrides {
            // A pinned provider is one of a variant's own parameters.
            let what = format!("{label} has other parameters or another system text of its own");
            objections.differs(what, &[Changed::Parameters, Changed::Provider]);
        }
    }
    let missing = |run: &HistoryRun, there: BTreeSet<&str>| -> Vec<String> {
        let labels = run.variants.iter().map(|variant| variant.label.clone());
        labels
            .filter(|label| !there.contains(label.as_str()))
            .collect()
    };
    let now_there = pairs.iter().map(|(_, now)| now.label.as_str()).collect();
    for (run, labels) in [
        ("before", missing(before, taken)),
        ("after", missing(after, now_there)),
    ] {
        if !labels.is_empty() {
            let labels = labels.join(", ");
            objections.notes.push(format!(
                "Only in the run {run}, and so not compared: {labels}."
            ));
        }
    }
    if pairs.is_empty() && only_one {
        let (then, now) = (&before.variants[0].model, &after.variants[0].model);
        objections.differs(
            format!("the model was {then} and is {now}"),
            &[Changed::Model],
        );
    } else if pairs.is_empty() {
        let reason = "they have no variant in common".to_owned();
        objections.refusal.reasons.push(reason);
    }
    pairs
}

/// Digests of the run before, each with the digest of the run after that it stands against.
fn pair_prompts(
    before: &HistoryRun,
    after: &HistoryRun,
    objections: &mut Objections<'_>,
) -> BTreeMap<String, String> {
    let (then, now) = (prompts(before), prompts(after));
    let digests = |prompts: &BTreeMap<&str, &HistoryPrompt>| -> BTreeSet<String> {
        prompts
            .values()
            .map(|prompt| prompt.digest.clone())
            .collect()
    };
    let (asked_then, asked_now) = (digests(&then), digests(&now));
    let mut paired = BTreeMap::new();
    let (mut texts, mut parameters) = (0, 0);
    for (id, prompt) in &now {
        // The same question under whatever id, or a changed one under the same.
        let Some(earlier) = then
            .get(id)
            .filter(|_| !asked_then.contains(&prompt.digest))
        else {
            continue;
        };
        if asked_now.contains(&earlier.digest) {
            continue;
        }
        texts += usize::from(earlier.text != prompt.text);
        parameters += usize::from(earlier.parameters != prompt.parameters);
        paired.insert(earlier.digest.clone(), prompt.digest.clone());
    }
    if texts > 0 {
        let what = format!(
            "{} other texts",
            counted(texts, "prompt has", "prompts have")
        );
        objections.differs(what, &[Changed::Prompt]);
    }
    if parameters > 0 {
        let prompts = counted(parameters, "prompt was", "prompts were");
        let what = format!("{prompts} asked with other parameters");
        objections.differs(what, &[Changed::Parameters]);
    }
    let meets = |digest: &&String| asked_now.contains(paired.get(*digest).unwrap_or(digest));
    let common = asked_then.iter().filter(meets).count();
    if common == 0 {
        let reason = "they have no prompt in common".to_owned();
        objections.refusal.reasons.push(reason);
    } else if common < asked_then.len().max(asked_now.len()) {
        objections.notes.push(format!(
            "Compared on the {} that both runs ask; {} only before, {} only after.",
            counted(common, "prompt", "prompts"),
            asked_then.len() - common,
            asked_now.len().saturating_sub(common)
        ));
    }
    paired
}

/// The prompts of a run by id, whichever variant answered them.
fn prompts(run: &HistoryRun) -> BTreeMap<&str, &HistoryPrompt> {
    let all = run.variants.iter().flat_map(|variant| &variant.prompts);
    all.map(|prompt| (prompt.prompt.as_str(), prompt)).collect()
}

/// Judges a run against one before it, with a past of that one run.
pub fn against_run(after: &HistoryRun, comparable: &Comparable, gate: &Gate) -> Judgement {
    let before = vec![&comparable.before];
    let matching = Matching {
        accepted: before.clone(),
        beside: Vec::new(),
        level: before,
    };
    let mut notes = vec![
        "Two runs differ as wholes: by hour, load and route. One earlier run does not tell by how \
         much, so only large changes can be found; a history of runs finds smaller ones, and \
         variants of one run the smallest."
            .to_owned(),
    ];
    notes.extend(comparable.notes.iter().cloned());
    judge(Situation::TwoRuns, after, &matching, gate, notes)
}

#[cfg(test)]
#[path = "before_tests.rs"]
mod tests;
