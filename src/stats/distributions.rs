//! The three distributions that the procedures stand on: normal, Student's t, binomial.
//!
//! Owns their tails and quantiles, to about 13 digits (also deep in a tail). Must not know the
//! procedures. Invariant: a tail is a share from 0 to 1 and falls as its argument rises; a quantile
//! undoes its tail. Arguments that are not numbers give NaN where the result is a float.

use std::f64::consts::{PI, TAU};

use super::special::{beta_tails, ln_gamma};

/// Below this the tail of the normal distribution is one half less a series of positive terms, above
/// it a continued fraction: each is used where it converges fast.
const NORMAL_FRACTION_FROM: f64 = 2.5;

/// Beyond this many degrees of freedom Student's t is the normal distribution and one term of its
/// expansion: what is left out is below 1e-15 of the tail out to t = 8.
const DF_NEARLY_NORMAL: f64 = 1e10;

/// Steps of a Newton iteration kept inside a bracket: bisection alone would need about 60.
const ROOT_STEPS_MAX: u32 = 200;

/// The density of the standard normal distribution.
pub fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / TAU.sqrt()
}

/// P(Z > x) of the standard normal distribution.
pub fn normal_sf(x: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    if x < 0.0 {
        return 1.0 - normal_sf(-x);
    }
    if x < NORMAL_FRACTION_FROM {
        // P(0 < Z < x) = density (x + x^3/3 + x^5/(3 5) + ...): Abramowitz and Stegun 26.2.11.
        let mut term = x;
        let mut sum = x;
        let mut odd = 1.0;
        while term > f64::EPSILON * 0.1 * sum {
            odd += 2.0;
            term *= x * x / odd;
            sum += term;
        }
        return 0.5 - normal_density(x) * sum;
    }
    // Density / (x + 1/(x + 2/(x + 3/(x + ...)))), from the inside out: Abramowitz and Stegun 26.2.14.
    let inner = (1..=120).rev().fold(x, |below, n| x + f64::from(n) / below);
    normal_density(x) / inner
}

/// P(Z <= x) of the standard normal distribution.
pub fn normal_cdf(x: f64) -> f64 {
    normal_sf(-x)
}

/// The x with P(Z <= x) = `p`; infinite at 0 and 1, NaN outside.
pub fn normal_ppf(p: f64) -> f64 {
    if p < 0.5 {
        -normal_isf(p)
    } else {
        normal_isf(1.0 - p)
    }
}

/// The x with P(Z > x) = `p`; infinite at 0 and 1, NaN outside.
pub fn normal_isf(p: f64) -> f64 {
    inverse_of_tail(p, |x| (normal_sf(x), normal_density(x)))
}

/// P(T > t) of Student's t with `df` > 0 degrees of freedom (whole or not); NaN for other `df`.
pub fn t_sf(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        return f64::NAN;
    }
    if t < 0.0 {
        return 1.0 - t_sf(-t, df);
    }
    if t == f64::INFINITY {
        return 0.0;
    }
    let square = t * t;
    if df > DF_NEARLY_NORMAL {
        let correction = normal_density(t) * (square + 1.0) * t / (4.0 * df);
        return (normal_sf(t) + correction).clamp(0.0, 0.5);
    }
    // Abramowitz and Stegun 26.7.1, in the form that names both shares of df + t^2. A square that
    // overflows leaves the tail at 0.
    let (lower, _) = beta_tails(0.5 * df, 0.5, df / (df + square), 1.0 / (1.0 + df / square));
    0.5 * lower
}

/// P(T <= t) of Student's t with `df` > 0 degrees of freedom.
pub fn t_cdf(t: f64, df: f64) -> f64 {
    t_sf(-t, df)
}

/// The t with P(T <= t) = `p`; infinite at 0 and 1, NaN outside or for `df` not above 0.
pub fn t_ppf(p: f64, df: f64) -> f64 {
    if p < 0.5 {
        -t_isf(p, df)
    } else {
        t_isf(1.0 - p, df)
    }
}

/// The t with P(T > t) = `p`; infinite at 0 and 1, NaN outside or for `df` not above 0.
pub fn t_isf(p: f64, df: f64) -> f64 {
    if df.is_nan() || df <= 0.0 {
        return f64::NAN;
    }
    inverse_of_tail(p, |t| (t_sf(t, df), t_density(t, df)))
}

fn t_density(t: f64, df: f64) -> f64 {
    if df > DF_NEARLY_NORMAL {
        return normal_density(t);
    }
    let scale = ln_gamma(0.5 * (df + 1.0)) - ln_gamma(0.5 * df) - 0.5 * (df * PI).ln();
    (scale - 0.5 * (df + 1.0) * (t * t / df).ln_1p()).exp()
}

/// The x with tail(x) = `p` for a distribution symmetric about 0, from its tail and density.
///
/// Newton's method on the logarithm of the tail, where even far quantiles are a few steps away, kept
/// inside a bracket that every step narrows.
fn inverse_of_tail(p: f64, tail_and_density: impl Fn(f64) -> (f64, f64)) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p > 0.5 {
        return -inverse_of_tail(1.0 - p, tail_and_density);
    }
    if p <= 0.0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while tail_and_density(high).0 > p {
        low = high;
        high *= 2.0;
        if high == f64::INFINITY {
            return high;
        }
    }
    let mut x = 0.5 * (low + high);
    for _ in 0..ROOT_STEPS_MAX {
        let (tail, density) = tail_and_density(x);
        if tail > p {
            low = x;
        } else {
            high = x;
        }
        let newton = x + (tail / p).ln() * tail / density;
        let next = if newton > low && newton < high {
            newton
        } else {
            0.5 * (low + high)
        };
        let step = (next - x).abs();
        x = next;
        if step <= f64::EPSILON * x {
            break;
        }
    }
    x
}

/// P(X <= `k`) of the binomial distribution: `n` trials that succeed with chance `q` (0 to 1).
pub fn binomial_cdf(k: u64, n: u64, q: f64) -> f64 {
    binomial_tails(k, n, q).0
}

/// P(X > `k`) of the binomial distribution, exact also where it is tiny.
pub fn binomial_sf(k: u64, n: u64, q: f64) -> f64 {
    binomial_tails(k, n, q).1
}

/// Abramowitz and Stegun 26.5.24: the sum of a binomial tail is an incomplete beta function.
fn binomial_tails(k: u64, n: u64, q: f64) -> (f64, f64) {
    if k >= n {
        return (1.0, 0.0);
    }
    beta_tails((n - k) as f64, k as f64 + 1.0, 1.0 - q, q)
}

#[cfg(test)]
#[path = "distributions_tests.rs"]
mod tests;
