//! The most that one request of a suite can cost, by the lists that are known.
//!
//! Owns which request is bounded. Must not know how a bound is reckoned: `catalog` does. Invariant: whatever
//! says *at most* of a suite (`estimate`, `size`, `suite check`) says it by the same bound.

use std::path::Path;

use crate::catalog::{Catalog, PriceBound, Request, Unbounded};
use crate::gateway::request;
use crate::suite::{Prompt, Suite, Wording};
use crate::units::Usd;
use crate::verdict::{WorstCost, worst_cost};

use super::failure::Failure;
use super::files;

/// The most that one attempt of a prompt can be billed by the variant at this place; `bound` is its model's.
pub(in crate::command) fn of_attempt(
    bound: &Result<PriceBound, Unbounded>,
    suite: &Suite,
    wording: Wording,
    (prompt, place): (&Prompt, usize),
) -> Result<Usd, Unbounded> {
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
    bound.of_attempt(&Request {
        body: &body.expect("what a route cannot carry was refused before"),
        messages: &messages,
        parameters: &parameters,
    })
}

/// The most that a suite costs by the lists that are known without asking anybody, and these lists.
pub(in crate::command) fn worst(
    suite: &Suite,
    project: Option<&Path>,
) -> Result<(WorstCost, Catalog), Failure> {
    // The project's own prices, where the suite's endpoint is one that can be resolved.
    let profile = files::project(project)?.resolve(&suite.endpoint).ok();
    let snapshot = Catalog::snapshot();
    let (catalog, surcharges, wording) = match &profile {
        Some(profile) => (
            snapshot.with_own_prices(&profile.prices),
            profile.surcharges.as_slice(),
            profile.wording,
        ),
        None => (snapshot, &[][..], Wording::default()),
    };
    let variants = suite.variants.iter();
    let bounds: Vec<Result<PriceBound, Unbounded>> = variants
        .map(|variant| PriceBound::of(&variant.model, &catalog, None, surcharges))
        .collect();
    let worst = worst_cost(suite, |prompt, place| {
        of_attempt(&bounds[place], suite, wording, (prompt, place)).ok()
    });
    Ok((worst, catalog))
}
