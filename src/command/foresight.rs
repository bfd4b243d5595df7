//! What is said before a run: how long it will take, and what will disappoint.
//!
//! Owns the words. Must not reckon: `plan` does. Invariant: one line for each thing, with its remedy.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::catalog::Catalog;
use crate::plan::{
    ExpectedAnswer, LimitUnit, ModelLint, PacingLimit, RunDuration, is_reasoning, lint_models,
    run_duration,
};
use crate::sim::World;
use crate::stats::FEWEST_PROMPTS;
use crate::suite::{Profile, Suite, Variant};
use crate::units::{ModelId, Nanos};

use super::Failure;
use super::catalogue::NEAREST_TOLD;
use super::endpoint::read_world;
use super::job::{Asked, Mode};

/// Where an estimate comes from.
enum Basis {
    /// The typical times of the models that the simulator plays.
    Simulated,
    /// A guess that is the same for all.
    Assumed,
}

/// Lines for standard error before a run: what will disappoint, and last how long it will take.
/// `world`: of the embedded simulator, where the user named one.
///
/// # Errors
/// Where the world cannot be read.
pub(super) fn lines(
    asked: &Asked,
    catalog: &Catalog,
    world: Option<&Path>,
    mode: Mode,
) -> Result<Vec<String>, Failure> {
    let Asked { suite, profile, .. } = asked;
    let simulated = profile.base_url.is_none();
    let world = simulated.then(|| read_world(world)).transpose()?;
    let world = world.map(|(world, _)| world);
    let mut lines = warnings(suite, catalog);
    if mode == Mode::Verify {
        // It is asked whether everything answers: no verdict is wanted.
        lines.retain(|(caution, _)| !matches!(caution, ModelLint::FewPrompts { .. }));
    }
    let unknown = world.iter().flat_map(|world| unplayed(suite, world));
    let lines = unknown.chain(lines.into_iter().map(|(_, line)| line));
    let lines = lines.map(|line| format!("warning: {line}"));
    Ok(lines
        .chain([duration(suite, profile, catalog, world.as_ref())])
        .collect())
}

/// What to say of each model of a suite that the simulated gateway does not play.
pub(super) fn unplayed(suite: &Suite, world: &World) -> Vec<String> {
    let models: BTreeSet<&ModelId> = suite.variants.iter().map(|v| &v.model).collect();
    let missing = models
        .into_iter()
        .filter(|id| world.model(faultless(id)).is_none());
    let listed = Catalog::snapshot();
    let said = missing.map(|id| {
        let nearest = listed.nearest(id.as_str(), NEAREST_TOLD);
        let nearest: Vec<String> = nearest.iter().map(|id| format!("`{id}`")).collect();
        let remedy = match nearest.as_slice() {
            [] => String::new(),
            nearest => format!("; did you mean {}?", nearest.join(" or ")),
        };
        format!("the simulated gateway does not know `{id}`{remedy}")
    });
    said.collect()
}

/// What of a suite will disappoint, each with its sentence.
pub(super) fn warnings(suite: &Suite, catalog: &Catalog) -> Vec<(ModelLint, String)> {
    let date = &catalog.source().date;
    let all = lint_models(suite, catalog).into_iter();
    all.map(|caution| {
        let sentence = sentence(&caution, date);
        (caution, sentence)
    })
    .collect()
}

/// How long a run will take.
fn duration(suite: &Suite, profile: &Profile, catalog: &Catalog, world: Option<&World>) -> String {
    let basis = match world {
        Some(_) => Basis::Simulated,
        None => Basis::Assumed,
    };
    let variants = suite.variants.iter();
    let expected = variants.map(|variant| {
        let simulated = world.and_then(|world| simulated(world, &variant.model));
        simulated.unwrap_or_else(|| assumed(suite, variant, catalog))
    });
    let expected: Vec<ExpectedAnswer> = expected.collect();
    let duration = run_duration(suite, &profile.limits, &expected);
    worded(&duration, suite, profile, &basis)
}

/// The id without what stands behind a `+`: in the simulator these are faults.
fn faultless(id: &ModelId) -> &str {
    id.as_str().split('+').next().unwrap_or_default()
}

fn simulated(world: &World, model: &ModelId) -> Option<ExpectedAnswer> {
    let (first_token, per_token, tokens) = world.model(faultless(model))?.typical();
    Some(ExpectedAnswer {
        first_token,
        per_token,
        tokens,
    })
}

/// No list of models tells how fast one is.
fn assumed(suite: &Suite, variant: &Variant, catalog: &Catalog) -> ExpectedAnswer {
    let model = catalog.get(&variant.model);
    if model.is_some_and(|model| is_reasoning(suite, variant, model)) {
        ExpectedAnswer::ASSUMED_REASONING
    } else {
        ExpectedAnswer::ASSUMED
    }
}

fn worded(duration: &RunDuration, suite: &Suite, profile: &Profile, basis: &Basis) -> String {
    let asking = about(duration.answering);
    let binding_limit = duration.binding_limit();
    let binding_limit = binding_limit.map(|(least, limit)| (about(*least), limit));
    // What is the same in words is not worth a warning.
    if let Some((all, limit)) = binding_limit.filter(|(all, _)| *all != asking) {
        let limit = limit_words(limit, &profile.name);
        let (slots, variants) = (suite.concurrency, suite.variants.len());
        return format!(
            "warning: {limit} holds the run back: with {slots} x {variants} requests at once it would \
             take about {asking}, under the limit {all}"
        );
    }
    let basis = match basis {
        Basis::Simulated => "by the simulated models' typical times".to_owned(),
        Basis::Assumed => {
            let ExpectedAnswer {
                first_token,
                per_token,
                ..
            } = ExpectedAnswer::ASSUMED;
            let rate = 1_000_000_000 / per_token.0;
            let first = first_token.0 / 1_000_000_000;
            format!("if answers begin after {first} s and come at {rate} tokens a second")
        }
    };
    format!("note: about {asking}, {basis}; an estimate")
}

fn limit_words(limit: &PacingLimit, endpoint: &str) -> String {
    let mut words = format!("the limit of {} ", limit.per_minute);
    words.push_str(match limit.unit {
        LimitUnit::Requests => "requests a minute",
        LimitUnit::Tokens => "tokens a minute",
    });
    if let Some(model) = &limit.model {
        let _ = write!(words, " of `{model}`");
    }
    let _ = write!(words, " at `{endpoint}`");
    words
}

/// A span as people say it: no finer than it is known.
fn about(span: Nanos) -> String {
    let seconds = span.0.div_ceil(1_000_000_000);
    match seconds {
        ..10 => format!("{} s", seconds.max(1)),
        10..90 => format!("{} s", seconds.div_ceil(5) * 5),
        90..5_400 => format!("{} min", (seconds + 30) / 60),
        5_400..172_800 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

/// A caution as a sentence; `date`: of the list of models that its facts come from.
fn sentence(caution: &ModelLint, date: &str) -> String {
    match caution {
        ModelLint::EatenByReasoning { model, limit, min } => format!(
            "`{model}` reasons, and reasoning counts against max_tokens = {limit}: answers may be empty \
             or cut; set max_tokens to {min} or more, or a lower reasoning_effort"
        ),
        ModelLint::AboveOutput { model, limit, max } => format!(
            "max_tokens = {limit} is above what `{model}` writes at most, {max} (list of {date}): set \
             max_tokens to {max} or less"
        ),
        ModelLint::AboveContext {
            model,
            window,
            prompt,
            tokens,
            prompts,
        } => {
            let others = match prompts - 1 {
                0 => String::new(),
                1 => ", and 1 more prompt does not".to_owned(),
                more => format!(", and {more} more prompts do not"),
            };
            format!(
                "prompt `{prompt}` does not fit `{model}`{others}: with max_tokens about {tokens} tokens, \
                 of {window} (list of {date}); shorten it, or leave the model out"
            )
        }
        ModelLint::WritesUnread { label } => format!(
            "`{label}` busts prompt caches and marks its prompts for them: every trial may pay for writing what nobody \
             reads; leave out the marks and `caching`, or `cache = \"bust\"`"
        ),
        ModelLint::FewPrompts { prompts } => {
            let s = if *prompts == 1 { " is" } else { "s are" };
            format!(
                "{prompts} prompt{s} too few for any verdict: {FEWEST_PROMPTS} are the least, and \
                 repetitions do not replace them"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_as_coarsely_as_it_is_known() {
        // "1 min 37 s" would promise what an estimate cannot keep.
        let told = |seconds: u64| about(Nanos(seconds * 1_000_000_000));
        let told: Vec<String> = [0, 1, 9, 11, 88, 90, 5_399, 5_400, 90_000, 900_000]
            .map(told)
            .into();
        assert_eq!(
            told.join(", "),
            "1 s, 1 s, 9 s, 15 s, 90 s, 2 min, 90 min, 2 h, 25 h, 10 days"
        );
        assert_eq!(about(Nanos(u64::MAX)), "213504 days");
    }
}
