//! Robust levels and shifts: medians of all sums or differences (Hodges and Lehmann, "Estimates of
//! location based on rank tests", Annals of Mathematical Statistics 34, 1963).
//!
//! Owns their computation without enumerating all pairs: by counting the pairs up to a limit, until those
//! between two limits are few enough to be sorted. Usually about ten passes of O(n + m), three where some values of
//! many show where to count, at most some 200 (for many pairs that are nearly but not quite equal). Must not know
//! logarithms. Invariant: the result is exactly the median of the floating-point sums or differences.

/// The median of all b - a; `None` if a side is empty. Both sides in rising order, finite.
pub fn shift(a: &[f64], b: &[f64]) -> Option<f64> {
    Some(middle_difference(a, b, Thinning::Allowed)?.median())
}

/// The use of some of the values to find where the middle of all is.
#[derive(Clone, Copy, PartialEq)]
enum Thinning {
    Allowed,
    Done,
}

/// Limits around the middle of all b - a, from which one in `stride` leads to that of all.
fn limits_of_some(a: &[f64], b: &[f64]) -> Option<[f64; 4]> {
    let stride = a.len().min(b.len()).isqrt() / 8;
    if stride <= 1 {
        return None;
    }
    let some = |side: &[f64]| -> Vec<f64> {
        let some = side.iter().skip(stride / 2).step_by(stride);
        some.copied().collect()
    };
    middle_difference(&some(a), &some(b), Thinning::Done).map(MiddleValues::limits)
}

/// The numbers of all b - a up to each limit: four walks along both sides, none of which waits for another.
fn counts_at_most(a: &[f64], b: &[f64], limits: [f64; 4]) -> [usize; 4] {
    let mut counts = [0; 4];
    // In each walk the number of values of a side that are behind it.
    let (mut of_a, mut of_b) = ([0; 4], [0; 4]);
    for _ in 0..a.len() + b.len() {
        for walk in 0..4 {
            if let (Some(earlier), Some(later)) = (a.get(of_a[walk]), b.get(of_b[walk])) {
                let is_above = later - earlier > limits[walk];
                counts[walk] += if is_above { 0 } else { a.len() - of_a[walk] };
                of_a[walk] += usize::from(is_above);
                of_b[walk] += usize::from(!is_above);
            }
        }
    }
    counts
}

/// Twice four limits that nearly always leave few values between two of them: the first around the difference of the
/// medians, the others around the line between two of the first.
fn narrow_differences(a: &[f64], b: &[f64], between: &mut CountedLimits, few: usize) {
    let at = |side: &[f64], quarters: usize| side[quarters * (side.len() - 1) / 4];
    let spread = |side: &[f64]| at(side, 3) - at(side, 1);
    let centre = at(b, 2) - at(a, 2);
    // The difference of two medians is that many of their standard errors away.
    let step = spread(a).hypot(spread(b)) / (a.len().min(b.len()) as f64).sqrt();
    let mut limits = [-1.5, -0.5, 0.5, 1.5].map(|steps| centre + steps * step);
    for _ in 0..2 {
        for (limit, count) in limits.into_iter().zip(counts_at_most(a, b, limits)) {
            if between.is_inside(limit) {
                between.narrow(limit, count);
            }
        }
        let (below, top) = (between.below, between.top);
        let slope = (top - below) / between.left() as f64;
        let aim = below + slope * (between.ranks.0 - between.count_below) as f64;
        let half = 0.4 * few as f64 * slope;
        limits = [-2.0, -1.0, 1.0, 2.0].map(|halves| aim + halves * half);
    }
}

/// The middle of all b - a.
fn middle_difference(a: &[f64], b: &[f64], thinning: Thinning) -> Option<MiddleValues> {
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
    // The same walk with two limits: the pairs beyond the one and not the other.
    let between = |below: f64, top: f64| {
        let (mut from, mut to) = (0, 0);
        let mut values = Vec::new();
        for later in b {
            while from < a.len() && later - a[from] > top {
                from += 1;
            }
            while to < a.len() && later - a[to] > below {
                to += 1;
            }
            values.extend(a[from..to].iter().map(|earlier| later - earlier));
        }
        values
    };
    let pairs = PairwiseValues {
        total: a.len() * b.len(),
        few: a.len() + b.len(),
        count_at_most,
        between,
    };
    let mut between = pairs.all(low, high)?;
    if low < high && pairs.total > PAIRS_WORTH_FOUR {
        narrow_differences(a, b, &mut between, pairs.few);
    }
    let limits = (thinning == Thinning::Allowed && between.left() > pairs.few.max(FEW))
        .then(|| limits_of_some(a, b));
    Some(pairs.middle(between, limits.flatten()))
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
    let average = |index: usize, partner: usize| 0.5 * sorted[index] + 0.5 * sorted[partner];
    let between = |below: f64, top: f64| {
        let (mut from, mut to) = (n, n);
        let mut values = Vec::new();
        for index in 0..n {
            while to > index && average(index, to - 1) > top {
                to -= 1;
            }
            while from > index && average(index, from - 1) > below {
                from -= 1;
            }
            values.extend((from.max(index)..to).map(|partner| average(index, partner)));
        }
        values
    };
    let pairs = PairwiseValues {
        total: n * (n + 1) / 2,
        few: n,
        count_at_most,
        between,
    };
    Some(pairs.middle(pairs.all(low, high)?, None).median())
}

/// The number of values that are enumerated in any case: counting twice takes as long.
const FEW: usize = 128;

/// The number of pairs from which on four limits at once are worth their walk.
const PAIRS_WORTH_FOUR: usize = 1_024;

/// The distance, in numbers, of values that are equal but for rounding.
const ROUNDING: u64 = 8;

/// A multiset of values that are not enumerated.
struct PairwiseValues<C, B> {
    total: usize,
    /// The number of values that may be enumerated.
    few: usize,
    /// Counts the values up to a limit.
    count_at_most: C,
    /// Enumerates those above the first limit and at most the second, in any order.
    between: B,
}

/// Values that hold the middle of more.
struct MiddleValues {
    values: Vec<f64>,
    /// The ranks of the two in the middle, which count from 1 and are equal or neighbours.
    ranks: (usize, usize),
}

impl MiddleValues {
    /// The median: the middle of the two.
    fn median(mut self) -> f64 {
        let (lower, upper) = middle_two(&mut self.values, self.ranks);
        // -0 is 0.
        let (lower, upper) = (lower + 0.0, upper + 0.0);
        lower + 0.5 * (upper - lower)
    }

    /// Limits that probably surround the middle of more values, which these stand for: two some ranks away from
    /// theirs, and two next to it, which equal values have in common but for rounding.
    fn limits(mut self) -> [f64; 4] {
        let away = self.values.len().isqrt();
        let mut value = |index: usize| {
            let index = index.min(self.values.len() - 1);
            *self.values.select_nth_unstable_by(index, f64::total_cmp).1
        };
        let middle = self.ranks.0 - 1;
        let (low, high) = (value(middle.saturating_sub(away)), value(middle + away));
        let middle = place(value(middle));
        [
            low,
            high,
            number(middle - ROUNDING),
            number(middle + ROUNDING),
        ]
    }
}

/// Two limits between which both values in the middle are.
struct CountedLimits {
    /// Both are above this one ...
    below: f64,
    /// ... and at most this one.
    top: f64,
    count_below: usize,
    count_top: usize,
    /// The ranks of the two, which count from 1; of an odd number of values they are one.
    ranks: (usize, usize),
}

impl CountedLimits {
    /// The number of values between the limits.
    fn left(&self) -> usize {
        self.count_top - self.count_below
    }

    fn is_inside(&self, limit: f64) -> bool {
        self.below < limit && limit < self.top
    }

    /// Takes a limit inside that `count` values are at most; returns false if it lies between the two in the middle.
    fn narrow(&mut self, limit: f64, count: usize) -> bool {
        if count >= self.ranks.1 {
            (self.top, self.count_top) = (limit, count);
        } else if count >= self.ranks.0 {
            return false;
        } else {
            (self.below, self.count_below) = (limit, count);
        }
        true
    }
}

impl<C: Fn(f64) -> usize, B: Fn(f64, f64) -> Vec<f64>> PairwiseValues<C, B> {
    /// Limits around all values, from `low` to `high`; `None` if these are not finite.
    fn all(&self, low: f64, high: f64) -> Option<CountedLimits> {
        (low.is_finite() && high.is_finite()).then(|| CountedLimits {
            below: next_below(low),
            top: high,
            count_below: 0,
            count_top: self.total,
            ranks: (self.total.div_ceil(2), self.total / 2 + 1),
        })
    }

    /// The middle of the values; `limits` are tried first.
    fn middle(&self, mut between: CountedLimits, limits: Option<[f64; 4]>) -> MiddleValues {
        let (first, second) = between.ranks;
        let mut step = 0_u32;
        let mut is_stuck = false;
        let mut limits = limits.into_iter().flatten();
        let (lower, upper) = loop {
            let CountedLimits { below, top, .. } = between;
            let left = between.left();
            if place(top) - place(below) == 1 {
                break (top, top);
            }
            if left <= self.few.max(FEW) {
                return MiddleValues {
                    values: (self.between)(below, top),
                    ranks: (first - between.count_below, second - between.count_below),
                };
            }
            let share = (first - between.count_below) as f64 / left as f64;
            let guess = match step % 3 {
                _ if is_stuck => f64::NAN,
                0 => below + share * (top - below),
                1 => 0.5 * below + 0.5 * top,
                _ => f64::NAN,
            };
            // Bisection by rank ends, whatever the numbers.
            let limit = (limits.next().or(Some(guess)))
                .filter(|limit| between.is_inside(*limit))
                .unwrap_or_else(|| number(place(below).midpoint(place(top))));
            let count = (self.count_at_most)(limit);
            if !between.narrow(limit, count) {
                let reaching = |n, from, to| smallest_reaching(n, from, to, &self.count_at_most);
                break (reaching(first, below, limit), reaching(second, limit, top));
            }
            is_stuck = between.left() == left;
            step += 1;
        };
        MiddleValues {
            values: vec![lower, upper],
            ranks: (1, 2),
        }
    }
}

/// The numbers at two ranks, which count from 1 and are equal or neighbours.
fn middle_two(values: &mut [f64], (first, second): (usize, usize)) -> (f64, f64) {
    let (_, lower, above) = values.select_nth_unstable_by(first - 1, f64::total_cmp);
    let lower = *lower;
    if second == first {
        return (lower, lower);
    }
    let upper = above.iter().copied().min_by(f64::total_cmp);
    (lower, upper.unwrap_or(lower))
}

/// The smallest floating-point number from `low` to `high` that at min `n` numbers are at most:
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
    number(low)
}

/// The largest number below another; below 0, of either sign, the one below both.
fn next_below(number_above: f64) -> f64 {
    let above = if number_above == 0.0 {
        -0.0
    } else {
        number_above
    };
    number(place(above) - 1)
}

/// The sign bit of a 64-bit float.
const SIGN: u64 = 1 << 63;

/// The rank of a number among all floating-point numbers: ranks rise as numbers do.
fn place(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The number with a rank.
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
        // Equal but for the last digits, as differences of logarithms are.
        let nearly_tied = (-2..3_i32, 0..3_i32)
            .prop_map(|(n, ulps)| f64::from(n) + f64::from(ulps) * f64::EPSILON);
        prop_oneof![
            prop::collection::vec(nearly_tied, 1..50),
            prop::collection::vec(tied, 1..50),
            prop::collection::vec(-10.0..10.0_f64, 1..50),
        ]
        .prop_map(sorted)
    }

    /// As above, and so many that some of them show where to count.
    fn many_values() -> impl Strategy<Value = Vec<f64>> {
        let repeated = |values: Vec<f64>| {
            let rounds = 0..300_u32.div_ceil(u32::try_from(values.len()).unwrap_or(1));
            let spread = values.iter().any(|value| value.fract() != 0.0);
            let moved = |value: &f64, round: u32| {
                value
                    + if spread {
                        1e-3 * f64::from(round * round)
                    } else {
                        0.0
                    }
            };
            let all = rounds.flat_map(|round| {
                let moved = values.iter().map(move |value| moved(value, round));
                moved.collect::<Vec<f64>>()
            });
            sorted(all.collect())
        };
        values().prop_map(repeated)
    }

    #[test]
    fn empty_sides_have_no_median() {
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
        // Counting finds the exact number that enumerating all pairs would find.
        #[test]
        fn counting_equals_enumeration(a in values(), b in values()) {
            let differences = b.iter().flat_map(|y| a.iter().map(move |x| y - x)).collect();
            prop_assert_eq!(shift(&a, &b), Some(plain_median(differences)));
            let averages = (0..a.len())
                .flat_map(|j| (j..a.len()).map(move |k| (j, k)))
                .map(|(j, k)| 0.5 * a[j] + 0.5 * a[k])
                .collect();
            prop_assert_eq!(level(&a), Some(plain_median(averages)));
        }

        // The limits that some of many values lead to are limits: the result is that of enumeration.
        #[test]
        fn some_of_many_values_change_nothing(
            (a, b) in (many_values(), many_values()),
            shifted in prop_oneof![Just(0.0), -30.0..30.0_f64],
        ) {
            let b: Vec<f64> = b.iter().map(|value| value + shifted).collect();
            let differences = b.iter().flat_map(|y| a.iter().map(move |x| y - x)).collect();
            prop_assert_eq!(shift(&a, &b), Some(plain_median(differences)));
        }

        // Exchanging the sides changes the sign and nothing else.
        #[test]
        fn sides_are_alike(a in values(), b in values()) {
            let (there, back) = (shift(&a, &b).unwrap(), shift(&b, &a).unwrap());
            prop_assert!((there + back).abs() <= 1e-12);
        }
    }
}
