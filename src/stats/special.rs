//! The gamma and beta functions, as far as the distributions need them.
//!
//! Owns their numerical evaluation, to about 14 digits. Must not know distributions. Invariant: the
//! two tails of a beta distribution are each computed without subtracting from 1 where they are
//! small.

use std::f64::consts::TAU;

/// Above this argument the series of [`stirling_error`] is exact in double precision: its first
/// term left out is below 1e-19.
const STIRLING_SERIES_FROM: f64 = 16.0;

/// Coefficients of 1/x, 1/x^3, ... in the series of the logarithm of the gamma function
/// (Abramowitz and Stegun 6.1.41), as the divisors they are usually written with.
const STIRLING_SERIES: [f64; 7] = [
    1.0 / 12.0,
    -1.0 / 360.0,
    1.0 / 1_260.0,
    -1.0 / 1_680.0,
    1.0 / 1_188.0,
    -691.0 / 360_360.0,
    1.0 / 156.0,
];

/// Steps of a continued fraction. It needs about the square root of the larger parameter, so that
/// this is enough for parameters of 1e10: more values than any run has.
const FRACTION_STEPS_MAX: u32 = 200_000;

/// Stands for a zero denominator inside a continued fraction (Lentz).
const TINY: f64 = 1e-300;

/// The logarithm of the gamma function for `x` > 0; infinite at 0 and for anything not above it.
pub fn ln_gamma(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 || x == f64::INFINITY {
        return f64::INFINITY;
    }
    // Gamma(x) = Gamma(x + n) / (x (x + 1) ... (x + n - 1)) carries small arguments to the series.
    let mut product = 1.0;
    let mut shifted = x;
    while shifted < STIRLING_SERIES_FROM {
        product *= shifted;
        shifted += 1.0;
    }
    (shifted - 0.5) * shifted.ln() - shifted + 0.5 * TAU.ln() + stirling_series(shifted)
        - product.ln()
}

fn stirling_series(x: f64) -> f64 {
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let sum = STIRLING_SERIES
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * square + coefficient);
    sum * inverse
}

/// The error of Stirling's formula: ln Gamma(x + 1) - ((x + 1/2) ln x - x + ln(2 pi) / 2).
fn stirling_error(x: f64) -> f64 {
    if x >= STIRLING_SERIES_FROM {
        stirling_series(x)
    } else {
        ln_gamma(x + 1.0) - ((x + 0.5) * x.ln() - x + 0.5 * TAU.ln())
    }
}

/// x ln(x / mean) - distance, where `distance` is x - mean, without the loss of digits where that is small.
fn deviance(x: f64, mean: f64, distance: f64) -> f64 {
    if distance.abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() - distance;
    }
    // ln(x / mean) = 2 artanh(ratio) as a power series, whose first term cancels with the rest.
    let ratio = distance / (x + mean);
    let square = ratio * ratio;
    let mut power = 2.0 * x * ratio;
    let mut sum = distance * ratio;
    for odd in (3..100).step_by(2) {
        power *= square;
        let next = sum + power / f64::from(odd);
        if next.to_bits() == sum.to_bits() {
            break;
        }
        sum = next;
    }
    sum
}

/// x^a y^b / B(a, b) with x + y = 1. The form of Loader, "Fast and accurate computation of binomial
/// probabilities" (2000): no two large logarithms are subtracted.
fn beta_weight(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let sum = a + b;
    // a - (a + b) x. Of a huge `a` and an `x` near 1 the difference itself would keep no digits.
    let distance = a * y - b * x;
    let exponent = stirling_error(sum)
        - stirling_error(a)
        - stirling_error(b)
        - deviance(a, sum * x, distance)
        - deviance(b, sum * y, -distance);
    // a b / (a + b) as a (b / (a + b)): the product of two huge parameters would overflow.
    (a * (b / sum) / TAU).sqrt() * exponent.exp()
}

/// The two tails of the beta distribution: (`I_x(a, b)`, 1 - `I_x(a, b)`), for `a`, `b` > 0 and x + y = 1.
/// Both `x` and `y` are parameters because the caller knows the smaller one exactly. The tail on the far side
/// of the mean is computed, the other is the remainder.
pub fn beta_tails(a: f64, b: f64, x: f64, y: f64) -> (f64, f64) {
    if x.is_nan() || x <= 0.0 {
        return (0.0, 1.0);
    }
    if y.is_nan() || y <= 0.0 {
        return (1.0, 0.0);
    }
    let weight = beta_weight(a, b, x, y);
    if a * y - b * x >= 0.0 {
        let lower = (weight * beta_fraction(a, b, x, y)).clamp(0.0, 1.0);
        (lower, 1.0 - lower)
    } else {
        let upper = (weight * beta_fraction(b, a, y, x)).clamp(0.0, 1.0);
        (1.0 - upper, upper)
    }
}

/// The continued fraction of the incomplete beta function of `DiDonato` and Morris ("Significant digit
/// computation of the incomplete beta function ratios", ACM TOMS 18, 1992), by Lentz's method. It knows
/// a - (a + b) x as a whole, so that a huge `a` with an `x` near 1 loses no digits.
fn beta_fraction(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let nonzero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let start = 1.0 + a * y - b * x;
    let mut ahead = nonzero(start * (a / (a + 1.0)));
    let mut behind = 0.0;
    let mut inverse = ahead;
    for index in 1..=FRACTION_STEPS_MAX {
        let step = f64::from(index);
        let odd = a + 2.0 * step - 1.0;
        let both = step * (b - step) * x;
        let above = (a + step - 1.0) / odd * ((a + b + step - 1.0) / odd) * both * x;
        let below = step + both / odd + (a + step) / (odd + 2.0) * (start + step * (1.0 + y));
        behind = 1.0 / nonzero(below + above * behind);
        ahead = nonzero(below + above / ahead);
        let factor = ahead * behind;
        inverse *= factor;
        if (factor - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    1.0 / inverse
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_gamma_function_agrees_with_factorials_and_with_pi() {
        // Gamma(n) = (n - 1)! and Gamma(1/2) = sqrt(pi): facts that no table of ours can bend.
        let mut factorial = 1.0_f64;
        for n in 1..=100_u32 {
            let ours = ln_gamma(f64::from(n));
            let expected = factorial.ln();
            assert!(
                (ours - expected).abs() <= 4e-15 * expected.max(1.0),
                "{n}: {ours}"
            );
            factorial *= f64::from(n);
        }
        let half = std::f64::consts::PI.sqrt().ln();
        assert!((ln_gamma(0.5) - half).abs() < 2e-15);
        assert!(ln_gamma(0.0).is_infinite());
    }

    proptest! {
        // I_x(1, b) = 1 - (1 - x)^b: a closed form over the whole square.
        #[test]
        fn one_parameter_of_1_is_a_power(b in 0.1..500.0_f64, x in 1e-9..1.0_f64) {
            let (lower, upper) = beta_tails(1.0, b, x, 1.0 - x);
            let expected = (b * (-x).ln_1p()).exp();
            prop_assert!((upper - expected).abs() <= 1e-13, "{} {}", upper, expected);
            prop_assert!((lower + (b * (-x).ln_1p()).exp_m1()).abs() <= 1e-13);
        }

        // The tails are shares: within 0 and 1, together 1, exchanged with the parameters.
        #[test]
        fn tails_are_shares(a in 0.05..5e4_f64, b in 0.05..5e4_f64, x in 0.0..=1.0_f64) {
            let (lower, upper) = beta_tails(a, b, x, 1.0 - x);
            prop_assert!((0.0..=1.0).contains(&lower) && (0.0..=1.0).contains(&upper));
            prop_assert!((lower + upper - 1.0).abs() <= 1e-15);
            let (other_lower, _) = beta_tails(b, a, 1.0 - x, x);
            prop_assert!((other_lower - upper).abs() <= 1e-10);
        }
    }
}
