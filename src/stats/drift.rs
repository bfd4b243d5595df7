//! The drift check: a change of level during a run.
//!
//! Owns the drift check of one side's values in the order of their times. Must not know clocks. It is the one
//! procedure whose result depends on the order. Invariant: the statistic is at least 0, and a prompt's own
//! level does not enter it.

use super::quantile::quantile_unsorted;

/// The warning threshold: the 1 % point of Kolmogorov's distribution, which the largest excursion of such a sum
/// follows if nothing changes.
pub const WARN_ABOVE: f64 = 1.63;

/// The number of robust standard deviations from the centre at which values are winsorised: one slow answer is
/// no drift.
const WINSORISE_AT: f64 = 3.0;

/// The standard deviation of a normal distribution in units of its median absolute deviation.
const SD_OF_MAD: f64 = 1.4826;

/// The result of the check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// The number of values.
    pub values: usize,
    /// max |cumulative sum of residuals| / (sd sqrt(n)), sd with n.
    pub statistic: f64,
    /// The number of values after which the sum lies furthest out: the most likely position of a single change.
    pub after: usize,
    /// The rise of the residuals after that position, as a natural logarithm.
    pub shift: f64,
}

impl Drift {
    /// Returns true if the statistic exceeds the warning threshold.
    pub fn warns(&self) -> bool {
        self.statistic > WARN_ABOVE
    }
}

/// Checks pairs (prompt, ln value) in the order of time; prompts are any distinct numbers. Residuals from the
/// prompt's median, winsorised at 3 robust standard deviations, centred, cumulated (Ploberger and Kraemer, "The
/// CUSUM test with OLS residuals", Econometrica 60, 1992). `None` for fewer than two values or if one is not
/// finite. O(n).
pub fn check(in_time_order: &[(usize, f64)]) -> Option<Drift> {
    let n = in_time_order.len();
    if n < 2 || !in_time_order.iter().all(|(_, log)| log.is_finite()) {
        return None;
    }
    let residuals = winsorised(residuals(in_time_order)?)?;
    let count = n as f64;
    let mean = residuals.iter().sum::<f64>() / count;
    let squares: f64 = residuals.iter().map(|r| (r - mean).powi(2)).sum();
    let sd = (squares / count).sqrt();
    let (mut sum, mut largest, mut after) = (0.0, 0.0, 0);
    for (index, residual) in residuals.iter().enumerate() {
        sum += residual - mean;
        if f64::abs(sum) > largest {
            (largest, after) = (f64::abs(sum), index + 1);
        }
    }
    // Without spread, and with only rounding errors to add up, there is no drift.
    let flat = sd <= f64::EPSILON * count;
    let (before, later) = residuals.split_at(if flat || after == n { 0 } else { after });
    let average = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    Some(Drift {
        values: n,
        statistic: if flat {
            0.0
        } else {
            largest / (sd * count.sqrt())
        },
        after: before.len(),
        shift: if before.is_empty() {
            0.0
        } else {
            average(later) - average(before)
        },
    })
}

/// Subtracts the median of its prompt's values from every value.
fn residuals(in_time_order: &[(usize, f64)]) -> Option<Vec<f64>> {
    let (prompt, log) = (
        |index: usize| in_time_order[index].0,
        |index: usize| in_time_order[index].1,
    );
    let mut by_prompt: Vec<usize> = (0..in_time_order.len()).collect();
    by_prompt.sort_unstable_by_key(|&index| prompt(index));
    let mut residuals = vec![0.0; in_time_order.len()];
    let mut logs = Vec::new();
    for of_prompt in by_prompt.chunk_by(|&a, &b| prompt(a) == prompt(b)) {
        logs.clear();
        logs.extend(of_prompt.iter().map(|&index| log(index)));
        let median = quantile_unsorted(&mut logs, 0.5)?;
        for &index in of_prompt {
            residuals[index] = log(index) - median;
        }
    }
    Some(residuals)
}

/// Winsorises residuals further than 3 robust standard deviations from their median.
fn winsorised(residuals: Vec<f64>) -> Option<Vec<f64>> {
    let median_of = |mut values: Vec<f64>| quantile_unsorted(&mut values, 0.5);
    let centre = median_of(residuals.clone())?;
    let mad = median_of(residuals.iter().map(|r| (r - centre).abs()).collect())?;
    let reach = WINSORISE_AT * SD_OF_MAD * mad;
    if reach <= 0.0 {
        // More than half are equal: there is no scale for outliers.
        return Some(residuals);
    }
    Some(
        residuals
            .into_iter()
            .map(|r| r.clamp(centre - reach, centre + reach))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A run of 200 values on 20 prompts, with noise of one and a half per cent and a step of `height`.
    fn stepped(height: f64) -> Vec<(usize, f64)> {
        (0..200_u32)
            .map(|slot| {
                let noise = f64::from(slot * 7919 % 101) / 101.0 * 0.05;
                let step = if slot >= 120 { height } else { 0.0 };
                ((slot % 20) as usize, f64::from(slot % 20) + noise + step)
            })
            .collect()
    }

    #[test]
    fn a_step_is_found_with_its_position() {
        // A change by a fifth after 120 of 200 values is reported with its position and size.
        let drift = check(&stepped(0.18)).unwrap();
        assert!(drift.warns() && drift.after == 120, "{drift:?}");
        assert!((drift.shift - 0.18).abs() < 0.05, "{drift:?}");
        assert!(!check(&stepped(0.0)).unwrap().warns());
    }

    #[test]
    fn degenerate_series_do_not_drift() {
        // Equal values, one value, no value, no number.
        let still = check(&[(0, 1.0), (1, 5.0), (0, 1.0), (1, 5.0)]).unwrap();
        assert_eq!((still.statistic, still.after, still.shift), (0.0, 0, 0.0));
        assert_eq!(check(&[(0, 1.0)]), None);
        assert_eq!(check(&[]), None);
        assert_eq!(check(&[(0, 1.0), (0, f64::NAN)]), None);
    }

    proptest! {
        // The statistic is a finite number, and neither unit nor a prompt's level enters it.
        #[test]
        fn levels_do_not_matter(
            values in prop::collection::vec((0..5_usize, -3.0..3.0_f64), 2..60),
            levels in prop::collection::vec(-5.0..5.0_f64, 5),
        ) {
            let drift = check(&values).unwrap();
            prop_assert!(drift.statistic.is_finite() && drift.statistic >= 0.0);
            let moved: Vec<_> = values.iter().map(|&(i, log)| (i, log + levels[i])).collect();
            let other = check(&moved).unwrap();
            prop_assert!((drift.statistic - other.statistic).abs() < 1e-6, "{:?} {:?}", drift, other);
        }
    }
}
