//! Did something change while the run went on?
//!
//! Owns the drift check of one side's values in the order of their times. Must not know clocks. Here
//! order is the question: it is the one procedure whose result depends on it. Invariant: the statistic
//! is at least 0, and a prompt's own level does not enter it.

use super::quantile::quantile_f64;

/// Above this the run is not one run: the 1 % point of Kolmogorov's distribution, which the largest
/// excursion of such a sum follows when nothing changes.
pub const WARN_ABOVE: f64 = 1.63;

/// Values further from the centre than this many robust standard deviations are drawn in: one slow
/// answer is no drift.
const WINSORISE_AT: f64 = 3.0;

/// The standard deviation of a normal distribution in units of its median absolute deviation.
const SD_OF_MAD: f64 = 1.4826;

/// What the check found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// How many values.
    pub values: usize,
    /// max |cumulative sum of residuals| / (sd sqrt(n)), sd with n.
    pub statistic: f64,
    /// After how many values the sum lies furthest out: where a single change most likely was.
    pub after: usize,
    /// How much higher (as a natural logarithm) the residuals are after that place than before.
    pub shift: f64,
}

impl Drift {
    /// Whether a reader should be told.
    pub fn warns(&self) -> bool {
        self.statistic > WARN_ABOVE
    }
}

/// Checks pairs (prompt, ln value) in the order of time; prompts are any numbers that tell them apart.
/// Residuals from the prompt's median, drawn in at 3 robust standard deviations, centred, summed up
/// (Ploberger and Kraemer, "The CUSUM test with OLS residuals", Econometrica 60, 1992). `None` of fewer
/// than two values or where one is not finite. O(n log n).
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
    // Without spread, and with nothing but rounding errors to add up, nothing drifts.
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

/// Every value less the median of its prompt's values.
fn residuals(in_time_order: &[(usize, f64)]) -> Option<Vec<f64>> {
    let mut order: Vec<usize> = (0..in_time_order.len()).collect();
    order.sort_unstable_by(|&a, &b| {
        let ((prompt_a, log_a), (prompt_b, log_b)) = (in_time_order[a], in_time_order[b]);
        prompt_a.cmp(&prompt_b).then(log_a.total_cmp(&log_b))
    });
    let mut residuals = vec![0.0; order.len()];
    for prompt in order.chunk_by(|&a, &b| in_time_order[a].0 == in_time_order[b].0) {
        let logs: Vec<f64> = prompt.iter().map(|&index| in_time_order[index].1).collect();
        let median = quantile_f64(&logs, 0.5)?;
        for &index in prompt {
            residuals[index] = in_time_order[index].1 - median;
        }
    }
    Some(residuals)
}

/// Draws in what lies further than 3 robust standard deviations from the median residual.
fn winsorised(residuals: Vec<f64>) -> Option<Vec<f64>> {
    let median_of = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        quantile_f64(&values, 0.5)
    };
    let centre = median_of(residuals.clone())?;
    let mad = median_of(residuals.iter().map(|r| (r - centre).abs()).collect())?;
    let reach = WINSORISE_AT * SD_OF_MAD * mad;
    if reach <= 0.0 {
        // More than half are equal: the scale cannot say what is far.
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
    fn a_step_is_found_where_it_is() {
        // A change by a fifth after 120 of 200 values is named with its place and size.
        let drift = check(&stepped(0.18)).unwrap();
        assert!(drift.warns() && drift.after == 120, "{drift:?}");
        assert!((drift.shift - 0.18).abs() < 0.05, "{drift:?}");
        assert!(!check(&stepped(0.0)).unwrap().warns());
    }

    #[test]
    fn what_cannot_drift_does_not() {
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
