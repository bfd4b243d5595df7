//! Selection by name or glob: `--model`, `--prompt` and `--tag`.
//!
//! Owns what a pattern matches. Must not know the command line. Invariant: the selection is a valid suite, and
//! a pattern that selects nothing is an error, never an empty run.

use std::collections::HashSet;

use crate::units::{ModelId, ModelIdError};

use super::parameters::Parameters;
use super::prompt::{Prompt, PromptList};
use super::suite::{Suite, Variant};
use crate::suite::value::glob::{Glob, GlobStyle, check_length};
use crate::suite::value::limits;
use crate::suite::value::text::{nearest, quoted};

/// The reason why a selection is empty or invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// A glob that matches nothing, or a prompt or tag that does not exist.
    #[error("no {kind} of the suite matches {}{}", quoted(pattern), did_you_mean(nearest.as_ref()))]
    NoMatch {
        /// `model`, `prompt` or `tag`.
        kind: &'static str,
        /// As it was typed.
        pattern: String,
        /// The name most like it, if any is.
        nearest: Option<String>,
    },
    /// Prompts match, and tags match, but no prompt does both.
    #[error("no prompt of the suite has both the prompt ids and the tags that were selected")]
    NothingInCommon,
    /// A pattern that is not a glob.
    #[error("{} is not a pattern: {reason}", quoted(pattern))]
    BadPattern {
        /// As it was typed.
        pattern: String,
        /// The error, in words.
        reason: String,
    },
    /// A model that is not in the suite and cannot be the id of one.
    #[error(transparent)]
    BadModel(#[from] ModelIdError),
    /// The gate compares against a control that was not selected, or nothing else was.
    #[error(
        "the gate's control {} {}: {}",
        quoted(control),
        if *alone { "is the only one selected" } else { "was not selected" },
        if *alone {
            "select what is compared with it as well".to_owned()
        } else {
            format!("select it as well (`-m {control}`), or take `control` out of the suite")
        }
    )]
    Control {
        /// Its label.
        control: String,
        /// True if it is the only variant that is left.
        alone: bool,
    },
    /// More variants than one run compares.
    #[error(
        "{count} variants were selected; at most {} are compared",
        limits::VARIANTS
    )]
    TooManyVariants {
        /// Number of selected variants.
        count: usize,
    },
}

fn did_you_mean(nearest: Option<&String>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// The suite with only what was selected; an empty list selects everything.
///
/// A model is named by a variant's label, else by its model (which selects every variant of it),
/// else by a glob over both. A plain id that is not in the suite is added as a variant of that
/// name. Variants stand in the order in which they were named; the reference stays if it was
/// selected and is the first otherwise. A control of the gate must be selected, and not alone: a gate
/// that silently judged something else would be worse than none. Prompts are selected by ids *and* tags, where both are given.
pub fn select(
    suite: &Suite,
    models: &[String],
    prompts: &[String],
    tags: &[String],
) -> Result<Suite, SelectError> {
    let variants = select_variants(&suite.variants, models)?;
    control_stays(suite, &variants)?;
    let reference = variants
        .iter()
        .find(|variant| variant.label == suite.reference)
        .or(variants.first())
        .map_or_else(|| suite.reference.clone(), |variant| variant.label.clone());
    Ok(Suite {
        variants,
        reference,
        prompts: select_prompts(&suite.prompts, prompts, tags)?,
        ..suite.clone()
    })
}

fn control_stays(suite: &Suite, variants: &[Variant]) -> Result<(), SelectError> {
    let Some(control) = suite.gate.as_ref().and_then(|gate| gate.control.as_ref()) else {
        return Ok(());
    };
    let selected = variants.iter().any(|variant| variant.label == *control);
    if selected && variants.len() > 1 {
        return Ok(());
    }
    Err(SelectError::Control {
        control: control.clone(),
        alone: selected,
    })
}

fn select_variants(all: &[Variant], patterns: &[String]) -> Result<Vec<Variant>, SelectError> {
    if patterns.is_empty() {
        return Ok(all.to_vec());
    }
    let mut selected: Vec<Variant> = Vec::new();
    for text in patterns {
        for variant in variants_named(all, text)? {
            if selected
                .iter()
                .all(|earlier| earlier.label != variant.label)
            {
                selected.push(variant);
            }
        }
    }
    if selected.len() > limits::VARIANTS {
        return Err(SelectError::TooManyVariants {
            count: selected.len(),
        });
    }
    Ok(selected)
}

/// The variants that `text` names, at least one.
fn variants_named(all: &[Variant], text: &str) -> Result<Vec<Variant>, SelectError> {
    // A label is what reports call it, so that it wins: `-m openai/gpt-5-mini` must be able to
    // name the plain variant although another one has the same model with another effort.
    if let Some(variant) = all.iter().find(|variant| variant.label == text) {
        return Ok(vec![variant.clone()]);
    }
    let pattern = Pattern::new(text)?;
    let matched: Vec<Variant> = all
        .iter()
        .filter(|v| pattern.matches(&v.label) || pattern.matches(v.model.as_str()))
        .cloned()
        .collect();
    if !matched.is_empty() {
        return Ok(matched);
    }
    if pattern.is_glob() {
        let names = all
            .iter()
            .flat_map(|v| [v.label.as_str(), v.model.as_str()]);
        return Err(no_match("model", text, names));
    }
    let model: ModelId = text.parse()?;
    Ok(vec![Variant {
        label: text.to_owned(),
        model,
        cache: None,
        system: None,
        parameters: Parameters::default(),
    }])
}

fn select_prompts(
    all: &PromptList,
    ids: &[String],
    tags: &[String],
) -> Result<PromptList, SelectError> {
    if ids.is_empty() && tags.is_empty() && !all.is_empty() {
        return Ok(all.clone());
    }
    let by_id = matching("prompt", ids, &all.iter().map(|prompt| prompt.id.as_str()))?;
    let all_tags = all.iter().flat_map(|prompt| &prompt.tags);
    let by_tag = matching("tag", tags, &all_tags.map(String::as_str))?;
    let selected = |prompt: &&Prompt| {
        (ids.is_empty() || by_id.contains(prompt.id.as_str()))
            && (tags.is_empty() || prompt.tags.iter().any(|tag| by_tag.contains(tag.as_str())))
    };
    let prompts: PromptList = all.iter().filter(selected).cloned().collect();
    if prompts.is_empty() {
        return Err(SelectError::NothingInCommon);
    }
    Ok(prompts)
}

/// The names that any of `patterns` matches; each must match at least one.
fn matching<'n>(
    kind: &'static str,
    patterns: &[String],
    names: &(impl Iterator<Item = &'n str> + Clone),
) -> Result<HashSet<&'n str>, SelectError> {
    let mut matched = HashSet::new();
    for text in patterns {
        matched.extend(named(kind, text, names.clone())?);
    }
    Ok(matched)
}

/// Those of `names` that equal `text`, or that it matches as a glob: at min one. `kind` is the noun that the
/// message uses for them.
///
/// # Errors
/// Returns an error if it matches none, or is not a pattern.
pub fn named<'n>(
    kind: &'static str,
    text: &str,
    names: impl Iterator<Item = &'n str> + Clone,
) -> Result<Vec<&'n str>, SelectError> {
    let pattern = Pattern::new(text)?;
    let found: Vec<&str> = names.clone().filter(|name| pattern.matches(name)).collect();
    if found.is_empty() {
        return Err(no_match(kind, text, names));
    }
    Ok(found)
}

fn no_match<'n>(
    kind: &'static str,
    pattern: &str,
    names: impl Iterator<Item = &'n str>,
) -> SelectError {
    // The open end of a glob is not part of the intended name.
    let literal: String = pattern.chars().filter(|c| !"*?[]{}".contains(*c)).collect();
    SelectError::NoMatch {
        kind,
        pattern: pattern.to_owned(),
        nearest: nearest(&literal, names).map(str::to_owned),
    }
}

/// A name, or a glob in which `*` matches any characters, `/` included.
pub(in crate::suite) enum Pattern {
    Name(String),
    Glob(Box<Glob>),
}

impl Pattern {
    pub(in crate::suite) fn new(text: &str) -> Result<Self, SelectError> {
        let bad = |reason: String| SelectError::BadPattern {
            pattern: text.to_owned(),
            reason,
        };
        check_length(text).map_err(bad)?;
        if !text.contains(['*', '?', '[', '{']) {
            return Ok(Self::Name(text.to_owned()));
        }
        let glob = Glob::new(text, GlobStyle::Ids).map_err(bad)?;
        Ok(Self::Glob(Box::new(glob)))
    }

    pub(in crate::suite) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(text) => text == name,
            Self::Glob(glob) => glob.is_match(name),
        }
    }

    fn is_glob(&self) -> bool {
        matches!(self, Self::Glob(_))
    }
}

/// Returns true if the text is a glob, not a plain name.
pub(super) fn is_pattern(text: &str) -> bool {
    Pattern::new(text).is_ok_and(|pattern| pattern.is_glob())
}

/// Returns true if the model has this id, or matches this glob.
pub(in crate::suite) fn fits(pattern: &str, model: &ModelId) -> bool {
    Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(model.as_str()))
}
