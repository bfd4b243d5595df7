//! The same comparison within the answers of each provider, today and in the past.
//!
//! Owns which levels are one provider's. Must not know how levels are compared. Invariant: only a provider that
//! answered on both sides has a route, and a level of its holds no answer of another.

use std::collections::BTreeMap;

use crate::record::{HistoryRun, HistoryVariant};
use crate::stats::MIN_PROMPTS;
use crate::stats::history::Prior;
use crate::stats::interval::Alpha;

use super::super::conditions::{SharePair, route_shift};
use super::super::judgement::{Comparison, Effect, RouteComparison, Tests, Verdict};
use super::super::rule::decide;
use super::departures::Departures;
use super::deviation::LevelDeviation;
use super::matching::{MatchingRuns, same_variant};
use super::variant_history::VariantHistory;

/// The runs of a variant, with its levels within the answers of one provider.
pub(super) struct RouteRuns {
    provider: String,
    /// Its shares of the answers, in the past and today.
    shares: SharePair,
    today: HistoryRun,
    accepted: Vec<HistoryRun>,
    flagged: Vec<HistoryRun>,
}

/// The comparison within a route, before its verdict.
pub(super) struct PendingRoute {
    provider: String,
    shares: SharePair,
    /// The deviation and its tests, with levels of enough prompts.
    found: Option<(LevelDeviation, Option<Tests>)>,
}

impl VariantHistory<'_> {
    /// The routes of the variant, if their shares of the answers differ from those in the past.
    pub(super) fn routes(&self) -> Vec<RouteRuns> {
        let providers = self.provider_shares();
        if route_shift(&providers).is_none() {
            return Vec::new();
        }
        let within = |run: &HistoryRun, provider| within(run, self.variant, provider);
        let of_all = |runs: &[&HistoryRun], provider| -> Vec<HistoryRun> {
            runs.iter().map(|run| within(run, provider)).collect()
        };
        let shared = providers.into_iter();
        let shared = shared.filter(|(_, shares)| shares.0 > 0.0 && shares.1 > 0.0);
        shared
            .map(|(provider, shares)| RouteRuns {
                provider: provider.to_owned(),
                shares,
                today: within(self.today, provider),
                accepted: of_all(&self.matching.accepted, provider),
                flagged: of_all(&self.matching.flagged, provider),
            })
            .collect()
    }

    /// Repeats a comparison of levels within a route.
    pub(super) fn compare_route(
        &self,
        route: &RouteRuns,
        blank: &Comparison,
        prior: Prior,
    ) -> PendingRoute {
        PendingRoute {
            provider: route.provider.clone(),
            shares: route.shares,
            found: self.levels_within(route, blank, prior),
        }
    }

    fn levels_within(
        &self,
        route: &RouteRuns,
        blank: &Comparison,
        prior: Prior,
    ) -> Option<(LevelDeviation, Option<Tests>)> {
        // The order in which models are named is that of all their answers: a route is judged by itself.
        let departures = self.departures.get(&blank.metric).map(|all| Departures {
            unchanged: all.unchanged.clone(),
            sharing: all.sharing.clone(),
            p_of_rest: 0.0,
        });
        let departures = departures.map(|found| (blank.metric, found));
        let departures = BTreeMap::from_iter(departures);
        let matching = MatchingRuns {
            accepted: route.accepted.iter().collect(),
            flagged: route.flagged.iter().collect(),
            level: Vec::new(),
        };
        let variant = route.today.variant(&self.variant.label)?;
        let history =
            VariantHistory::new(&route.today, variant, self.control, &departures, &matching);
        let (comparison, deviation) = history.levels(blank, prior).ok()?;
        let enough = comparison.size.prompts >= MIN_PROMPTS as u64;
        enough.then_some((deviation, comparison.tests))
    }
}

impl PendingRoute {
    /// Completes the comparison at this level.
    pub(super) fn finish(self, level: Alpha) -> RouteComparison {
        let effect = self.found.as_ref().map(|(deviation, _)| Effect {
            estimate: deviation.prediction.estimate.exp(),
            interval: deviation.prediction.interval(level).map(f64::exp),
            level: 1.0 - level.two_sided(),
        });
        let tests = self.found.and_then(|(_, tests)| tests);
        RouteComparison {
            provider: self.provider,
            share_reference: self.shares.0,
            share_candidate: self.shares.1,
            effect,
            verdict: tests.map_or(Verdict::Inconclusive, |tests| decide(tests, level)),
        }
    }
}

/// The run with the variant's levels within the answers of a provider.
fn within(run: &HistoryRun, variant: &HistoryVariant, provider: &str) -> HistoryRun {
    let mut run = run.clone();
    for then in &mut run.variants {
        if same_variant(then, variant) && !is_all_of(then, provider) {
            for prompt in &mut then.prompts {
                prompt.levels = prompt
                    .levels_by_provider
                    .remove(provider)
                    .unwrap_or_default();
            }
        }
    }
    run
}

/// Returns true if every answer of the variant came from the provider, so that its levels are the provider's.
fn is_all_of(variant: &HistoryVariant, provider: &str) -> bool {
    let answers = variant.providers.get(provider).copied().unwrap_or(0);
    variant.spliced.is_none() && answers > 0 && answers >= variant.mix.answered
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{flat, run};
    use super::super::{PastRuns, compare_with_history};
    use crate::record::{HistoryRun, Level, MetricLevels};
    use crate::suite::{Gate, Metric};
    use crate::verdict::{Comparison, Reason, Verdict};

    /// A run whose answers come from `azure` in this percentage, else from `openai`, which takes half the time: these
    /// shifts of their levels, and levels of all answers that are the mean of both.
    fn routed(week: i64, azure_percent: u32, shifts: (f64, f64)) -> HistoryRun {
        let azure = f64::from(azure_percent) / 100.0;
        let slow = flat(20, shifts.0);
        let fast: Vec<f64> = flat(20, shifts.1 - 2_f64.ln());
        let mean = |(slow, fast): (&f64, &f64)| azure * slow + (1.0 - azure) * fast;
        let mut run = run(week, &slow.iter().zip(&fast).map(mean).collect::<Vec<_>>());
        let answers = u64::from(2 * azure_percent);
        let variant = &mut run.variants[0];
        variant.providers = [("azure", answers), ("openai", 200 - answers)]
            .map(|(name, count)| (name.to_owned(), count))
            .into();
        for (prompt, (slow, fast)) in variant.prompts.iter_mut().zip(slow.iter().zip(&fast)) {
            let level = |ln: f64| MetricLevels::from([(Metric::Ttft, Level { ln, n: 5 })]);
            prompt.levels_by_provider = [
                ("azure".to_owned(), level(*slow)),
                ("openai".to_owned(), level(*fast)),
            ]
            .into();
        }
        run
    }

    fn judged(accepted: Vec<HistoryRun>, today: &HistoryRun) -> Comparison {
        let past = PastRuns {
            accepted,
            ..PastRuns::default()
        };
        let judgement = compare_with_history(today, &past, &Gate::default());
        let mut comparisons = judgement.comparisons.into_iter();
        comparisons.find(|one| one.metric == Metric::Ttft).unwrap()
    }

    fn verdicts(comparison: &Comparison) -> Vec<(&str, Verdict)> {
        let routes = comparison.routes.iter();
        routes
            .map(|route| (route.provider.as_str(), route.verdict))
            .collect()
    }

    #[test]
    fn a_route_shift_is_no_change_within_a_route() {
        // The slower provider gives nearly all answers today: users wait longer, though no provider changed.
        let even = || (0..5).map(|week| routed(week, 50, (0.0, 0.0))).collect();
        let shifted = judged(even(), &routed(9, 95, (0.0, 0.0)));
        assert_eq!(shifted.verdict, Verdict::Regressed);
        assert!(
            shifted
                .reasons
                .iter()
                .any(|one| matches!(one, Reason::RouteShift { .. }))
        );
        let within = [("azure", Verdict::Ok), ("openai", Verdict::Ok)];
        assert_eq!(verdicts(&shifted), within);
        let effect = shifted.routes[0].effect.unwrap();
        assert!((effect.estimate - 1.0).abs() < 1e-9, "{effect:?}");
        // One provider became slower as well.
        let slower = judged(even(), &routed(9, 95, (0.6, 0.0)));
        let within = [("azure", Verdict::Regressed), ("openai", Verdict::Ok)];
        assert_eq!(verdicts(&slower), within);
        // The faster provider hides that the other one became slower.
        let hidden = judged(even(), &routed(9, 20, (0.4, 0.0)));
        assert_ne!(hidden.verdict, Verdict::Regressed);
        assert_eq!(verdicts(&hidden)[0], ("azure", Verdict::Regressed));
        // With equal shares there is nothing to take apart.
        assert!(judged(even(), &routed(9, 55, (0.0, 0.0))).routes.is_empty());
    }

    #[test]
    fn runs_of_one_provider_stand_with_their_levels_and_older_lines_of_several_with_none() {
        // A history of `azure` alone needs no second copy of its levels; version 2 did not store those of routes.
        let alone = |week| {
            let mut run = routed(week, 100, (0.0, 0.0));
            let variant = &mut run.variants[0];
            variant.providers.retain(|_, answers| *answers > 0);
            let prompts = variant.prompts.iter_mut();
            prompts.for_each(|prompt| prompt.levels_by_provider.clear());
            run
        };
        let today = routed(9, 50, (0.0, 0.0));
        let shifted = judged((0..5).map(alone).collect(), &today);
        assert_eq!(verdicts(&shifted), [("azure", Verdict::Ok)]);
        let old = |week| {
            let mut run = routed(week, 90, (0.0, 0.0));
            let prompts = run.variants[0].prompts.iter_mut();
            prompts.for_each(|prompt| prompt.levels_by_provider.clear());
            run
        };
        let unknown = judged((0..5).map(old).collect(), &today);
        assert_eq!(unknown.routes[0].effect, None);
        assert_eq!(unknown.routes[0].verdict, Verdict::Inconclusive);
    }
}
