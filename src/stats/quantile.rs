//! Quantiles of samples, and the number of values that a percentile needs before it may be reported.
//!
//! Owns the definition of every percentile in this program: type 8 of Hyndman and Fan, "Sample
//! Quantiles in Statistical Packages" (The American Statistician 50, 1996), which is nearly unbiased
//! whatever the distribution. Must not know what is measured. Invariant: a quantile lies between
//! the smallest and the largest value, and never falls as `q` rises.

use strum::VariantArray as _;

/// The `q`-quantile (0 to 1) of values in rising order, in their unit; `None` of no values.
pub fn quantile_u64(sorted: &[u64], q: f64) -> Option<f64> {
    quantile(sorted.len(), q, |index| sorted[index] as f64)
}

/// The `q`-quantile (0 to 1) of finite values in rising order, in their unit; `None` of no values.
pub fn quantile_f64(sorted: &[f64], q: f64) -> Option<f64> {
    quantile(sorted.len(), q, |index| sorted[index])
}

/// [`quantile_f64`] of values in any order, which are partly sorted in place. O(n).
pub fn quantile_unsorted(values: &mut [f64], q: f64) -> Option<f64> {
    let (below, share) = place_before(values.len(), q)?;
    let (_, low, above) = values.select_nth_unstable_by(below - 1, f64::total_cmp);
    let high = above.iter().copied().min_by(f64::total_cmp);
    Some(between(*low, high.unwrap_or(*low), share))
}

/// Type 8: the value at place h = (n + 1/3) q + 1/3 (counted from 1, kept within 1..=n), on the
/// straight line between the two values around it.
fn quantile(count: usize, q: f64, value_at: impl Fn(usize) -> f64) -> Option<f64> {
    let (below, share) = place_before(count, q)?;
    let (low, high) = (value_at(below - 1), value_at(below.min(count - 1)));
    Some(between(low, high, share))
}

/// The whole place at or before the `q`-quantile's, and what its place is beyond it; `None` of no values.
fn place_before(count: usize, q: f64) -> Option<(usize, f64)> {
    if count == 0 {
        return None;
    }
    let place = place_of(count as f64, q);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 1..=count just above"
    )]
    let below = place.floor() as usize;
    Some((below, place - below as f64))
}

fn between(low: f64, high: f64, share: f64) -> f64 {
    low + share * (high - low)
}

/// Type 8's place of the `q`-quantile among `count` values.
fn place_of(count: f64, q: f64) -> f64 {
    ((count + 1.0 / 3.0) * q + 1.0 / 3.0).clamp(1.0, count.max(1.0))
}

/// The `q`-quantile (0 to 1) of pairs (value, weight) in rising order of values, where a weight is the number
/// of times that its value counts: 3 is the value three times over, 0.5 half a value. The weights replace
/// counts: shares that sum to 1 must be scaled to the number of values first. `None` for no values and if a
/// weight is not above 0 or not finite.
pub fn quantile_weighted(sorted: &[(f64, f64)], q: f64) -> Option<f64> {
    let mut reached = 0.0;
    let mut ends = Vec::with_capacity(sorted.len());
    for (_, weight) in sorted {
        if !weight.is_finite() || *weight <= 0.0 {
            return None;
        }
        reached += weight;
        ends.push(reached);
    }
    let last = sorted.last()?.0;
    // Sums of weights carry rounding errors: a place this near to an end has reached it.
    let slack = 1e-12 * reached;
    let value_at = |place: f64| {
        let index = ends.partition_point(|end| *end < place - slack);
        sorted.get(index).map_or(last, |(value, _)| *value)
    };
    let place = place_of(reached, q);
    let (low, high) = (value_at(place.floor()), value_at(place.floor() + 1.0));
    Some(low + place.fract() * (high - low))
}

/// The percentiles that reports may show.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Percentile {
    /// The median.
    P50,
    /// Three quarters lie below.
    P75,
    /// Nine tenths lie below.
    P90,
    /// 95 of 100 lie below.
    P95,
    /// 99 of 100 lie below.
    P99,
}

/// The support of a percentile by a number of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Support {
    /// Not even a point estimate: on average less than one value lies above it.
    TooFew,
    /// A point estimate, but no 95 % interval with two ends.
    Point,
    /// A point estimate inside a 95 % interval of two order statistics.
    Bounded,
}

impl Percentile {
    /// Every percentile, from the lowest.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.first_chunk().expect("as many");

    /// 50 for the median.
    pub const fn percent(self) -> u64 {
        match self {
            Self::P50 => 50,
            Self::P75 => 75,
            Self::P90 => 90,
            Self::P95 => 95,
            Self::P99 => 99,
        }
    }

    /// 0.5 for the median.
    pub fn q(self) -> f64 {
        self.percent() as f64 / 100.0
    }

    /// `p50` for the median, also in column names.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// The minimum number of values for a point estimate: 1 / (1 - q).
    pub const fn min_for_point(self) -> u64 {
        100_u64.div_ceil(100 - self.percent())
    }

    /// The minimum number of values whose order statistics bound the percentile on both sides at 95 %: the
    /// smallest n with q^n <= 0.025 (the probability that every value lies below it).
    pub const fn min_for_bounds(self) -> u64 {
        match self {
            Self::P50 => 6,
            Self::P75 => 13,
            Self::P90 => 36,
            Self::P95 => 72,
            Self::P99 => 368,
        }
    }

    /// The same with this probability on either side.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a logarithm of a probability over another: positive and small"
    )]
    pub fn min_for_bounds_at(self, one_side: f64) -> u64 {
        (one_side.ln() / self.q().ln()).ceil() as u64
    }

    /// The support of this percentile by `count` values.
    pub const fn support(self, count: u64) -> Support {
        if count < self.min_for_point() {
            Support::TooFew
        } else if count < self.min_for_bounds() {
            Support::Point
        } else {
            Support::Bounded
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(ours: f64, theirs: f64) -> bool {
        (ours - theirs).abs() <= 1e-9 * theirs.abs()
    }

    #[test]
    fn quantiles_agree_with_an_independent_program() {
        // The definition is type 8 and no other: the values come from numpy and scipy.
        let mut values = [
            726.9, 653.0, 335.0, 243.0, 451.8, 1014.4, 1096.8, 849.8, 606.6, 1286.9, 1032.5, 431.7,
            260.6, 395.9, 383.0, 744.3, 157.7, 439.3, 1343.1, 283.7,
        ];
        values.sort_by(f64::total_cmp);
        for (q, expected) in [
            (0.0, 157.7),
            (0.1, 249.453_333_333_333_35),
            (0.25, 355.0),
            (0.5, 529.2),
            (0.75, 945.816_666_666_666_7),
            (0.9, 1_217.196_666_666_666_6),
            (0.95, 1_323.429_999_999_999_8),
            (0.99, 1343.1),
            (1.0, 1343.1),
        ] {
            let ours = quantile_f64(&values, q).unwrap();
            assert!(close(ours, expected), "q {q}: {ours}, not {expected}");
        }
        assert_eq!(quantile_f64(&[7.5], 0.99), Some(7.5));
        assert_eq!(quantile_f64(&[], 0.5), None);
    }

    #[test]
    fn bounds_exist_from_the_smallest_count_that_the_binomial_law_allows() {
        // The table must be the rule: below it the largest value may well lie under the percentile.
        for percentile in Percentile::ALL {
            let all_below = |count: u64| percentile.q().powf(count as f64);
            let min_count = percentile.min_for_bounds();
            assert!(all_below(min_count) <= 0.025, "{percentile:?}");
            assert!(all_below(min_count - 1) > 0.025, "{percentile:?}");
        }
    }

    #[test]
    fn support_rises_in_three_steps() {
        // A p99 of 99 values is an invention, of 367 a point without an upper limit.
        for (percentile, count, support) in [
            (Percentile::P50, 1, Support::TooFew),
            (Percentile::P50, 2, Support::Point),
            (Percentile::P50, 6, Support::Bounded),
            (Percentile::P75, 4, Support::Point),
            (Percentile::P90, 9, Support::TooFew),
            (Percentile::P90, 10, Support::Point),
            (Percentile::P95, 19, Support::TooFew),
            (Percentile::P95, 72, Support::Bounded),
            (Percentile::P99, 99, Support::TooFew),
            (Percentile::P99, 100, Support::Point),
            (Percentile::P99, 367, Support::Point),
            (Percentile::P99, 368, Support::Bounded),
        ] {
            assert_eq!(percentile.support(count), support, "{percentile:?} {count}");
        }
    }

    proptest! {
        // A quantile is never outside its values and never falls as q rises.
        #[test]
        fn quantiles_stay_inside_and_rise(
            mut values in prop::collection::vec(0_u64..4_000_000_000_000, 1..200),
            q in 0.0..1.0_f64,
            step in 0.0..1.0_f64,
        ) {
            values.sort_unstable();
            let low = quantile_u64(&values, q).unwrap();
            let high = quantile_u64(&values, (q + step).min(1.0)).unwrap();
            prop_assert!(low <= high);
            prop_assert!(low >= values[0] as f64);
            prop_assert!(high <= values[values.len() - 1] as f64);
        }

        // Selecting finds what sorting would, to the last bit, with many equal values and few.
        #[test]
        fn no_order_is_needed(
            mut values in prop_oneof![
                prop::collection::vec((-3..4_i32).prop_map(f64::from), 1..300),
                prop::collection::vec(-9.0..9.0_f64, 1..300),
            ],
            q in 0.0..=1.0_f64,
        ) {
            let selected = quantile_unsorted(&mut values.clone(), q);
            values.sort_by(f64::total_cmp);
            let sorted = quantile_f64(&values, q);
            prop_assert_eq!(selected.map(f64::to_bits), sorted.map(f64::to_bits));
        }

        // A weight is a number of repetitions: whole weights are values written several times.
        #[test]
        fn weights_are_repetitions(
            mut pairs in prop::collection::vec((-9.0..9.0_f64, 1..5_u8), 1..40),
            q in 0.0..=1.0_f64,
        ) {
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
            let repeated: Vec<f64> = pairs
                .iter()
                .flat_map(|&(value, times)| vec![value; usize::from(times)])
                .collect();
            let weighted: Vec<(f64, f64)> =
                pairs.iter().map(|&(value, times)| (value, f64::from(times))).collect();
            let (ours, theirs) = (quantile_weighted(&weighted, q), quantile_f64(&repeated, q));
            prop_assert_eq!(ours.map(f64::to_bits), theirs.map(f64::to_bits));
        }

        // Whatever the weights, a quantile lies inside its values and never falls as q rises.
        #[test]
        fn weighted_quantiles_stay_inside_and_rise(
            mut pairs in prop::collection::vec((-9.0..9.0_f64, 1e-6..50.0_f64), 1..40),
            q in 0.0..1.0_f64,
            step in 0.0..1.0_f64,
        ) {
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
            let low = quantile_weighted(&pairs, q).unwrap();
            let high = quantile_weighted(&pairs, (q + step).min(1.0)).unwrap();
            prop_assert!(low <= high + 1e-12);
            prop_assert!(low >= pairs[0].0 && high <= pairs[pairs.len() - 1].0);
        }

        // Both number types give one answer, so that a rate and a time are summarised alike.
        #[test]
        fn integers_and_floats_agree(
            mut values in prop::collection::vec(0_u64..1 << 50, 1..100),
            q in 0.0..=1.0_f64,
        ) {
            values.sort_unstable();
            let floats: Vec<f64> = values.iter().map(|&value| value as f64).collect();
            let (ours, theirs) = (quantile_u64(&values, q), quantile_f64(&floats, q));
            prop_assert_eq!(ours.map(f64::to_bits), theirs.map(f64::to_bits));
        }
    }
}
