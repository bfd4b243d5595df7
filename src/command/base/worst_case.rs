//! The maximum cost of one request of a suite, by the known lists.
//!
//! Owns which request is bounded. Must not know how a bound is computed: `catalog` does. Invariant: every *at
//! most* about a suite (`estimate`, `size`, `suite check`) uses the same bound.

use std::path::Path;

use crate::catalog::{Catalog, PriceBound, Request, UnboundedCost};
use crate::gateway::request;
use crate::suite::{Prompt, Suite, Wording};
use crate::units::Usd;
use crate::verdict::{WorstCost, worst_cost};

use super::failure::Failure;
use super::files;

/// The maximum bill of one attempt of a prompt by the variant at this index; `bound` is its model's.
pub(in crate::command) fn max_attempt_cost(
    bound: &Result<PriceBound, UnboundedCost>,
    suite: &Suite,
    wording: Wording,
    (prompt, place): (&Prompt, usize),
) -> Result<Usd, UnboundedCost> {
    let bound = bound.as_ref().map_err(Clone::clone)?;
    let variant = &suite.variants[place];
    let parameters = suite.parameters_of(prompt, variant);
    let messages = suite.messages_of(prompt, variant);
    let body = request::body(
        &variant.model,
        &messages,
        &parameters,
        suite.stream,
        wording,
    );
    bound.max_attempt_cost(&Request {
        body: &body.expect("what a route cannot carry was refused before"),
        messages: &messages,
        parameters: &parameters,
    })
}

/// The maximum cost of a suite by the lists that are known without a request, and these lists.
pub(in crate::command) fn worst(
    suite: &Suite,
    project: Option<&Path>,
) -> Result<(WorstCost, Catalog), Failure> {
    // The project's own prices, where the suite's endpoint is one that can be resolved.
    let profile = files::project(project)?.resolve(&suite.endpoint).ok();
    let snapshot = Catalog::snapshot();
    let (catalog, surcharges, wording) = match &profile {
        Some(profile) => (
            snapshot.with_own_prices(&profile.prices_of(suite.models())),
            profile.surcharges.as_slice(),
            profile.wording,
        ),
        None => (snapshot, &[][..], Wording::default()),
    };
    let variants = suite.variants.iter();
    let bounds: Vec<Result<PriceBound, UnboundedCost>> = variants
        .map(|variant| PriceBound::new(&variant.model, &catalog, None, surcharges))
        .collect();
    let worst = worst_cost(suite, |prompt, place| {
        max_attempt_cost(&bounds[place], suite, wording, (prompt, place)).ok()
    });
    Ok((worst, catalog))
}
