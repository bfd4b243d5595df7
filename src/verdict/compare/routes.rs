//! The same comparison within the answers of each provider.
//!
//! Owns the condition that the providers of the two sides differ. Must not know why. Invariant: only a provider
//! that answered both sides has a route.

use crate::stats::interval::Alpha;
use crate::verdict::conditions::SharePair;
use crate::verdict::judgement::{Effect, RouteComparison, Verdict};
use crate::verdict::rule::decide;

use super::approach::tests;
use super::comparability::Comparability;
use super::finding::{SideFinding, compare_sides, too_few_prompts};
use super::sides::{MetricSides, SampleFilter};

/// The comparison within each provider that answered both sides, where the shares of providers differ.
pub(in crate::verdict) fn compare_routes(
    finding: &SideFinding<'_>,
    comparability: &Comparability,
    rounds: u32,
    alpha: Alpha,
) -> Vec<RouteComparison> {
    if comparability.route_shift().is_none() || finding.is_not_measured() {
        return Vec::new();
    }
    let spec = finding.spec;
    let shared = comparability
        .providers
        .iter()
        .filter(|(_, shares)| shares.0 > 0.0 && shares.1 > 0.0);
    let route = |&(provider, (share_reference, share_candidate)): &(u32, SharePair)| {
        let part = SampleFilter {
            provider: Some(provider),
            ..SampleFilter::up_to(rounds)
        };
        let sides = MetricSides::new(&finding.pair, spec.metric, part);
        let enough = too_few_prompts(&sides).is_none();
        let within = enough.then(|| compare_sides(spec.metric, sides)).flatten();
        let effect = within.as_ref().and_then(|within| {
            let (estimate, interval) = within.approach.effect(alpha)?;
            Some(Effect {
                estimate,
                interval,
                level: 1.0 - alpha.two_sided(),
            })
        });
        let tests =
            within.and_then(|within| tests(within.approach.as_ref(), spec.metric, spec.bounds));
        let names = &finding.pair.evidence.providers;
        Some(RouteComparison {
            provider: names.get(provider as usize)?.clone(),
            share_reference,
            share_candidate,
            effect,
            verdict: tests.map_or(Verdict::Inconclusive, |tests| decide(tests, alpha)),
        })
    };
    shared.filter_map(route).collect()
}
