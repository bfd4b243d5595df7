//! The checks before anything is sent, with the simulator's scenario if it is the endpoint.
//!
//! Owns which checks are made. Must not know their wording. Invariant: no request is sent to an endpoint.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::catalog::Catalog;
use crate::plan::{Basis, ExpectedAnswer, ModelLint, assumed, run_duration};
use crate::record::ModelRetirement;
use crate::report::preflight::{self, duration_line, warnings};
use crate::report::retirement_line;
use crate::sim::Scenario;
use crate::suite::{Profile, Suite};
use crate::units::ModelId;

use super::endpoint::read_scenario;
use super::failure::Failure;
use super::model_list::MAX_SUGGESTIONS;

/// Lines for standard error before a run: likely problems, and last the expected duration. `scenario`: of the
/// embedded simulator, if the user named one; `judges`: true if verdicts are wanted.
///
/// # Errors
/// If the scenario cannot be read.
pub(in crate::command) fn lines(
    suite: &Suite,
    profile: &Profile,
    catalog: &Catalog,
    scenario: Option<&Path>,
    judges: bool,
) -> Result<Vec<String>, Failure> {
    let simulated = profile.base_url.is_none();
    let scenario = simulated.then(|| read_scenario(scenario)).transpose()?;
    let scenario = scenario.map(|(scenario, _)| scenario);
    let retiring = retirements(suite, Some(profile), catalog);
    let mut lines = warnings(suite, catalog);
    if !judges {
        lines.retain(|(caution, _)| !matches!(caution, ModelLint::FewPrompts { .. }));
    }
    let unknown = scenario
        .iter()
        .flat_map(|scenario| unplayed(suite.models(), scenario));
    let lines = retiring
        .into_iter()
        .chain(unknown)
        .chain(lines.into_iter().map(|(_, line)| line));
    let lines = lines.map(|line| format!("warning: {line}"));
    Ok(lines
        .chain([duration(suite, profile, catalog, scenario.as_ref())])
        .collect())
}

/// A warning for each model of a suite whose retirement has come or is near. `profile`: the suite's endpoint, if it
/// is known.
pub(in crate::command) fn retirements(
    suite: &Suite,
    profile: Option<&Profile>,
    catalog: &Catalog,
) -> Vec<String> {
    let own = profile.map_or(&[][..], |profile| profile.retirements.as_slice());
    let today = today();
    let near = ModelRetirement::near(suite.models(), catalog, own, today);
    near.iter().map(|one| retirement_line(one, today)).collect()
}

/// Today's date, UTC.
pub(in crate::command) fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// A message for each of `models` that the simulated gateway does not play.
pub(in crate::command) fn unplayed<'m>(
    models: impl IntoIterator<Item = &'m ModelId>,
    scenario: &Scenario,
) -> Vec<String> {
    let models: BTreeSet<&ModelId> = models.into_iter().collect();
    let missing = models
        .into_iter()
        .filter(|id| scenario.model(faultless(id)).is_none());
    let listed = Catalog::snapshot();
    let warnings =
        missing.map(|id| preflight::unplayed(id, &listed.nearest(id.as_str(), MAX_SUGGESTIONS)));
    warnings.collect()
}

/// The expected duration of a run.
fn duration(
    suite: &Suite,
    profile: &Profile,
    catalog: &Catalog,
    scenario: Option<&Scenario>,
) -> String {
    let basis = match scenario {
        Some(_) => Basis::Simulated,
        None => Basis::Assumed,
    };
    let variants = suite.variants.iter();
    let expected = variants.map(|variant| {
        let simulated = scenario.and_then(|scenario| simulated(scenario, &variant.model));
        simulated.unwrap_or_else(|| assumed(suite, variant, catalog))
    });
    let expected: Vec<ExpectedAnswer> = expected.collect();
    let duration = run_duration(suite, &profile.limits, &expected);
    duration_line(&duration, suite, profile, basis)
}

/// The id without what stands behind a `+`: in the simulator these are faults.
fn faultless(id: &ModelId) -> &str {
    id.as_str().split('+').next().unwrap_or_default()
}

fn simulated(scenario: &Scenario, model: &ModelId) -> Option<ExpectedAnswer> {
    let (first_token, per_token, tokens) = scenario.model(faultless(model))?.typical();
    Some(ExpectedAnswer {
        first_token,
        per_token,
        tokens,
    })
}
