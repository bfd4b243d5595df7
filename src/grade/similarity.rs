//! The similarity of an answer to a text, by their embeddings.
//!
//! Owns the measure. Must not know where embeddings come from. Invariant: a similarity lies between 0 and 1.

use serde::Serialize;

/// An answer, and the texts to which it is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SimilarityRequest {
    /// The part of the answer that is graded.
    pub answer: String,
    /// At least one text.
    pub values: Vec<String>,
}

/// The cosine of the angle between two vectors of one length; 0 where it is negative, or not known.
pub fn cosine_similarity(a: &[f64], b: &[f64]) -> f64 {
    let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let norms = product(a, a).sqrt() * product(b, b).sqrt();
    let cosine = product(a, b) / norms;
    if cosine.is_nan() {
        return 0.0;
    }
    cosine.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_angles() {
        // 0, 45, 60, 90 and 180 degrees.
        let half = 0.5_f64;
        for (a, b, expected) in [
            ([1.0, 0.0], [7.0, 0.0], 1.0),
            ([1.0, 0.0], [2.0, 2.0], half.sqrt()),
            ([1.0, 0.0], [0.5, 0.75_f64.sqrt()], half),
            ([1.0, 0.0], [0.0, 3.0], 0.0),
            ([1.0, 0.0], [-1.0, 0.0], 0.0),
            ([0.0, 0.0], [1.0, 0.0], 0.0),
        ] {
            let found = cosine_similarity(&a, &b);
            assert!((found - expected).abs() < 1e-12, "{a:?} {b:?} {found}");
        }
    }

    proptest! {
        // Of any vectors it is a score, the same in either order, and 1 for a vector with itself.
        #[test]
        fn it_is_a_score(pairs in prop::collection::vec((-1e3_f64..1e3, -1e3_f64..1e3), 1..9)) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let found = cosine_similarity(&a, &b);
            prop_assert!((0.0..=1.0).contains(&found));
            prop_assert_eq!(found.to_bits(), cosine_similarity(&b, &a).to_bits());
            prop_assume!(a.iter().any(|value| value.abs() > 1e-3));
            prop_assert!((cosine_similarity(&a, &a) - 1.0).abs() < 1e-12);
        }
    }
}
