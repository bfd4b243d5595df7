use proptest::prelude::*;

use super::*;

/// Exactly equal, an infinity included; not for NaN.
fn exactly(ours: f64, expected: f64) -> bool {
    ours.total_cmp(&(expected + 0.0)).is_eq()
}

fn close(ours: f64, expected: f64, relative: f64) -> bool {
    (ours - expected).abs() <= relative * expected.abs()
}

#[test]
fn tails_agree_with_forty_digit_arithmetic() {
    // The middle, the far tails and the seams between two methods: values from mpmath.
    for (x, expected) in [
        (0.1, 0.460_172_162_722_971),
        (1.0, 0.158_655_253_931_457_05),
        (2.49, 0.006_387_154_764_943_173),
        (2.5, 0.006_209_665_325_776_135),
        (2.51, 0.006_036_558_080_412_663),
        (4.0, 3.167_124_183_311_992_4e-5),
        (8.0, 6.220_960_574_271_784e-16),
        (20.0, 2.753_624_118_606_233_7e-89),
        (37.0, 5.725_571_222_524_577e-300),
    ] {
        assert!(close(normal_sf(x), expected, 2e-13), "normal {x}");
    }
    for (t, df, expected) in [
        (0.001, 0.3, 0.499_770_680_912_768_8),
        (0.7, 1.5, 0.288_219_120_441_343_35),
        (2.5, 0.5, 0.200_485_264_526_646_58),
        (1e6, 2.5, 7.193_397_190_814_239e-16),
        (2.0, 4.75, 0.052_467_707_720_583_553),
        (9.0, 9.0, 4.269_025_611_583_137e-6),
        (3.3, 19.5, 0.001_833_902_299_441_729_5),
        (0.2, 250.25, 0.420_821_504_218_352_7),
        (5.0, 999.0, 3.384_180_947_900_548_4e-7),
        (3.0, 12_345.5, 0.001_352_591_847_001_011),
        (4.0, 1e7, 3.167_146_934_508_438e-5),
    ] {
        assert!(
            close(t_sf(t, df), expected, 1e-12),
            "t {t} {df}: {}",
            t_sf(t, df)
        );
    }
    for (k, n, q, expected) in [
        (0, 1, 0.25, 0.75),
        (3, 10, 0.5, 0.171_875),
        (400, 1_000, 0.5, 1.364_232_078_033_009_2e-10),
        (985, 1_000, 0.99, 0.082_412_319_516_089_21),
        (4_700, 5_000, 0.95, 0.000_878_339_281_356_795_4),
        (0, 5_000, 0.001, 0.006_721_111_959_865_617),
        (480, 5_000, 0.125, 7.697_184_217_026_998e-11),
    ] {
        let ours = binomial_cdf(k, n, q);
        assert!(close(ours, expected, 1e-12), "binomial {k} {n} {q}: {ours}");
    }
}

#[test]
fn many_degrees_of_freedom_join_the_normal_smoothly() {
    // The change of method at ten thousand million degrees of freedom must not show.
    for t in [0.3, 1.0, 2.0, 4.0, 6.0] {
        let below = t_sf(t, DF_NEARLY_NORMAL);
        let above = t_sf(t, DF_NEARLY_NORMAL * 1.000_001);
        assert!(close(below, above, 1e-11), "{t}: {below} {above}");
        assert!(close(t_sf(t, f64::INFINITY), normal_sf(t), 1e-15));
    }
}

#[test]
fn arguments_that_are_no_numbers_give_nan() {
    // A NaN must come out as a NaN, an end as an end: never a panic, never a plausible figure.
    for bad in [
        normal_sf(f64::NAN),
        normal_ppf(-0.1),
        normal_ppf(1.1),
        normal_ppf(f64::NAN),
    ] {
        assert!(bad.is_nan());
    }
    for bad in [
        t_sf(f64::NAN, 3.0),
        t_sf(1.0, 0.0),
        t_sf(1.0, f64::NAN),
        t_ppf(0.9, -1.0),
    ] {
        assert!(bad.is_nan());
    }
    assert!(exactly(normal_ppf(1.0), f64::INFINITY));
    assert!(exactly(t_ppf(0.0, 3.0), f64::NEG_INFINITY));
    assert!(exactly(t_sf(f64::INFINITY, 3.0), 0.0));
    assert!(exactly(t_sf(f64::NEG_INFINITY, 3.0), 1.0));
    assert!(exactly(binomial_cdf(5, 5, 0.3), 1.0));
    assert!(exactly(binomial_cdf(0, 5, 0.0), 1.0));
    assert!(exactly(binomial_cdf(4, 5, 1.0), 0.0));
}

proptest! {
    // One and two degrees of freedom have closed forms: arctangent and square root.
    #[test]
    fn closed_forms_of_student(t in 0.0..1e6_f64) {
        let one = if t > 1.0 { (1.0 / t).atan() / PI } else { 0.5 - t.atan() / PI };
        prop_assert!(close(t_sf(t, 1.0), one, 1e-12));
        // (1 - t / root) / 2, without the cancellation.
        let root = (2.0 + t * t).sqrt();
        prop_assert!(close(t_sf(t, 2.0), 1.0 / (root * (root + t)), 1e-12));
    }

    // A quantile undoes its tail, from the middle to one in 10^280.
    #[test]
    fn quantiles_undo_tails(exponent in 0.0..280.0_f64, df in 0.6..1e5_f64) {
        let p = 0.5 * 10_f64.powf(-exponent);
        prop_assert!(close(normal_sf(normal_isf(p)), p, 1e-11));
        let t = t_isf(p, df);
        prop_assert!(close(t_sf(t, df), p, 1e-9), "{} {}", p, t_sf(t, df));
        // Near the middle p itself is known to 1e-16 only, and t follows it.
        prop_assert!((t_ppf(p, df) + t).abs() <= 1e-12 * t.abs());
    }

    // A tail falls as its argument rises, and is symmetric.
    #[test]
    fn tails_fall(t in -40.0..40.0_f64, step in 0.0..5.0_f64, df in 0.2..1e4_f64) {
        prop_assert!(t_sf(t + step, df) <= t_sf(t, df) + 1e-15);
        prop_assert!(normal_sf(t + step) <= normal_sf(t) + 1e-15);
        prop_assert!((t_sf(t, df) + t_sf(-t, df) - 1.0).abs() <= 1e-15);
        prop_assert!((normal_cdf(t) + normal_cdf(-t) - 1.0).abs() <= 1e-15);
    }

    // The binomial tail is the sum of its terms, each from the one before it.
    #[test]
    fn the_binomial_tail_is_a_sum(n in 1..400_u64, q in 0.01..0.99_f64, share in 0.0..1.0_f64) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let k = (share * n as f64) as u64;
        // In logarithms, as the first term may be too small for a float.
        let mut log = n as f64 * (-q).ln_1p();
        let mut sum = log.exp();
        for i in 1..=k {
            log += ((n - i + 1) as f64 / i as f64 * q / (1.0 - q)).ln();
            sum += log.exp();
        }
        // The recurrence itself loses digits with every step, and a float has few of them near 0.
        let ours = binomial_cdf(k, n, q);
        prop_assert!(close(ours, sum, 1e-10) || ours.max(sum) < 1e-290, "{} {}", ours, sum);
        prop_assert!((binomial_sf(k, n, q) + sum - 1.0).abs() <= 1e-10);
    }
}
