//! The three-way rule: from p values to verdicts, and many comparisons at once.
//!
//! Owns when a comparison is called regressed, improved, ok or inconclusive. Must not know how p values were
//! computed. Invariant: over all primary comparisons together, the probability of calling any regressed without
//! a worsening beyond its tolerance is at most alpha / 2; the same for improved.

use crate::stats::interval::Alpha;
use crate::stats::multiple::holm;
use crate::suite::{Bounds, Direction, Metric};
use crate::units::Nanos;

use super::judgement::{Reason, Tests, Verdict};

/// Verdicts of a family of comparisons, in its order: *regressed* if the p of "worse by more than the
/// tolerance", adjusted by Holm over the family, is below alpha / 2; else *improved* the same way; else *ok* if
/// "worse by less than the margin" has a p below alpha / 2 (its own claim, not adjusted); else *inconclusive*.
/// Comparisons without a test are inconclusive and use no share of alpha.
pub fn decide_family(tests: &[Option<Tests>], alpha: Alpha) -> Vec<Verdict> {
    let tested: Vec<Tests> = tests.iter().copied().flatten().collect();
    let worse = holm(&tested.iter().map(|tests| tests.worse).collect::<Vec<_>>());
    let better = holm(&tested.iter().map(|tests| tests.better).collect::<Vec<_>>());
    let mut adjusted = tested.iter().zip(worse).zip(better);
    tests
        .iter()
        .map(|tests| {
            if tests.is_none() {
                return Verdict::Inconclusive;
            }
            let ((tests, worse), better) = adjusted.next().expect("one a test");
            decide(
                Tests {
                    worse,
                    better,
                    within_margin: tests.within_margin,
                },
                alpha,
            )
        })
        .collect()
}

/// The verdict of a single comparison.
pub fn decide(tests: Tests, alpha: Alpha) -> Verdict {
    let level = alpha.one_side();
    if tests.worse < level {
        Verdict::Regressed
    } else if tests.better < level {
        Verdict::Improved
    } else if tests.within_margin < level {
        Verdict::Ok
    } else {
        Verdict::Inconclusive
    }
}

/// The reason to ignore a significant change: in the direction of the verdict it is smaller than the absolute
/// floor of its metric. `median_change`: candidate minus reference, ns; evaluated only if there is a floor.
pub(super) fn below_floor(
    metric: Metric,
    bounds: Bounds,
    verdict: Verdict,
    median_change: impl FnOnce() -> Option<f64>,
) -> Option<Reason> {
    let floor_ns = bounds.floor_ns.filter(|_| metric.is_time())?;
    let rises = match verdict {
        Verdict::Regressed => metric.direction() == Direction::LowerIsBetter,
        Verdict::Improved => metric.direction() == Direction::HigherIsBetter,
        Verdict::Ok | Verdict::Inconclusive => return None,
    };
    let change = median_change()?;
    let toward_verdict = if rises { change } else { -change }.max(0.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not below 0; a cast saturates"
    )]
    let change_ns = Nanos(toward_verdict.round() as u64);
    (toward_verdict < floor_ns.0 as f64).then_some(Reason::BelowFloor {
        change_ns,
        floor_ns,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn alone(worse: f64, better: f64, within_margin: f64) -> Tests {
        Tests {
            worse,
            better,
            within_margin,
        }
    }

    #[test]
    fn each_verdict_follows_from_its_p_values() {
        use Verdict::{Improved, Inconclusive, Ok, Regressed};
        let alpha = Alpha::FIVE_PERCENT;
        let decide_family = decide_family(
            &[
                Some(alone(0.001, 0.9, 0.9)),
                Some(alone(0.9, 0.001, 0.001)),
                Some(alone(0.5, 0.5, 0.01)),
                Some(alone(0.2, 0.7, 0.1)),
                None,
            ],
            alpha,
        );
        assert_eq!(
            decide_family,
            [Regressed, Improved, Ok, Inconclusive, Inconclusive]
        );
    }

    proptest! {
        // A larger family never makes a comparison more certain, and a comparison without a test uses no alpha.
        #[test]
        fn larger_families_are_never_more_certain(
            p in prop::collection::vec((0.0_f64..0.1, 0.0_f64..1.0, 0.0_f64..1.0), 1..6),
            without_tests in 0_usize..4,
        ) {
            let mut tests: Vec<Option<Tests>> =
                p.iter().map(|&(worse, better, margin)| Some(alone(worse, better, margin))).collect();
            let together = decide_family(&tests, Alpha::FIVE_PERCENT);
            for (&verdict, tests) in together.iter().zip(&tests) {
                let alone_verdict = decide(tests.unwrap(), Alpha::FIVE_PERCENT);
                if verdict == Verdict::Regressed {
                    prop_assert_eq!(alone_verdict, Verdict::Regressed);
                }
            }
            tests.extend(std::iter::repeat_n(None, without_tests));
            prop_assert_eq!(&decide_family(&tests, Alpha::FIVE_PERCENT)[..p.len()], &together[..]);
        }
    }
}
