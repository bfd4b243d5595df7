//! The maximum cost of a suite's requests, by the known lists.
//!
//! Owns where the bounds come from. Must not know how a bound is computed: `catalog` does. Invariant: every *at
//! most* about a suite (`run`, `estimate`, `size`, `suite check`) uses the same bounds.

use std::borrow::Cow;
use std::path::Path;

use crate::catalog::{Catalog, PriceBound, Request, UnboundedCost, WorstCase};
use crate::engine;
use crate::suite::{Suite, Wording};
use crate::verdict::WorstCost;

use super::failure::Failure;
use super::files;

/// The worst case of each request by the bounds of the variants' models. Token limits below `min_limit` count as
/// it: of a probe, whether its limit is honoured is the question.
pub(in crate::command) fn worst_case(
    suite: &Suite,
    wording: Wording,
    bounds: &[Result<PriceBound, UnboundedCost>],
    min_limit: Option<u64>,
) -> WorstCase {
    engine::worst_case(suite, wording, |variant, request| {
        let bound = bounds[variant].as_ref().map_err(Clone::clone)?;
        let mut parameters = Cow::Borrowed(request.parameters);
        if parameters.max_tokens.is_some() && parameters.max_tokens < min_limit {
            parameters.to_mut().max_tokens = min_limit;
        }
        bound.max_attempt_cost(&Request {
            parameters: &parameters,
            ..*request
        })
    })
}

/// The maximum cost of a suite by the lists that are known without a request, and these lists.
pub(in crate::command) fn worst_cost(
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
    let worst = worst_case(suite, wording, &bounds, None);
    Ok((WorstCost::new(&worst), catalog))
}
