//! The frontier of quality, speed and cost: the variants that no other one dominates.
//!
//! Owns what dominates. Must not know how it is shown. Invariants: a dominated variant has a dominator on the frontier; a variant with a
//! figure that is not known neither dominates nor is dominated.

use crate::stats::quantile::Percentile;
use crate::suite::Metric;

use super::figures::Figures;
use super::summary::RunSummary;

/// The place of each variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier {
    /// True if answers were graded, so that the pass rate is one of the figures.
    pub has_quality: bool,
    /// In the order of the suite.
    pub standings: Vec<FrontierStanding>,
}

/// The place of one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrontierStanding {
    /// No other variant dominates it.
    OnFrontier,
    /// The variant with this index is at least as good in every figure, and better in one.
    Dominated(usize),
    /// One of its figures is not known.
    Unknown,
}

/// The figures of a variant; less is better in each.
type Costs = [f64; 3];

/// The frontier of a run by its figures as they are: mean cost of a request, median of `speed`, and pass rate where answers were graded.
pub fn frontier(summary: &RunSummary, speed: Metric) -> Frontier {
    let figures = || summary.variants.iter().map(|variant| &variant.figures);
    let has_quality = figures().any(|figures| figures.quality.graded > 0);
    let all: Vec<Option<Costs>> = figures()
        .map(|figures| {
            let pass_rate = figures.quality.pass_rate().filter(|_| has_quality);
            if has_quality && pass_rate.is_none() {
                return None;
            }
            let cost = figures.ranked_cost().mean()?.as_f64();
            Some([cost, median(figures, speed)?, -pass_rate.unwrap_or(0.0)])
        })
        .collect();
    Frontier {
        has_quality,
        standings: standings(&all),
    }
}

fn median(figures: &Figures, speed: Metric) -> Option<f64> {
    let distribution = match speed {
        Metric::Ttft => figures.ttft_ns.as_ref(),
        Metric::Ttfa => figures.ttfa_ns.as_ref(),
        _ => figures.latency_ns.as_ref(),
    };
    Some(distribution?.percentile(Percentile::P50)?.value)
}

fn dominates(a: &Costs, b: &Costs) -> bool {
    let no_worse = a.iter().zip(b).all(|(a, b)| a <= b);
    no_worse && a.iter().zip(b).any(|(a, b)| a < b)
}

fn standings(all: &[Option<Costs>]) -> Vec<FrontierStanding> {
    let dominators = |own: &Costs| -> Vec<usize> {
        let others = all.iter().enumerate();
        let others = others.filter_map(|(index, other)| Some((index, other.as_ref()?)));
        let better = others.filter(|(_, other)| dominates(other, own));
        better.map(|(index, _)| index).collect()
    };
    let of = |own: &Option<Costs>| {
        let Some(own) = own else {
            return FrontierStanding::Unknown;
        };
        // What dominates a dominator dominates its victims, too: one of them lies on the frontier.
        let on_frontier = dominators(own).into_iter().find(|&index| {
            let other = all[index].as_ref();
            other.is_some_and(|other| dominators(other).is_empty())
        });
        on_frontier.map_or(FrontierStanding::OnFrontier, FrontierStanding::Dominated)
    };
    all.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::FrontierStanding::{Dominated, OnFrontier, Unknown};
    use super::*;

    #[test]
    fn a_variant_is_dominated_if_another_is_no_worse_in_all() {
        let all = [
            Some([2.0, 2.0, -0.9]),
            Some([1.0, 2.0, -0.9]),
            Some([3.0, 1.0, -0.5]),
            Some([3.0, 1.0, -0.5]),
            Some([9.0, 9.0, -1.0]),
            None,
        ];
        assert_eq!(
            standings(&all),
            [
                Dominated(1),
                OnFrontier,
                OnFrontier,
                OnFrontier,
                OnFrontier,
                Unknown
            ]
        );
    }

    proptest! {
        // Each dominated variant has a dominator on the frontier, and nothing on the frontier has one.
        #[test]
        fn the_frontier_dominates_the_rest(all in prop::collection::vec(prop::option::of([0_u8..4, 0_u8..4, 0_u8..4]), 0..9)) {
            let all: Vec<Option<Costs>> = all.into_iter().map(|one| one.map(|one| one.map(f64::from))).collect();
            let found = standings(&all);
            for (index, standing) in found.iter().enumerate() {
                match *standing {
                    Dominated(by) => {
                        prop_assert_eq!(found[by], OnFrontier);
                        prop_assert!(dominates(&all[by].unwrap(), &all[index].unwrap()));
                    }
                    OnFrontier => {
                        let own = all[index].unwrap();
                        prop_assert!(!all.iter().flatten().any(|other| dominates(other, &own)));
                    }
                    Unknown => prop_assert!(all[index].is_none()),
                }
            }
            prop_assert_eq!(found.contains(&OnFrontier), all.iter().any(Option::is_some));
        }
    }
}
