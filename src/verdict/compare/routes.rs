//! The same comparison within the answers of each provider.
//!
//! Owns when other providers answer one side than the other. Must not know why. Invariant: only a provider
//! that answered both sides has a route.

use crate::stats::interval::Alpha;
use crate::verdict::judgement::{Effect, Route, Verdict};
use crate::verdict::rule::decide;

use super::approach::tests;
use super::finding::{Finding, compared, too_few};
use super::screen::Facts;
use super::sides::{Part, Sides};

/// A comparison within each provider that answered both sides, where shares of providers differ.
pub(in crate::verdict) fn within_routes(
    finding: &Finding<'_>,
    facts: &Facts,
    rounds: u32,
    alpha: Alpha,
) -> Vec<Route> {
    if !facts.routes_differ() || finding.is_not_measured() {
        return Vec::new();
    }
    let question = finding.question;
    let shared = facts
        .providers
        .iter()
        .filter(|(_, shares)| shares.0 > 0.0 && shares.1 > 0.0);
    let route = |&(provider, (share_reference, share_candidate)): &(u32, (f64, f64))| {
        let part = Part {
            provider: Some(provider),
            ..Part::up_to(rounds)
        };
        let sides = Sides::of(&finding.pair, question.metric, part);
        let enough = too_few(&sides).is_none();
        let within = enough.then(|| compared(question.metric, sides)).flatten();
        let effect = within.as_ref().and_then(|within| {
            let (estimate, interval) = within.approach.effect(alpha)?;
            Some(Effect {
                estimate,
                interval,
                level: 1.0 - alpha.two_sided(),
            })
        });
        let tests = within
            .and_then(|within| tests(within.approach.as_ref(), question.metric, question.bounds));
        let names = &finding.pair.evidence.providers;
        Some(Route {
            provider: names.get(provider as usize)?.clone(),
            share_reference,
            share_candidate,
            effect,
            verdict: tests.map_or(Verdict::Inconclusive, |tests| decide(tests, alpha)),
        })
    };
    shared.filter_map(route).collect()
}
