//! Robust levels and shifts: medians of all sums or differences (Hodges and Lehmann, "Estimates of
//! location based on rank tests", Annals of Mathematical Statistics 34, 1963).
//!
//! Owns how they are found without writing all pairs down: O((n + m) 64), no memory. Must not know
//! logarithms. Invariant: the result is exactly the median of the floating-point sums or differences.

/// The median of all b - a; `None` where a side is empty. Both sides in rising order, finite.
pub fn shift(a: &[f64], b: &[f64]) -> Option<f64> {
    let (low, high) = (b.first()? - a.last()?, b.last()? - a.first()?);
    // As b rises, more of `a` is needed to stay at or below the limit: one walk along both sides.
    let count_at_most = |limit: f64| {
        let mut above = 0;
        let mut count = 0;
        for later in b {
            while above < a.len() && later - a[above] > limit {
                above += 1;
            }
            if above == a.len() {
                break;
            }
            count += a.len() - above;
        }
        count
    };
    median_by_counting(a.len() * b.len(), low, high, count_at_most)
}

/// The median of all averages of two values, each value also with itself (Walsh averages); `None` of
/// no values. In rising order, finite.
pub fn level(sorted: &[f64]) -> Option<f64> {
    let (low, high) = (*sorted.first()?, *sorted.last()?);
    let n = sorted.len();
    // As the first of the two rises, fewer partners stay at or below the limit.
    let count_at_most = |limit: f64| {
        let mut partners = n;
        let mut count = 0;
        for (index, first) in sorted.iter().enumerate() {
            while partners > index && 0.5 * first + 0.5 * sorted[partners - 1] > limit {
                partners -= 1;
            }
            if partners <= index {
                break;
            }
            count += partners - index;
        }
        count
    };
    median_by_counting(n * (n + 1) / 2, low, high, count_at_most)
}

/// The median of `total` numbers between `low` and `high`, of which only is known how many are at
/// most a limit; of an even number, the middle of the two in the middle.
fn median_by_counting(
    total: usize,
    low: f64,
    high: f64,
    count_at_most: impl Fn(f64) -> usize,
) -> Option<f64> {
    if !low.is_finite() || !high.is_finite() {
        return None;
    }
    let nth = |n: usize, from: f64| smallest_reaching(n, from, high, &count_at_most);
    let lower = nth(total.div_ceil(2), low);
    if total % 2 == 1 || count_at_most(lower) > total / 2 {
        return Some(lower);
    }
    let upper = nth(total / 2 + 1, lower);
    Some(lower + 0.5 * (upper - lower))
}

/// The smallest floating-point number from `low` to `high` that at least `n` numbers are at most:
/// bisection over the numbers themselves, so that it ends at one of them.
fn smallest_reaching(n: usize, low: f64, high: f64, count_at_most: impl Fn(f64) -> usize) -> f64 {
    let (mut low, mut high) = (place(low), place(high));
    while low < high {
        let middle = low.midpoint(high);
        if count_at_most(number(middle)) >= n {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    // -0 is 0.
    number(low) + 0.0
}

/// The sign bit of a 64-bit float.
const SIGN: u64 = 1 << 63;

/// The place of a number among all floating-point numbers: places rise as numbers do.
fn place(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The number at a place.
fn number(place: u64) -> f64 {
    f64::from_bits(if place & SIGN == 0 {
        !place
    } else {
        place & !SIGN
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(mut values: Vec<f64>) -> Vec<f64> {
        values.sort_by(f64::total_cmp);
        values
    }

    fn plain_median(values: Vec<f64>) -> f64 {
        let values = sorted(values);
        let n = values.len();
        let (low, high) = (values[(n - 1) / 2], values[n / 2]);
        low + 0.5 * (high - low)
    }

    /// Few different values, so that ties are common, or many.
    fn values() -> impl Strategy<Value = Vec<f64>> {
        let tied = (-3..4_i32).prop_map(f64::from);
        prop_oneof![
            prop::collection::vec(tied, 1..25),
            prop::collection::vec(-10.0..10.0_f64, 1..25),
        ]
        .prop_map(sorted)
    }

    #[test]
    fn nothing_has_no_median() {
        // An empty side is absence, not zero.
        assert_eq!(shift(&[], &[1.0]), None);
        assert_eq!(shift(&[1.0], &[]), None);
        assert_eq!(level(&[]), None);
        assert_eq!(level(&[7.5]), Some(7.5));
        assert_eq!(shift(&[1.0], &[1.0]), Some(0.0));
        // A difference beyond the range of numbers has no median either.
        assert_eq!(shift(&[-f64::MAX], &[f64::MAX]), None);
        assert_eq!(level(&[f64::MAX, f64::MAX]), Some(f64::MAX));
    }

    proptest! {
        // Counting finds the very number that writing all pairs down would find.
        #[test]
        fn counting_is_as_good_as_writing_down(a in values(), b in values()) {
            let differences = b.iter().flat_map(|y| a.iter().map(move |x| y - x)).collect();
            prop_assert_eq!(shift(&a, &b), Some(plain_median(differences)));
            let averages = (0..a.len())
                .flat_map(|j| (j..a.len()).map(move |k| (j, k)))
                .map(|(j, k)| 0.5 * a[j] + 0.5 * a[k])
                .collect();
            prop_assert_eq!(level(&a), Some(plain_median(averages)));
        }

        // Exchanging the sides changes the sign and nothing else.
        #[test]
        fn sides_are_alike(a in values(), b in values()) {
            let (there, back) = (shift(&a, &b).unwrap(), shift(&b, &a).unwrap());
            prop_assert!((there + back).abs() <= 1e-12);
        }
    }
}
