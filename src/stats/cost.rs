//! The mean cost of a request, and its uncertainty.
//!
//! Owns intervals of means of skewed numbers and of their ratios. Must not know prices; the numbers are
//! one mean cost a prompt, in any unit of money. Invariant: costs are at least 0, a lower end is at
//! least 0, and a ratio's interval is absent where the data cannot bound it.

use super::distributions::t_isf;
use super::interval::{Alpha, Interval};
use super::mean::{Mean, Weights};
use super::order::sort_floats;

/// A mean cost with what its interval needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostMean {
    /// The (weighted) mean over prompts with its standard error and degrees of freedom.
    pub mean: Mean,
    /// The third central moment in units of the (population) standard deviation cubed; 0 without spread.
    pub skewness: f64,
}

/// Mean cost from one cost a prompt; `None` for no costs, and if a cost is below 0 or not finite.
pub fn mean_cost(costs: &[f64], weights: &Weights) -> Option<CostMean> {
    if !costs.iter().all(|cost| *cost >= 0.0) {
        return None;
    }
    let mean = Mean::weighted(costs, weights)?;
    let moment = |power: i32| -> f64 {
        let mut terms: Vec<f64> = costs
            .iter()
            .zip(weights.shares())
            .map(|(cost, share)| share * (cost - mean.estimate).powi(power))
            .collect();
        terms.sort_unstable_by(f64::total_cmp);
        terms.iter().sum()
    };
    let spread = mean.standard_error.is_some_and(|error| error > 0.0);
    let skewness = if spread {
        moment(3) / moment(2).powf(1.5)
    } else {
        0.0
    };
    Some(CostMean { mean, skewness })
}

/// Mean cost for prompts that are every kind of request that there is, at known weights: only repetitions vary.
/// Takes the cost of each answer, prompt by prompt. se^2 = sum w^2 s^2 / R, with s^2 the variance of the R
/// answers to a prompt; degrees of freedom by Satterthwaite ("An approximate distribution of estimates of
/// variance components", Biometrics Bulletin 2, 1946). No standard error if a prompt has one answer; `None` for
/// no prompts, and if a prompt has no answer or a cost is below 0 or not finite.
pub fn mean_cost_of_all(prompts: &[Vec<f64>], weights: &Weights) -> Option<CostMean> {
    if prompts.is_empty() || prompts.len() != weights.shares().len() {
        return None;
    }
    let strata: Vec<Stratum> = prompts
        .iter()
        .zip(weights.shares())
        .map(|(costs, &share)| Stratum::new(costs, share))
        .collect::<Option<_>>()?;
    let sum = |term: fn(&Stratum) -> f64| -> f64 {
        let mut terms: Vec<f64> = strata.iter().map(term).collect();
        terms.sort_unstable_by(f64::total_cmp);
        terms.iter().sum()
    };
    let (estimate, variance) = (sum(|s| s.mean), sum(|s| s.variance));
    let repeated = strata.iter().all(|stratum| stratum.answers > 1);
    let spread = variance > 0.0;
    let count = strata.len();
    let df = if spread {
        variance * variance / sum(|s| s.variance * s.variance / (s.answers - 1).max(1) as f64)
    } else {
        sum(|s| (s.answers - 1) as f64)
    };
    // The third cumulant of the mean, in the units in which `limits` takes it.
    let skewness = if spread {
        sum(|s| s.third) * (count as f64).sqrt() / variance.powf(1.5)
    } else {
        0.0
    };
    Some(CostMean {
        mean: Mean {
            count,
            estimate,
            standard_error: repeated.then(|| variance.sqrt()),
            df,
        },
        skewness,
    })
}

/// The contribution of one prompt to a mean over all kinds of requests.
struct Stratum {
    answers: usize,
    mean: f64,
    /// The variance of its part of the mean.
    variance: f64,
    /// The third cumulant of its part of the mean.
    third: f64,
}

impl Stratum {
    fn new(costs: &[f64], share: f64) -> Option<Self> {
        if costs.is_empty() || !costs.iter().all(|cost| (0.0..f64::INFINITY).contains(cost)) {
            return None;
        }
        // One order for every order: floating sums depend on it in their last digits.
        let mut rising = costs.to_vec();
        sort_floats(&mut rising);
        let n = rising.len() as f64;
        let mean = if rising[0] < rising[rising.len() - 1] {
            rising.iter().sum::<f64>() / n
        } else {
            rising[0]
        };
        let moment =
            |power: i32| -> f64 { rising.iter().map(|cost| (cost - mean).powi(power)).sum() };
        let variance = if n > 1.0 { moment(2) / (n - 1.0) } else { 0.0 };
        // The unbiased third moment needs three answers.
        let third = if n > 2.0 {
            moment(3) * n / ((n - 1.0) * (n - 2.0))
        } else {
            0.0
        };
        Some(Self {
            answers: rising.len(),
            mean: share * mean,
            variance: share * share * variance / n,
            third: share.powi(3) * third / (n * n),
        })
    }
}

impl CostMean {
    /// The interval of the mean: m exp(-q se / m) below, and above
    /// m exp((q se + max(g, 0) sd (1 + 2 q^2) / (6 P)) / m): a log-t interval whose upper limit carries
    /// the skewness g as Johnson's modified t does ("Modified t tests and confidence intervals for
    /// asymmetrical populations", JASA 73, 1978). No bounds of a single prompt; nothing but 0 where all
    /// costs are 0.
    pub fn interval(&self, alpha: Alpha) -> Interval {
        self.limits(alpha.one_side()).unwrap_or(Interval::NONE)
    }

    /// The limit that the mean exceeds with a probability of at most `one_side`.
    pub fn upper_limit(&self, one_side: f64) -> Option<f64> {
        self.limits(one_side)?.upper
    }

    fn limits(&self, one_side: f64) -> Option<Interval> {
        let (m, error) = (self.mean.estimate, self.mean.standard_error?);
        if error <= 0.0 {
            return Some(Interval::new(m, m));
        }
        let q = t_isf(one_side, self.mean.df);
        let count = self.mean.count as f64;
        let sd = error * count.sqrt();
        let skewed = self.skewness.max(0.0) * sd * (1.0 + 2.0 * q * q) / (6.0 * count);
        Some(Interval::new(
            m * (-q * error / m).exp(),
            m * ((q * error + skewed) / m).exp(),
        ))
    }
}

/// The ratio of two means on the same prompts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostRatio {
    /// The number of prompts.
    pub prompts: usize,
    /// b's mean over a's; `None` if a's is 0.
    pub estimate: Option<f64>,
    /// Its interval; no bounds if a's mean cannot be distinguished from 0.
    pub interval: Interval,
}

/// b's mean cost over a's, from one pair (a, b) a prompt, by Fieller's theorem ("Some problems in
/// interval estimation", JRSS B 16, 1954): the ratios r for which b - r a could have mean 0. `None` of
/// nothing, and where a cost is below 0 or not finite.
pub fn ratio(pairs: &[(f64, f64)], weights: &Weights, alpha: Alpha) -> Option<CostRatio> {
    let (costs_a, costs_b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    if !costs_a.iter().chain(&costs_b).all(|cost| *cost >= 0.0) {
        return None;
    }
    let a = Mean::weighted(&costs_a, weights)?;
    let b = Mean::weighted(&costs_b, weights)?;
    let estimate = (a.estimate > 0.0).then(|| b.estimate / a.estimate);
    let interval = fieller((&a, &b), covariance(pairs, weights, (&a, &b)), alpha);
    Some(CostRatio {
        prompts: pairs.len(),
        estimate,
        interval: interval.unwrap_or(Interval::NONE),
    })
}

/// The same for two means from [`mean_cost_of_all`]: the answers of two models to one prompt are independent.
pub fn ratio_of_all(a: &CostMean, b: &CostMean, alpha: Alpha) -> CostRatio {
    let (a, b) = (&a.mean, &b.mean);
    CostRatio {
        prompts: a.count,
        estimate: (a.estimate > 0.0).then(|| b.estimate / a.estimate),
        interval: fieller((a, b), 0.0, alpha).unwrap_or(Interval::NONE),
    }
}

fn covariance(pairs: &[(f64, f64)], weights: &Weights, (a, b): (&Mean, &Mean)) -> f64 {
    let count = pairs.len() as f64;
    let mut products: Vec<f64> = pairs
        .iter()
        .zip(weights.shares())
        .map(|(pair, share)| share * share * (pair.0 - a.estimate) * (pair.1 - b.estimate))
        .collect();
    products.sort_unstable_by(f64::total_cmp);
    products.iter().sum::<f64>() * count / (count - 1.0)
}

/// The ratios b / a of two means that a t test does not reject.
fn fieller((a, b): (&Mean, &Mean), covariance: f64, alpha: Alpha) -> Option<Interval> {
    let (error_a, error_b) = (a.standard_error?, b.standard_error?);
    let q = alpha.critical_t(a.df.min(b.df))?;
    // In units of the means, so that neither tiny prices nor huge ones leave the range of numbers.
    let (spread_a, spread_b) = (q * error_a / a.estimate, q * error_b / b.estimate);
    let joint = q * q * covariance / a.estimate / b.estimate;
    if b.estimate <= 0.0 {
        // A cost of zero on one side is zero at any ratio but 0.
        return (a.estimate > 0.0).then(|| Interval::new(0.0, 0.0));
    }
    let (squared, linear, constant) = (
        1.0 - spread_a * spread_a,
        1.0 - joint,
        1.0 - spread_b * spread_b,
    );
    if squared.is_nan() || squared <= 0.0 {
        return None;
    }
    let root = (linear * linear - squared * constant).max(0.0).sqrt();
    let scale = b.estimate / a.estimate / squared;
    Some(Interval::new(
        // Costs are never below 0, and so is no ratio of them.
        (scale * (linear - root)).max(0.0),
        scale * (linear + root),
    ))
}

/// The factor by which to multiply an estimate so that it bounds the next run's actual cost: the k-th smallest
/// of the past runs' actual / estimate, k = ceil((n + 1) `level`). Covers with a probability of at least
/// `level` if runs are exchangeable (split conformal prediction; Lei and others, JASA 113, 2018). `None` for
/// too few runs for the level (fewer than 9 for 0.9), and if a ratio is not a number.
pub fn conformal_factor(actual_over_estimate: &[f64], level: f64) -> Option<f64> {
    if actual_over_estimate.iter().any(|ratio| ratio.is_nan()) || !(0.0..1.0).contains(&level) {
        return None;
    }
    let mut rising = actual_over_estimate.to_vec();
    rising.sort_unstable_by(f64::total_cmp);
    // 10 x 0.9 is 9, not the 9.000...01 that a float may make of it.
    let rank = ((rising.len() as f64 + 1.0) * level - 1e-9).ceil().max(1.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and one more than the number of runs"
    )]
    rising.get(rank as usize - 1).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALPHA: Alpha = Alpha::FIVE_PERCENT;

    #[test]
    fn free_requests_cost_nothing() {
        // Free models exist: no division by a mean of 0, no interval out of nothing.
        let free = mean_cost(&[0.0; 8], &Weights::equal(8)).unwrap();
        assert_eq!(free.interval(ALPHA), Interval::new(0.0, 0.0));
        let weights = Weights::equal(2);
        let from_free = ratio(&[(0.0, 1.0), (0.0, 2.0)], &weights, ALPHA).unwrap();
        assert_eq!(
            (from_free.estimate, from_free.interval),
            (None, Interval::NONE)
        );
        let to_free = ratio(&[(1.0, 0.0), (2.0, 0.0)], &weights, ALPHA).unwrap();
        assert_eq!(to_free.estimate, Some(0.0));
        assert_eq!(to_free.interval, Interval::new(0.0, 0.0));
    }

    #[test]
    fn no_ratio_of_costs_is_below_0() {
        // One expensive prompt of three leaves the ratio open downwards: to 0, not beyond.
        let pairs = [(1.0, 0.01), (1.0, 0.01), (1.0, 9.0)];
        let found = ratio(&pairs, &Weights::equal(3), ALPHA).unwrap();
        assert_eq!(found.interval.lower, Some(0.0));
        assert!(found.interval.upper > found.estimate, "{found:?}");
    }

    #[test]
    fn invalid_costs_are_rejected() {
        // A negative or missing cost would bend a mean unseen.
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(mean_cost(&[1.0, bad], &Weights::equal(2)), None);
            assert_eq!(
                ratio(&[(1.0, 1.0), (1.0, bad)], &Weights::equal(2), ALPHA),
                None
            );
        }
        assert_eq!(mean_cost(&[], &Weights::equal(0)), None);
        let one = mean_cost(&[2.0], &Weights::equal(1)).unwrap();
        assert_eq!(one.interval(ALPHA), Interval::NONE);
        assert_eq!(conformal_factor(&[1.0, f64::NAN], 0.5), None);
    }

    #[test]
    fn a_complete_population_varies_by_repetitions_alone() {
        // By hand: 0.25 x 2 + 0.75 x 3; 0.0625 x 2 / 2 + 0.5625 x 3 / 3; Satterthwaite over 1 and 2 degrees.
        let weights = Weights::new(&[1.0, 3.0]).unwrap();
        let answers = [vec![3.0, 1.0], vec![2.0, 5.0, 2.0]];
        let found = mean_cost_of_all(&answers, &weights).unwrap();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(found.mean.estimate, 2.75);
        near(found.mean.standard_error.unwrap(), 0.625_f64.sqrt());
        near(
            found.mean.df,
            0.625_f64.powi(2) / (0.0625_f64.powi(2) + 0.5625_f64.powi(2) / 2.0),
        );
        // The third cumulant, 0.75^3 x 9 / 3^2 (9: 3 / (2 x 1) x (8 - 1 - 1)), in units that `limits` undoes.
        near(
            found.skewness,
            0.75_f64.powi(3) * 2.0_f64.sqrt() / 0.625_f64.powf(1.5),
        );
        // How prompts differ is no noise: far apart, but each certain, the mean is certain.
        let certain = mean_cost_of_all(&[vec![1.0; 2], vec![9.0; 2]], &weights).unwrap();
        assert_eq!(certain.interval(ALPHA), Interval::new(7.0, 7.0));
        // A single answer shows no noise: a point, and no interval.
        let once = mean_cost_of_all(&[vec![1.0], vec![2.0, 3.0]], &weights).unwrap();
        assert_eq!(once.interval(ALPHA), Interval::NONE);
        for bad in [
            &[vec![], vec![1.0]][..],
            &[vec![1.0]],
            &[vec![-1.0], vec![1.0]],
            &[vec![f64::NAN], vec![1.0]],
            &[vec![f64::INFINITY], vec![1.0]],
        ] {
            assert_eq!(mean_cost_of_all(bad, &weights), None, "{bad:?}");
        }
    }

    proptest! {
        // The interval surrounds the mean, stays above 0, and follows the unit of money.
        #[test]
        fn intervals_follow_the_unit(
            costs in prop::collection::vec(1e-6..10.0_f64, 2..30),
            unit in 1e-9..1e9_f64,
        ) {
            let weights = Weights::equal(costs.len());
            let plain = mean_cost(&costs, &weights).unwrap();
            let interval = plain.interval(ALPHA);
            let lower = interval.lower.unwrap();
            prop_assert!(lower >= 0.0 && lower <= plain.mean.estimate);
            prop_assert!(interval.upper.is_none_or(|upper| upper >= plain.mean.estimate));
            let scaled: Vec<f64> = costs.iter().map(|cost| cost * unit).collect();
            let other = mean_cost(&scaled, &weights).unwrap().interval(ALPHA).lower.unwrap();
            prop_assert!((other - lower * unit).abs() <= 1e-6 * other.max(1e-300));
        }

        // Fieller's interval holds exactly the ratios that a t test of b - r a does not reject.
        #[test]
        fn fieller_inverts_a_test(
            pairs in prop::collection::vec((0.5..2.0_f64, 0.5..2.0_f64), 6..30),
            shares in prop::collection::vec(0.5..2.0_f64, 30),
            candidate in 0.5..2.0_f64,
        ) {
            let weights = Weights::new(&shares[..pairs.len()]).unwrap();
            let found = ratio(&pairs, &weights, ALPHA).unwrap();
            prop_assume!(found.interval.lower.is_some());
            let residuals: Vec<f64> = pairs.iter().map(|(a, b)| b - candidate * a).collect();
            let p = Mean::weighted(&residuals, &weights).unwrap().p_two_sided(0.0).unwrap();
            prop_assume!((p - 0.05).abs() > 1e-6);
            prop_assert_eq!(found.interval.contains(candidate), p > 0.05);
        }

        // Enough past runs bound the next one; too few bound nothing.
        #[test]
        fn conformal_counts_runs(ratios in prop::collection::vec(0.5..3.0_f64, 0..40)) {
            let factor = conformal_factor(&ratios, 0.9);
            prop_assert_eq!(factor.is_some(), ratios.len() >= 9);
            if let Some(factor) = factor {
                let covered = ratios.iter().filter(|&&ratio| ratio <= factor).count();
                prop_assert!(covered as f64 >= 0.9 * (ratios.len() + 1) as f64 - 1e-9);
            }
        }
    }
}
