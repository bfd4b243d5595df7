//! The checks before anything is sent, with the simulator's scenario if it is the endpoint.
//!
//! Owns which checks are made. Must not know their wording. Invariant: no request is sent to an endpoint.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::catalog::Catalog;
use crate::plan::{Basis, ExpectedAnswer, Plan, assumed, run_duration};
use crate::record::ModelRetirement;
use crate::report::preflight::duration_line;
use crate::report::{lint_sentence, retirement_line};
use crate::sim::Scenario;
use crate::suite::{Profile, Suite};
use crate::units::ModelId;
use crate::verdict::{Lint, ModelLint, Power, lint_suite, lint_unlisted, lint_unplayed};

/// The likely problems of a suite at its endpoint: of its models, its requests and its gate.
#[derive(Debug)]
pub(in crate::command) struct Preflight {
    /// The problems, models first.
    lints: Vec<Lint>,
    /// Date of the list of models that facts come from, `YYYY-MM-DD`.
    list_date: String,
}

/// The facts that a preflight checks against.
#[derive(Debug, Clone, Copy)]
pub(in crate::command) struct Facts<'a> {
    /// The suite's endpoint, if it is known.
    pub profile: Option<&'a Profile>,
    /// The endpoint's own list of models, if there is one.
    pub listed: Option<&'a Catalog>,
    /// The list that knows the models best.
    pub catalog: &'a Catalog,
    /// The scenario of the simulated gateway, if that is the endpoint.
    pub scenario: Option<&'a Scenario>,
}

impl Preflight {
    /// Checks a suite of this power; nothing is sent.
    pub(in crate::command) fn new(suite: &Suite, facts: Facts<'_>, power: &Power) -> Self {
        let mut lints = models(suite, facts);
        lints.extend(lint_suite(suite, facts.catalog, power));
        Self {
            lints,
            list_date: facts.catalog.source().date.clone(),
        }
    }

    /// Adds a problem of the suite's file.
    pub(in crate::command) fn push(&mut self, lint: Lint) {
        self.lints.push(lint);
    }

    /// Leaves out what only concerns verdicts.
    pub(in crate::command) fn without_verdicts(mut self) -> Self {
        self.lints.retain(|lint| !matches!(lint, Lint::Gate(_)));
        self
    }

    /// The sentences, one a problem.
    pub(in crate::command) fn sentences(&self) -> Vec<String> {
        let lints = self.lints.iter();
        lints
            .map(|lint| lint_sentence(lint, &self.list_date))
            .collect()
    }
}

/// The likely problems of a suite's models.
fn models(suite: &Suite, facts: Facts<'_>) -> Vec<Lint> {
    let mut lints = Vec::new();
    if let (Some(list), Some(profile)) = (facts.listed, facts.profile) {
        lints.extend(lint_unlisted(suite.models(), list, &profile.name));
    }
    let scenario = facts.scenario.into_iter();
    lints.extend(scenario.flat_map(|scenario| unplayed(suite.models(), scenario)));
    let today = today();
    let retiring = retiring(suite, facts.profile, facts.catalog, today);
    lints.extend(
        retiring
            .into_iter()
            .map(|retirement| ModelLint::Retires { retirement, today }),
    );
    lints.into_iter().map(Lint::Model).collect()
}

/// A warning for each model of a suite whose retirement has come or is near. `profile`: the suite's endpoint, if it
/// is known.
pub(in crate::command) fn retirements(
    suite: &Suite,
    profile: Option<&Profile>,
    catalog: &Catalog,
) -> Vec<String> {
    let today = today();
    let near = retiring(suite, profile, catalog, today);
    near.iter().map(|one| retirement_line(one, today)).collect()
}

fn retiring(
    suite: &Suite,
    profile: Option<&Profile>,
    catalog: &Catalog,
    today: Date,
) -> Vec<ModelRetirement> {
    let own = profile.map_or(&[][..], |profile| profile.retirements.as_slice());
    ModelRetirement::near(suite.models(), catalog, own, today)
}

/// Today's date, UTC.
pub(in crate::command) fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// A lint for each of `models` that the simulated gateway does not play.
pub(in crate::command) fn unplayed<'m>(
    models: impl IntoIterator<Item = &'m ModelId>,
    scenario: &Scenario,
) -> Vec<ModelLint> {
    let models: BTreeSet<&ModelId> = models.into_iter().collect();
    let missing = models
        .into_iter()
        .filter(|id| scenario.model(faultless(id)).is_none());
    lint_unplayed(missing)
}

/// The expected answer of each variant, in the order of the suite.
pub(in crate::command) fn expected_answers(
    suite: &Suite,
    catalog: &Catalog,
    scenario: Option<&Scenario>,
) -> Vec<ExpectedAnswer> {
    let variants = suite.variants.iter();
    let expected = variants.map(|variant| {
        let simulated = scenario.and_then(|scenario| simulated(scenario, &variant.model));
        simulated.unwrap_or_else(|| assumed(suite, variant, catalog))
    });
    expected.collect()
}

/// The expected duration of a run, as a line for standard error.
pub(in crate::command) fn duration(
    (suite, plan): (&Suite, &Plan),
    profile: &Profile,
    catalog: &Catalog,
    scenario: Option<&Scenario>,
) -> String {
    let basis = match scenario {
        Some(_) => Basis::Simulated,
        None => Basis::Assumed,
    };
    let expected = expected_answers(suite, catalog, scenario);
    let duration = run_duration(suite, &profile.limits, &expected).of_share(plan, suite);
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
