//! A sparkline: a series in a line of text.
//!
//! Owns how heights are drawn. Must not know which quantity they represent. Invariant: a higher value is
//! never drawn lower, and noise is not blown up to the whole height.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The minimum range of logarithms that the whole height represents: a series that moves by less leaves
/// the rest of the height empty, so that it looks flat.
const HEIGHT_MIN: f64 = 0.2;

/// Draws one character for each logarithm of a positive quantity; a blank if there is none.
pub(super) fn sparkline(logarithms: &[Option<f64>]) -> String {
    let known = || logarithms.iter().flatten().filter(|ln| ln.is_finite());
    let low = known().copied().fold(f64::INFINITY, f64::min);
    let high = known().copied().fold(f64::NEG_INFINITY, f64::max);
    let height = (high - low).max(HEIGHT_MIN);
    let floor = f64::midpoint(low, high) - height / 2.0;
    let block = |ln: f64| {
        let share = (ln - floor) / height;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the indices of the list"
        )]
        let index = (share * BLOCKS.len() as f64).clamp(0.0, 7.0) as usize;
        BLOCKS[index]
    };
    logarithms
        .iter()
        .map(|ln| ln.filter(|ln| ln.is_finite()).map_or(' ', block))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_step_is_seen_and_noise_is_not() {
        // +50 % takes the whole height; 2 % to and fro is a flat line.
        let step = [1.0, 1.01, 1.0, 1.41, 1.4, 1.41].map(Some);
        assert_eq!(sparkline(&step), "▁▁▁███");
        let quiet = [1.0, 1.02, 0.99, 1.01].map(Some);
        assert!(sparkline(&quiet).chars().all(|c| ('▄'..='▅').contains(&c)));
        let gap = sparkline(&[Some(1.0), None, Some(1.0)]);
        assert_eq!(gap.chars().nth(1), Some(' '));
        assert_eq!(sparkline(&[]), "");
    }

    proptest! {
        // One character for each value, and their order is preserved, for any numbers.
        #[test]
        fn order_is_preserved(values in prop::collection::vec(any::<f64>(), 0..40)) {
            let drawn: Vec<char> = sparkline(&values.iter().copied().map(Some).collect::<Vec<_>>())
                .chars()
                .collect();
            prop_assert_eq!(drawn.len(), values.len());
            for (a, first) in values.iter().zip(&drawn) {
                for (b, second) in values.iter().zip(&drawn) {
                    if a.is_finite() && b.is_finite() && a < b {
                        prop_assert!(first <= second);
                    }
                }
            }
        }
    }
}
