//! Multiple comparisons: the adjustment of p values for several tests.
//!
//! Owns the adjustment of p values. Must not know which comparisons are primary. Invariant: an adjusted p is
//! never below its own p, never above 1, and preserves the order of the p. A p that is not a number counts as
//! 1, as the absence of evidence.

/// Holm's adjusted p: comparisons below alpha are significant, with a probability of at most alpha that any of
/// them is a mistake ("A simple sequentially rejective multiple test procedure", Scandinavian Journal of
/// Statistics 6, 1979). p in rising order times m, m - 1, ..., never falling.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let count = p.len();
    let mut adjusted = vec![1.0; count];
    let mut largest: f64 = 0.0;
    for (rank, index) in ascending_order(p).into_iter().enumerate() {
        largest = largest
            .max(share(p[index]) * (count - rank) as f64)
            .min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

/// Benjamini and Hochberg's adjusted p: of the comparisons below alpha, at most a share of alpha are mistakes
/// ("Controlling the false discovery rate", JRSS B 57, 1995). For exploration, never for a gate. p in falling
/// order times m/m, m/(m-1), ..., never rising.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let count = p.len();
    let mut adjusted = vec![1.0; count];
    let mut smallest: f64 = 1.0;
    for (rank, index) in ascending_order(p).into_iter().enumerate().rev() {
        smallest = smallest.min(share(p[index]) * (count as f64 / (rank + 1) as f64));
        adjusted[index] = smallest;
    }
    adjusted
}

fn ascending_order(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| share(p[a]).total_cmp(&share(p[b])));
    order
}

fn share(p: f64) -> f64 {
    if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_chance_is_no_evidence() {
        // A comparison that could not be made must neither pass nor disturb the others.
        assert_eq!(holm(&[f64::NAN, 0.01]), [1.0, 0.02]);
        assert_eq!(benjamini_hochberg(&[f64::NAN, 0.01]), [1.0, 0.02]);
        assert!(holm(&[]).is_empty() && benjamini_hochberg(&[]).is_empty());
        assert_eq!(holm(&[0.04]), [0.04]);
    }

    proptest! {
        // Adjusting never helps a comparison, keeps the order, and Holm is the stricter of the two.
        #[test]
        fn adjusting_is_strict_and_fair(p in prop::collection::vec(0.0..=1.0_f64, 1..20)) {
            let (strict, loose) = (holm(&p), benjamini_hochberg(&p));
            for i in 0..p.len() {
                prop_assert!(strict[i] >= p[i] && strict[i] <= 1.0);
                prop_assert!(loose[i] >= p[i] && loose[i] <= strict[i]);
                for j in 0..p.len() {
                    prop_assert!(p[i] > p[j] || strict[i] <= strict[j] && loose[i] <= loose[j]);
                }
            }
        }

        // Holm rejects what stepping down by hand rejects.
        #[test]
        fn holm_steps_down(p in prop::collection::vec(0.0..0.1_f64, 1..12)) {
            let mut order: Vec<usize> = (0..p.len()).collect();
            order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
            let adjusted = holm(&p);
            let mut rejecting = true;
            for (rank, &index) in order.iter().enumerate() {
                rejecting &= p[index] * (p.len() - rank) as f64 <= 0.05;
                prop_assert_eq!(adjusted[index] <= 0.05, rejecting);
            }
        }
    }
}
