//! Agreement of two graders beyond chance: Cohen's kappa.
//!
//! Two graders say of each answer whether it passes. With the share of answers on which they agree, `p_o`, and the share on
//! which they would agree by chance at their own pass rates, `p_e`, kappa is `(p_o - p_e) / (1 - p_e)` (Cohen 1960): 1 is full
//! agreement, 0 what chance gives. Answers to one prompt are alike, so the interval takes prompts as units: the standard error
//! is the jackknife's over prompts, with Student's t.

use super::interval::{Alpha, Interval};

/// The agreement of two graders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Number of answers that both graded.
    pub answers: usize,
    /// Share of answers on which they agree.
    pub agreed: f64,
    /// Cohen's kappa; absent where both always give one and the same grade, because chance alone explains that.
    pub kappa: Option<f64>,
    /// Its interval; without ends with fewer than two prompts, or where leaving one out leaves no kappa.
    pub interval: Interval,
}

/// Counts of the four pairs of grades.
#[derive(Debug, Clone, Copy, Default)]
struct Pairs {
    both: f64,
    first: f64,
    second: f64,
    neither: f64,
}

impl Pairs {
    fn new(pairs: &[(bool, bool)]) -> Self {
        let mut counts = Self::default();
        for pair in pairs {
            *match pair {
                (true, true) => &mut counts.both,
                (true, false) => &mut counts.first,
                (false, true) => &mut counts.second,
                (false, false) => &mut counts.neither,
            } += 1.0;
        }
        counts
    }

    fn plus(self, other: Self, sign: f64) -> Self {
        Self {
            both: self.both + sign * other.both,
            first: self.first + sign * other.first,
            second: self.second + sign * other.second,
            neither: self.neither + sign * other.neither,
        }
    }

    fn total(self) -> f64 {
        self.both + self.first + self.second + self.neither
    }

    fn agreed(self) -> f64 {
        (self.both + self.neither) / self.total()
    }

    fn kappa(self) -> Option<f64> {
        let total = self.total();
        let (first, second) = (self.both + self.first, self.both + self.second);
        let chance = (first * second + (total - first) * (total - second)) / (total * total);
        (total > 0.0 && chance < 1.0).then(|| (self.agreed() - chance) / (1.0 - chance))
    }
}

/// The agreement of two graders on answers, grouped by prompt; `None` without an answer. `alpha`: of the interval.
pub fn agreement(prompts: &[Vec<(bool, bool)>], alpha: Alpha) -> Option<Agreement> {
    let groups: Vec<Pairs> = prompts
        .iter()
        .filter(|pairs| !pairs.is_empty())
        .map(|pairs| Pairs::new(pairs))
        .collect();
    let all = groups
        .iter()
        .fold(Pairs::default(), |sum, group| sum.plus(*group, 1.0));
    let answers = prompts.iter().map(Vec::len).sum();
    if answers == 0 {
        return None;
    }
    let kappa = all.kappa();
    Some(Agreement {
        answers,
        agreed: all.agreed(),
        kappa,
        interval: kappa
            .and_then(|kappa| jackknife(kappa, all, &groups, alpha))
            .unwrap_or(Interval::NONE),
    })
}

fn jackknife(kappa: f64, all: Pairs, groups: &[Pairs], alpha: Alpha) -> Option<Interval> {
    let count = groups.len() as f64;
    if groups.len() < 2 {
        return None;
    }
    let without: Option<Vec<f64>> = groups
        .iter()
        .map(|group| all.plus(*group, -1.0).kappa())
        .collect();
    let without = without?;
    let mean = without.iter().sum::<f64>() / count;
    let squares: f64 = without.iter().map(|one| (one - mean).powi(2)).sum();
    let error = (squares * (count - 1.0) / count).sqrt();
    let half = alpha.critical_t(count - 1.0)? * error;
    Some(Interval::new(
        (kappa - half).max(-1.0),
        (kappa + half).min(1.0),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prompts(counts: [usize; 4], each: usize) -> Vec<Vec<(bool, bool)>> {
        let pairs = [(true, true), (true, false), (false, true), (false, false)];
        let all = pairs.iter().zip(counts);
        let all: Vec<_> = all
            .flat_map(|(pair, count)| std::iter::repeat_n(*pair, count))
            .collect();
        all.chunks(each).map(<[_]>::to_vec).collect()
    }

    fn of(counts: [usize; 4]) -> Agreement {
        agreement(&prompts(counts, 1), Alpha::FIVE_PERCENT).unwrap()
    }

    #[test]
    fn published_tables_give_their_kappa() {
        // Two readers of 50 grant proposals, and the two tables of equal agreement that differ in kappa.
        for (counts, agreed, kappa) in [
            ([20, 5, 10, 15], 0.7, 0.4),
            ([45, 15, 25, 15], 0.6, 0.130_434_8),
            ([25, 35, 5, 35], 0.6, 0.259_259_3),
        ] {
            let found = of(counts);
            assert!((found.agreed - agreed).abs() < 1e-9);
            assert!((found.kappa.unwrap() - kappa).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn the_interval_is_close_to_the_asymptotic_one() {
        // Fleiss, Cohen and Everitt (1969) give a standard error of 0.1274 for this table.
        let found = of([20, 5, 10, 15]);
        let half = found.interval.half_width().unwrap();
        assert!((half / 2.0096 - 0.1274).abs() < 0.01, "{half}");
    }

    #[test]
    fn one_grade_for_all_is_no_evidence() {
        let same = of([9, 0, 0, 0]);
        assert_eq!(
            (same.agreed, same.kappa, same.interval),
            (1.0, None, Interval::NONE)
        );
        assert_eq!(agreement(&[Vec::new()], Alpha::FIVE_PERCENT), None);
        let one_prompt = agreement(&prompts([3, 1, 1, 3], 8), Alpha::FIVE_PERCENT).unwrap();
        assert_eq!(one_prompt.interval, Interval::NONE);
        assert!(one_prompt.kappa.is_some());
    }

    proptest! {
        #[test]
        fn the_graders_are_alike(counts in prop::array::uniform4(0_usize..20)) {
            prop_assume!(counts.iter().sum::<usize>() > 0);
            let [both, first, second, neither] = counts;
            let (found, swapped) = (of(counts), of([both, second, first, neither]));
            prop_assert!((found.agreed - swapped.agreed).abs() < 1e-12);
            prop_assert_eq!(found.kappa.is_some(), swapped.kappa.is_some());
            if let (Some(kappa), Some(other)) = (found.kappa, swapped.kappa) {
                prop_assert!((kappa - other).abs() < 1e-9 && kappa <= 1.0 + 1e-12);
                prop_assert!(kappa <= found.agreed + 1e-9);
            }
        }
    }
}
