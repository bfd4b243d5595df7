//! The uncertainty of a quantile: for these prompts, and for prompts like these.
//!
//! Owns the two intervals. Must not know the measured quantity. Invariant: an end is one of the values, or
//! absent if no value qualifies.

use super::distributions::{binomial_cdf, binomial_sf};
use super::interval::{Alpha, Interval};
use super::mean::Mean;
use super::quantile::quantile_f64;

/// The ranks (counted from 1) of the order statistics that bound a quantile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRanks {
    /// The rank of the lower end; `None` if even the smallest value is too high.
    pub lower: Option<u64>,
    /// The rank of the upper end; `None` if even the largest value is too low.
    pub upper: Option<u64>,
}

/// The order statistics that bound the `q`-quantile of `count` independent values: the largest l with
/// P(X <= l - 1) <= alpha / 2 and the smallest u with P(X >= u) <= alpha / 2, where X is binomial
/// (`count`, `q`). Conservative where prompts are a fixed set. O(log n) binomial tails.
pub fn order_statistics(count: u64, q: f64, alpha: Alpha) -> OrderRanks {
    let one_side = alpha.one_side();
    // P(X <= l - 1) rises with l: the last l that meets the condition stands before the first that
    // does not. A share of exactly alpha / 2 may come out a rounding error above it.
    let is_met = |chance: f64| chance <= one_side * (1.0 + 1e-12);
    let lower = first_in(1, count + 1, |l| !is_met(binomial_cdf(l - 1, count, q))) - 1;
    let upper = first_in(1, count + 1, |u| is_met(binomial_sf(u - 1, count, q)));
    OrderRanks {
        lower: (lower >= 1).then_some(lower),
        upper: (upper <= count).then_some(upper),
    }
}

/// The first number from `low` on for which `holds`, if it holds from there on; `high` if nowhere.
fn first_in(mut low: u64, mut high: u64, holds: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// The interval of the `q`-quantile for these prompts: order statistics of values in rising order.
pub fn for_these_prompts(sorted: &[f64], q: f64, alpha: Alpha) -> Interval {
    let places = order_statistics(sorted.len() as u64, q, alpha);
    let value = |place: Option<u64>| {
        let index = usize::try_from(place?).ok()?;
        sorted.get(index - 1).copied()
    };
    Interval {
        lower: value(places.lower),
        upper: value(places.upper),
    }
}

/// A quantile and its interval for prompts like these.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clustered {
    /// The number of prompts.
    pub prompts: usize,
    /// The number of values.
    pub values: usize,
    /// The quantile (type 8) of all values together.
    pub estimate: f64,
    /// Half the width of the interval on the scale of `q`.
    pub half_width: f64,
    /// The ranks that this leads to, whether or not there is a value.
    pub places: OrderRanks,
    /// The ends.
    pub interval: Interval,
}

/// The interval of the `q`-quantile for prompts like these (Woodruff, "Confidence intervals for medians
/// and other position measures", JASA 47, 1952, with prompts as clusters): the shares of each prompt's
/// values at or below the estimate say by how much the quantile's own share may be wrong,
/// h = max(t sd / sqrt(P), z sqrt(q (1 - q) / n) / 2); its ends are the order statistics floor((q - h) n)
/// and ceil((q + h) n) + 1.
///
/// `None` for fewer than two prompts, for an empty prompt, and for values that are not finite. O(n log n).
pub fn for_prompts_like_these<V: AsRef<[f64]>>(
    prompts: &[V],
    q: f64,
    alpha: Alpha,
) -> Option<Clustered> {
    let mut all: Vec<f64> = prompts.iter().flat_map(AsRef::as_ref).copied().collect();
    if !all.iter().all(|value| value.is_finite()) || !(0.0..=1.0).contains(&q) {
        return None;
    }
    all.sort_unstable_by(f64::total_cmp);
    let estimate = quantile_f64(&all, q)?;
    let shares: Vec<f64> = prompts
        .iter()
        .map(|values| {
            let values = values.as_ref();
            let below = values.iter().filter(|&&value| value <= estimate).count();
            // An empty prompt has no share: the mean refuses it.
            below as f64 / values.len() as f64
        })
        .collect();
    let mean = Mean::from_values(&shares)?;
    let n = all.len() as f64;
    let between = alpha.critical_t(mean.df)? * mean.standard_error?;
    let within = 0.5 * alpha.critical_z() * (q * (1.0 - q) / n).sqrt();
    let half_width = between.max(within);
    let places = OrderRanks {
        lower: place_within((q - half_width) * n, f64::floor, all.len()),
        upper: place_within((q + half_width) * n, |at| at.ceil() + 1.0, all.len()),
    };
    let value = |place: Option<u64>| usize::try_from(place?).ok().map(|place| all[place - 1]);
    Some(Clustered {
        prompts: prompts.len(),
        values: all.len(),
        estimate,
        half_width,
        places,
        interval: Interval {
            lower: value(places.lower),
            upper: value(places.upper),
        },
    })
}

/// A rank that exists: from 1 to `count`.
fn place_within(at: f64, round: impl Fn(f64) -> f64, count: usize) -> Option<u64> {
    let place = round(at);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and the number of values"
    )]
    (place >= 1.0 && place <= count as f64).then_some(place as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::quantile::{Percentile, Support};
    use super::*;

    #[test]
    fn bounds_exist_as_in_the_support_table() {
        // Two ends exist exactly from the counts on that reports promise.
        for percentile in Percentile::ALL {
            for count in 1..400 {
                let places = order_statistics(count, percentile.q(), Alpha::FIVE_PERCENT);
                let both = places.lower.is_some() && places.upper.is_some();
                let bounded = percentile.support(count) == Support::Bounded;
                assert_eq!(both, bounded, "{percentile:?} {count}");
            }
        }
    }

    #[test]
    fn without_clusters_there_is_no_interval() {
        // One prompt says nothing about others; an empty one is the caller's mistake.
        let alpha = Alpha::FIVE_PERCENT;
        assert_eq!(for_prompts_like_these(&[[1.0, 2.0]], 0.5, alpha), None);
        assert_eq!(
            for_prompts_like_these(&[vec![1.0], vec![]], 0.5, alpha),
            None
        );
        assert_eq!(
            for_prompts_like_these(&[[1.0], [f64::NAN]], 0.5, alpha),
            None
        );
        assert_eq!(for_these_prompts(&[], 0.5, alpha), Interval::NONE);
        assert_eq!(
            for_these_prompts(&[1.0; 9], 0.5, alpha),
            Interval::new(1.0, 1.0)
        );
    }

    proptest! {
        // The two conditions hold at the places found and fail one place further in.
        #[test]
        fn places_are_the_narrowest(count in 1..3_000_u64, q in 0.01..0.99_f64) {
            let places = order_statistics(count, q, Alpha::FIVE_PERCENT);
            let below = |l: u64| binomial_cdf(l - 1, count, q);
            let above = |u: u64| binomial_sf(u - 1, count, q);
            let lower = places.lower.unwrap_or(0);
            let upper = places.upper.unwrap_or(count + 1);
            prop_assert!(lower == 0 || below(lower) <= 0.025 + 1e-12);
            prop_assert!(below(lower + 1) > 0.025 - 1e-12);
            prop_assert!(upper > count || above(upper) <= 0.025 + 1e-12);
            prop_assert!(upper == 1 || above(upper - 1) > 0.025 - 1e-12);
        }

        // Neither the order of prompts nor that of values matters, and the ends surround the estimate.
        #[test]
        fn order_is_irrelevant(
            mut prompts in prop::collection::vec(prop::collection::vec(1.0..9.0_f64, 1..9), 2..12),
            q in 0.05..0.95_f64,
        ) {
            let there = for_prompts_like_these(&prompts, q, Alpha::FIVE_PERCENT).unwrap();
            prompts.reverse();
            for values in &mut prompts {
                values.reverse();
            }
            let back = for_prompts_like_these(&prompts, q, Alpha::FIVE_PERCENT).unwrap();
            prop_assert_eq!(there, back);
            prop_assert!(there.interval.lower.is_none_or(|lower| lower <= there.estimate));
            prop_assert!(there.interval.upper.is_none_or(|upper| there.estimate <= upper));
        }
    }
}
